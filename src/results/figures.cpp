// The pictures of a report. Layouts are the simplest that stay legible: a circle for permutations (a cycle of the first
// letter is a stretch of the circle), columns of breadth-first distance ordered by barycentres otherwise. Linear in
// what is drawn but for the ordering of columns. Tested by tests/results/report_test.cpp.
#include "krohn/results/figures.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <deque>
#include <limits>
#include <map>
#include <numbers>
#include <numeric>
#include <set>

#include "krohn/automata/transformation.hpp"
#include "krohn/results/svg.hpp"
#include "krohn/text/counted.hpp"

namespace krohn {
namespace {

using Point = std::pair<double, double>;

constexpr std::string_view ink = "#222222";
constexpr std::string_view pale = "#eef3f8";

/// The first `most` characters (Unicode scalars) of a name, and "..", where it has more.
std::string short_name(const std::string& name, std::size_t most) {
  std::size_t characters = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool continues = (static_cast<unsigned char>(name[i]) & 0xC0U) == 0x80U;
    if (!continues && ++characters > most) return name.substr(0, i) + "..";
  }
  return name;
}

/// Shortened to `most` characters of its list.
std::string joined(const std::vector<std::string>& names, std::size_t most) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0 && text.size() + names[i].size() > most) {
      return text + ", .. (" + std::to_string(names.size()) + ")";
    }
    text += (i == 0 ? "" : ", ") + names[i];
  }
  return text;
}

// ---- automata -----------------------------------------------------------------------------------------------------

constexpr std::size_t most_drawn_states = 150;
constexpr std::size_t most_drawn_edges = 48;
/// On a circle, where edges cross in the middle: edges a state, and symbols, whose names are the edges' labels.
constexpr std::size_t most_circular_edges = 4;
constexpr std::size_t most_circular_symbols = 10;

std::size_t reached(const Dfa& dfa, const std::vector<Symbol>& symbols) {
  std::vector<bool> seen(dfa.num_states(), false);
  std::vector<State> queue{dfa.start()};
  seen[dfa.start()] = true;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    for (const Symbol a : symbols) {
      const State next = dfa.next(queue[i], a);
      if (!seen[next]) {
        seen[next] = true;
        queue.push_back(next);
      }
    }
  }
  return queue.size();
}

/// In automata of some size, the state that nothing leaves: edges into it would hide the others.
std::optional<State> sink_of(const Dfa& dfa) {
  for (State q = 0; q < dfa.num_states() && dfa.num_states() >= 6; ++q) {
    bool stays = true;
    for (Symbol a = 0; a < dfa.num_symbols(); ++a) stays = stays && dfa.next(q, a) == q;
    if (stays && q != dfa.start()) return q;
  }
  return std::nullopt;
}

/// All symbols, or as few as reach every state when all would give too many edges.
std::vector<Symbol> drawn_symbols(const Dfa& dfa, const std::optional<State>& sink, bool circular) {
  std::vector<Symbol> all(dfa.num_symbols());
  std::iota(all.begin(), all.end(), Symbol{0});
  std::set<std::pair<State, State>> edges;
  for (State q = 0; q < dfa.num_states(); ++q) {
    for (const Symbol a : all) {
      if (dfa.next(q, a) != sink) edges.insert({q, dfa.next(q, a)});
    }
  }
  const std::size_t most =
      circular ? std::min(most_drawn_edges, most_circular_edges * dfa.num_states()) : most_drawn_edges;
  if (edges.size() <= most && !(circular && all.size() > most_circular_symbols)) return all;
  const std::size_t every = reached(dfa, all);
  std::vector<Symbol> chosen;
  std::size_t have = 1;
  while (have < every) {
    // The letter that reaches the most; on a tie the first.
    Symbol best = 0;
    std::size_t best_reach = 0;
    for (const Symbol a : all) {
      chosen.push_back(a);
      const std::size_t reach = reached(dfa, chosen);
      chosen.pop_back();
      if (reach > best_reach) {
        best = a;
        best_reach = reach;
      }
    }
    if (best_reach <= have) break;
    chosen.push_back(best);
    have = best_reach;
  }
  return chosen;
}

struct Edge {
  State from = 0;
  State to = 0;
  std::vector<std::string> symbols;
  std::size_t style = 0;
};

std::vector<Edge> merged_edges(const Dfa& dfa, const std::vector<Symbol>& symbols, bool by_letter) {
  std::map<std::array<std::size_t, 3>, Edge> edges;
  for (State q = 0; q < dfa.num_states(); ++q) {
    for (std::size_t i = 0; i < symbols.size(); ++i) {
      const State r = dfa.next(q, symbols[i]);
      const std::size_t style = by_letter ? i : 0;
      Edge& edge = edges[{q, r, style}];
      edge.from = q;
      edge.to = r;
      edge.style = style;
      edge.symbols.push_back(short_name(dfa.alphabet().name(symbols[i]), 12));
    }
  }
  std::vector<Edge> list;
  for (auto& [key, edge] : edges) list.push_back(std::move(edge));
  return list;
}

/// The letter whose cycle through the start is longest, on a tie the first; the first letter where none returns.
std::optional<Symbol> longest_cycle(const Dfa& dfa, const std::vector<Symbol>& symbols) {
  std::optional<Symbol> best;
  std::size_t longest = 0;
  for (const Symbol a : symbols) {
    std::size_t length = 1;
    for (State q = dfa.next(dfa.start(), a); q != dfa.start() && length <= dfa.num_states(); q = dfa.next(q, a)) {
      ++length;
    }
    if (length <= dfa.num_states() && length > longest) {
      longest = length;
      best = a;
    }
  }
  if (!best && !symbols.empty()) best = symbols[0];
  return best;
}

