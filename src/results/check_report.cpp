// Prints what a check established. Nothing is decided here but which of the four verdicts meets the claim asked for.
// Tested by tests/tools/checkpoint_commands_test.cpp.
#include "krohn/results/check_report.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "check_json.hpp"

namespace krohn {
namespace {

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <typename... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

Json failures_json(const FailureReport& report, const Alphabet& alphabet) {
  const auto word = [&](const Word& symbols) {
    Json list = Json::array();
    for (const Symbol symbol : symbols) list.push_back(alphabet.name(symbol));
    return list;
  };
  Json families = Json::array();
  for (const FailingFamily& family : report.failing.families) {
    Json one = {{"before", word(family.before)},
                {"loop", word(family.loop)},
                {"after", word(family.after)},
                {"text", family_text(family, alphabet)},
                {"failing", failing_text(family)},
                {"run_up_to", family.bound},
                {"first", family.failing.front()},
                {"count", family.failing.size()},
                {"from", nullptr},
                {"period", nullptr},
                {"residues", nullptr},
                {"every_k", family.for_ever}};
    if (family.pattern) {
      one["from"] = family.pattern->from;
      one["period"] = family.pattern->period;
      one["residues"] = family.pattern->residues;
    }
    families.push_back(std::move(one));
  }
  Json states = Json::array();
  for (const FailingFromState& one : report.failing.from_states) {
    states.push_back({{"state", one.state},
                      {"access", word(one.access)},
                      {"suffix", one.suffix ? word(*one.suffix) : Json()},
                      {"shortest", one.shortest}});
  }
  Json worst;
  if (report.failing.worst) {
    Json shares = Json::array();
    for (const Direction::Share& share : report.failing.worst->shares) {
      shares.push_back(Json::array({share.length, share.right}));
    }
    worst = {{"before", word(report.failing.worst->before)},
             {"loop", word(report.failing.worst->loop)},
             {"right", std::move(shares)}};
  }
  Json departure;
  if (report.departure) {
    departure = {{"layer", report.departure->layer},
                 {"head", report.departure->head},
                 {"position", report.departure->position},
                 {"state", report.departure->state},
                 {"nearer", report.departure->nearer ? Json(*report.departure->nearer) : Json()}};
  }
  return {{"families", std::move(families)},
          {"from_states", std::move(states)},
          {"worst_direction", std::move(worst)},
          {"leaves_cluster", std::move(departure)},
          {"cut_short", report.failing.cut_short}};
}

std::string shortened(const Word& word, const Alphabet& alphabet) {
  constexpr std::size_t most = 200;
  const std::string text = stretches_text(word, alphabet);
  if (text.empty()) return "\"\"";
  // Many short stretches: the word is in --json.
  return text.size() <= most ? text : "a word of length " + std::to_string(word.size());
}

}  // namespace

FailureReport report_failures(const Machine& machine, const Specification& specification, const Word& word,
                              const std::vector<StateUnit>& units, const FailingOptions& options) {
  FailureReport report{describe_failing(machine, specification, word, options), std::nullopt};
  ClusterOptions how;
  how.longest = 0;
  report.departure = find_clusters(machine, units, specification.automaton(), word, how).departure;
  return report;
}

std::optional<FailureReport> failures_of(const CheckReport& report, const OpenModel& open, const Language& language,
                                         const Budget& budget) {
  const auto* refuted = std::get_if<Refuted>(&report.verdict);
  if (refuted == nullptr || budget.interrupted()) return std::nullopt;
  FailingOptions options;
  options.budget = budget.share(0.2);
  const auto soon = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  options.budget.deadline = std::min(options.budget.deadline.value_or(soon), soon);
  const LrnnModel* const compiled = open.machine->compiled();
  return report_failures(*open.machine, Specification(*open.machine, language.minimal()), refuted->counterexample.word,
                         compiled != nullptr ? state_units(*compiled) : state_units(*open.learned), options);
}

std::vector<std::pair<std::string, std::string>> failure_lines(const FailureReport& report, const Alphabet& alphabet) {
  std::vector<std::pair<std::string, std::string>> lines;
  for (const FailingFamily& family : report.failing.families) {
    lines.emplace_back("fails on", family_text(family, alphabet) + ": " + failing_text(family));
  }
  if (report.failing.worst) {
    const Direction& worst = *report.failing.worst;
    std::string text;
    for (const Direction::Share& share : worst.shares) {
      char line[48];
      std::snprintf(line, sizeof line, "%s%.3g %% up to %llu", text.empty() ? "" : ", ", 100.0 * share.right,
                    static_cast<unsigned long long>(share.length));
      text += line;
    }
    lines.emplace_back(
        "worst direction",
        family_text({worst.before, worst.loop, {}, 0, {}, std::nullopt, false}, alphabet) + ": right labels " + text);
  }
  if (report.departure) {
    const Departure& left = *report.departure;
    lines.emplace_back("leaves its cluster",
                       "layer " + std::to_string(left.layer) + ", head " + std::to_string(left.head) + ", after " +
                           std::to_string(left.position) + " symbols of the refuting word: " +
                           (left.nearer ? "nearer to the states of " + std::to_string(*left.nearer) +
                                              " than to those of " + std::to_string(left.state)
                                        : "more than twice as far from the mean of state " +
                                              std::to_string(left.state) + " as any short word"));
  }
  std::size_t found = 0;
  for (const FailingFromState& one : report.failing.from_states) {
    if (!one.suffix) continue;
    if (++found > 8) continue;
    lines.emplace_back("from state " + std::to_string(one.state),
                       "after " + shortened(one.access, alphabet) + " it fails on " + shortened(*one.suffix, alphabet) +
                           (one.shortest ? ", a shortest word" : ""));
  }
  if (found > 8) lines.emplace_back("from other states", std::to_string(found - 8) + " more (--json has all)");
  if (report.failing.cut_short) lines.emplace_back("cut short", "more may be found with more steps");
  return lines;
}

Json check_json(const CheckReport& report, const Alphabet& alphabet, std::optional<std::uint64_t> up_to,
                const std::optional<FailureReport>& failures) {
  Json json;
  for (const char* name : {"verdict", "length", "word", "shortest", "expected", "observed", "margin", "position"}) {
    json[name] = nullptr;
  }
  json["semantics"] = report.semantics;
  json["every_order_of_operations"] = nullptr;
  json["exact_bits"] = nullptr;
  json["method"] = report.method;
  json["pairs"] = report.pairs;
  json["steps"] = report.steps;
  json["domain"] = report.domain;
  json["up_to"] = value_or_null(up_to);
  json["holds"] = claim_holds(report.verdict, up_to);
  json["reason"] = nullptr;
  json["interrupted"] = report.interrupted;
  std::visit(Overloaded{[&](const Proved& proved) {
                          json["verdict"] = "PROVED";
                          json["every_order_of_operations"] =
                              proved.exact_bits.has_value() || shows_every_order(proved.evidence);
                          if (proved.exact_bits) json["exact_bits"] = *proved.exact_bits;
                        },
                        [&](const CertifiedUpTo& certified) {
                          json["verdict"] = "CERTIFIED";
                          json["length"] = certified.length;
                        },
                        [&](const Refuted& refuted) {
                          const Counterexample& found = refuted.counterexample;
                          json["verdict"] = "REFUTED";
                          json["length"] = found.word.size();
                          json["word"] = Json::array();
                          for (const Symbol symbol : found.word) json["word"].push_back(alphabet.name(symbol));
                          json["shortest"] = found.shortest;
                          json["expected"] = found.expected;
                          json["observed"] = found.observed;
                          if (std::isfinite(found.margin)) json["margin"] = found.margin;
                          json["position"] = found.position;
                        },
                        [&](const Unknown& unknown) {
                          json["verdict"] = "UNKNOWN";
                          json["length"] = value_or_null(unknown.length);
                          json["reason"] = unknown.reason;
                        }},
             report.verdict);
  json["sample"] = nullptr;
  if (report.sample) {
    const SampleDesign& design = report.sample->design;
    json["sample"] = {{"words", design.words}, {"labelled", report.sample->labelled}, {"max_length", design.max_length},
                      {"seed", design.seed},   {"confidence", design.confidence},     {"bound", nullptr}};
    if (report.sample->bound) json["sample"]["bound"] = *report.sample->bound;
  }
  json["failing"] = failures ? failures_json(*failures, alphabet) : Json();
  json["rungs"] = Json::array();
  for (const Rung& rung : report.rungs) {
    json["rungs"].push_back({{"method", rung.method}, {"outcome", rung.outcome}, {"seconds", rung.seconds}});
  }
  return json;
}

std::string check_report_json(const CheckReport& report, const Alphabet& alphabet, std::optional<std::uint64_t> up_to,
                              const std::optional<FailureReport>& failures) {
  return json_lines(check_json(report, alphabet, up_to, failures));
}

std::string final_line(const Verdict& verdict, const Alphabet& alphabet) {
  return std::visit(
      Overloaded{
          [](const Proved&) { return std::string("s PROVED"); },
          [](const CertifiedUpTo& certified) { return "s CERTIFIED " + std::to_string(certified.length); },
          [&](const Refuted& refuted) { return "s REFUTED " + alphabet.format_word(refuted.counterexample.word); },
          [](const Unknown&) { return std::string("s UNKNOWN"); }},
      verdict);
}

bool claim_holds(const Verdict& verdict, std::optional<std::uint64_t> up_to) {
  if (std::holds_alternative<Proved>(verdict)) return true;
  const auto* certified = std::get_if<CertifiedUpTo>(&verdict);
  return certified != nullptr && up_to && certified->length >= *up_to;
}

}  // namespace krohn
