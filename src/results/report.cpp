// Reports: what the other modules compute, as a page. Nothing is decided here. Parts that would take more than the
// options allow are left out with a sentence.
#include "krohn/results/report.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>

#include "krohn/automata/cascade.hpp"
#include "krohn/automata/expressivity.hpp"
#include "krohn/automata/green.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/automata/monoid_flags.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/engine/spectrum.hpp"
#include "krohn/error.hpp"
#include "krohn/model/spectrum.hpp"
#include "krohn/numeric/splitmix64.hpp"
#include "krohn/results/check_report.hpp"
#include "krohn/results/extraction_report.hpp"
#include "krohn/results/figures.hpp"
#include "krohn/results/svg.hpp"
#include "krohn/text/counted.hpp"
#include "krohn/verify/accuracy.hpp"
#include "krohn/verify/check.hpp"
#include "krohn/verify/lasso.hpp"
#include "krohn/verify/layered_lasso.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {
namespace {

constexpr std::uint64_t most_words = 100;
// Multiply-adds that a checkpoint's words, and the search for its lasso, may cost: some seconds each.
constexpr double checkpoint_work = 2e11;
constexpr double lasso_work = 2e10;
/// The same of failing words, and of the automaton extracted.
constexpr double search_work = 1e10;

constexpr const char* style_sheet =
    "body{font-family:sans-serif;line-height:1.45;color:#222222;background:#ffffff;max-width:62rem;margin:2rem auto;"
    "padding:0 1rem}\n"
    "h1{font-size:1.6rem;margin-bottom:.2rem;overflow-wrap:anywhere}"
    "h2{font-size:1.2rem;margin-top:2rem;border-bottom:1px solid #999999;break-after:avoid}\n"
    "figure{margin:1rem 0;break-inside:avoid}figcaption{font-size:.9rem;color:#333333;max-width:52rem}\n"
    "svg{max-width:100%;height:auto}.wide{overflow-x:auto}\n"
    "table{border-collapse:collapse;font-size:.9rem}tr,table.facts,table.numbers{break-inside:avoid}\n"
    "th,td{text-align:left;vertical-align:top;padding:.25rem .6rem;border-bottom:1px solid #cccccc}\n"
    "thead th{border-bottom:2px solid #666666}td.number,th.number{text-align:right}\n"
    "table.facts td{overflow-wrap:anywhere}table.facts th{min-width:7rem}\n"
    "td.yes{font-weight:bold;color:#00563f}td.no{color:#8a2f00}td.unknown{font-style:italic;color:#444444}\n"
    ".note{color:#444444;font-size:.9rem}code{font-family:monospace;overflow-wrap:anywhere}\n"
    // On a narrow screen pictures keep a legible size and scroll, and long rows become lists.
    "@media screen and (max-width:44rem){svg{max-width:44rem}.numbers td{white-space:nowrap}\n"
    "table.long thead{display:none}table.long tr{display:block;border-bottom:1px solid #666666;padding:.4rem 0}\n"
    "table.long td{display:block;border:0;text-align:left;padding:.1rem 0}\n"
    "table.long td::before{content:attr(data-name) \": \";font-weight:normal;font-style:normal;color:#555555}}\n"
    "@media print{body{margin:0;max-width:none}}\n";

class Page {
 public:
  Page(std::string title, std::function<void(const std::string&)> begins)
      : title_(std::move(title)), begins_(std::move(begins)) {}