/// States in an order in which the cycles of one letter stay together.
std::vector<State> circular_order(const Dfa& dfa, const std::vector<Symbol>& symbols) {
  const std::optional<Symbol> along = longest_cycle(dfa, symbols);
  std::vector<State> order;
  std::vector<bool> seen(dfa.num_states(), false);
  std::deque<State> starts{dfa.start()};
  while (!starts.empty()) {
    State q = starts.front();
    starts.pop_front();
    std::vector<State> path;
    while (!seen[q]) {
      seen[q] = true;
      path.push_back(q);
      order.push_back(q);
      q = along ? dfa.next(q, *along) : q;
    }
    for (const State p : path) {
      for (const Symbol a : symbols) {
        if (!seen[dfa.next(p, a)]) starts.push_back(dfa.next(p, a));
      }
    }
  }
  for (State q = 0; q < dfa.num_states(); ++q) {
    if (!seen[q]) order.push_back(q);
  }
  return order;
}

/// Columns by distance from the start, each ordered by the mean place of its neighbours in the column before.
std::vector<std::vector<State>> columns_of(const Dfa& dfa) {
  std::vector<std::size_t> distance(dfa.num_states(), dfa.num_states());
  std::vector<State> queue{dfa.start()};
  distance[dfa.start()] = 0;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
      const State next = dfa.next(queue[i], a);
      if (distance[next] < dfa.num_states()) continue;
      distance[next] = distance[queue[i]] + 1;
      queue.push_back(next);
    }
  }
  std::vector<std::vector<State>> columns;
  for (const State q : queue) {
    if (distance[q] >= columns.size()) columns.emplace_back();
    columns[distance[q]].push_back(q);
  }
  std::vector<State> rest;
  for (State q = 0; q < dfa.num_states(); ++q) {
    if (distance[q] == dfa.num_states()) rest.push_back(q);
  }
  if (!rest.empty()) columns.push_back(rest);
  std::vector<double> place(dfa.num_states(), 0.0);
  for (int pass = 0; pass < 4; ++pass) {
    for (std::size_t c = 0; c < columns.size(); ++c) {
      std::vector<std::pair<double, State>> keyed;
      for (const State q : columns[c]) {
        double sum = 0.0;
        double count = 0.0;
        for (State p = 0; p < dfa.num_states(); ++p) {
          for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
            const bool linked = (dfa.next(p, a) == q || dfa.next(q, a) == p) && distance[p] + 1 == distance[q];
            if (!linked) continue;
            sum += place[p];
            count += 1.0;
          }
        }
        keyed.emplace_back(count > 0.0 ? sum / count : 0.0, q);
      }
      std::stable_sort(keyed.begin(), keyed.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
      for (std::size_t i = 0; i < keyed.size(); ++i) {
        columns[c][i] = keyed[i].second;
        place[keyed[i].second] = static_cast<double>(i) - static_cast<double>(keyed.size() - 1) / 2.0;
      }
    }
  }
  return columns;
}

struct Placement {
  double width = 0.0;
  double height = 0.0;
  double radius = 18.0;
  std::vector<Point> at;
  /// The way in which self loops point, of length 1.
  std::vector<Point> outward;
  /// Edges between columns that are not neighbours bend around what lies between.
  std::vector<std::size_t> column;
  bool circular = false;
};

Placement on_circle(const Dfa& dfa, const std::vector<Symbol>& symbols) {
  Placement p;
  p.circular = true;
  const std::size_t n = dfa.num_states();
  p.radius = n <= 30 ? 18.0 : n <= 64 ? 10.0 : 6.5;
  const double spacing = n <= 30 ? 62.0 : n <= 64 ? 30.0 : 18.0;
  const double r = std::max(n == 1  ? 1.0
                            : n < 5 ? 80.0
                                    : 100.0,
                            spacing * static_cast<double>(n) / (2.0 * std::numbers::pi));
  const double margin = p.radius + 58.0;
  p.width = p.height = 2.0 * (r + margin);
  p.at.resize(n);
  p.outward.resize(n);
  p.column.assign(n, 0);
  const std::vector<State> order = circular_order(dfa, symbols);
  for (std::size_t i = 0; i < n; ++i) {
    const double angle =
        -std::numbers::pi / 2.0 + 2.0 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(n);
    p.outward[order[i]] = {std::cos(angle), std::sin(angle)};
    p.at[order[i]] = {r + margin + r * std::cos(angle), r + margin + r * std::sin(angle)};
  }
  return p;
}

Placement in_columns(const Dfa& dfa, const std::vector<std::vector<State>>& columns) {
  Placement p;
  constexpr double across = 130.0;
  constexpr double down = 96.0;
  std::size_t tallest = 1;
  for (const auto& column : columns) tallest = std::max(tallest, column.size());
  p.width = across * static_cast<double>(columns.size() - 1) + 150.0;
  p.height = down * static_cast<double>(tallest) + 90.0;
  p.at.resize(dfa.num_states());
  p.outward.assign(dfa.num_states(), {0.0, -1.0});
  p.column.assign(dfa.num_states(), 0);
  for (std::size_t c = 0; c < columns.size(); ++c) {
    for (std::size_t i = 0; i < columns[c].size(); ++i) {
      const double centre = static_cast<double>(i) - static_cast<double>(columns[c].size() - 1) / 2.0;
      // Neighbouring columns are shifted a little, so that long edges do not run through nodes.
      const double shift = columns[c].size() == tallest ? 0.0 : (c % 2 == 0 ? 8.0 : -8.0);
      p.at[columns[c][i]] = {75.0 + across * static_cast<double>(c), p.height / 2.0 + down * centre + shift};
      p.column[columns[c][i]] = c;
      if (i > 0 && 2 * i + 1 > columns[c].size()) p.outward[columns[c][i]] = {0.0, 1.0};
    }
  }
  return p;
}

