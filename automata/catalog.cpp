// The catalogue of named languages: each entry builds its automaton directly from its definition, then minimises it.
// Group entries enumerate permutations in lexicographic order and find products by binary search. Parameters are capped
// so that no name makes more than about 50 million transitions; the caps are in the messages.
#include "krohn/automata/catalog.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "krohn/automata/minimize.hpp"
#include "krohn/automata/regex.hpp"
#include "krohn/error.hpp"
#include "krohn/numeric/splitmix64.hpp"

namespace krohn {
namespace {

constexpr std::uint64_t max_transitions = 50'000'000;

constexpr std::array<CatalogEntry, 25> entries{{
    {"parity", "0, 1; accepts an odd number of 1s", "parity"},
    {"mod:m", "0, 1; accepts a number of 1s divisible by m", "mod:3"},
    {"cycle:m", "0 stay, + forward, - back; the label is the sum modulo m", "cycle:5"},
    {"Z:m", "generator a of the cyclic group of order m; accepts products equal to the identity", "Z:6"},
    {"S:n", "generators a, b of the symmetric group on n points; accepts the identity", "S:5"},
    {"A:n", "generators a, b of the alternating group on n points; accepts the identity", "A:5"},
    {"D:n", "generators a, b of the dihedral group of order 2n; accepts the identity", "D:4"},
    {"Q8", "generators a, b of the quaternion group; accepts the identity", "Q8"},
    {"M:n", "generators a, b, .. of the Mathieu group on n = 11, 12 or 22 points; accepts the identity", "M:11"},
    {"PSL(2,p), SL(2,p)", "generators a, b of the matrix group over the field of p elements; accepts the identity",
     "PSL(2,7)"},
    {"AGL(1,p)", "generators a, b of the maps x -> cx + d modulo p; accepts the identity", "AGL(1,5)"},
    {"G1xG2", "generators of a product of groups such as Z:2xZ:3 or S3xA4; accepts the identity", "Z:2xZ:3"},
    {"word:G",
     "one symbol per element, 0..|G|-1 in lexicographic order as permutations (0 the identity); the label is the "
     "running "
     "product, a new element applied last: i -> x2(x1(i))",
     "word:S5"},
    {"word-left:G",
     "as word:G, a new element applied first: i -> x1(x2(i)), the order of the word problems of the state-tracking "
     "data "
     "sets",
     "word-left:S5"},
    {"accept:word:G", "one symbol per element; accepts products equal to the identity", "accept:word:A5"},
    {"accept:word-left:G", "as accept:word:G, in the other order", "accept:word-left:A4"},
    {"perm:G", "one symbol per element; the label is the image of point 0", "perm:S5"},
    {"points:G", "generators a, b, ..; the label is the image of point 0 (a state a point, also for M:23 and M:24)",
     "points:M24"},
    {"flipflop", "s set, r reset, n nop; accepts if the last of s and r was s", "flipflop"},
    {"tomita:i", "0, 1; the i-th language of Tomita (1982), i from 1 to 7", "tomita:4"},
    {"even-pairs", "a, b; accepts an even number of ab and ba, that is, equal ends", "even-pairs"},
    {"modarith:m",
     "digits 0..m-1, +, -, *; accepts expressions whose value, read left to right without precedence, is 0 modulo m",
     "modarith:5"},
    {"modarith-answer:m",
     "digits 0..m-1, +, -, *, =; the label after = is the value modulo m, * binding tighter; null elsewhere",
     "modarith-answer:5"},
    {"dyck:k,d", "the first k of ([{<, then of )]}>; accepts balanced words of depth at most d", "dyck:2,3"},
    {"random:n,k,seed", "letters a, b, ..; a random automaton with n states and k letters", "random:10,2,1"},
}};

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

[[noreturn]] void unknown(std::string_view name) {
  // Against the examples too: "word:S9x" is nearer to word:S5 than to the letters of word:G.
  const std::string_view shown = name.substr(0, 64);
  std::vector<std::pair<std::size_t, std::string_view>> ranked;
  for (const CatalogEntry& entry : entries) {
    const std::string_view head = entry.pattern.substr(0, entry.pattern.find(':'));
    ranked.emplace_back(std::min({edit_distance(shown, entry.pattern), edit_distance(shown, entry.example),
                                  edit_distance(shown.substr(0, shown.find(':')), head)}),
                        entry.pattern);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
  throw InputError("language: expected a catalogue name, got '" + std::string(shown) + "'; the nearest are " +
                   std::string(ranked[0].second) + ", " + std::string(ranked[1].second) + ", " +
                   std::string(ranked[2].second));
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  if (text.empty() || text.size() > 20) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (UINT64_MAX - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

std::uint64_t parameter(std::string_view name, std::string_view what, std::string_view text, std::uint64_t low,
                        std::uint64_t high) {
  const std::optional<std::uint64_t> value = parse_number(text);
  if (!value || *value < low || *value > high) {
    throw InputError("language '" + std::string(name.substr(0, 64)) + "': expected " + std::string(what) + " from " +
                     std::to_string(low) + " to " + std::to_string(high) + ", got '" + std::string(text.substr(0, 64)) +
                     "'");
  }
  return *value;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

void limit_transitions(std::string_view name, std::uint64_t states, std::uint64_t symbols) {
  if (states <= max_transitions / symbols) return;
  throw InputError("language '" + std::string(name.substr(0, 64)) + "': expected at most " +
                   std::to_string(max_transitions) + " transitions, got " + std::to_string(states) + " states times " +
                   std::to_string(symbols) + " symbols");
}

std::vector<std::string> numbered_names(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back(std::to_string(i));
  return names;
}

// Permutations as lists of images.

using Permutation = std::vector<std::uint16_t>;

Permutation identity(std::size_t degree) {
  Permutation p(degree);
  std::iota(p.begin(), p.end(), std::uint16_t{0});
  return p;
}

// p, then q.
Permutation then(const Permutation& p, const Permutation& q) {
  Permutation r(p.size());
  for (std::size_t i = 0; i < p.size(); ++i) r[i] = q[p[i]];
  return r;
}

// The cycle (first first+1 .. last-1) on `degree` points.
Permutation cycle(std::size_t degree, std::size_t first, std::size_t last) {
  Permutation p = identity(degree);
  for (std::size_t i = first; i < last; ++i) p[i] = static_cast<std::uint16_t>(i + 1 < last ? i + 1 : first);
  return p;
}

// The permutation that the images of a function on 0 .. degree-1 make.
template <typename Image>
Permutation mapped(std::size_t degree, Image&& image) {
  Permutation p(degree);
  for (std::size_t i = 0; i < degree; ++i) p[i] = static_cast<std::uint16_t>(image(i));
  return p;
}

// From cycles of points counted from 1, as the literature writes them: "(1,4,5)(2,8)".
Permutation from_cycles(std::size_t degree, std::string_view text) {
  Permutation p = identity(degree);
  std::vector<std::uint16_t> points;
  std::uint16_t point = 0;
  for (const char c : text) {
    if (c == '(') {
      points.clear();
    } else if (c >= '0' && c <= '9') {
      point = static_cast<std::uint16_t>(point * 10 + (c - '0'));
    } else {
      points.push_back(static_cast<std::uint16_t>(point - 1));
      point = 0;
    }
    if (c != ')') continue;
    for (std::size_t i = 0; i < points.size(); ++i) p[points[i]] = points[(i + 1) % points.size()];
  }
  return p;
}

struct Group {
  std::size_t degree = 0;
  std::uint64_t order = 1;
  std::vector<Permutation> generators;
};

constexpr std::uint64_t max_group_order = 1'000'000;
constexpr std::size_t max_points = 4096;

// The Mathieu groups, by the generators that GAP's library of primitive groups and the ATLAS share.
Group mathieu(std::uint64_t n) {
  struct Entry {
    std::uint64_t points;
    std::uint64_t order;
    std::vector<std::string_view> generators;
  };
  const Entry mathieu_groups[] = {
      {11, 7920, {"(1,2,3,4,5,6,7,8,9,10,11)", "(3,7,11,8)(4,10,5,6)"}},
      {12, 95040, {"(1,2,3,4,5,6,7,8,9,10,11)", "(3,7,11,8)(4,10,5,6)", "(1,12)(2,11)(3,6)(4,8)(5,9)(7,10)"}},
      {22,
       443520,
       {"(1,2,3,4,5,6,7,8,9,10,11)(12,13,14,15,16,17,18,19,20,21,22)",
        "(1,4,5,9,3)(2,8,10,7,6)(12,15,16,20,14)(13,19,21,18,17)",
        "(1,21)(2,10,8,6)(3,13,4,17)(5,19,9,18)(11,22)(12,14,16,20)"}},
      {23,
       10200960,
       {"(1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23)",
        "(3,17,10,7,9)(4,13,14,19,5)(8,18,11,12,23)(15,20,22,21,16)"}},
      {24,
       244823040,
       {"(1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23)",
        "(3,17,10,7,9)(4,13,14,19,5)(8,18,11,12,23)(15,20,22,21,16)",
        "(1,24)(2,23)(3,12)(4,16)(5,18)(6,10)(7,20)(8,14)(9,21)(11,17)(13,22)(15,19)"}},
  };
  for (const Entry& entry : mathieu_groups) {
    if (entry.points != n) continue;
    Group group{n, entry.order, {}};
    for (const std::string_view cycles : entry.generators) group.generators.push_back(from_cycles(n, cycles));
    return group;
  }
  throw InternalError("catalogue: no Mathieu group of that degree");
}

// The p of "PREFIX(d,p)", a prime up to `high`.
std::uint64_t field_order(std::string_view name, std::string_view text, std::string_view prefix, std::uint64_t high) {
  std::string_view number = text.substr(prefix.size());
  if (!number.ends_with(')')) unknown(name);
  number.remove_suffix(1);
  const std::uint64_t p = parameter(name, "a prime", number, 2, high);
  for (std::uint64_t d = 2; d * d <= p; ++d) {
    if (p % d != 0) continue;
    throw InputError("language '" + std::string(name.substr(0, 64)) + "': expected a prime, got " + std::to_string(p));
  }
  return p;
}

std::uint64_t inverse_modulo(std::uint64_t a, std::uint64_t p) {
  std::uint64_t b = 1;
  while (a * b % p != 1) ++b;
  return b;
}

// PSL(2,p) on the projective line 0, .., p-1 and infinity (point p): x -> x + 1 and x -> -1/x.
Group projective(std::uint64_t p) {
  Permutation shift = mapped(p + 1, [&](std::size_t x) { return x == p ? p : (x + 1) % p; });
  Permutation turn = mapped(p + 1, [&](std::size_t x) {
    return x == p ? 0 : x == 0 ? p : (p - inverse_modulo(x, p)) % p;
  });
  return {p + 1, p * (p * p - 1) / (p == 2 ? 1 : 2), {std::move(shift), std::move(turn)}};
}

// SL(2,p) on the vectors (x, y) other than 0, point x p + y - 1: (x + y, y) and (-y, x).
Group special_linear(std::uint64_t p) {
  const auto moved = [&](auto&& image) {
    return mapped(p * p - 1, [&](std::size_t point) {
      const std::uint64_t x = (point + 1) / p;
      const std::uint64_t y = (point + 1) % p;
      return image(x, y) - 1;
    });
  };
  Permutation shear = moved([&](std::uint64_t x, std::uint64_t y) { return (x + y) % p * p + y; });
  Permutation turn = moved([&](std::uint64_t x, std::uint64_t y) { return (p - y) % p * p + x; });
  return {p * p - 1, p * (p * p - 1), {std::move(shear), std::move(turn)}};
}

// x -> x + 1 and x -> g x, with the least g that generates the units modulo p.
Group affine(std::uint64_t p) {
  std::uint64_t g = 1;
  for (; g < p; ++g) {
    std::uint64_t power = g;
    std::uint64_t order = 1;
    for (; power != 1; power = power * g % p) ++order;
    if (order == p - 1) break;
  }
  return {p, p * (p - 1), {cycle(p, 0, p), mapped(p, [&](std::size_t x) { return x * g % p; })}};
}

Group factor(std::string_view name, std::string_view text) {
  if (text.starts_with("PSL(2,")) return projective(field_order(name, text, "PSL(2,", 97));
  if (text.starts_with("SL(2,")) return special_linear(field_order(name, text, "SL(2,", 61));
  if (text.starts_with("AGL(1,")) return affine(field_order(name, text, "AGL(1,", 997));
  const std::string_view kind = text.substr(0, 1);
  std::string_view number = text.substr(std::min<std::size_t>(1, text.size()));
  if (number.starts_with(':')) number.remove_prefix(1);
  if (text.empty() || !parse_number(number)) unknown(name);
  if (kind == "Z") {
    const std::uint64_t m = parameter(name, "a cyclic group of order", number, 1, max_points);
    return {m, m, {cycle(m, 0, m)}};
  }
  if (kind == "S" || kind == "A") {
    const std::uint64_t n = parameter(name, "a number of points", number, 1, 9);
    std::uint64_t order = 1;
    for (std::uint64_t i = 2; i <= n; ++i) order *= i;
    if (kind == "S") {
      if (n <= 2) return {n, n, {cycle(n, 0, n)}};
      return {n, order, {cycle(n, 0, 2), cycle(n, 0, n)}};
    }
    if (n <= 2) return {n, 1, {identity(n)}};
    if (n == 3) return {n, 3, {cycle(n, 0, 3)}};
    return {n, order / 2, {cycle(n, 0, 3), n % 2 == 1 ? cycle(n, 0, n) : cycle(n, 1, n)}};
  }
  if (kind == "D") {
    const std::uint64_t n = parameter(name, "a number of corners", number, 1, max_points);
    if (n == 1) return {2, 2, {identity(2), cycle(2, 0, 2)}};
    if (n == 2) return {4, 4, {{1, 0, 3, 2}, {2, 3, 0, 1}}};
    Permutation mirror(n);
    for (std::size_t i = 0; i < n; ++i) mirror[i] = static_cast<std::uint16_t>((n - i) % n);
    return {n, 2 * n, {cycle(n, 0, n), mirror}};
  }
  if (kind == "M") {
    if (number != "11" && number != "12" && number != "22" && number != "23" && number != "24") {
      throw InputError("language '" + std::string(name.substr(0, 64)) +
                       "': expected a Mathieu group on 11, 12, 22, 23 or 24 points, got '" +
                       std::string(number.substr(0, 64)) + "'");
    }
    return mathieu(*parse_number(number));
  }
  // Points 0..7 are 1, -1, i, -i, j, -j, k, -k; a multiplies by i from the right, b by j.
  if (kind == "Q" && number == "8") return {8, 8, {{2, 3, 1, 0, 7, 6, 4, 5}, {4, 5, 6, 7, 1, 0, 3, 2}}};
  unknown(name);
}

// Where the elements are not listed, the order has no limit.
Group parse_group(std::string_view name, std::string_view text, bool listed = true) {
  Group group;
  for (const std::string_view part : split(text, 'x')) {
    const Group next = factor(name, part);
    if (listed && next.order > max_group_order / group.order) {
      throw InputError("language '" + std::string(name.substr(0, 64)) + "': expected a group of order at most " +
                       std::to_string(max_group_order) + ", got a larger one");
    }
    if (listed) group.order *= next.order;
    const std::size_t degree = group.degree + next.degree;
    if (degree > max_points) {
      throw InputError("language '" + std::string(name.substr(0, 64)) + "': expected at most " +
                       std::to_string(max_points) + " points, got more");
    }
    for (Permutation& p : group.generators) {
      for (std::size_t i = group.degree; i < degree; ++i) p.push_back(static_cast<std::uint16_t>(i));
    }
    for (const Permutation& q : next.generators) {
      Permutation p = identity(degree);
      for (std::size_t i = 0; i < next.degree; ++i) {
        p[group.degree + i] = static_cast<std::uint16_t>(group.degree + q[i]);
      }
      group.generators.push_back(std::move(p));
    }
    group.degree = degree;
  }
  return group;
}

// Every element, in lexicographic order, by closure of the identity under the generators.
std::vector<Permutation> elements_of(const Group& group) {
  if (group.order > max_transitions / group.degree) {
    throw InputError("group: expected at most " + std::to_string(max_transitions) +
                     " images (elements times points), got " + std::to_string(group.order) + " times " +
                     std::to_string(group.degree));
  }
  std::vector<Permutation> elements{identity(group.degree)};
  std::vector<Permutation> frontier = elements;
  while (!frontier.empty()) {
    std::vector<Permutation> reached;
    for (const Permutation& p : frontier) {
      for (const Permutation& g : group.generators) reached.push_back(then(p, g));
    }
    std::sort(reached.begin(), reached.end());
    reached.erase(std::unique(reached.begin(), reached.end()), reached.end());
    frontier.clear();
    std::set_difference(reached.begin(), reached.end(), elements.begin(), elements.end(), std::back_inserter(frontier));
    const auto middle = static_cast<std::ptrdiff_t>(elements.size());
    elements.insert(elements.end(), frontier.begin(), frontier.end());
    std::inplace_merge(elements.begin(), elements.begin() + middle, elements.end());
  }
  if (elements.size() != group.order) throw InternalError("catalogue: a group's generators make another order");
  return elements;
}

State index_of(const std::vector<Permutation>& elements, const Permutation& p) {
  return static_cast<State>(std::lower_bound(elements.begin(), elements.end(), p) - elements.begin());
}

// The product of every element with every generator: row p, column g holds p, then g.
std::vector<State> generator_products(const Group& group, const std::vector<Permutation>& elements) {
  std::vector<State> products;
  products.reserve(elements.size() * group.generators.size());
  for (const Permutation& p : elements) {
    for (const Permutation& g : group.generators) products.push_back(index_of(elements, then(p, g)));
  }
  return products;
}

Alphabet generator_alphabet(std::string_view name, const Group& group) {
  if (group.generators.size() > 26) {
    throw InputError("language '" + std::string(name.substr(0, 64)) + "': expected at most 26 generators, got " +
                     std::to_string(group.generators.size()));
  }
  std::string letters;
  for (std::size_t i = 0; i < group.generators.size(); ++i) letters += static_cast<char>('a' + i);
  return Alphabet::of_characters(letters);
}

Dfa group_language(std::string_view name) {
  const Group group = parse_group(name, name);
  Alphabet alphabet = generator_alphabet(name, group);
  const std::vector<Permutation> elements = elements_of(group);
  std::vector<bool> accepting(elements.size(), false);
  accepting[0] = true;
  return minimize(Dfa::acceptor(std::move(alphabet), 0, generator_products(group, elements), accepting));
}

// `left`: the new element is applied first, which reads the table of products by columns.
Dfa word_language(std::string_view name, std::string_view group_name, bool accept, bool left) {
  const Group group = parse_group(name, group_name);
  limit_transitions(name, group.order, group.order);
  const std::vector<Permutation> elements = elements_of(group);
  const std::size_t order = elements.size();
  const std::size_t generators = group.generators.size();
  // Each element but the identity is an earlier one, then a generator: p(qg) = (pq)g gives the table in one look-up
  // an entry.
  const std::vector<State> by_generator = generator_products(group, elements);
  struct Step {
    State element;
    State earlier;
    std::size_t generator;
  };
  std::vector<Step> steps{{0, 0, 0}};
  std::vector<bool> seen(order, false);
  seen[0] = true;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    for (std::size_t g = 0; g < generators; ++g) {
      const State q = by_generator[steps[i].element * generators + g];
      if (seen[q]) continue;
      seen[q] = true;
      steps.push_back({q, steps[i].element, g});
    }
  }
  std::vector<State> delta(order * order);
  for (std::size_t p = 0; p < order; ++p) {
    State* row = delta.data() + p * order;
    row[0] = static_cast<State>(p);
    for (std::size_t i = 1; i < steps.size(); ++i) {
      row[steps[i].element] = by_generator[row[steps[i].earlier] * generators + steps[i].generator];
    }
  }
  if (left) {
    for (std::size_t p = 0; p < order; ++p) {
      for (std::size_t q = 0; q < p; ++q) std::swap(delta[p * order + q], delta[q * order + p]);
    }
  }
  Alphabet alphabet(numbered_names(order));
  if (accept) {
    std::vector<bool> accepting(order, false);
    accepting[0] = true;
    return minimize(Dfa::acceptor(std::move(alphabet), 0, std::move(delta), accepting));
  }
  std::vector<LabelId> labels(order);
  std::iota(labels.begin(), labels.end(), 0);
  return minimize(Dfa(std::move(alphabet), 0, std::move(delta), std::move(labels), numbered_names(order)));
}

// The points that 0 can reach under permutations named by the alphabet; the labels are their names.
Dfa point_automaton(Alphabet alphabet, std::size_t degree, const std::vector<Permutation>& letters) {
  std::vector<State> delta;
  delta.reserve(degree * letters.size());
  for (std::size_t point = 0; point < degree; ++point) {
    for (const Permutation& p : letters) delta.push_back(p[point]);
  }
  std::vector<LabelId> labels(degree);
  std::iota(labels.begin(), labels.end(), 0);
  const Dfa minimal =
      minimize(Dfa(std::move(alphabet), 0, std::move(delta), std::move(labels), numbered_names(degree)));
  std::vector<LabelId> used(minimal.labels().begin(), minimal.labels().end());
  std::sort(used.begin(), used.end());
  std::vector<std::string> names;
  for (const LabelId label : used) names.push_back(minimal.label_name(label));
  std::vector<LabelId> renumbered;
  for (const LabelId label : minimal.labels()) {
    renumbered.push_back(static_cast<LabelId>(std::lower_bound(used.begin(), used.end(), label) - used.begin()));
  }
  return Dfa(minimal.alphabet(), 0, {minimal.delta().begin(), minimal.delta().end()}, std::move(renumbered),
             std::move(names));
}

Dfa point_language(std::string_view name, std::string_view group_name) {
  const Group group = parse_group(name, group_name);
  limit_transitions(name, group.degree, group.order);
  const std::vector<Permutation> elements = elements_of(group);
  return point_automaton(Alphabet(numbered_names(elements.size())), group.degree, elements);
}

Dfa generator_points(std::string_view name, std::string_view group_name) {
  const Group group = parse_group(name, group_name, false);
  return point_automaton(generator_alphabet(name, group), group.degree, group.generators);
}

Dfa counter(std::uint64_t m, bool accept_zero) {
  std::vector<State> delta;
  std::vector<bool> accepting;
  for (std::uint64_t q = 0; q < m; ++q) {
    delta.push_back(static_cast<State>(q));
    delta.push_back(static_cast<State>((q + 1) % m));
    accepting.push_back((q == 0) == accept_zero);
  }
  return minimize(Dfa::acceptor(Alphabet::of_characters("01"), 0, std::move(delta), accepting));
}

Dfa cycle_language(std::uint64_t m) {
  std::vector<State> delta;
  std::vector<LabelId> labels;
  for (std::uint64_t q = 0; q < m; ++q) {
    delta.push_back(static_cast<State>(q));
    delta.push_back(static_cast<State>((q + 1) % m));
    delta.push_back(static_cast<State>((q + m - 1) % m));
    labels.push_back(static_cast<LabelId>(q));
  }
  return minimize(Dfa(Alphabet::of_characters("0+-"), 0, std::move(delta), std::move(labels), numbered_names(m)));
}

// Tomita 1982. Number 3: after an odd block of 1s (however much later) no odd block of 0s; it is given as an automaton
// because the block structure is plainer there than in an expression.
Dfa tomita(std::uint64_t number) {
  const Alphabet bits = Alphabet::of_characters("01");
  switch (number) {
    case 1:
      return parse_regex("1*", bits);
    case 2:
      return parse_regex("(10)*", bits);
    case 3:
      // 0: no odd block of 1s is complete and the current block of 1s is even; 1: the current block of 1s is odd;
      // 2: an odd block of 1s has passed and the current block of 0s is odd; 3: it has passed and all is well; 4: lost.
      return minimize(Dfa::acceptor(bits, 0, {0, 1, 2, 0, 3, 4, 2, 3, 4, 4}, {true, true, false, true, false}));
    case 4:
      return parse_regex("~(.*000.*)", bits);
    case 5:
      return parse_regex("(1*01*0)*1*&(0*10*1)*0*", bits);
    case 6: {
      const std::vector<State> delta{1, 2, 2, 0, 0, 1};
      return minimize(Dfa::acceptor(bits, 0, delta, {true, false, false}));
    }
    default:
      return parse_regex("0*1*0*1*", bits);
  }
}

// States: 0 before the first digit; 1 lost; then (v, "a number was read") and (v, operator) with v the value so far.
Dfa modular_arithmetic(std::uint64_t m) {
  std::vector<std::string> symbols = numbered_names(m);
  symbols.insert(symbols.end(), {"+", "-", "*"});
  const std::uint64_t k = m + 3;
  const auto number = [&](std::uint64_t v) { return static_cast<State>(2 + v); };
  const auto pending = [&](std::uint64_t v, std::uint64_t op) { return static_cast<State>(2 + m + 3 * v + op); };
  std::vector<State> delta((2 + 4 * m) * k, 1);
  std::vector<bool> accepting(2 + 4 * m, false);
  accepting[number(0)] = true;
  for (std::uint64_t d = 0; d < m; ++d) delta[d] = number(d);
  for (std::uint64_t v = 0; v < m; ++v) {
    for (std::uint64_t op = 0; op < 3; ++op) {
      delta[number(v) * k + m + op] = pending(v, op);
      for (std::uint64_t d = 0; d < m; ++d) {
        const std::uint64_t value = op == 0 ? v + d : op == 1 ? v + m - d : v * d;
        delta[pending(v, op) * k + d] = number(value % m);
      }
    }
  }
  return minimize(Dfa::acceptor(Alphabet(std::move(symbols)), 0, std::move(delta), accepting));
}

// The value is t + p, where p is the product being read and t the sum before it. States: (expects a digit, t, p),
// (read a digit, t, p), the m answers, lost.
Dfa modular_arithmetic_answer(std::uint64_t m) {
  std::vector<std::string> symbols = numbered_names(m);
  symbols.insert(symbols.end(), {"+", "-", "*", "="});
  const std::uint64_t k = m + 4;
  const auto expects = [&](std::uint64_t t, std::uint64_t p) { return static_cast<State>(t * m + p); };
  const auto read = [&](std::uint64_t t, std::uint64_t p) { return static_cast<State>(m * m + t * m + p); };
  const std::uint64_t answers = 2 * m * m;
  const auto lost = static_cast<State>(answers + m);
  std::vector<State> delta((answers + m + 1) * k, lost);
  std::vector<LabelId> labels(answers + m + 1, null_label);
  for (std::uint64_t t = 0; t < m; ++t) {
    labels[answers + t] = static_cast<LabelId>(t);
    for (std::uint64_t p = 0; p < m; ++p) {
      for (std::uint64_t d = 0; d < m; ++d) delta[expects(t, p) * k + d] = read(t, p * d % m);
      State* row = delta.data() + read(t, p) * k + m;
      row[0] = expects((t + p) % m, 1 % m);
      row[1] = expects((t + p) % m, m - 1);
      row[2] = expects(t, p);
      row[3] = static_cast<State>(answers + (t + p) % m);
    }
  }
  return minimize(
      Dfa(Alphabet(std::move(symbols)), expects(0, 1 % m), std::move(delta), std::move(labels), numbered_names(m)));
}

Dfa dyck(std::string_view name, std::uint64_t k, std::uint64_t depth) {
  // Stacks as numbers in base k behind a leading digit 1, breadth first; state 0 is the empty stack, the last one lost.
  std::uint64_t states = 1;
  std::uint64_t layer = 1;
  for (std::uint64_t d = 0; d < depth; ++d) {
    layer *= k;
    states += layer;
    limit_transitions(name, states + 1, 2 * k);
  }
  const std::string opening = std::string("([{<").substr(0, k);
  const std::string closing = std::string(")]}>").substr(0, k);
  const auto lost = static_cast<State>(states);
  std::vector<State> delta((states + 1) * 2 * k, lost);
  // A stack s becomes k * s + 1 + i when bracket i is pushed: the children of s in the k-ary heap order.
  for (std::uint64_t s = 0; s < states; ++s) {
    for (std::uint64_t i = 0; i < k; ++i) {
      const std::uint64_t pushed = k * s + 1 + i;
      if (pushed >= states) continue;
      delta[s * 2 * k + i] = static_cast<State>(pushed);
      delta[pushed * 2 * k + k + i] = static_cast<State>(s);
    }
  }
  std::vector<bool> accepting(states + 1, false);
  accepting[0] = true;
  return minimize(Dfa::acceptor(Alphabet::of_characters(opening + closing), 0, std::move(delta), accepting));
}

// The integer part of x * bound / 2^64 for the next output x; bound below 2^32.
std::uint64_t draw_below(SplitMix64& random, std::uint64_t bound) {
  const std::uint64_t x = random.next();
  return ((x >> 32U) * bound + (((x & UINT32_MAX) * bound) >> 32U)) >> 32U;
}

Dfa random_automaton(std::uint64_t n, std::uint64_t k, std::uint64_t seed) {
  SplitMix64 random(seed);
  std::string letters;
  for (std::uint64_t a = 0; a < k; ++a) letters += static_cast<char>('a' + a);
  std::vector<State> delta(n * k);
  for (State& to : delta) to = static_cast<State>(draw_below(random, n));
  std::vector<bool> accepting(n);
  for (std::uint64_t q = 0; q < n; ++q) accepting[q] = (random.next() >> 63U) == 1;
  return Dfa::acceptor(Alphabet::of_characters(letters), 0, std::move(delta), accepting);
}

}  // namespace

std::span<const CatalogEntry> catalog_entries() { return entries; }

Dfa catalog_language(std::string_view name) {
  const std::size_t colon = name.find(':');
  const std::string_view head = name.substr(0, colon);
  const std::string_view rest = colon == std::string_view::npos ? std::string_view() : name.substr(colon + 1);
  const bool bare = colon == std::string_view::npos;

  if (bare && head == "parity") return counter(2, false);
  if (bare && head == "flipflop") {
    return minimize(Dfa::acceptor(Alphabet::of_characters("srn"), 0, {1, 0, 0, 1, 0, 1}, {false, true}));
  }
  if (bare && head == "even-pairs") return parse_regex("(a(.*a)?|b(.*b)?)?", Alphabet::of_characters("ab"));
  if (head == "mod") return counter(parameter(name, "a modulus", rest, 1, 1'000'000), true);
  if (head == "cycle") return cycle_language(parameter(name, "a modulus", rest, 1, 1'000'000));
  if (head == "tomita") return tomita(parameter(name, "a number", rest, 1, 7));
  if (head == "modarith") return modular_arithmetic(parameter(name, "a modulus", rest, 1, 1000));
  if (head == "modarith-answer") return modular_arithmetic_answer(parameter(name, "a modulus", rest, 1, 100));
  if (head == "dyck" || head == "random") {
    const std::vector<std::string_view> parts = split(rest, ',');
    const std::size_t expected = head == "dyck" ? 2 : 3;
    if (parts.size() != expected) {
      throw InputError("language '" + std::string(name.substr(0, 64)) + "': expected " +
                       (head == "dyck" ? "dyck:k,d" : "random:n,k,seed") + ", got " + std::to_string(parts.size()) +
                       " parameters");
    }
    if (head == "dyck") {
      return dyck(name, parameter(name, "a number of kinds of brackets", parts[0], 1, 4),
                  parameter(name, "a depth", parts[1], 0, 1'000'000));
    }
    const std::uint64_t n = parameter(name, "a number of states", parts[0], 1, 10'000'000);
    const std::uint64_t k = parameter(name, "a number of letters", parts[1], 1, 26);
    limit_transitions(name, n, k);
    return random_automaton(n, k, parameter(name, "a seed", parts[2], 0, UINT64_MAX));
  }
  if (head == "word") return word_language(name, rest, false, false);
  if (head == "word-left") return word_language(name, rest, false, true);
  if (head == "perm") return point_language(name, rest);
  if (head == "points") return generator_points(name, rest);
  if (head == "accept" && rest.starts_with("word:")) return word_language(name, rest.substr(5), true, false);
  if (head == "accept" && rest.starts_with("word-left:")) return word_language(name, rest.substr(10), true, true);
  if (!head.empty() && std::string_view("ZSADQMP").find(head[0]) != std::string_view::npos) return group_language(name);
  unknown(name);
}

}  // namespace krohn