  void heading(const std::string& text) {
    if (begins_) begins_(text);
    body_ += "<h2>" + xml_escaped(text) + "</h2>\n";
  }
  void note(const std::string& text) { body_ += "<p class=\"note\">" + xml_escaped(text) + "</p>\n"; }
  void figure(const Figure& figure) {
    if (figure.svg.empty()) {
      note(figure.caption);
      return;
    }
    body_ += "<figure>\n<div class=\"wide\">\n" + figure.svg + "</div>\n<figcaption>" + xml_escaped(figure.caption) +
             "</figcaption>\n</figure>\n";
  }
  /// Two columns, names and values.
  void facts(const std::vector<std::pair<std::string, std::string>>& lines) {
    body_ += "<div class=\"wide\"><table class=\"facts\">\n";
    for (const auto& [name, value] : lines) {
      body_ += "<tr><th>" + xml_escaped(name) + "</th><td>" + xml_escaped(value) + "</td></tr>\n";
    }
    body_ += "</table></div>\n";
  }
  /// `numeric` columns are set to the right; the cell at `answer_column` gets its own text as class, and a table with
  /// such a column has text in its cells, a list each row where the screen is narrow.
  void table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows,
             const std::vector<bool>& numeric, std::size_t answer_column = std::size_t(-1)) {
    const auto cell_class = [&](std::size_t c, const std::string& text) {
      if (c == answer_column) return " class=\"" + xml_escaped(text) + "\"";
      return std::string(numeric[c] ? " class=\"number\"" : "");
    };
    const bool texts = answer_column < head.size();
    body_ += std::string("<div class=\"wide\"><table class=\"") + (texts ? "long" : "numbers") + "\">\n<thead><tr>";
    for (std::size_t c = 0; c < head.size(); ++c) {
      body_ += std::string("<th") + (numeric[c] ? " class=\"number\"" : "") + ">" + xml_escaped(head[c]) + "</th>";
    }
    body_ += "</tr></thead>\n<tbody>\n";
    for (const auto& row : rows) {
      body_ += "<tr>";
      for (std::size_t c = 0; c < row.size(); ++c) {
        body_ += "<td" + cell_class(c, row[c]);
        if (texts) body_ += " data-name=\"" + xml_escaped(head[c]) + "\"";
        body_ += ">" + xml_escaped(row[c]) + "</td>";
      }
      body_ += "</tr>\n";
    }
    body_ += "</tbody>\n</table></div>\n";
  }

  std::string text() const {
    return "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n<meta "
           "charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width\"/>\n<title>" +
           xml_escaped(title_) + "</title>\n<style>\n" + style_sheet + "</style>\n</head>\n<body>\n<h1>" +
           xml_escaped(title_) + "</h1>\n" + body_ + "</body>\n</html>\n";
  }

 private:
  std::string title_;
  std::function<void(const std::string&)> begins_;
  std::string body_;
};

std::string yes_no(const std::optional<bool>& flag) { return !flag ? "unknown" : *flag ? "yes" : "no"; }

std::size_t draw_below(SplitMix64& random, std::size_t n) { return static_cast<std::size_t>(random.next() % n); }

// ---- languages ----------------------------------------------------------------------------------------------------

std::string number_or_dash(const std::optional<std::size_t>& value) { return value ? std::to_string(*value) : "-"; }

void add_expressivity(Page& page, const LanguageFacts& facts) {
  page.heading("Which linear RNN can do it");
  std::vector<std::vector<std::string>> rows;
  for (const FamilyDecision& d : decide_expressivity(facts)) {
    std::string source = d.theorem;
    if (!d.theorem.empty()) {
      source += " (" + d.source + (d.basis == Basis::paper ? ", no proof here" : "") + "); " + d.arithmetic;
    }
    rows.push_back({d.family, d.models, answer_name(d.answer), number_or_dash(d.layers), number_or_dash(d.householder),
                    number_or_dash(d.size), d.reason, source});
  }
  page.table({"family", "models", "answer", "layers", "n_h", "size", "why", "source; arithmetic"}, rows,
             {false, false, false, true, true, true, false, false}, 2);
  page.note(
      "\"Can\" is about weights that exist, at all lengths and in finite precision, not about what training finds.");
}