void draw_self_loop(SvgDrawing& drawing, const Placement& p, const Edge& edge, const SvgDrawing::Line& line,
                    bool labels) {
  // By name: Clang 14 captures no structured binding.
  const double x = p.at[edge.from].first;
  const double y = p.at[edge.from].second;
  const double ox = p.outward[edge.from].first;
  const double oy = p.outward[edge.from].second;
  const double r = p.radius;
  const double px = -oy;
  const double py = ox;
  const auto at = [&](double along, double aside) {
    return Point{x + along * ox + aside * px, y + along * oy + aside * py};
  };
  const Point a = at(0.85 * r, -0.5 * r);
  const Point b = at(0.85 * r + 24.0, -0.9 * r);
  const Point c = at(0.85 * r + 24.0, 0.9 * r);
  const Point d = at(0.85 * r, 0.5 * r);
  drawing.loop_arrow(a.first, a.second, b.first, b.second, c.first, c.second, d.first, d.second, line);
  if (!labels) return;
  const Point text = at(r + 27.0, 0.0);
  const std::string_view anchor = ox > 0.5 ? "start" : ox < -0.5 ? "end" : "middle";
  drawing.text(text.first,
               text.second + (oy < -0.5  ? 0.0
                              : oy > 0.5 ? 8.0
                                         : 4.0),
               joined(edge.symbols, 22), {12.0, anchor, line.colour, false, true});
}

struct Label {
  Point at;
  std::string text;
  std::string_view colour;
};

void draw_edge(SvgDrawing& drawing, const Placement& p, const Edge& edge, bool has_reverse,
               const SvgDrawing::Line& line, std::vector<Label>& labels) {
  const double x1 = p.at[edge.from].first;
  const double y1 = p.at[edge.from].second;
  const double x2 = p.at[edge.to].first;
  const double y2 = p.at[edge.to].second;
  const double dx = x2 - x1;
  const double dy = y2 - y1;
  const double length = std::hypot(dx, dy);
  double bend = has_reverse ? std::min(18.0, 0.16 * length) : 0.0;
  if (!p.circular) {
    const auto from = static_cast<double>(p.column[edge.from]);
    const auto to = static_cast<double>(p.column[edge.to]);
    const double apart = std::abs(from - to);
    if (apart > 1.0) bend = std::max(bend, 0.16 * length + 8.0);
    if (apart == 0.0) bend = std::max(bend, length > 120.0 ? 0.16 * length + 8.0 : 14.0);
    if (to < from && !has_reverse) bend = std::max(bend, 0.14 * length + 10.0);
  } else if (length < 4.2 * p.radius + 30.0 && !has_reverse) {
    bend = -0.08 * length;
  }
  const double nx = dy / length;
  const double ny = -dx / length;
  const double cx = (x1 + x2) / 2.0 + 2.0 * bend * nx;
  const double cy = (y1 + y2) / 2.0 + 2.0 * bend * ny;
  const auto border = [&](double x, double y, double extra) {
    const double l = std::max(1e-9, std::hypot(cx - x, cy - y));
    return Point{x + (p.radius + extra) * (cx - x) / l, y + (p.radius + extra) * (cy - y) / l};
  };
  const Point start = border(x1, y1, 0.5);
  const Point end = border(x2, y2, 1.5);
  drawing.arrow(start.first, start.second, cx, cy, end.first, end.second, line);
  const double side = bend < 0.0 ? -1.0 : 1.0;
  const auto place = [&](double t) {
    const double lx = (1 - t) * (1 - t) * x1 + 2 * t * (1 - t) * cx + t * t * x2;
    const double ly = (1 - t) * (1 - t) * y1 + 2 * t * (1 - t) * cy + t * t * y2;
    return Point{lx + 9.0 * side * nx, ly + 9.0 * side * ny + 4.0};
  };
  const auto free = [&](const Point& at) {
    const auto apart = [&](const Point& other, double distance) {
      return std::hypot(at.first - other.first, at.second - 4.0 - other.second) >= distance;
    };
    return std::all_of(p.at.begin(), p.at.end(), [&](const Point& node) { return apart(node, p.radius + 4.0); }) &&
           std::all_of(labels.begin(), labels.end(), [&](const Label& other) {
             return apart({other.at.first, other.at.second - 4.0}, 14.0);
           });
  };
  // A little nearer to the tail than the middle, so that labels of crossing edges part; off states and other labels.
  constexpr double places[] = {0.42, 0.34, 0.5, 0.27, 0.58, 0.66, 0.74};
  const auto* const best = std::find_if(std::begin(places), std::end(places), [&](double t) { return free(place(t)); });
  labels.push_back({place(best == std::end(places) ? places[0] : *best), joined(edge.symbols, 22), line.colour});
}

}  // namespace

