// krohn refute [MODEL] --theorem T: where a model breaks that satisfies an impossibility theorem's hypothesis.
#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <set>
#include <string>

#include "command.hpp"
#include "explain_groups.hpp"
#include "interrupt.hpp"
#include "krohn/automata/product.hpp"
#include "krohn/automata/regex.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/error.hpp"
#include "krohn/io/atomic_file.hpp"
#include "krohn/io/certificate_file.hpp"
#include "krohn/io/counted.hpp"
#include "krohn/io/language.hpp"
#include "krohn/io/model_directory.hpp"
#include "krohn/io/open_model.hpp"
#include "krohn/model/model_family.hpp"
#include "krohn/verify/certificate.hpp"
#include "krohn/verify/layered_lasso.hpp"
#include "krohn/verify/refute.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn::cli {
namespace {

/// Words longer than this are given as powers only.
constexpr std::uint64_t max_written_word = 100000;
constexpr std::uint64_t max_final_word = 4096;
/// Steps for the orbit in a checkpoint, each of which is a forward pass.
constexpr std::uint64_t checkpoint_steps = std::uint64_t{1} << 20U;

struct Arguments {
  std::string model;
  ReadingHints hints;
  std::string theorem = "parity";
  std::string semantics;
  std::string family;
  std::string range = "0,1";
  FamilyOptions made;
  /// The options that the command line gives, without their dashes.
  std::set<std::string> given;
  std::string example;
  bool list_examples = false;
  bool search = false;
  std::uint64_t count = 200;
  std::optional<std::string> symbol;
  std::uint64_t budget = RefuteOptions{}.budget.max_steps;
  bool explain = false;
  std::string certificate;
  bool json = false;
};

ParameterFormat parameters_of(NumberFormat format) {
  switch (format) {
    case NumberFormat::fp16:
      return ParameterFormat::fp16;
    case NumberFormat::bf16:
      return ParameterFormat::bf16;
    case NumberFormat::fp32:
      break;
  }
  return ParameterFormat::fp32;
}

/// Where the model came from, in words.
std::string describe(const FamilyOptions& made) {
  std::string text = std::string(family_name(made.family)) + " in " + (made.negative ? "[-1,1]" : "[0,1]") + ", " +
                     counted(made.layers, "layer") + " of size " + std::to_string(made.size);
  if (made.family == Family::deltaproduct) text += ", " + counted(made.householder, "factor");
  return text + ", seed " + std::to_string(made.seed);
}

// ---- words --------------------------------------------------------------------------------------------------------

std::string power_text(const PowerWord& word, const Alphabet& alphabet) {
  const auto part = [&](const Word& w) { return w.empty() ? std::string() : alphabet.format_word(w); };
  std::string loop = part(word.loop);
  if (word.loop.size() > 1) loop = "(" + loop + ")";
  std::string text;
  for (const std::string& piece : {part(word.prefix), loop + "^" + std::to_string(word.exponent), part(word.suffix)}) {
    if (!piece.empty()) text += (text.empty() || alphabet.single_characters() ? "" : " ") + piece;
  }
  return text;
}

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

// ---- one model ----------------------------------------------------------------------------------------------------

struct Result {
  TheoremReport report;
  Alphabet alphabet;
  std::string model;
  std::string note;
  /// The model's own language was asked about, not the theorem's.
  bool own_language = false;
};

std::string verdict_of(const TheoremReport& report) {
  switch (report.conclusion) {
    case Conclusion::fails_for_every_readout:
    case Conclusion::fails_for_its_readout:
      return "REFUTED";
    case Conclusion::recognised:
      return "PROVED";
    case Conclusion::not_settled:
      break;
  }
  return "UNKNOWN";
}

int exit_code_of(const TheoremReport& report) {
  const std::string verdict = verdict_of(report);
  return verdict == "REFUTED" ? exit_refuted : verdict == "PROVED" ? exit_ok : exit_unknown;
}

/// The word of the pair that gets a wrong label, with its suffix.
PowerWord wrong_word(const IndistinguishablePair& pair) {
  PowerWord word = pair.expected_a != pair.observed ? pair.word_a : pair.word_b;
  word.suffix = pair.suffix;
  return word;
}

/// The layer, from 1, that is last to settle on 1^k; none where the layers were not told apart.
std::optional<std::size_t> settling_layer(const TheoremReport& report) {
  if (!report.lasso) return std::nullopt;
  for (std::size_t l = 0; l < report.layer_lassos.size(); ++l) {
    if (report.layer_lassos[l] == *report.lasso) return l + 1;
  }
  return std::nullopt;
}

std::string language_text(const Theorem& theorem, const std::string& symbol, bool own) {
  if (own) {
    return "the model's own, whose labels along '" + symbol + "'^k have period " + std::to_string(theorem.modulus());
  }
  return theorem.is_parity() ? "the number of '" + symbol + "' is odd"
                             : "the number of '" + symbol + "' is divisible by " + std::to_string(theorem.modulus());
}

void print_text(const Result& result) {
  const TheoremReport& report = result.report;
  const Alphabet& alphabet = result.alphabet;
  const std::string symbol = alphabet.name(report.counted);
  std::vector<std::pair<std::string, std::string>> lines;
  lines.emplace_back("model", result.model);
  lines.emplace_back("theorem", report.theorem.name() + ": " + report.theorem.source());
  lines.emplace_back("language", language_text(report.theorem, symbol, result.own_language));
  lines.emplace_back("hypothesis", (report.hypothesis.holds       ? "holds: "
                                    : report.hypothesis.violation ? "does not hold: "
                                                                  : "not decided: ") +
                                       report.hypothesis.statement);
  for (std::size_t l = 0; l < report.hypothesis.layers.size(); ++l) {
    const LayerHypothesis& layer = report.hypothesis.layers[l];
    if (layer.checked == 0) {
      lines.emplace_back("  layer " + std::to_string(l + 1), layer.method);
      continue;
    }
    std::string text = counted(layer.checked, layer.counts_products ? "product" : "row");
    if (layer.counts_products) text += " of " + counted(layer.product_length, "matrix", "matrices");
    text += ", eigenvalues " + std::string(spectrum_kind_name(layer.kind)) + " (" + layer.method + ")";
    lines.emplace_back("  layer " + std::to_string(l + 1), text);
  }
  lines.emplace_back("semantics", report.semantics);
  const std::string loop = symbol + "^k";
  if (report.lasso) {
    lines.emplace_back("on " + loop, "the same bits from k = " + std::to_string(report.lasso->transient) +
                                         " on, every " + std::to_string(report.lasso->period) +
                                         (report.lasso->period == 1 ? " step" : " steps") + " (transient " +
                                         std::to_string(report.lasso->transient) + ", period " +
                                         std::to_string(report.lasso->period) + ")");
    if (report.layer_lassos.size() > 1) {
      for (std::size_t l = 0; l < report.layer_lassos.size(); ++l) {
        lines.emplace_back("  layers 1.." + std::to_string(l + 1),
                           "transient " + std::to_string(report.layer_lassos[l].transient) + ", period " +
                               std::to_string(report.layer_lassos[l].period));
      }
    }
  }
  if (report.pair) {
    const IndistinguishablePair& pair = *report.pair;
    lines.emplace_back("word a", power_text(pair.word_a, alphabet));
    lines.emplace_back("word b", power_text(pair.word_b, alphabet));
    lines.emplace_back("suffix", alphabet.format_word(pair.suffix));
  }
  print_table(lines);
  std::string final_line = "s " + verdict_of(report);
  if (report.pair) {
    const IndistinguishablePair& pair = *report.pair;
    std::printf(
        "Both words leave the model in the same bits (replayed). With the suffix the language asks for %s and %s;\n"
        "the model says %s to both, and no readout can be right on both.\n",
        on_one_line(pair.expected_a).c_str(), on_one_line(pair.expected_b).c_str(), on_one_line(pair.observed).c_str());
    const PowerWord word = wrong_word(pair);
    final_line +=
        " " + (word.length() <= max_final_word ? alphabet.format_word(word.expand()) : power_text(word, alphabet));
  } else if (report.wrong_word) {
    std::printf(
        "The model is wrong on the word below (the language says %s, the model %s), but no two words were found that\n"
        "leave the same bits: another readout might be right.\n",
        on_one_line(report.expected).c_str(), on_one_line(report.observed).c_str());
    final_line += " " + alphabet.format_word(*report.wrong_word);
  } else if (report.conclusion == Conclusion::recognised) {
    std::printf(
        "Every reachable state of the model was visited: in this semantics it recognises the language at all "
        "lengths.\n");
    if (report.hypothesis.holds) {
      std::printf(
          "The theorem's hypothesis holds and its conclusion does not: the theorem takes exact powers and rounds at\n"
          "the end; here every operation rounds, and the rounding itself makes the cycle. Compare another "
          "--semantics.\n");
    }
  } else {
    std::printf("not settled: %s (%" PRIu64 " steps)\n", report.reason.c_str(), report.steps);
  }
  if (!result.note.empty()) std::printf("%s\n", result.note.c_str());
  std::printf("%s\n", final_line.c_str());
}

Json report_json(const Result& result) {
  const TheoremReport& report = result.report;
  const Alphabet& alphabet = result.alphabet;
  Json json;
  json["verdict"] = verdict_of(report);
  json["theorem"] = report.theorem.name();
  json["source"] = report.theorem.source();
  json["model"] = result.model;
  json["symbol"] = alphabet.name(report.counted);
  json["language"] = language_text(report.theorem, alphabet.name(report.counted), result.own_language);
  json["hypothesis_holds"] = report.hypothesis.holds       ? Json(true)
                             : report.hypothesis.violation ? Json(false)
                                                           : Json(nullptr);
  json["hypothesis"] = report.hypothesis.statement;
  json["conclusion"] = report.conclusion == Conclusion::fails_for_every_readout ? "fails for every readout"
                       : report.conclusion == Conclusion::fails_for_its_readout ? "fails for its readout"
                       : report.conclusion == Conclusion::recognised            ? "recognised"
                                                                                : "not settled";
  for (const char* name : {"word_a", "word_b", "word_a_power", "word_b_power", "suffix", "expected_a", "expected_b",
                           "observed", "word", "length"}) {
    json[name] = nullptr;
  }
  if (report.pair) {
    const IndistinguishablePair& pair = *report.pair;
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
  } else if (report.wrong_word) {
    json["observed"] = report.observed;
    json["word"] = word_json(*report.wrong_word, alphabet);
    json["length"] = report.wrong_word->size();
  }
  // The lasso behind the pair; without a pair, that of the counted symbol alone.
  const std::optional<Lasso> lasso = report.pair ? report.pair->lasso : report.lasso;
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
  return json;
}

RefuteOptions options_of(const Arguments& arguments) {
  RefuteOptions options;
  options.budget.max_steps = arguments.budget;
  options.budget.stop = &interrupt_flag();
  options.counted = arguments.symbol;
  return options;
}

/// How a certificate names the theorem's language: by the catalogue where the symbols are 0 and 1, as an expression
/// where all are single characters, else by an automaton that is written beside it.
std::string language_name(const Theorem& theorem, const Alphabet& alphabet, Symbol counted,
                          const std::string& certificate) {
  if (alphabet.names() == std::vector<std::string>{"0", "1"} && counted == 1) {
    return theorem.is_parity() ? "parity" : "mod:" + std::to_string(theorem.modulus());
  }
  if (!alphabet.single_characters()) {
    const std::string path = certificate + ".language.json";
    write_language(path, theorem.language(alphabet, counted));
    std::cerr << "krohn: " << path << " written: the automaton that the certificate names\n";
    return path;
  }
  const auto literal = [&](Symbol symbol) { return regex_literal(alphabet.name(symbol)); };
  std::string others;
  for (Symbol symbol = 0; symbol < alphabet.size(); ++symbol) {
    if (symbol != counted) others += (others.empty() ? "" : "|") + literal(symbol);
  }
  const std::string pause = others.empty() ? "" : "(" + others + ")*";
  const std::string once = literal(counted) + pause;
  if (theorem.is_parity()) return "re:" + pause + once + "(" + once + once + ")*";
  return "re:" + pause + "((" + once + "){" + std::to_string(theorem.modulus()) + "})*";
}

/// Writes what the report rests on, if asked for.
void certify(const Arguments& arguments, TheoremReport& report, const Machine& machine, const RefuteOptions& options) {
  if (arguments.certificate.empty()) return;
  const Alphabet& alphabet = machine.alphabet();
  const Dfa language = language_asked(report.theorem, alphabet, options);
  const std::string name =
      options.language ? "" : language_name(report.theorem, alphabet, report.counted, arguments.certificate);
  write_certificate(arguments.certificate,
                    make_certificate(report, machine, language, {"krohn " KROHN_VERSION, arguments.model, name}));
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

Result refute_learned(const Arguments& arguments, const Theorem& theorem) {
  std::optional<Semantics> semantics;
  if (!arguments.semantics.empty()) {
    semantics = parse_semantics(arguments.semantics);
    if (!semantics) {
      throw InputError("--semantics: expected none for a checkpoint (learned-fp32-v1), got '" + arguments.semantics +
                       "'");
    }
  }
  const OpenModel model = open_model(arguments.model, semantics, std::nullopt, arguments.hints);
  for (const std::string& note : model.notes) std::cerr << "krohn: " << note << '\n';
  RefuteOptions options = options_of(arguments);
  if (!arguments.given.contains("budget")) options.budget.max_steps = checkpoint_steps;
  options.min_length = static_cast<std::size_t>(std::min<std::uint64_t>(model.task->min_length, 1));
  counted_symbol(model.machine->alphabet(), options);
  Hypothesis hypothesis = check_hypothesis(
      *model.learned, theorem,
      {model.task->answers.tokens, model.machine->alphabet().names(), model.task->answers.first_token});
  require_hypothesis(arguments.model, hypothesis);
  options.language = counting_language(model, theorem, options);
  TheoremReport report = refute_theorem(*model.machine, std::move(hypothesis), theorem, options);
  certify(arguments, report, *model.machine, options);
  return {std::move(report), model.machine->alphabet(), arguments.model + " (" + model.learned->architecture() + ")",
          "", options.language.has_value()};
}

Result refute_directory(const Arguments& arguments, const Theorem& theorem) {
  if (read_model_type(arguments.model) != "krohn-lrnn") return refute_learned(arguments, theorem);
  if (arguments.hints.fla_version) {
    throw InputError(arguments.model + ": expected a checkpoint with --fla-version, got a compiled model");
  }
  const ModelDirectory directory = read_model(arguments.model);
  Arithmetic arithmetic = arithmetic_of(directory.semantics);
  if (!arguments.semantics.empty()) arithmetic = parse_arithmetic(arguments.semantics).value();
  const RefuteOptions options = options_of(arguments);
  counted_symbol(directory.model.alphabet(), options);
  if (arithmetic.separate && !arguments.certificate.empty()) {
    throw InputError("--certificate: expected a semantics that models are certified in (fp32, fp16, bf16), got '" +
                     arguments.semantics + "'");
  }
  require_hypothesis(arguments.model, check_hypothesis(directory.model, theorem));
  TheoremReport report = refute_theorem(directory.model, arithmetic, theorem, options);
  if (!arguments.certificate.empty()) certify(arguments, report, *make_machine(directory.model, arithmetic), options);
  return {std::move(report), directory.model.alphabet(), arguments.model, ""};
}

Result refute_example(const Arguments& arguments) {
  for (const BoundaryExample& example : boundary_examples()) {
    if (example.name != arguments.example) continue;
    // The theorem that the example is about, unless another one is asked for.
    const Theorem theorem = arguments.given.contains("theorem") ? Theorem::parse(arguments.theorem)
                            : example.modulus == 2              ? Theorem::parity()
                                                                : Theorem::modular(example.modulus);
    Arithmetic arithmetic = parse_arithmetic(example.semantics).value();
    if (!arguments.semantics.empty()) arithmetic = parse_arithmetic(arguments.semantics).value();
    return {refute_theorem(example.model, arithmetic, theorem, options_of(arguments)), example.model.alphabet(),
            example.name + ": " + example.description, ""};
  }
  std::string names;
  for (const BoundaryExample& example : boundary_examples()) names += (names.empty() ? "" : ", ") + example.name;
  throw InputError("--example: expected one of " + names + ", got '" + arguments.example + "'");
}

Result refute_made(const Arguments& arguments, const Theorem& theorem) {
  Arithmetic arithmetic;
  if (!arguments.semantics.empty()) arithmetic = parse_arithmetic(arguments.semantics).value();
  FamilyOptions made = arguments.made;
  made.family = parse_family(arguments.family.empty() ? "mamba" : arguments.family).value();
  made.negative = arguments.range == "-1,1";
  made.format = parameters_of(arithmetic.format);
  const std::uint64_t first_seed = made.seed;
  // The random products of a family need not all satisfy the hypothesis: take the next seed that does.
  constexpr std::uint64_t tries = 1000;
  std::string last;
  for (; made.seed < first_seed + tries; ++made.seed) {
    const FamilyModel model = make_family_model(made);
    const auto* triangular = std::get_if<TriangularModel>(&model);
    const Hypothesis hypothesis = std::visit([&](const auto& one) { return check_hypothesis(one, theorem); }, model);
    if (hypothesis.violation) {
      last = hypothesis.statement;
      continue;
    }
    const RefuteOptions options = options_of(arguments);
    std::string note;
    if (made.seed != first_seed) {
      note = "seeds " + std::to_string(first_seed) + " to " + std::to_string(made.seed - 1) +
             " make models outside the hypothesis";
    }
    if (triangular != nullptr) {
      return {refute_theorem(*triangular, arithmetic.format, theorem, options), triangular->chain().alphabet(),
              describe(made), note};
    }
    const LrnnModel& table = std::get<LrnnModel>(model);
    return {refute_theorem(table, arithmetic, theorem, options), table.alphabet(), describe(made), note};
  }
  throw InputError("--family " + std::string(family_name(made.family)) + ": expected a model that satisfies the " +
                   "hypothesis of " + theorem.name() + " among " + std::to_string(tries) + " seeds, got: " + last);
}

// ---- search -------------------------------------------------------------------------------------------------------

struct SearchRow {
  FamilyOptions made;
  std::string semantics;
  std::uint64_t models = 0;   // that satisfy the hypothesis
  std::uint64_t cycles = 0;   // period on 1^k above 1
  std::uint64_t escapes = 0;  // period a multiple of the modulus
  std::uint64_t unsettled = 0;
  std::vector<std::uint64_t> seeds;  // of the first escapes
};

SearchRow search_one(const Arguments& arguments, const Theorem& theorem, FamilyOptions made,
                     const Arithmetic& arithmetic) {
  SearchRow row;
  made.format = parameters_of(arithmetic.format);
  row.made = made;
  row.semantics = arithmetic.name();
  if (made.family == Family::triangular) {
    row.semantics = std::string(number_format_name(arithmetic.format)) + "-triangular-v1";
  }
  const Word loop{1};
  const LassoBudget budget{arguments.budget, &interrupt_flag()};
  for (std::uint64_t i = 0; i < arguments.count && !interrupt_flag(); ++i) {
    made.seed = row.made.seed + i;
    const FamilyModel model = make_family_model(made);
    const auto* triangular = std::get_if<TriangularModel>(&model);
    const Hypothesis hypothesis = std::visit([&](const auto& one) { return check_hypothesis(one, theorem); }, model);
    if (!hypothesis.holds) continue;
    ++row.models;
    const std::optional<Lasso> lasso =
        triangular != nullptr
            ? find_lasso(*make_triangular_machine(*triangular, arithmetic.format), {}, loop, budget).lasso
            : find_layered_lasso(std::get<LrnnModel>(model), arithmetic, {}, loop, budget).lasso;
    if (!lasso) {
      ++row.unsettled;
    } else if (lasso->period > 1) {
      ++row.cycles;
      if (lasso->period % theorem.modulus() == 0) {
        ++row.escapes;
        if (row.seeds.size() < 5) row.seeds.push_back(made.seed);
      }
    }
  }
  return row;
}

int run_search(const Arguments& arguments, const Theorem& theorem) {
  std::vector<Family> families(std::begin(all_families), std::end(all_families));
  if (!arguments.family.empty()) families = {parse_family(arguments.family).value()};
  std::vector<std::size_t> sizes{2, 4, 8};
  if (arguments.given.contains("size")) sizes = {arguments.made.size};
  std::vector<Arithmetic> arithmetics;
  for (const NumberFormat format : {NumberFormat::fp32, NumberFormat::bf16}) {
    for (const bool separate : {false, true}) arithmetics.push_back({format, separate});
  }
  if (!arguments.semantics.empty()) arithmetics = {parse_arithmetic(arguments.semantics).value()};
  Json rows = Json::array();
  if (!arguments.json) {
    std::printf("%-12s %-7s %6s %4s  %-18s %6s %9s %9s %9s  %s\n", "family", "range", "layers", "size", "semantics",
                "models", "cycles", "escapes", "unsettled", "seeds");
  }
  for (const Family family : families) {
    for (const std::size_t size : sizes) {
      for (const Arithmetic& arithmetic : arithmetics) {
        if (family == Family::triangular && arithmetic.separate) continue;
        FamilyOptions made = arguments.made;
        made.family = family;
        made.size = size;
        made.negative = arguments.range == "-1,1";
        const SearchRow row = search_one(arguments, theorem, made, arithmetic);
        if (arguments.json) {
          rows.push_back({{"family", family_name(family)},
                          {"range", arguments.range},
                          {"layers", made.layers},
                          {"size", size},
                          {"semantics", row.semantics},
                          {"models", row.models},
                          {"cycles", row.cycles},
                          {"escapes", row.escapes},
                          {"unsettled", row.unsettled},
                          {"seeds", row.seeds}});
          continue;
        }
        std::string seeds;
        for (const std::uint64_t seed : row.seeds) seeds += (seeds.empty() ? "" : ",") + std::to_string(seed);
        std::printf("%-12s %-7s %6zu %4zu  %-18s %6" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 "  %s\n",
                    std::string(family_name(family)).c_str(), ("[" + arguments.range + "]").c_str(), made.layers, size,
                    row.semantics.c_str(), row.models, row.cycles, row.escapes, row.unsettled, seeds.c_str());
        std::fflush(stdout);
      }
    }
  }
  if (arguments.json) {
    print_json(
        {{"theorem", theorem.name()}, {"count", arguments.count}, {"first_seed", arguments.made.seed}, {"rows", rows}});
  } else {
    std::printf(
        "cycles: the period on 1^k is above 1; escapes: it is a multiple of %u, so that 1^k alone does not refute;\n"
        "unsettled: no period within %" PRIu64 " steps (--budget).\n",
        theorem.modulus(), arguments.budget);
  }
  return exit_ok;
}

int list_examples(bool as_json) {
  Json json = Json::array();
  for (const BoundaryExample& example : boundary_examples()) {
    if (as_json) {
      json.push_back({{"name", example.name},
                      {"description", example.description},
                      {"modulus", example.modulus},
                      {"semantics", example.semantics}});
    } else {
      std::printf("%-14s %s (%s)\n", example.name.c_str(), example.description.c_str(), example.semantics.c_str());
    }
  }
  if (as_json) print_json(json);
  return exit_ok;
}

/// Options that mean nothing beside the others are refused, all at once.
void require_fitting_options(const Arguments& arguments) {
  const auto given = [&](const std::string& name) { return arguments.given.contains(name); };
  const bool groups = arguments.theorem.starts_with("groups:");
  std::vector<std::string> problems;
  std::string mode = "a made model";
  std::vector<std::string> foreign{"count", "certificate"};
  const std::vector<std::string> of_made{"family", "range", "layers", "size", "householder", "seed"};
  if (groups) {
    mode = "--theorem groups:G";
    foreign = {"model", "example", "search", "format", "symbol", "budget", "certificate", "count"};
  } else if (arguments.search) {
    mode = "--search";
    foreign = {"model", "example", "symbol", "certificate"};
  } else if (given("model") || given("example")) {
    mode = given("model") ? "a MODEL" : "--example";
    foreign = {"count"};
    if (given("model")) foreign.push_back("example");
    if (!given("model")) foreign.push_back("certificate");
  }
  if (groups || (!arguments.search && (given("model") || given("example")))) {
    foreign.insert(foreign.end(), of_made.begin(), of_made.end());
  }
  for (const std::string& name : foreign) {
    if (given(name)) problems.push_back((name == "model" ? "MODEL" : "--" + name) + ": expected none beside " + mode);
  }
  if (!groups && arguments.explain) problems.emplace_back("--explain: expected none without --theorem groups:G");
  if (arguments.family == "triangular" && given("format") && parse_arithmetic(arguments.semantics)->separate) {
    problems.push_back("--semantics: expected fp32, fp16 or bf16 for --family triangular, got '" + arguments.semantics +
                       "'");
  }
  if (!problems.empty()) throw InputError(problems);
}

int run_refute(const Arguments& arguments) {
  if (arguments.list_examples) return list_examples(arguments.json);
  require_fitting_options(arguments);
  if (!arguments.certificate.empty()) require_writable(arguments.certificate);
  if (arguments.theorem.starts_with("groups:")) return explain_groups(arguments.theorem.substr(7), arguments.json);
  const Theorem theorem = Theorem::parse(arguments.theorem);
  if (arguments.search) return run_search(arguments, theorem);
  const Result result = !arguments.model.empty()     ? refute_directory(arguments, theorem)
                        : !arguments.example.empty() ? refute_example(arguments)
                                                     : refute_made(arguments, theorem);
  if (arguments.json) {
    print_json(report_json(result));
  } else {
    print_text(result);
  }
  return exit_code_of(result.report);
}

}  // namespace

void add_refute(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("refute", "Show where a model breaks that an impossibility theorem covers");
  command->footer(
      "With MODEL: its theorem's hypothesis is checked on the exact weights, then two words are sought that leave the\n"
      "same bits but need different labels. Without: a model is made that satisfies the hypothesis (--family), or a\n"
      "boundary case is taken (--example).\n"
      "The verdict is about the model and the theorem's language, as in krohn check: exit code 10 and 's REFUTED "
      "word'\n"
      "where the model fails (what the theorem predicts), 0 and 's PROVED' where it recognises the language all the\n"
      "same, 20 not settled, 1 bad input (a model outside the hypothesis included), 2 usage, 3 resources.");
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("MODEL", arguments->model, "a model directory, or a checkpoint with a task.json");
  add_reading_options(*command, arguments->hints);
  command->add_option("--theorem", arguments->theorem,
                      "parity (default), modular:m (modular: 3), or groups:G: how a group such as S5 is done");
  const CLI::Validator semantics(
      [](std::string& text) {
        return parse_arithmetic(text)
                   ? std::string()
                   : "expected fp32, fp16, bf16, FORMAT-separate-v1 or a semantics id, got '" + text + "'";
      },
      "SEMANTICS");
  command
      ->add_option("--format,--semantics", arguments->semantics,
                   "fp32, fp16, bf16, FORMAT-separate-v1 or an id (docs/semantics.md); default: the model's, else fp32")
      ->check(semantics);
  const CLI::Validator family(
      [](std::string& text) {
        return parse_family(text)
                   ? std::string()
                   : "expected mamba, gla, mlstm, deltanet, deltaproduct or triangular, got '" + text + "'";
      },
      "FAMILY");
  command
      ->add_option("--family", arguments->family,
                   "make a model: mamba (default), gla, mlstm, deltanet, deltaproduct, triangular")
      ->check(family);
  const CLI::Validator range(
      [](std::string& text) {
        return text == "0,1" || text == "-1,1" ? std::string() : "expected 0,1 or -1,1, got '" + text + "'";
      },
      "RANGE");
  command->add_option("--range", arguments->range, "eigenvalues in 0,1 (default) or -1,1")->check(range);
  command->add_option("--layers", arguments->made.layers, "layers of a made model, 1 to 6 (default 1)")
      ->check(natural_number(1, 6));
  command->add_option("--size", arguments->made.size, "key size of a made model (default 4)")
      ->check(natural_number(1, 64));
  command->add_option("--householder", arguments->made.householder, "factors a row, for deltaproduct (default 2)")
      ->check(natural_number(1, 8));
  command->add_option("--seed", arguments->made.seed, "of a made model (default 1)")
      ->check(natural_number(0, std::uint64_t{1} << 63U));
  command->add_option("--symbol", arguments->symbol, "the counted symbol (default 1)");
  command->add_option("--example", arguments->example, "a named boundary case: parity-cycle, mod3-cycle");
  command->add_flag("--list-examples", arguments->list_examples, "list the boundary cases");
  command->add_flag("--search", arguments->search, "how often rounding cycles occur: random models of every family");
  command->add_option("--count", arguments->count, "models of each kind, for --search (default 200)")
      ->check(natural_number(1, 100000000));
  command
      ->add_option(
          "--budget", arguments->budget,
          "steps for the orbit of 1^k, of each model in a --search (default 33554432; of a checkpoint 1048576)")
      ->check(natural_number(1, std::uint64_t{1} << 48U));
  command
      ->add_option("--certificate", arguments->certificate,
                   "write what was found to this file: the two words and the bits behind them")
      ->type_name("FILE")
      ->check([](const std::string& path) { return path.empty() ? "expected a file's name, got none" : ""; });
  command->add_flag("--explain", arguments->explain, "with groups:G (where it is the only mode)");
  command->add_flag("--json", arguments->json, "print one JSON object instead");
  command->callback([arguments, command, &exit_code] {
    for (const CLI::Option* option : command->get_options()) {
      if (option->count() > 0)
        arguments->given.insert(option->get_lnames().empty() ? "model" : option->get_lnames()[0]);
    }
    exit_code = run_refute(*arguments);
  });
}

}  // namespace krohn::cli