/// Everything about a language; the cascade's numbers go into the table.
void add_language(Page& page, const Dfa& dfa, const Dfa& minimal, const ReportOptions& options) {
  page.heading("Automaton");
  page.figure(draw_automaton(minimal));

  const MonoidFacts monoid = find_flags(minimal, options.max_monoid);
  GreenLimits limits;
  limits.r_classes = options.max_monoid;
  const std::optional<GreenRelations> green = find_green(monoid.orbit, limits);
  page.heading("Algebra");
  std::vector<std::pair<std::string, std::string>> lines{
      {"states", std::to_string(dfa.num_states()) + ", minimal " + std::to_string(minimal.num_states())},
      {"symbols",
       std::to_string(minimal.num_symbols()) + ", acting differently " + std::to_string(monoid.letters.images.size())},
      {"transition monoid", green ? green->order + (green->order == "1" ? " element" : " elements") : "order unknown"},
      {"group", yes_no(monoid.flags.is_group)},
      {"aperiodic (star-free)", yes_no(monoid.flags.is_aperiodic)},
      {"only 2-groups", yes_no(monoid.flags.only_2_groups)},
      {"all groups solvable", yes_no(monoid.flags.all_groups_solvable)}};
  if (monoid.flags.not_aperiodic) {
    const PeriodWitness& witness = *monoid.flags.not_aperiodic;
    lines.emplace_back("not aperiodic because",
                       "w = " + minimal.alphabet().format_word(witness.word) + " acts with period " + witness.period);
  }
  if (green) {
    std::map<std::string, std::size_t> groups;
    for (const DClass& d : green->d_classes) {
      const PermutationGroup& group = monoid.orbit.components()[d.component].group;
      if (d.regular && !group.is_trivial() && groups.size() < 20) ++groups[name_group(group).name];
    }
    std::string names;
    for (const auto& [name, count] : groups) names += (names.empty() ? "" : ", ") + name;
    lines.emplace_back("groups in it", names.empty() ? "trivial ones only" : names);
  }
  page.facts(lines);
  if (green) {
    page.figure(draw_egg_boxes(monoid.orbit, *green));
  } else {
    page.note("Green's classes were left out: the monoid has more than " + std::to_string(options.max_monoid) +
              " images or R-classes.");
  }

  LanguageFacts facts = letter_facts(minimal);
  add_monoid_flags(facts, monoid.flags);
  std::optional<Cascade> cascade;
  try {
    CascadeOptions cascade_options;
    cascade_options.max_family = options.max_monoid;
    cascade_options.max_rows = 400000;
    cascade = make_cascade(minimal, cascade_options);
    if (facts.is_aperiodic.value_or(false)) {
      cascade_options.resets_only = true;
      cascade_options.mode = CascadeMode::images;
      facts.reset_widths = make_cascade(minimal, cascade_options).widths();
    }
  } catch (const ResourceError& error) {
    page.note(std::string("Cascade: ") + error.what());
  } catch (const InputError&) {
    // No cascade of resets within the caps: the table leaves the numbers out.
  }
  try {
    CompileOptions compile_options;
    compile_options.cascade.max_family = options.max_monoid;
    compile_options.max_holonomy_family = 0;
    const CompileResult compiled = compile(minimal, compile_options);
    facts.cascade_widths = compiled.hidden;
    if (!compiled.num_householder.empty()) {
      facts.compiled_householder = *std::max_element(compiled.num_householder.begin(), compiled.num_householder.end());
    }
  } catch (const ResourceError&) {
    // As above.
  }
  add_expressivity(page, facts);
  if (cascade) {
    page.heading("Cascade");
    page.figure(draw_cascade(*cascade));
  }
}

// ---- models -------------------------------------------------------------------------------------------------------

void add_eigenvalues(Page& page, const LrnnModel& model) {
  page.heading("Eigenvalues");
  std::vector<EigenvalueSeries> series;
  std::vector<std::string> methods;
  for (std::size_t l = 0; l < model.layers().size(); ++l) {
    const TokenTable& table = model.layers()[l].table;
    EigenvalueSeries one{"layer " + std::to_string(l), {}};
    constexpr std::size_t most_rows = 600;
    for (std::size_t row = 0; row < std::min(table.num_rows(), most_rows); ++row) {
      // A small cap on exact blocks: here the numbers are only shown.
      for (const std::complex<double>& value : row_spectrum(table, row, 4).eigenvalues) {
        const bool known = std::any_of(one.values.begin(), one.values.end(), [&](const std::complex<double>& other) {
          return std::abs(other - value) < 1e-6;
        });
        if (!known) one.values.push_back(value);
      }
    }
    series.push_back(std::move(one));
  }
  page.figure(draw_eigenvalues(series));
}