Figure draw_automaton(const Dfa& dfa, const std::vector<bool>& marked) {
  const std::size_t n = dfa.num_states();
  if (n > most_drawn_states) {
    return {"", "An automaton of " + std::to_string(n) + " states and " + counted(dfa.num_symbols(), "symbol") +
                    ": too large to draw."};
  }
  const std::optional<State> sink = sink_of(dfa);
  const std::vector<std::vector<State>> columns = columns_of(dfa);
  std::size_t tallest = 0;
  for (const auto& column : columns) tallest = std::max(tallest, column.size());
  const bool circular = distinct_letters(dfa).permute || n > 30 || tallest > 9 || columns.size() > 12;
  const std::vector<Symbol> symbols = drawn_symbols(dfa, sink, circular);
  const bool all_drawn = symbols.size() == dfa.num_symbols();
  const bool by_letter = n > 30 || (!all_drawn && symbols.size() <= 4);
  std::vector<Edge> edges = merged_edges(dfa, symbols, by_letter);
  std::erase_if(edges, [&](const Edge& edge) { return edge.to == sink && edge.from != sink; });
  const Placement p = circular ? on_circle(dfa, symbols) : in_columns(dfa, columns);

  SvgDrawing drawing(
      p.width, p.height, "Automaton",
      counted(n, "state") + ", start state " + std::to_string(dfa.start()) + "; the arrows are the letters");
  std::set<std::pair<State, State>> present;
  for (const Edge& edge : edges) present.insert({edge.from, edge.to});
  std::vector<Label> labels;
  const bool small = n > 30;
  for (const Edge& edge : edges) {
    const SeriesStyle style = series_style(edge.style);
    const SvgDrawing::Line line{by_letter ? style.colour : ink, small ? 0.8 : 1.2, by_letter ? style.dash : "none"};
    if (edge.from == edge.to) {
      if (!small) draw_self_loop(drawing, p, edge, line, true);
    } else {
      draw_edge(drawing, p, edge, present.contains({edge.to, edge.from}), line, labels);
    }
  }
  // The start arrow.
  const auto [sx, sy] = p.at[dfa.start()];
  const auto [ox, oy] = circular ? p.outward[dfa.start()] : Point{-1.0, 0.0};
  const double turn = circular ? 1.1 : 0.0;  // off the self loop
  const double ax = ox * std::cos(turn) - oy * std::sin(turn);
  const double ay = ox * std::sin(turn) + oy * std::cos(turn);
  drawing.arrow(sx + (p.radius + 30.0) * ax, sy + (p.radius + 30.0) * ay, sx + (p.radius + 15.0) * ax,
                sy + (p.radius + 15.0) * ay, sx + (p.radius + 1.5) * ax, sy + (p.radius + 1.5) * ay,
                {ink, 1.8, "none"});
  const bool acceptor = dfa.is_acceptor();
  for (State q = 0; q < n; ++q) {
    const auto [x, y] = p.at[q];
    drawing.circle(x, y, p.radius, acceptor && dfa.accepts_at(q) ? "#d8e8f5" : "#ffffff", {ink, 1.3, "none"});
    if (acceptor && dfa.accepts_at(q)) drawing.circle(x, y, p.radius - 3.5, "none", {ink, 1.0, "none"});
    if (!marked.empty() && marked[q]) drawing.circle(x, y, p.radius + 5.0, "none", {"#D55E00", 2.5, "5 3"});
    if (small) {
      if (n <= 64) drawing.text(x, y + 3.5, std::to_string(q), {9.0, "middle"});
      continue;
    }
    if (acceptor || n == 1) {
      drawing.text(x, y + 4.5, std::to_string(q), {13.0, "middle"});
    } else {
      drawing.text(x, y + 1.0, std::to_string(q), {12.0, "middle"});
      drawing.text(x, y + 11.0, short_name(dfa.label_name(dfa.label(q)), 6), {9.0, "middle", "#0072B2"});
    }
  }
  if (!small) {
    for (const Label& label : labels) {
      drawing.text(label.at.first, label.at.second, label.text, {12.0, "middle", label.colour, false, true});
    }
  }
  const std::string what = marked.empty() ? "The minimal automaton: " : "";
  std::string caption = what + counted(n, "state") + ", " + counted(dfa.num_symbols(), "symbol") + ". " +
                        (acceptor ? "Double circles accept." : "Under each state's number is its label.");
  if (small) caption = what + counted(n, "state") + ", " + counted(dfa.num_symbols(), "symbol") + ".";
  if (!all_drawn) {
    std::vector<std::string> names;
    for (const Symbol a : symbols) names.push_back("'" + dfa.alphabet().name(a) + "'");
    caption += " Of the letters only " + joined(names, 60) + " are drawn; every state is reached by them.";
  }
  if (sink) caption += " Edges into state " + std::to_string(*sink) + ", which nothing leaves, are left out.";
  if (by_letter) {
    static constexpr const char* looks[] = {"blue, full line",   "orange-red, dashed", "green, dotted",
                                            "pink, dash-dotted", "black, dashed",      "yellow, long dashes",
                                            "light blue, dotted"};
    caption += " Lines:";
    for (std::size_t i = 0; i < symbols.size() && i < 7; ++i) {
      caption += (i == 0 ? " '" : "; '") + dfa.alphabet().name(symbols[i]) + "' " + looks[i];
    }
    caption += ".";
  }
  if (small) caption += " Loops at a state are left out.";
  return {drawing.svg(), caption, p.width, p.height};
}

Figure stacked(const std::vector<NamedFigure>& figures, const std::string& title) {
  constexpr double heading = 30.0;
  double width = 0.0;
  double height = 0.0;
  Figure result;
  for (const auto& [name, figure] : figures) {
    if (!result.caption.empty()) result.caption += ' ';
    result.caption += name + ": " + figure.caption;
    if (figure.svg.empty()) continue;
    width = std::max(width, figure.width);
    height += heading + figure.height;
  }
  if (height == 0.0) return result;
  SvgDrawing drawing(width, height, title, result.caption);
  double y = 0.0;
  for (const auto& [name, figure] : figures) {
    if (figure.svg.empty()) continue;
    drawing.text(12.0, y + 20.0, name, {14.0, "start", ink, true});
    drawing.place(0.0, y + heading, figure.svg);
    y += heading + figure.height;
  }
  result.svg = drawing.svg();
  result.width = width;
  result.height = height;
  return result;
}

// ---- egg boxes ----------------------------------------------------------------------------------------------------

