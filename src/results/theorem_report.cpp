// Of a checkpoint the hypothesis is decided from its program, of a compiled model from its tables.
// Tested by tests/tools/refute_command_test.cpp.
#include "krohn/results/theorem_report.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <variant>

#include "krohn/automata/product.hpp"
#include "krohn/error.hpp"
#include "krohn/verify/specification.hpp"
#include "result_json.hpp"

namespace krohn {
namespace {

/// Words longer than this are given as powers only.
constexpr std::uint64_t max_written_word = 100000;
/// Steps for the orbit in a checkpoint, each of which is a forward pass.
constexpr std::uint64_t checkpoint_steps = std::uint64_t{1} << 20U;

Json expanded_json(const PowerWord& word, const Alphabet& alphabet) {
  if (word.length() > max_written_word) return nullptr;
  return word_json(word.expand(), alphabet);
}

Json power_json(const PowerWord& word, const Alphabet& alphabet) {
  return {{"prefix", word_json(word.prefix, alphabet)},
          {"loop", word_json(word.loop, alphabet)},
          {"exponent", word.exponent},
          {"suffix", word_json(word.suffix, alphabet)}};
}

/// The language that comes with the model, its symbols in the model's order, where it counts as the theorem wants and
/// is another than the theorem's.
std::optional<Dfa> counting_language(const OpenModel& model, const Theorem& theorem, const RefuteOptions& options) {
  const std::optional<Dfa> own = model.own_language();
  if (!own) return std::nullopt;
  const Alphabet& alphabet = model.machine->alphabet();
  Dfa language = Specification(*model.machine, *own).automaton();
  if (!counts_modulo(language, counted_symbol(alphabet, options), theorem.modulus())) return std::nullopt;
  if (!separating_word(language, language_asked(theorem, alphabet, options))) return std::nullopt;
  return language;
}

/// Outside the hypothesis a theorem says nothing.
void require_hypothesis(const std::string& name, const Hypothesis& hypothesis) {
  if (hypothesis.violation) throw InputError(name + ": " + hypothesis.statement);
}

/// Says where the model was made for another language than the one that it is asked about; a theorem that was not named
/// is then not asked about at all. Empty where it was made for that one, for one that counts alike, or for none that is
/// known.
std::string other_language(const TheoremQuestion& question, const std::string& name, const std::optional<Dfa>& own,
                           const Machine& machine) {
  if (!own) return "";
  const RefuteOptions options{.counted = question.symbol};
  const Alphabet& alphabet = machine.alphabet();
  const Dfa language = Specification(machine, *own).automaton();
  const bool counts = counts_modulo(language, counted_symbol(alphabet, options), question.theorem.modulus());
  if (counts || !separating_word(language, question.theorem.language(alphabet, counted_symbol(alphabet, options))))
    return "";
  if (!question.named) {
    throw InputError(
        name + ": its own language does not count modulo " + std::to_string(question.theorem.modulus()) +
        ": expected --theorem T, to be asked about the theorem's language all the same (krohn check asks " +
        "about its own)");
  }
  return "the model was made for another language than the one asked about here (krohn check asks about its own)";
}

TheoremAnswer ask_learned(const OpenModel& model, const std::string& name, const TheoremQuestion& question,
                          RefuteOptions options) {
  const Theorem& theorem = question.theorem;
  if (question.arithmetic && (question.arithmetic->separate || question.arithmetic->format != NumberFormat::fp32)) {
    throw InputError(name + ": semantics: expected " + std::string(learned_semantics) +
                     ", the only one of a learned model, got " + question.arithmetic->name());
  }
  const std::string note = other_language(question, name, model.own_language(), *model.machine);
  options.budget.max_steps = question.max_steps.value_or(checkpoint_steps);
  options.min_length = static_cast<std::size_t>(std::min<std::uint64_t>(model.task->min_length, 1));
  counted_symbol(model.machine->alphabet(), options);
  if (question.begins) question.begins("hypothesis");
  Hypothesis hypothesis = check_hypothesis(
      *model.learned, theorem,
      {model.task->answers.tokens, model.machine->alphabet().names(), model.task->answers.first_token});
  require_hypothesis(name, hypothesis);
  options.language = counting_language(model, theorem, options);
  if (question.begins) question.begins("words that leave the same bits");
  TheoremReport report = refute_theorem(*model.machine, std::move(hypothesis), theorem, options);
  return {std::move(report), model.machine->alphabet(), name + " (" + model.learned->architecture() + ")", note,
          options.language};
}

}  // namespace

TheoremAnswer ask_theorem(const OpenModel& model, const std::string& name, const TheoremQuestion& question) {
  RefuteOptions options;
  options.budget.stop = question.stop;
  options.counted = question.symbol;
  if (model.learned) return ask_learned(model, name, question, options);
  if (question.max_steps) options.budget.max_steps = *question.max_steps;
  if (!model.machine->tables()) {
    throw InputError(name + ": expected a model without codes, got one in " + std::string(model.machine->semantics()) +
                     ", of which no theorem speaks");
  }
  const Machine::Tables tables = model.machine->tables().value();
  const Arithmetic arithmetic = question.arithmetic ? *question.arithmetic : arithmetic_of(tables.semantics);
  counted_symbol(tables.model.alphabet(), options);
  const std::string note = other_language(question, name, model.automaton, *make_machine(tables.model, arithmetic));
  if (question.begins) question.begins("hypothesis");
  require_hypothesis(name, check_hypothesis(tables.model, question.theorem));
  if (question.begins) question.begins("words that leave the same bits");
  return {refute_theorem(tables.model, arithmetic, question.theorem, options),
          tables.model.alphabet(),
          name,
          note,
          std::nullopt,
          arithmetic};
}

VerdictKind theorem_verdict(const TheoremReport& report) {
  constexpr std::array<VerdictKind, std::variant_size_v<Conclusion>> kinds = {
      VerdictKind::refuted, VerdictKind::refuted, VerdictKind::proved, VerdictKind::unknown};
  return kinds.at(report.conclusion.index());
}

/// The word of the pair that gets a wrong label, with its suffix.
PowerWord wrong_word(const IndistinguishablePair& pair) {
  PowerWord word = pair.expected_a != pair.observed ? pair.word_a : pair.word_b;
  word.suffix = pair.suffix;
  return word;
}

/// The layer that is last to settle on 1^k; none where the layers were not told apart.
std::optional<std::size_t> settling_layer(const TheoremReport& report) {
  if (!report.lasso) return std::nullopt;
  for (std::size_t l = 0; l < report.layer_lassos.size(); ++l) {
    if (report.layer_lassos[l] == *report.lasso) return l;
  }
  return std::nullopt;
}

std::string theorem_language_text(const TheoremAnswer& answer) {
  const Theorem& theorem = answer.report.theorem;
  const std::string& symbol = answer.alphabet.name(answer.report.counted);
  if (answer.own_language) {
    return "the model's own, whose labels along '" + symbol + "'^k have period " + std::to_string(theorem.modulus());
  }
  return theorem.is_parity() ? "the number of '" + symbol + "' is odd"
                             : "the number of '" + symbol + "' is divisible by " + std::to_string(theorem.modulus());
}

std::string theorem_report_json(const TheoremAnswer& result) {
  const TheoremReport& report = result.report;
  const Alphabet& alphabet = result.alphabet;
  Json json;
  json["verdict"] = verdict_name(theorem_verdict(report));
  json["theorem"] = report.theorem.name();
  json["source"] = report.theorem.source();
  json["model"] = result.model;
  json["symbol"] = alphabet.name(report.counted);
  json["language"] = theorem_language_text(result);
  json["hypothesis_holds"] = report.hypothesis.holds       ? Json(true)
                             : report.hypothesis.violation ? Json(false)
                                                           : Json(nullptr);
  json["hypothesis"] = report.hypothesis.statement;
  constexpr std::array<const char*, std::variant_size_v<Conclusion>> conclusions = {
      "fails for every readout", "fails for its readout", "recognised", "not settled"};
  json["conclusion"] = conclusions.at(report.conclusion.index());
  for (const char* name : {"word_a", "word_b", "word_a_power", "word_b_power", "suffix", "expected_a", "expected_b",
                           "observed", "word", "length"}) {
    json[name] = nullptr;
  }
  const auto* const found = std::get_if<IndistinguishablePair>(&report.conclusion);
  if (found != nullptr) {
    const IndistinguishablePair& pair = *found;
    json["word_a"] = expanded_json(pair.word_a, alphabet);
    json["word_b"] = expanded_json(pair.word_b, alphabet);
    json["word_a_power"] = power_json(pair.word_a, alphabet);
    json["word_b_power"] = power_json(pair.word_b, alphabet);
    json["suffix"] = word_json(pair.suffix, alphabet);
    json["expected_a"] = pair.expected_a;
    json["expected_b"] = pair.expected_b;
    json["observed"] = pair.observed;
    json["word"] = expanded_json(wrong_word(pair), alphabet);
    json["length"] = wrong_word(pair).length();
  } else if (const auto* refuted = std::get_if<Refuted>(&report.conclusion)) {
    const Counterexample& counterexample = refuted->counterexample;
    json["observed"] = counterexample.observed;
    json["word"] = word_json(counterexample.word, alphabet);
    json["length"] = counterexample.word.size();
  }
  // The lasso behind the pair; without a pair, that of the counted symbol alone.
  const std::optional<Lasso> lasso = found != nullptr ? found->lasso : report.lasso;
  json["transient"] = lasso ? Json(lasso->transient) : Json(nullptr);
  json["period"] = lasso ? Json(lasso->period) : Json(nullptr);
  json["semantics"] = report.semantics;
  const std::optional<std::size_t> layer = settling_layer(report);
  json["layer"] = layer ? Json(*layer) : Json(nullptr);
  json["layers"] = Json::array();
  for (std::size_t l = 0; l < report.hypothesis.layers.size(); ++l) {
    const LayerHypothesis& one = report.hypothesis.layers[l];
    Json entry;
    entry["spectrum"] = spectrum_kind_name(one.kind);
    entry["method"] = one.method;
    entry["product_length"] = one.product_length;
    entry["checked"] = one.checked;
    entry["transient"] = l < report.layer_lassos.size() ? Json(report.layer_lassos[l].transient) : Json(nullptr);
    entry["period"] = l < report.layer_lassos.size() ? Json(report.layer_lassos[l].period) : Json(nullptr);
    json["layers"].push_back(entry);
  }
  json["steps"] = report.steps;
  json["reason"] = report.reason.empty() ? Json(nullptr) : Json(report.reason);
  json["note"] = result.note.empty() ? Json(nullptr) : Json(result.note);
  return json_lines(json);
}

Certificate theorem_certificate(const OpenModel& model, const TheoremAnswer& answer,
                                const CertificateSubject& subject) {
  if (answer.arithmetic && answer.arithmetic->separate) {
    throw InputError("certificate: expected a semantics that models are certified in (fp32, fp16, bf16), got '" +
                     answer.arithmetic->name() + "'");
  }
  std::unique_ptr<Machine> machine;
  if (answer.arithmetic) machine = make_machine(model.machine->tables().value().model, *answer.arithmetic);
  const Machine& asked = machine ? *machine : *model.machine;
  RefuteOptions options;
  options.counted = answer.alphabet.name(answer.report.counted);
  options.language = answer.own_language;
  if (model.task) options.min_length = static_cast<std::size_t>(std::min<std::uint64_t>(model.task->min_length, 1));
  const Dfa language = language_asked(answer.report.theorem, answer.alphabet, options);
  return make_certificate(answer.report, asked, language, subject);
}

}  // namespace krohn
