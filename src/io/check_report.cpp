// Prints what a check established. Nothing is decided here but which of the four verdicts meets the claim asked for.
#include "krohn/io/check_report.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

namespace krohn {
namespace {

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <typename... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

nlohmann::ordered_json number_or_null(const std::optional<std::uint64_t>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

}  // namespace

std::string check_report_json(const CheckReport& report, const Alphabet& alphabet, std::optional<std::uint64_t> up_to) {
  nlohmann::ordered_json json;
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
  json["up_to"] = number_or_null(up_to);
  json["holds"] = claim_holds(report.verdict, up_to);
  json["reason"] = nullptr;
  json["interrupted"] = report.interrupted;
  std::visit(Overloaded{[&](const Proved& proved) {
                          json["verdict"] = "PROVED";
                          json["every_order_of_operations"] = proved.exact_bits.has_value();
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
                          json["word"] = nlohmann::ordered_json::array();
                          for (const Symbol symbol : found.word) json["word"].push_back(alphabet.name(symbol));
                          json["shortest"] = found.shortest;
                          json["expected"] = found.expected;
                          json["observed"] = found.observed;
                          if (std::isfinite(found.margin)) json["margin"] = found.margin;
                          json["position"] = found.position;
                        },
                        [&](const Unknown& unknown) {
                          json["verdict"] = "UNKNOWN";
                          json["length"] = number_or_null(unknown.length);
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
  json["rungs"] = nlohmann::ordered_json::array();
  for (const Rung& rung : report.rungs) {
    json["rungs"].push_back({{"method", rung.method}, {"outcome", rung.outcome}, {"seconds", rung.seconds}});
  }
  return json.dump(2) + '\n';
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