Figure draw_egg_boxes(const ImageOrbit& orbit, const GreenRelations& green) {
  constexpr double cell = 20.0;
  constexpr std::size_t most_cells = 36;  // a side
  constexpr std::size_t most_classes = 60;
  // Rows of boxes of equal rank, the top rank first.
  std::map<std::size_t, std::vector<const DClass*>, std::greater<>> by_rank;
  for (const DClass& d : green.d_classes) by_rank[d.rank].push_back(&d);
  if (green.d_classes.size() > most_classes) {
    return {"", std::to_string(green.d_classes.size()) + " D-classes (" + std::to_string(green.regular_d_classes) +
                    " regular): too many to draw."};
  }
  struct Box {
    const DClass* d = nullptr;
    std::size_t rows = 0;
    std::size_t columns = 0;
    bool grid = false;
    double x = 0.0;
    double y = 0.0;
    double width = 0.0;
    double height = 0.0;
  };
  std::vector<Box> boxes;
  double y = 16.0;
  double width = 300.0;
  std::vector<std::pair<double, std::string>> rank_labels;
  for (const auto& [rank, classes] : by_rank) {
    double x = 80.0;
    double tallest = 0.0;
    rank_labels.emplace_back(y + 16.0, "rank " + std::to_string(rank));
    for (const DClass* d : classes) {
      Box box;
      box.d = d;
      box.rows = d->r_classes;
      const bool countable = d->l_classes.size() <= 6;
      box.columns = countable ? std::stoul(d->l_classes) : most_cells + 1;
      box.grid = box.rows <= most_cells && box.columns <= most_cells;
      box.width = box.grid ? cell * static_cast<double>(box.columns) : 120.0;
      box.height = box.grid ? cell * static_cast<double>(box.rows) : 60.0;
      const double slot = std::max(box.width, 160.0);
      if (x + slot > 940.0 && x > 80.0) {
        x = 80.0;
        y += tallest + 50.0;
        tallest = 0.0;
      }
      box.x = x;
      box.y = y;
      x += slot + 24.0;
      tallest = std::max(tallest, box.height);
      width = std::max(width, x);
      boxes.push_back(box);
    }
    y += tallest + 54.0;
  }
  SvgDrawing drawing(width + 10.0, y, "Green's classes",
                     counted(green.d_classes.size(), "D-class", "D-classes") + " of the transition monoid, which has " +
                         green.order + " elements");
  for (const auto& [at, text] : rank_labels) drawing.text(8.0, at, text, {12.0, "start", ink, true});
  for (const Box& box : boxes) {
    const DClass& d = *box.d;
    drawing.rectangle(box.x, box.y, box.width, box.height, d.regular ? "#ffffff" : "#f3f3f3", {ink, 1.4, "none"});
    if (box.grid) {
      std::vector<std::vector<bool>> stars;
      if (d.regular) stars = egg_box(orbit, green, d);
      for (std::size_t r = 1; r < box.rows; ++r) {
        const double at = box.y + cell * static_cast<double>(r);
        drawing.line(box.x, at, box.x + box.width, at, {"#888888", 0.6, "none"});
      }
      for (std::size_t c = 1; c < box.columns; ++c) {
        const double at = box.x + cell * static_cast<double>(c);
        drawing.line(at, box.y, at, box.y + box.height, {"#888888", 0.6, "none"});
      }
      for (std::size_t r = 0; r < stars.size() && r < box.rows; ++r) {
        for (std::size_t c = 0; c < stars[r].size() && c < box.columns; ++c) {
          if (!stars[r][c]) continue;
          const double left = box.x + cell * static_cast<double>(c);
          const double top = box.y + cell * static_cast<double>(r);
          drawing.rectangle(left + 1, top + 1, cell - 2, cell - 2, "#cfe3f3", {"#cfe3f3", 0.5, "none"});
          drawing.text(left + cell / 2, top + 18.0, "*", {20.0, "middle", "#0072B2", true});
        }
      }
    } else {
      drawing.text(box.x + box.width / 2, box.y + 34.0, std::to_string(d.r_classes) + " x " + d.l_classes.substr(0, 9),
                   {12.0, "middle"});
    }
    std::string text = std::to_string(d.r_classes) + " R x " + d.l_classes + " L";
    if (d.h_size != "1") text += ", |H| = " + d.h_size;
    if (d.regular && d.h_size != "1") text += ": " + name_group(orbit.components()[d.component].group).name;
    if (!d.regular) text += ", not regular";
    drawing.text(box.x, box.y + box.height + 15.0, text, {11.5});
  }
  return {
      drawing.svg(),
      "Green's classes of the transition monoid (" + green.order +
          " elements): a box is a D-class, its rows are R-classes (kernels), its columns L-classes (images); a star "
          "marks an H-class with an idempotent, that is, a maximal subgroup, whose name is given where it is not "
          "trivial. Grey boxes are not regular."};
}

// ---- cascades -----------------------------------------------------------------------------------------------------