void add_eigenvalues(Page& page, const Program& model, const LearnedTask& task) {
  page.heading("Eigenvalues");
  SpectrumOptions options;
  options.tokens = task.tokens;
  options.first_token = task.first_token;
  std::sort(options.tokens.begin(), options.tokens.end());
  options.tokens.erase(std::unique(options.tokens.begin(), options.tokens.end()), options.tokens.end());
  const LearnedSpectrum spectrum = compute_spectrum(model, options);
  std::map<std::size_t, EigenvalueSeries> blocks;
  std::vector<std::vector<std::string>> rows;
  for (const HeadSpectrum& head : spectrum.heads) {
    EigenvalueSeries& one = blocks[head.block];
    one.name = "block " + std::to_string(head.block);
    // Points nearer than a marker's width would hide one another.
    for (const std::complex<double>& value : head.sample) {
      const bool near = std::any_of(one.values.begin(), one.values.end(),
                                    [&](const std::complex<double>& other) { return std::abs(other - value) < 0.004; });
      if (!near) one.values.push_back(value);
    }
    char range[64];
    std::snprintf(range, sizeof range, "%.4g to %.4g", head.least_real, head.most_real);
    rows.push_back({std::to_string(head.block), std::to_string(head.head), range, std::to_string(head.negative),
                    std::to_string(head.complex), std::to_string(head.eigenvalues)});
  }
  std::vector<EigenvalueSeries> series;
  for (auto& [block, one] : blocks) series.push_back(std::move(one));
  Figure figure = draw_eigenvalues(series);
  figure.caption += " A sample, along " + std::to_string(spectrum.words) + " random words of length " +
                    std::to_string(spectrum.length) + ".";
  page.figure(figure);
  page.table({"block", "head", "real parts", "negative", "not real", "eigenvalues seen"}, rows,
             {true, true, false, true, true, true});
  if (!spectrum.nonlinear_blocks.empty()) {
    page.note("Some blocks are sLSTM, nonlinear networks without a state transition matrix; no theorem covers them.");
  }
}

/// The letter that turns the automaton most, or the first symbol.
Symbol loop_symbol(const Machine& machine, const std::optional<Dfa>& language) {
  if (language) {
    if (const auto symbol = machine.alphabet().find(letter_facts(minimize(*language)).letter)) return *symbol;
  }
  if (const auto symbol = machine.alphabet().find("1")) return *symbol;
  return 0;
}

struct HiddenName {
  std::size_t element = 0;
  std::string name;
};

