// Reports: what findings.cpp gathered, as a page. Nothing is found out here.
#include "krohn/results/report.hpp"

#include <cmath>
#include <map>
#include <utility>

#include "krohn/automata/expressivity.hpp"
#include "krohn/automata/green.hpp"
#include "krohn/results/check_report.hpp"
#include "krohn/results/figures.hpp"
#include "krohn/results/svg.hpp"
#include "krohn/text/counted.hpp"

namespace krohn {
namespace {

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
  explicit Page(std::string title) : title_(std::move(title)) {}

  void heading(const std::string& text) { body_ += "<h2>" + xml_escaped(text) + "</h2>\n"; }
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
  std::string body_;
};

std::string yes_no(const std::optional<bool>& flag) { return !flag ? "unknown" : *flag ? "yes" : "no"; }

// ---- languages ----------------------------------------------------------------------------------------------------

std::string number_or_dash(const std::optional<std::size_t>& value) { return value ? std::to_string(*value) : "-"; }

void add_expressivity(Page& page, const std::vector<FamilyDecision>& families) {
  page.heading("Which linear RNN can do it");
  std::vector<std::vector<std::string>> rows;
  for (const FamilyDecision& d : families) {
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

/// Everything about a language.
void add_language(Page& page, const LanguageFindings& found) {
  const Classification& c = found.classification;
  const Dfa& minimal = c.language.minimal();
  const MonoidFacts& monoid = c.facts;
  const std::optional<GreenRelations>& green = c.green;
  page.heading("Automaton");
  page.figure(draw_automaton(minimal));
  page.heading("Algebra");
  std::vector<std::pair<std::string, std::string>> lines{
      {"states", std::to_string(c.language.given_states()) + ", minimal " + std::to_string(minimal.num_states())},
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
    page.note("Green's classes were left out: the monoid has more than " + std::to_string(c.max_monoid) +
              " images or R-classes.");
  }

  add_expressivity(page, c.families);
  if (found.cascade) {
    page.heading("Cascade");
    page.figure(draw_cascade(*found.cascade));
  } else if (!found.no_cascade.empty()) {
    page.note("Cascade: " + found.no_cascade);
  }
}

// ---- models -------------------------------------------------------------------------------------------------------

std::string exactness(const std::optional<bool>& exact, const std::optional<std::uint64_t>& horizon) {
  if (exact == true) return "The compiler claims exact arithmetic: the margin is the same at every length.";
  if (horizon) return "The compiler certifies the labels of all words up to length " + std::to_string(*horizon) + ".";
  return "No horizon is certified.";
}

void add_verdict(Page& page, const VerdictFindings& found, const Alphabet& alphabet) {
  page.heading("Verdict");
  const CheckReport& report = found.report;
  std::vector<std::pair<std::string, std::string>> lines{{"verdict", final_line(report.verdict, alphabet).substr(2)}};
  if (const auto* refuted = std::get_if<Refuted>(&report.verdict)) {
    const Counterexample& word = refuted->counterexample;
    if (word.word.size() > 60) lines.front().second = "REFUTED " + stretches_text(word.word, alphabet);
    lines.emplace_back("the word", "of length " + std::to_string(word.word.size()) +
                                       (word.shortest ? ", a shortest one" : ", shortened, not proved shortest"));
    lines.emplace_back("at its end", "the language says " + word.expected + ", the model " + word.observed);
    lines.emplace_back("where it breaks", "the labels part at position " + std::to_string(word.position));
    for (auto& line : failure_lines(found.failures.value(), alphabet)) lines.push_back(std::move(line));
  } else if (const auto* unknown = std::get_if<Unknown>(&report.verdict)) {
    lines.emplace_back("why", unknown->reason);
    if (unknown->length)
      lines.emplace_back("bound", "every word up to length " + std::to_string(*unknown->length) + " agrees");
  }
  lines.emplace_back("semantics", report.semantics);
  lines.emplace_back("domain", report.domain);
  page.facts(lines);
}

/// The automaton that the model implements, beside the language where there is one and the two differ.
void add_extraction(Page& page, const ExtractionFindings& found, const Alphabet& alphabet) {
  page.heading("What it learned");
  std::vector<std::pair<std::string, std::string>> lines;
  if (!found.growth.empty()) lines.emplace_back("at every length", found.growth);
  if (found.whole_length) {
    lines.emplace_back("up to length " + std::to_string(*found.whole_length),
                       counted(found.whole.num_states(), "state") + " at least");
  }
  lines.emplace_back("automaton", counted(found.drawn.automaton.num_states(), "state"));
  lines.emplace_back("it is", status_text(found.drawn));
  const std::optional<ExtractionComparison>& comparison = found.comparison;
  if (comparison) lines.emplace_back("compared", comparison_text(*comparison, alphabet));
  page.facts(lines);
  if (!comparison || comparison->equal != true || comparison->up_to) {
    page.figure(draw_extraction(found.drawn, comparison));
  } else {
    page.note("It is the language's automaton, which is drawn below.");
  }
}

void add_margins(Page& page, const ModelFindings& found, const Alphabet& alphabet, std::optional<std::uint64_t> horizon,
                 const std::string& claim) {
  page.heading("Margins");
  const MarginFindings& margins = found.margins.value();
  if (!margins.note.empty()) page.note(margins.note);
  const auto series = [&](const std::string& name, const std::vector<double>& values) {
    LengthSeries one{name, {}};
    for (std::size_t t = 0; t < values.size(); ++t) {
      if (std::isfinite(values[t])) one.points.emplace_back(static_cast<double>(t + 1), values[t]);
    }
    return one;
  };
  std::vector<LengthSeries> drawn{series("least of " + std::to_string(margins.words) + " random words", margins.least),
                                  series("on " + alphabet.name(found.symbol) + "^k", margins.power)};
  if (!margins.refuting.empty()) drawn.push_back(series("on the refuting word", margins.refuting));
  Figure figure = draw_margins(drawn, horizon);
  figure.caption += (found.verdict ? " Below 0 the label is wrong. " : " ") + claim;
  page.figure(figure);
}

void add_spectrum(Page& page, const ModelFindings& found) {
  if (found.eigenvalues.empty()) return;
  page.heading("Eigenvalues");
  Figure figure = draw_eigenvalues(found.eigenvalues);
  if (!found.spectrum) return page.figure(figure);
  const LearnedSpectrum& spectrum = *found.spectrum;
  figure.caption += " A sample, along " + std::to_string(spectrum.words) + " random words of length " +
                    std::to_string(spectrum.length) + ".";
  page.figure(figure);
  std::vector<std::vector<std::string>> rows;
  for (const HeadSpectrum& head : spectrum.heads) {
    char range[64];
    std::snprintf(range, sizeof range, "%.4g to %.4g", head.least_real, head.most_real);
    rows.push_back({std::to_string(head.block), std::to_string(head.head), range, std::to_string(head.negative),
                    std::to_string(head.complex), std::to_string(head.eigenvalues)});
  }
  page.table({"block", "head", "real parts", "negative", "not real", "eigenvalues seen"}, rows,
             {true, true, false, true, true, true});
  if (!spectrum.nonlinear_blocks.empty()) {
    page.note("Some blocks are sLSTM, nonlinear networks without a state transition matrix; no theorem covers them.");
  }
}

void add_states(Page& page, const ModelFindings& found, const Alphabet& alphabet) {
  if (!found.hidden) return;
  const HiddenFindings& hidden = *found.hidden;
  page.heading("Hidden trajectories");
  if (!hidden.note.empty()) page.note(hidden.note);
  page.figure(draw_trajectories(hidden.trajectories, alphabet.name(found.symbol), hidden.lasso));
  if (!found.clusters) return;
  const Clusters& clusters = *found.clusters;
  page.heading("Learned states");
  page.figure(draw_clusters(clusters, found.clustered.value()));
  page.figure(draw_gaps(clusters.gaps));
  page.note(
      "Of " + counted(clusters.units, "head or layer state", "head and layer states") + " " +
      std::to_string(clusters.telling_units) +
      " tell the automaton's states apart by themselves on the short words: each lies nearest to the mean of its own "
      "state.");
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

void add_compiled(Page& page, const OpenModel& open, const ModelFindings& found) {
  const LrnnModel& model = *open.machine->compiled();
  const Alphabet& alphabet = open.machine->alphabet();
  if (found.verdict) add_verdict(page, *found.verdict, alphabet);
  if (found.extraction) add_extraction(page, *found.extraction, alphabet);
  if (found.margins) add_margins(page, found, alphabet, open.horizon, exactness(open.exact, open.horizon));
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
  page.note("Semantics: " + std::string(open.machine->semantics()) + ". " + exactness(open.exact, open.horizon));
  if (model.layers().empty()) return;
  add_spectrum(page, found);
  add_states(page, found, alphabet);
}

void add_checkpoint(Page& page, const OpenModel& open, const ModelFindings& found) {
  const Program& learned = *open.learned;
  const Alphabet& alphabet = open.machine->alphabet();
  if (found.verdict) add_verdict(page, *found.verdict, alphabet);
  if (found.extraction) add_extraction(page, *found.extraction, alphabet);
  if (found.margins) add_margins(page, found, alphabet, std::nullopt, "No horizon is certified.");
  page.heading("Model");
  page.facts({{"architecture", learned.architecture()},
              {"blocks", std::to_string(learned.layers().size())},
              {"model size", std::to_string(learned.model_size())},
              {"parameters", std::to_string(learned.num_parameters())},
              {"numbers carried", std::to_string(learned.state_size())},
              {"semantics", std::string(open.machine->semantics())},
              {"task", open.task->description.empty() ? "as in task.json" : open.task->description}});
  add_spectrum(page, found);
  add_states(page, found, alphabet);
}

}  // namespace

std::string language_report(const Language& language, const std::string& name, const ReportOptions& options) {
  Page page("Language " + name);
  const LanguageFindings found = look_into(language, options);
  if (options.stopped()) page.note("Ended early: what was not looked into by then is left out.");
  add_language(page, found);
  const std::optional<CompileResult>& compiled = found.classification.compiled;
  if (!compiled || options.stopped()) {
    if (!options.stopped()) {
      page.note("Compiled model: left out, as in the table above; krohn compile may make one.");
    }
    return page.text();
  }
  OpenModel model{};
  model.machine = make_machine(compiled->model, Semantics::fp32_fma_v1);
  model.hint = compiled->hint;
  model.exact = compiled->exact;
  model.horizon = compiled->horizon;
  model.automaton = language.minimal();
  add_compiled(page, model, look_into(model, options, &found));
  return page.text();
}

std::string model_report(const OpenModel& model, const std::string& name, const ReportOptions& options) {
  Page page("Model " + name);
  const ModelFindings found = look_into(model, options);
  if (found.stopped) page.note("Ended early: what was not looked into by then is left out.");
  if (model.machine->compiled() != nullptr) {
    add_compiled(page, model, found);
  } else {
    add_checkpoint(page, model, found);
  }
  if (found.language) add_language(page, *found.language);
  if (found.accuracy) add_accuracy(page, *found.accuracy);
  return page.text();
}

}  // namespace krohn