Figure draw_cascade(const Cascade& cascade) {
  constexpr double row = 74.0;
  constexpr std::size_t most_levels = 24;
  constexpr std::size_t most_slots = 24;
  if (cascade.depth() == 0) return {"", "One state: no levels."};
  if (cascade.depth() > most_levels) {
    return {"", "A cascade of " + std::to_string(cascade.depth()) + " levels: too many to draw."};
  }
  const double height = row * static_cast<double>(cascade.depth()) + 50.0;
  SvgDrawing drawing(760.0, height, "Cascade", counted(cascade.depth(), "level") + ", the top one first");
  drawing.text(150.0, 16.0, "letter", {12.0, "middle"});
  for (std::size_t l = 0; l < cascade.depth(); ++l) {
    const CascadeLevel& level = cascade.levels[l];
    const double y = 34.0 + row * static_cast<double>(l);
    // The letter reaches every level, and the state of those above.
    drawing.arrow(150.0, l == 0 ? 20.0 : y - 26.0, 150.0, y - 10.0, 150.0, y - 1.0, {"#555555", 1.4, "none"});
    std::map<SlotAction::Kind, std::size_t> kinds;
    for (const SlotAction& action : level.actions) ++kinds[action.kind];
    const bool permutes = kinds[SlotAction::Kind::permutation] > 0;
    drawing.rectangle(20.0, y, 260.0, 48.0, permutes ? "#fdf1e6" : pale, {ink, 1.3, "none"}, 6.0);
    const std::size_t shown = std::min<std::size_t>(level.width, most_slots);
    const double step = std::min(22.0, 240.0 / static_cast<double>(shown));
    for (std::size_t s = 0; s < shown; ++s) {
      const double x = 150.0 + step * (static_cast<double>(s) - static_cast<double>(shown - 1) / 2.0);
      drawing.circle(x, y + 24.0, std::min(7.0, 0.4 * step), "#ffffff", {ink, 1.0, "none"});
    }
    std::string text = "level " + std::to_string(l) + ": " + counted(level.width, "slot") +
                       (shown < level.width ? " (" + std::to_string(shown) + " drawn)" : "");
    drawing.text(300.0, y + 18.0, text, {13.0, "start", ink, true});
    text = counted(kinds[SlotAction::Kind::permutation], "permutation") + ", " +
           counted(kinds[SlotAction::Kind::reset], "reset") +
           (kinds[SlotAction::Kind::identity] > 0 ? ", identity" : "") + "; " + counted(level.rows.size(), "row");
    drawing.text(300.0, y + 37.0, text, {12.0});
  }
  return {drawing.svg(),
          "The cascade (mode " + cascade.modes() +
              "): each level is one layer. A level's action, a permutation of its "
              "slots, a reset or nothing, is chosen by the letter and by the levels above. Levels that permute are "
              "tinted orange, levels that only reset blue. Guaranteed bound: " +
              counted(cascade.num_states - std::min<std::size_t>(1, cascade.num_states), "level") + "."};
}

// ---- plots --------------------------------------------------------------------------------------------------------

namespace {

void legend(SvgDrawing& drawing, double x, double y, const std::vector<std::string>& names, bool lines) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    const SeriesStyle style = series_style(i);
    const double at = y + 20.0 * static_cast<double>(i);
    if (lines) drawing.line(x, at, x + 30.0, at, {style.colour, 1.8, style.dash});
    drawing.marker(x + 15.0, at, 7.0, style);
    drawing.text(x + 38.0, at + 4.0, names[i], {12.0});
  }
}

PlotArea::Range padded(double least, double most) {
  if (!(most > least)) {
    const double room = std::max(1.0, std::abs(least)) * 0.5;
    return {least - room, most + room};
  }
  const double room = 0.06 * (most - least);
  return {least - room, most + room};
}

}  // namespace

Figure draw_eigenvalues(const std::vector<EigenvalueSeries>& series) {
  double reach = 1.15;
  double least = 0.0;
  std::size_t count = 0;
  for (const EigenvalueSeries& one : series) {
    for (const std::complex<double>& value : one.values) {
      reach = std::max(reach, 1.08 * std::abs(value));
      least = std::min(least, value.real());
      ++count;
    }
  }
  if (count == 0) return {"", "No layer, no eigenvalues."};
  SvgDrawing drawing(620.0, 440.0, "Eigenvalues", counted(count, "distinct eigenvalue") + " against the unit circle");
  PlotArea plot(drawing, 60.0, 16.0, 380.0, 380.0, {-reach, reach}, {-reach, reach});
  plot.axes("real part", "imaginary part");
  drawing.circle(plot.x(0), plot.y(0), plot.x(1) - plot.x(0), "none", {ink, 1.4, "none"});
  drawing.line(plot.x(-reach), plot.y(0), plot.x(reach), plot.y(0), {"#777777", 1.0, "3 3"});
  drawing.line(plot.x(0), plot.y(-reach), plot.x(0), plot.y(reach), {"#777777", 1.0, "3 3"});
  std::vector<std::string> names;
  for (std::size_t i = 0; i < series.size(); ++i) {
    for (const std::complex<double>& value : series[i].values) {
      // Later series smaller, so that none hides another.
      const double size = std::max(4.0, 12.0 - 3.5 * static_cast<double>(i));
      drawing.marker(plot.x(value.real()), plot.y(value.imag()), size, series_style(i));
    }
    names.push_back(series[i].name);
  }
  legend(drawing, 455.0, 40.0, names, false);
  return {drawing.svg(),
          "Eigenvalues of the state transition matrices A(x) against the unit circle. On the circle away "
          "from 1 lies what counts; negative ones allow parity, non-real ones counting modulo 3 and more."};
}