/// `elements` are candidates with their names; the six that move most are drawn.
void add_trajectories(Page& page, const Machine& machine, Symbol symbol, const std::optional<Lasso>& lasso,
                      const std::vector<HiddenName>& elements) {
  page.heading("Hidden trajectories");
  std::uint64_t length = 24;
  // A lasso that begins beyond the plot is not waited for: fewer steps are easier to read.
  if (lasso) {
    const std::uint64_t whole = lasso->transient + 3 * lasso->period + 4;
    length = lasso->transient < 240 ? std::clamp<std::uint64_t>(whole, 16, 240) : 48;
  }
  if (!lasso) length = 64;
  std::vector<std::vector<float>> values;
  std::vector<std::byte> state(machine.state_size());
  machine.initial(state);
  try {
    for (std::uint64_t k = 0; k <= length; ++k) {
      if (k > 0) machine.step(state, symbol);
      values.push_back(machine.hidden(state));
    }
  } catch (const NumericError& error) {
    page.note(error.what());
  }
  std::vector<std::pair<double, std::size_t>> moves;
  for (std::size_t e = 0; e < elements.size(); ++e) {
    double sum = 0.0;
    double square = 0.0;
    for (const auto& row : values) {
      const auto v = static_cast<double>(row[elements[e].element]);
      sum += v;
      square += v * v;
    }
    const auto n = static_cast<double>(values.size());
    moves.emplace_back(-(square / n - sum * sum / (n * n)), e);
  }
  std::stable_sort(moves.begin(), moves.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Trajectory> trajectories;
  for (std::size_t i = 0; i < std::min<std::size_t>(6, moves.size()); ++i) {
    if (i > 0 && moves[i].first > -1e-12) break;
    Trajectory one{elements[moves[i].second].name, {}};
    for (const auto& row : values) one.values.push_back(static_cast<double>(row[elements[moves[i].second].element]));
    trajectories.push_back(std::move(one));
  }
  page.figure(draw_trajectories(trajectories, machine.alphabet().name(symbol), lasso));
}

std::string exactness(const std::optional<bool>& exact, const std::optional<std::uint64_t>& horizon) {
  if (exact == true) return "The compiler claims exact arithmetic: the margin is the same at every length.";
  if (horizon) return "The compiler certifies the labels of all words up to length " + std::to_string(*horizon) + ".";
  return "No horizon is certified.";
}

/// Steps of a model of `work` multiply-adds a step, so that a search takes some seconds.
std::uint64_t steps_for(double work, double most) {
  return static_cast<std::uint64_t>(std::clamp(search_work / work, 1024.0, most));
}

/// The word that refutes the model, if one was found.
std::optional<Word> add_verdict(Page& page, const Machine& machine, const Dfa& language, const InvariantHint* hint,
                                const std::vector<StateUnit>& units, double work, const ReportOptions& options) {
  page.heading("Verdict");
  CheckOptions how;
  how.budget.deadline = std::chrono::steady_clock::now() +
                        std::chrono::milliseconds(static_cast<std::int64_t>(1000.0 * options.check_seconds));
  how.sample.words = 0;
  const CheckReport report = check(machine, language, how, hint);
  std::vector<std::pair<std::string, std::string>> lines{
      {"verdict", final_line(report.verdict, machine.alphabet()).substr(2)}};
  const auto* refuted = std::get_if<Refuted>(&report.verdict);
  if (refuted != nullptr) {
    const Counterexample& found = refuted->counterexample;
    if (found.word.size() > 60) lines.front().second = "REFUTED " + stretches_text(found.word, machine.alphabet());
    lines.emplace_back("the word", "of length " + std::to_string(found.word.size()) +
                                       (found.shortest ? ", a shortest one" : ", shortened, not proved shortest"));
    lines.emplace_back("at its end", "the language says " + found.expected + ", the model " + found.observed);
    lines.emplace_back("where it breaks", "the labels part at position " + std::to_string(found.position));
    FailingOptions failing;
    failing.steps = steps_for(work, 1 << 19);
    const FailureReport failures =
        report_failures(machine, Specification(machine, minimize(language)), found.word, units, failing);
    for (auto& line : failure_lines(failures, machine.alphabet())) lines.push_back(std::move(line));
  } else if (const auto* unknown = std::get_if<Unknown>(&report.verdict)) {
    lines.emplace_back("why", unknown->reason);
    if (unknown->length)
      lines.emplace_back("bound", "every word up to length " + std::to_string(*unknown->length) + " agrees");
  }
  lines.emplace_back("semantics", report.semantics);
  lines.emplace_back("domain", report.domain);
  page.facts(lines);
  return refuted != nullptr ? std::optional<Word>(refuted->counterexample.word) : std::nullopt;
}

/// The automaton that the model implements, beside the language where there is one and the two differ.
Dfa add_extraction(Page& page, const Machine& machine, const std::optional<Dfa>& domain, const InvariantHint* hint,
                   const std::optional<Word>& refuting, double work) {
  page.heading("What it learned");
  ExtractOptions how;
  // A compiled model is settled by its tables; searches of a learned one are cut by steps, so that no clock shows.
  how.quick = !machine.tables();
  how.budget.memory = std::size_t{64} << 20U;
  how.steps = steps_for(work, how.quick ? 1 << 16 : 1 << 18);
  how.max_states = 48;
  how.sample.words = 0;
  if (domain) how.guesses = {*domain};
  if (refuting) how.words = {*refuting};
  Extraction extraction = extract(machine, domain, how, hint);
  const Dfa learned = extraction.automaton;
  std::vector<std::pair<std::string, std::string>> lines;
  const std::string growth = growth_text(extraction);
  if (!growth.empty()) lines.emplace_back("at every length", growth);
  // Of a model that is right up to a length only, as long a length as leaves a picture.
  constexpr std::size_t most_states = 24;
  if (const auto* up_to = std::get_if<RightUpTo>(&extraction.status);
      up_to != nullptr && learned.num_states() > most_states) {
    lines.emplace_back("up to length " + std::to_string(up_to->cover.length),
                       counted(learned.num_states(), "state") + " at least");
    std::uint64_t length = up_to->cover.length;
    Cover cover = up_to->cover;
    while (length > 0 && cover.automaton.num_states() > most_states) cover = minimal_cover(learned, --length);
    extraction.automaton = cover.automaton;
    extraction.status = RightUpTo{std::move(cover), up_to->method};
  }
  std::optional<ExtractionComparison> comparison;
  if (domain) comparison = compare_extraction(extraction, machine, *domain, "the language", refuting);
  lines.emplace_back("automaton", counted(extraction.automaton.num_states(), "state"));
  lines.emplace_back("it is", status_text(extraction));
  if (comparison) lines.emplace_back("compared", comparison_text(*comparison, machine.alphabet()));
  page.facts(lines);
  if (!comparison || comparison->equal != true || comparison->up_to) {
    page.figure(draw_extraction(extraction, comparison));
  } else {
    page.note("It is the language's automaton, which is drawn below.");
  }
  return learned;
}

/// The language's minimal automaton in the model's order of symbols, or the automaton extracted where there is none.
Dfa in_order_of(const Machine& machine, const std::optional<Dfa>& language, const Dfa& extracted) {
  return language ? Specification(machine, minimize(*language)).automaton() : extracted;
}

void add_clusters(Page& page, const Machine& machine, const std::vector<StateUnit>& units, const Dfa& automaton,
                  double work, std::uint64_t length) {
  page.heading("Learned states");
  ClusterOptions how;
  how.longest = std::min<std::uint64_t>(256, length);
  how.long_words = std::clamp<std::size_t>(steps_for(work, 1 << 16) / 256, 4, 24);
  const Clusters clusters = find_clusters(machine, units, automaton, std::nullopt, how);
  page.figure(draw_clusters(clusters, automaton));
  page.figure(draw_gaps(clusters.gaps));
  page.note(
      "Of " + counted(clusters.units, "head or layer state", "head and layer states") + " " +
      std::to_string(clusters.telling_units) +
      " tell the automaton's states apart by themselves on the short words: each lies nearest to the mean of its own "
      "state.");
}

/// The margin at a position: below 0 where the language asks for another label; nothing where it asks for none.
class SignedMargins {
 public:
  SignedMargins(const Machine& machine, const std::optional<Dfa>& language) : machine_(machine) {
    if (language) specification_.emplace(machine, *language);
  }

  /// take(t, margin) after each symbol t, from 0.
  void along(const Word& word, const std::function<void(std::size_t, double)>& take) {
    std::vector<std::byte> state(machine_.state_size());
    machine_.initial(state);
    State at = specification_ ? specification_->automaton().start() : 0;
    for (std::size_t t = 0; t < word.size(); ++t) {
      const Observation seen = machine_.step(state, word[t]);
      auto margin = static_cast<double>(seen.margin);
      if (specification_) {
        at = specification_->automaton().next(at, word[t]);
        if (specification_->automaton().label(at) == null_label) continue;
        if (!specification_->agrees(seen.label, at)) margin = -margin;
      }
      take(t, margin);
    }
  }

 private:
  const Machine& machine_;
  std::optional<Specification> specification_;
};

void add_margins(Page& page, const Machine& machine, const std::optional<Dfa>& language,
                 const std::optional<Word>& refuting, Symbol symbol, std::uint64_t words, std::uint64_t length,
                 std::optional<std::uint64_t> horizon, const std::string& claim) {
  page.heading("Margins");
  length = std::max<std::uint64_t>(2, length);
  std::vector<double> least(length, std::numeric_limits<double>::infinity());
  std::vector<double> power(length, std::numeric_limits<double>::infinity());
  std::vector<double> broken(refuting ? refuting->size() : 0, std::numeric_limits<double>::infinity());
  SplitMix64 draw(1);
  SignedMargins margins(machine, language);
  try {
    for (std::uint64_t w = 0; w < words; ++w) {
      Word word(length);
      for (Symbol& a : word) a = static_cast<Symbol>(draw_below(draw, machine.alphabet().size()));
      margins.along(word, [&](std::size_t t, double margin) { least[t] = std::min(least[t], margin); });
    }
    margins.along(Word(length, symbol), [&](std::size_t t, double margin) { power[t] = margin; });
    if (refuting) margins.along(*refuting, [&](std::size_t t, double margin) { broken[t] = margin; });
  } catch (const NumericError& error) {
    page.note(error.what());
  }
  const auto series = [&](const std::string& name, const std::vector<double>& values) {
    LengthSeries one{name, {}};
    for (std::size_t t = 0; t < values.size(); ++t) {
      if (std::isfinite(values[t])) one.points.emplace_back(static_cast<double>(t + 1), values[t]);
    }
    return one;
  };
  std::vector<LengthSeries> drawn{series("least of " + std::to_string(words) + " random words", least),
                                  series("on " + machine.alphabet().name(symbol) + "^k", power)};
  if (refuting) drawn.push_back(series("on the refuting word", broken));
  Figure figure = draw_margins(drawn, horizon);
  figure.caption += (language ? " Below 0 the label is wrong. " : " ") + claim;
  page.figure(figure);
}

std::vector<HiddenName> hidden_names(const LrnnModel& model) {
  std::vector<HiddenName> names;
  std::size_t offset = 0;
  for (std::size_t l = 0; l < model.layers().size(); ++l) {
    const TokenTable& table = model.layers()[l].table;
    for (std::size_t e = 0; e < model.layers()[l].hidden_size(); ++e) {
      std::string name = "layer " + std::to_string(l) + ", h" + std::to_string(e / table.value_size());
      if (table.value_size() > 1) name += "," + std::to_string(e % table.value_size());
      names.push_back({offset + e, std::move(name)});
    }
    offset += model.layers()[l].hidden_size();
  }
  return names;
}

std::vector<HiddenName> hidden_names(const Program& model) {
  std::vector<HiddenName> names;
  for (const StatePart& part : model.state_parts()) {
    if (part.kind != StatePart::Kind::hidden && part.kind != StatePart::Kind::cell) continue;
    for (std::size_t e = 0; e < part.size; ++e) {
      names.push_back({part.offset + e, "block " + std::to_string(part.layer) + ", " + std::to_string(e)});
    }
  }
  return names;
}

void add_compiled_model(Page& page, const Machine& machine, const Machine::Tables& tables,
                        const std::optional<Dfa>& language, const InvariantHint* hint, const std::optional<bool>& exact,
                        const std::optional<std::uint64_t>& horizon, const ReportOptions& options) {
  const auto& [model, semantics] = tables;
  std::optional<Word> refuting;
  const std::vector<StateUnit> units = state_units(model);
  // A layer's step, on what a learned model is counted by, about.
  const double work = 3000.0 * static_cast<double>(std::max<std::size_t>(1, model.layers().size()));
  if (language) refuting = add_verdict(page, machine, *language, hint, units, work, options);
  const Dfa learned = add_extraction(page, machine, language, hint, refuting, work);
  const Symbol symbol = loop_symbol(machine, language);
  if (!model.layers().empty()) {
    add_margins(page, machine, language, refuting, symbol, options.words.value_or(most_words), options.length, horizon,
                exactness(exact, horizon));
  }
  page.heading("Model");
  std::vector<std::vector<std::string>> rows;
  for (std::size_t l = 0; l < model.layers().size(); ++l) {
    const TableLayer& layer = model.layers()[l];
    rows.push_back({std::to_string(l), std::to_string(layer.table.key_size()), std::to_string(layer.table.value_size()),
                    std::to_string(layer.table.num_householder()), std::to_string(layer.num_rows()),
                    std::to_string(layer.table.num_rows())});
  }
  page.table({"layer", "key size", "value size", "n_h", "rows", "table rows"}, rows,
             {true, true, true, true, true, true});
  page.note("Semantics: " + std::string(semantics_id(semantics)) + ". " + exactness(exact, horizon));
  if (model.layers().empty()) return;
  add_eigenvalues(page, model);
  const Word loop{symbol};
  const LayeredLasso lasso =
      find_layered_lasso(model, arithmetic_of(semantics), {}, loop, {.max_steps = options.lasso_steps});
  add_trajectories(page, machine, symbol, lasso.lasso, hidden_names(model));
  add_clusters(page, machine, units, in_order_of(machine, language, learned), work, options.length);
}

void add_accuracy(Page& page, const Accuracy& accuracy) {
  page.heading("Accuracy by length");
  AccuracySeries position{"per position", {}};
  AccuracySeries sequence{"whole words", {}};
  std::vector<std::vector<std::string>> rows;
  for (const LengthAccuracy& one : accuracy.lengths) {
    const auto length = static_cast<double>(one.length);
    position.points.push_back({length, one.position.value, one.position.low, one.position.high});
    sequence.points.push_back({length, one.sequence.value, one.sequence.low, one.sequence.high});
    const auto text = [](const Proportion& p) {
      char line[64];
      std::snprintf(line, sizeof line, "%.4f (%.4f to %.4f)", p.value, p.low, p.high);
      return std::string(line);
    };
    rows.push_back({std::to_string(one.length), std::to_string(one.words), text(one.position), text(one.last),
                    text(one.sequence)});
  }
  page.figure(draw_accuracy({position, sequence}, accuracy.chance));
  page.table({"length", "words", "per position", "last symbol", "whole words"}, rows,
             {true, true, false, false, false});
}

}  // namespace

