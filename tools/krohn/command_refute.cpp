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
#include "made_model.hpp"
#include "work.hpp"

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
  MadeModelArguments made;
  /// The options that the command line gives, without their dashes.
  std::set<std::string> given;
  std::string example;
  bool list_examples = false;
  std::optional<std::string> symbol;
  std::uint64_t budget = RefuteOptions{}.budget.max_steps;
  std::string certificate;
  std::optional<double> time_limit;
  bool json = false;
};

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

/// The layer that is last to settle on 1^k; none where the layers were not told apart.
std::optional<std::size_t> settling_layer(const TheoremReport& report) {
  if (!report.lasso) return std::nullopt;
  for (std::size_t l = 0; l < report.layer_lassos.size(); ++l) {
    if (report.layer_lassos[l] == *report.lasso) return l;
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
  if (!result.note.empty()) lines.emplace_back("note", result.note);
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
      lines.emplace_back("  layer " + std::to_string(l), layer.method);
      continue;
    }
    std::string text = counted(layer.checked, layer.counts_products ? "product" : "row");
    if (layer.counts_products) text += " of " + counted(layer.product_length, "matrix", "matrices");
    text += ", eigenvalues " + std::string(spectrum_kind_name(layer.kind)) + " (" + layer.method + ")";
    lines.emplace_back("  layer " + std::to_string(l), text);
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
        lines.emplace_back("  layers 0.." + std::to_string(l),
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
  json["note"] = result.note.empty() ? Json(nullptr) : Json(result.note);
  return json;
}

RefuteOptions options_of(const Arguments& arguments, const Work& work) {
  RefuteOptions options;
  options.budget.max_steps = arguments.budget;
  options.budget.stop = &work.stop();
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

/// Says where the model was made for another language than the one that it is asked about; a theorem that was not named
/// is then not asked about at all. Empty where it was made for that one, for one that counts alike, or for none that is
/// known.
std::string other_language(const Arguments& arguments, const Theorem& theorem, const std::optional<Dfa>& own,
                           const Machine& machine) {
  if (!own) return "";
  const RefuteOptions options{.counted = arguments.symbol};
  const Alphabet& alphabet = machine.alphabet();
  const Dfa language = Specification(machine, *own).automaton();
  const bool counts = counts_modulo(language, counted_symbol(alphabet, options), theorem.modulus());
  if (counts || !separating_word(language, theorem.language(alphabet, counted_symbol(alphabet, options)))) return "";
  if (!arguments.given.contains("theorem")) {
    throw InputError(
        arguments.model + ": its own language does not count modulo " + std::to_string(theorem.modulus()) +
        ": expected --theorem T, to be asked about the theorem's language all the same (krohn check asks " +
        "about its own)");
  }
  return "the model was made for another language than the one asked about here (krohn check asks about its own)";
}

Result refute_learned(const Arguments& arguments, const Theorem& theorem, Work& work) {
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
  const std::string note = other_language(arguments, theorem, model.own_language(), *model.machine);
  RefuteOptions options = options_of(arguments, work);
  if (!arguments.given.contains("budget")) options.budget.max_steps = checkpoint_steps;
  options.min_length = static_cast<std::size_t>(std::min<std::uint64_t>(model.task->min_length, 1));
  counted_symbol(model.machine->alphabet(), options);
  work.method("hypothesis");
  Hypothesis hypothesis = check_hypothesis(
      *model.learned, theorem,
      {model.task->answers.tokens, model.machine->alphabet().names(), model.task->answers.first_token});
  require_hypothesis(arguments.model, hypothesis);
  options.language = counting_language(model, theorem, options);
  work.method("words that leave the same bits");
  TheoremReport report = refute_theorem(*model.machine, std::move(hypothesis), theorem, options);
  certify(arguments, report, *model.machine, options);
  return {std::move(report), model.machine->alphabet(), arguments.model + " (" + model.learned->architecture() + ")",
          note, options.language.has_value()};
}

Result refute_directory(const Arguments& arguments, const Theorem& theorem, Work& work) {
  if (read_model_type(arguments.model) != "krohn-lrnn") return refute_learned(arguments, theorem, work);
  if (arguments.hints.fla_version) {
    throw InputError(arguments.model + ": expected a checkpoint with --fla-version, got a compiled model");
  }
  const ModelDirectory directory = read_model(arguments.model);
  Arithmetic arithmetic = arithmetic_of(directory.semantics);
  if (!arguments.semantics.empty()) arithmetic = parse_arithmetic(arguments.semantics).value();
  const RefuteOptions options = options_of(arguments, work);
  counted_symbol(directory.model.alphabet(), options);
  const std::string note =
      other_language(arguments, theorem, directory.automaton, *make_machine(directory.model, arithmetic));
  if (arithmetic.separate && !arguments.certificate.empty()) {
    throw InputError("--certificate: expected a semantics that models are certified in (fp32, fp16, bf16), got '" +
                     arguments.semantics + "'");
  }
  require_hypothesis(arguments.model, check_hypothesis(directory.model, theorem));
  TheoremReport report = refute_theorem(directory.model, arithmetic, theorem, options);
  if (!arguments.certificate.empty()) certify(arguments, report, *make_machine(directory.model, arithmetic), options);
  return {std::move(report), directory.model.alphabet(), arguments.model, note};
}

Result refute_example(const Arguments& arguments, const Work& work) {
  for (const BoundaryExample& example : boundary_examples()) {
    if (example.name != arguments.example) continue;
    // The theorem that the example is about, unless another one is asked for.
    const Theorem theorem = arguments.given.contains("theorem") ? Theorem::parse(arguments.theorem)
                            : example.modulus == 2              ? Theorem::parity()
                                                                : Theorem::modular(example.modulus);
    Arithmetic arithmetic = parse_arithmetic(example.semantics).value();
    if (!arguments.semantics.empty()) arithmetic = parse_arithmetic(arguments.semantics).value();
    return {refute_theorem(example.model, arithmetic, theorem, options_of(arguments, work)), example.model.alphabet(),
            example.name + ": " + example.description, ""};
  }
  std::string names;
  for (const BoundaryExample& example : boundary_examples()) names += (names.empty() ? "" : ", ") + example.name;
  throw InputError("--example: expected one of " + names + ", got '" + arguments.example + "'");
}

Result refute_made(const Arguments& arguments, const Theorem& theorem, Work& work) {
  Arithmetic arithmetic;
  if (!arguments.semantics.empty()) arithmetic = parse_arithmetic(arguments.semantics).value();
  FamilyOptions made = arguments.made.made;
  made.family = parse_family(arguments.made.family.empty() ? "mamba" : arguments.made.family).value();
  made.negative = arguments.made.range == "-1,1";
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
    const RefuteOptions options = options_of(arguments, work);
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

/// Of MODEL, --example and a made model each has options of its own; what means nothing is refused, all at once.
void require_fitting_options(const CLI::App& command, const Arguments& arguments) {
  const bool model = !arguments.model.empty();
  const bool example = !arguments.example.empty();
  if (model) {
    refuse_options(command, {"--example", "--family", "--range", "--layers", "--size", "--householder", "--seed"},
                   "beside a MODEL");
  } else if (example) {
    refuse_options(command, {"--certificate", "--family", "--range", "--layers", "--size", "--householder", "--seed"},
                   "beside --example");
  } else {
    refuse_options(command, {"--certificate"}, "beside a made model");
  }
  require_arithmetic(arguments.made, arguments.semantics);
}

int run_refute(const CLI::App& command, const Arguments& arguments) {
  if (arguments.list_examples) return list_examples(arguments.json);
  require_fitting_options(command, arguments);
  if (!arguments.certificate.empty()) require_writable(arguments.certificate);
  const Theorem theorem = Theorem::parse(arguments.theorem);
  Work work("refute", Work::Early::with_result, arguments.time_limit);
  const Result result = !arguments.model.empty()     ? refute_directory(arguments, theorem, work)
                        : !arguments.example.empty() ? refute_example(arguments, work)
                                                     : refute_made(arguments, theorem, work);
  const bool settled = result.report.conclusion != Conclusion::not_settled;
  work.finish(settled ? "" : "what was found until then");
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
  add_theorem_option(*command, arguments->theorem);
  add_arithmetic_option(*command, arguments->semantics, "the model's, else fp32");
  add_made_model_options(*command, arguments->made, std::string(family_name(Family::mamba)));
  command->add_option("--symbol", arguments->symbol, "the counted symbol (default 1)");
  command->add_option("--example", arguments->example, "a named boundary case: parity-cycle, mod3-cycle");
  command->add_flag("--list-examples", arguments->list_examples, "list the boundary cases");
  command
      ->add_option("--budget", arguments->budget,
                   "steps for the orbit of 1^k (default 33554432; of a checkpoint 1048576)")
      ->check(natural_number(1, std::uint64_t{1} << 48U));
  add_certificate_option(*command, arguments->certificate,
                         "write what was found to this file: the two words and the bits behind them");
  add_time_limit_option(*command, arguments->time_limit);
  add_json_option(*command, arguments->json);
  command->callback([arguments, command, &exit_code] {
    for (const CLI::Option* option : command->get_options()) {
      if (option->count() > 0)
        arguments->given.insert(option->get_lnames().empty() ? "model" : option->get_lnames()[0]);
    }
    exit_code = run_refute(*command, *arguments);
  });
}

}  // namespace krohn::cli