Figure draw_trajectories(const std::vector<Trajectory>& trajectories, const std::string& loop_text,
                         const std::optional<Lasso>& lasso) {
  double least = std::numeric_limits<double>::infinity();
  double most = -least;
  std::size_t length = 0;
  for (const Trajectory& one : trajectories) {
    for (const double value : one.values) {
      least = std::min(least, value);
      most = std::max(most, value);
    }
    length = std::max(length, one.values.size());
  }
  const std::string what = loop_text.size() == 1 ? loop_text + "^k" : "(" + loop_text + ")^k";
  if (length < 2) return {"", "The model carries no numbers on " + what + "."};
  SvgDrawing drawing(900.0, 380.0, "Hidden trajectories", "elements of the hidden state on " + what);
  const double end = static_cast<double>(length - 1);
  PlotArea plot(drawing, 70.0, 30.0, 640.0, 290.0, {0.0, end}, padded(least, most));
  std::string caption = "Elements of the hidden state on " + what + ".";
  if (lasso) {
    const auto mu = static_cast<double>(lasso->transient);
    const auto period = static_cast<double>(lasso->period);
    if (mu <= end) {
      drawing.rectangle(plot.x(mu), plot.top(), plot.right() - plot.x(mu), plot.bottom() - plot.top(), "#eef3f8",
                        {"#eef3f8", 0.5, "none"});
    }
    plot.axes("k", "element of the hidden state");
    if (mu <= end) {
      drawing.line(plot.x(mu), plot.top(), plot.x(mu), plot.bottom(), {ink, 1.2, "5 3"});
      const bool late = mu > 0.6 * end;
      drawing.text(plot.x(mu) + (late ? -5.0 : 5.0), plot.top() - 8.0,
                   "transient " + std::to_string(lasso->transient) + ", then period " + std::to_string(lasso->period),
                   {12.0, late ? "end" : "start"});
      if (mu + period <= end && period > 1.0) {
        const double y = plot.bottom() - 8.0;
        drawing.line(plot.x(mu), y, plot.x(mu + period), y, {ink, 3.0, "none"});
      }
    }
    caption += " The bits of everything carried repeat from k = " + std::to_string(lasso->transient) + " on, every " +
               std::to_string(lasso->period) + (lasso->period == 1 ? " step" : " steps") +
               (mu > end       ? " (beyond this plot)."
                : period > 1.0 ? " (shaded; the bar is one period)."
                               : " (shaded).");
  } else {
    plot.axes("k", "element of the hidden state");
    caption += " No lasso was found within the budget of this report.";
  }
  std::vector<std::string> names;
  for (std::size_t i = 0; i < trajectories.size(); ++i) {
    const SeriesStyle style = series_style(i);
    std::vector<Point> points;
    for (std::size_t k = 0; k < trajectories[i].values.size(); ++k) {
      points.emplace_back(plot.x(static_cast<double>(k)), plot.y(trajectories[i].values[k]));
    }
    drawing.polyline(points, {style.colour, 1.6, style.dash});
    const std::size_t step = std::max<std::size_t>(1, points.size() / 24);
    for (std::size_t k = i % step; k < points.size(); k += step) {
      drawing.marker(points[k].first, points[k].second, 5.0, style);
    }
    names.push_back(trajectories[i].name);
  }
  legend(drawing, 725.0, 40.0, names, true);
  return {drawing.svg(), caption};
}

Figure draw_margins(const std::vector<LengthSeries>& series, std::optional<std::uint64_t> horizon) {
  double most = 0.0;
  double least = 0.0;
  double longest = 1.0;
  std::size_t count = 0;
  for (const LengthSeries& one : series) {
    for (const auto& [length, margin] : one.points) {
      most = std::max(most, margin);
      least = std::min(least, margin);
      longest = std::max(longest, length);
      ++count;
    }
  }
  if (count == 0) return {"", "The model decodes nothing: there are no margins."};
  const bool drawn_horizon = horizon && static_cast<double>(*horizon) <= 64.0 * longest && *horizon >= 1;
  const double right = drawn_horizon ? std::max(longest, 1.3 * static_cast<double>(*horizon)) : longest;
  SvgDrawing drawing(900.0, 360.0, "Margin against length", "the least margin of the readout at each length");
  PlotArea plot(drawing, 70.0, 24.0, 600.0, 280.0, {1.0, std::max(2.0, right)},
                {1.1 * least, most > 0.0 ? 1.1 * most : 1.0}, true);
  plot.axes("length (logarithmic)", "margin of the readout");
  if (least < 0.0)
    drawing.line(plot.x(1.0), plot.y(0.0), plot.x(std::max(2.0, right)), plot.y(0.0), {"#000000", 1.0, ""});
  std::vector<std::string> names;
  for (std::size_t i = 0; i < series.size(); ++i) {
    const SeriesStyle style = series_style(i);
    std::vector<Point> points;
    for (const auto& [length, margin] : series[i].points) points.emplace_back(plot.x(length), plot.y(margin));
    drawing.polyline(points, {style.colour, 1.6, style.dash});
    names.push_back(series[i].name);
  }
  if (drawn_horizon) {
    const double x = plot.x(static_cast<double>(*horizon));
    drawing.line(x, plot.top(), x, plot.bottom(), {"#D55E00", 2.0, "8 4"});
    drawing.text(x - 5.0, plot.top() + 14.0, "certified to " + std::to_string(*horizon),
                 {12.0, "end", "#000000", false, true});
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    const SeriesStyle style = series_style(i);
    const double at = 40.0 + 20.0 * static_cast<double>(i);
    drawing.line(685.0, at, 715.0, at, {style.colour, 1.8, style.dash});
    drawing.text(723.0, at + 4.0, names[i], {12.0});
  }
  return {drawing.svg(), "How far the winning score of the readout is from the next one; 0 would be a tie."};
}