std::string language_report(const Dfa& dfa, const std::string& name, const ReportOptions& options) {
  Page page("Language " + name, options.begins);
  const Dfa minimal = minimize(dfa);
  add_language(page, dfa, minimal, options);
  try {
    CompileOptions compile_options;
    compile_options.cascade.max_family = options.max_monoid;
    compile_options.max_holonomy_family = 0;
    CompileResult compiled = compile(minimal, compile_options);
    const auto machine = make_machine(std::move(compiled.model), Semantics::fp32_fma_v1);
    add_compiled_model(page, *machine, *machine->tables(), minimal, &compiled.hint, compiled.exact, compiled.horizon,
                       options);
  } catch (const ResourceError& error) {
    page.note(std::string("Compiled model: ") + error.what());
  }
  return page.text();
}

std::string model_report(const OpenModel& model, const std::string& name, const ReportOptions& options) {
  Page page("Model " + name, options.begins);
  if (const std::optional<Machine::Tables> tables = model.machine->tables()) {
    add_compiled_model(page, *model.machine, *tables, model.automaton, model.hint ? &*model.hint : nullptr, model.exact,
                       model.horizon, options);
    if (model.automaton) add_language(page, *model.automaton, minimize(*model.automaton), options);
    return page.text();
  }
  const Program& learned = *model.learned;
  const std::optional<Dfa> language = model.own_language();
  // Multiply-adds of a token, about.
  const auto work = static_cast<double>(learned.num_parameters());
  std::vector<std::uint64_t> lengths;
  for (std::uint64_t length = 16; length <= options.length; length *= 2) lengths.push_back(length);
  const auto symbols = static_cast<double>(std::accumulate(lengths.begin(), lengths.end(), options.length));
  const std::uint64_t words = options.words.value_or(static_cast<std::uint64_t>(
      std::clamp(checkpoint_work / (work * symbols), 10.0, static_cast<double>(most_words))));
  const Symbol symbol = loop_symbol(*model.machine, language);
  std::optional<Word> refuting;
  const std::vector<StateUnit> units = state_units(learned);
  if (language) refuting = add_verdict(page, *model.machine, *language, nullptr, units, work, options);
  const Dfa extracted = add_extraction(page, *model.machine, language, nullptr, refuting, work);
  add_margins(page, *model.machine, language, refuting, symbol, words, options.length, std::nullopt,
              "No horizon is certified.");
  page.heading("Model");
  page.facts({{"architecture", learned.architecture()},
              {"blocks", std::to_string(learned.layers().size())},
              {"model size", std::to_string(learned.model_size())},
              {"parameters", std::to_string(learned.num_parameters())},
              {"numbers carried", std::to_string(learned.state_size())},
              {"semantics", std::string(model.machine->semantics())},
              {"task", model.task->description.empty() ? "as in task.json" : model.task->description}});
  add_eigenvalues(page, learned, model.task->answers);
  const Word loop{symbol};
  const auto steps = static_cast<std::uint64_t>(std::clamp(lasso_work / work, 64.0, 200000.0));
  const LassoSearch lasso = find_lasso(*model.machine, {}, loop, {.max_steps = std::min(options.lasso_steps, steps)});
  add_trajectories(page, *model.machine, symbol, lasso.lasso, hidden_names(learned));
  add_clusters(page, *model.machine, units, in_order_of(*model.machine, language, extracted), work, options.length);
  // The automaton as the task gives it: own_language() may add a start for words outside the domain.
  const std::optional<Dfa>& taught = model.task->automaton ? model.task->automaton : language;
  if (taught) add_language(page, *taught, minimize(*taught), options);
  if (language) {
    AccuracyOptions accuracy;
    accuracy.lengths = lengths;
    accuracy.words = words;
    accuracy.last_only = model.task->positions == Task::Positions::last;
    add_accuracy(page, measure_accuracy(*model.machine, *language, accuracy));
  }
  return page.text();
}

}  // namespace krohn