Figure draw_clusters(const Clusters& clusters, const Dfa& automaton) {
  if (clusters.points.empty()) return {"", "The model carries no numbers."};
  double least_x = 0.0;
  double most_x = 0.0;
  double least_y = 0.0;
  double most_y = 0.0;
  std::uint64_t longest = 0;
  std::set<State> states;
  for (const ClusterPoint& point : clusters.points) {
    least_x = std::min(least_x, point.x);
    most_x = std::max(most_x, point.x);
    least_y = std::min(least_y, point.y);
    most_y = std::max(most_y, point.y);
    longest = std::max(longest, point.length);
    states.insert(point.state);
  }
  SvgDrawing drawing(900.0, 440.0, "Learned states",
                     counted(clusters.points.size(), "hidden state") + " by their state");
  PlotArea plot(drawing, 70.0, 16.0, 560.0, 370.0, padded(least_x, most_x), padded(least_y, most_y));
  plot.axes("first principal direction", "second principal direction");
  std::vector<std::string> names;
  std::map<State, std::size_t> series;
  for (const State state : states) {
    series.emplace(state, names.size());
    const std::string label = automaton.is_acceptor() ? automaton.label_name(automaton.label(state))
                                                      : short_name(automaton.label_name(automaton.label(state)), 12);
    names.push_back("state " + std::to_string(state) + ", label " + label);
  }
  // Long words first, so that the short ones lie on top.
  for (const bool long_words : {true, false}) {
    for (const ClusterPoint& point : clusters.points) {
      if ((point.length > clusters.length) != long_words) continue;
      drawing.marker(plot.x(point.x), plot.y(point.y), long_words ? 9.0 : 5.0, series_style(series.at(point.state)));
    }
  }
  constexpr std::size_t most_names = 20;
  const bool more = names.size() > most_names;
  if (more) names.resize(most_names);
  legend(drawing, 645.0, 30.0, names, false);
  char shown[32];
  std::snprintf(shown, sizeof shown, "%.3g %%", 100.0 * clusters.shown);
  return {drawing.svg(), "What the model carries, by the automaton's state: small, behind every word up to length " +
                             std::to_string(clusters.length) + "; large, behind random words of up to " +
                             std::to_string(longest) + ". Two principal directions, which show " + shown +
                             " of the spread; a model that keeps its states apart has "
                             "clusters that stay where they are." +
                             (states.size() > 7 ? " Colours and markers repeat after seven states." : "") +
                             (more ? " More states than are named." : "")};
}

Figure draw_gaps(const std::vector<ClusterGap>& gaps) {
  if (gaps.empty()) return {"", "Words of one length lead to one state: there are no gaps."};
  double most = 0.0;
  double longest = 1.0;
  double shortest = std::numeric_limits<double>::infinity();
  for (const ClusterGap& gap : gaps) {
    most = std::max({most, gap.least_between, gap.most_within});
    longest = std::max(longest, static_cast<double>(gap.length));
    shortest = std::min(shortest, std::max(1.0, static_cast<double>(gap.length)));
  }
  SvgDrawing drawing(900.0, 340.0, "Gaps between clusters", "by length");
  PlotArea plot(drawing, 70.0, 16.0, 560.0, 270.0, {0.9 * shortest, std::max(1.1 * longest, 2.0 * shortest)},
                {0.0, most > 0.0 ? 1.08 * most : 1.0}, true);
  plot.axes("length (logarithmic)", "distance (2-norm)");
  const std::vector<std::string> names = {"least between clusters", "most within one"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    const SeriesStyle style = series_style(i);
    std::vector<Point> points;
    for (const ClusterGap& gap : gaps) {
      points.emplace_back(plot.x(std::max(1.0, static_cast<double>(gap.length))),
                          plot.y(i == 0 ? gap.least_between : gap.most_within));
    }
    drawing.polyline(points, {style.colour, 1.8, style.dash});
    for (const auto& [x, y] : points) drawing.marker(x, y, 7.0, style);
  }
  legend(drawing, 645.0, 40.0, names, true);
  return {
      drawing.svg(),
      "The least distance between hidden states of different states of the automaton, and the largest of one from its "
      "cluster's mean, at words of one length. Where the first comes to 0 the model has lost the difference."};
}

Figure draw_accuracy(const std::vector<AccuracySeries>& series, double chance) {
  double longest = 1.0;
  double shortest = std::numeric_limits<double>::infinity();
  std::size_t count = 0;
  for (const AccuracySeries& one : series) {
    for (const AccuracyPoint& point : one.points) {
      longest = std::max(longest, point.length);
      shortest = std::min(shortest, point.length);
      ++count;
    }
  }
  if (count == 0) return {"", "No accuracies were measured."};
  SvgDrawing drawing(900.0, 360.0, "Accuracy by length", "with 95 % confidence intervals");
  PlotArea plot(drawing, 70.0, 24.0, 600.0, 280.0, {0.9 * shortest, std::max(1.1 * longest, 2.0 * shortest)},
                {0.0, 1.05}, true);
  plot.axes("length (logarithmic)", "accuracy");
  drawing.line(plot.left(), plot.y(chance), plot.right(), plot.y(chance), {"#555555", 1.2, "3 3"});
  drawing.text(plot.right() + 5.0, plot.y(chance) + 4.0, "guessing", {11.0, "start", "#333333"});
  std::vector<std::string> names;
  for (std::size_t i = 0; i < series.size(); ++i) {
    const SeriesStyle style = series_style(i);
    std::vector<Point> points;
    for (const AccuracyPoint& point : series[i].points) {
      const double x = plot.x(point.length);
      drawing.line(x, plot.y(point.low), x, plot.y(point.high), {style.colour, 1.2, "none"});
      drawing.line(x - 4, plot.y(point.low), x + 4, plot.y(point.low), {style.colour, 1.2, "none"});
      drawing.line(x - 4, plot.y(point.high), x + 4, plot.y(point.high), {style.colour, 1.2, "none"});
      points.emplace_back(x, plot.y(point.value));
    }
    drawing.polyline(points, {style.colour, 1.8, style.dash});
    for (const auto& [x, y] : points) drawing.marker(x, y, 7.0, style);
    names.push_back(series[i].name);
  }
  legend(drawing, 685.0, 40.0, names, true);
  return {drawing.svg(),
          "Accuracy on random words by length, with 95 % confidence intervals. It proves nothing about "
          "words that were not drawn."};
}

}  // namespace krohn
