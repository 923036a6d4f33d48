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
#include "krohn/checkpoints/model_directory.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/error.hpp"
#include "krohn/languages/language.hpp"
#include "krohn/model/model_family.hpp"
#include "krohn/results/certificate_file.hpp"
#include "krohn/results/theorem_report.hpp"
#include "krohn/text/atomic_file.hpp"
#include "krohn/text/counted.hpp"
#include "krohn/verify/certificate.hpp"
#include "krohn/verify/layered_lasso.hpp"
#include "krohn/verify/refute.hpp"
#include "krohn/verify/specification.hpp"
#include "made_model.hpp"
#include "work.hpp"

namespace krohn::cli {
namespace {

constexpr std::uint64_t max_final_word = 4096;
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

// ---- one model ----------------------------------------------------------------------------------------------------

int exit_code_of(const TheoremReport& report) {
  const VerdictKind verdict = theorem_verdict(report);
  return verdict == VerdictKind::refuted ? exit_refuted : verdict == VerdictKind::proved ? exit_ok : exit_unknown;
}

void print_text(const TheoremAnswer& result) {
  const TheoremReport& report = result.report;
  const Alphabet& alphabet = result.alphabet;
  const std::string symbol = alphabet.name(report.counted);
  std::vector<std::pair<std::string, std::string>> lines;
  if (!result.note.empty()) lines.emplace_back("note", result.note);
  lines.emplace_back("model", result.model);
  lines.emplace_back("theorem", report.theorem.name() + ": " + report.theorem.source());
  lines.emplace_back("language", theorem_language_text(result));
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
  const auto* const found = std::get_if<IndistinguishablePair>(&report.conclusion);
  if (found != nullptr) {
    const IndistinguishablePair& pair = *found;
    lines.emplace_back("word a", power_text(pair.word_a, alphabet));
    lines.emplace_back("word b", power_text(pair.word_b, alphabet));
    lines.emplace_back("suffix", alphabet.format_word(pair.suffix));
  }
  print_table(lines);
  std::string final_line = "s " + verdict_name(theorem_verdict(report));
  if (found != nullptr) {
    const IndistinguishablePair& pair = *found;
    std::printf(
        "Both words leave the model in the same bits (replayed). With the suffix the language asks for %s and %s;\n"
        "the model says %s to both, and no readout can be right on both.\n",
        on_one_line(pair.expected_a).c_str(), on_one_line(pair.expected_b).c_str(), on_one_line(pair.observed).c_str());
    const PowerWord word = wrong_word(pair);
    final_line +=
        " " + (word.length() <= max_final_word ? alphabet.format_word(word.expand()) : power_text(word, alphabet));
  } else if (const auto* refuted = std::get_if<Refuted>(&report.conclusion)) {
    const Counterexample& counterexample = refuted->counterexample;
    std::printf(
        "The model is wrong on the word below (the language says %s, the model %s), but no two words were found that\n"
        "leave the same bits: another readout might be right.\n",
        on_one_line(counterexample.expected).c_str(), on_one_line(counterexample.observed).c_str());
    final_line += " " + alphabet.format_word(counterexample.word);
  } else if (std::holds_alternative<Proved>(report.conclusion)) {
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

TheoremAnswer refute_directory(const Arguments& arguments, const Theorem& theorem, Work& work) {
  const OpenModel model = open_model(arguments.model, std::nullopt, std::nullopt, arguments.hints);
  for (const std::string& note : model.notes) std::cerr << "krohn: " << note << '\n';
  TheoremQuestion question;
  question.theorem = theorem;
  question.named = arguments.given.contains("theorem");
  question.symbol = arguments.symbol;
  if (!arguments.semantics.empty()) question.arithmetic = parse_arithmetic(arguments.semantics).value();
  if (arguments.given.contains("budget")) question.max_steps = arguments.budget;
  question.stop = &work.stop();
  question.begins = [&work](const std::string& stage) { work.method(stage); };
  if (question.arithmetic && question.arithmetic->separate && !arguments.certificate.empty()) {
    throw InputError("--certificate: expected a semantics that models are certified in (fp32, fp16, bf16), got '" +
                     arguments.semantics + "'");
  }
  TheoremAnswer answer = ask_theorem(model, arguments.model, question);
  if (!arguments.certificate.empty()) {
    const std::string name =
        answer.own_language ? ""
                            : language_name(theorem, answer.alphabet, answer.report.counted, arguments.certificate);
    write_certificate(arguments.certificate,
                      theorem_certificate(model, answer, {"krohn " KROHN_VERSION, arguments.model, name}));
  }
  return answer;
}

RefuteOptions options_of(const Arguments& arguments, const Work& work) {
  RefuteOptions options;
  options.budget.max_steps = arguments.budget;
  options.budget.stop = &work.stop();
  options.counted = arguments.symbol;
  return options;
}

TheoremAnswer refute_example(const Arguments& arguments, const Work& work) {
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

TheoremAnswer refute_made(const Arguments& arguments, const Theorem& theorem, Work& work) {
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
void require_fitting_options(const Command& command, const Arguments& arguments) {
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

int run_refute(const Command& command, const Arguments& arguments) {
  if (arguments.list_examples) return list_examples(arguments.json);
  require_fitting_options(command, arguments);
  if (!arguments.certificate.empty()) require_writable(arguments.certificate);
  const Theorem theorem = Theorem::parse(arguments.theorem);
  Work work("refute", Work::Early::with_result, arguments.time_limit);
  const TheoremAnswer result = !arguments.model.empty()     ? refute_directory(arguments, theorem, work)
                               : !arguments.example.empty() ? refute_example(arguments, work)
                                                            : refute_made(arguments, theorem, work);
  const bool settled = !std::holds_alternative<Unknown>(result.report.conclusion);
  work.finish(settled ? "" : "what was found until then");
  if (arguments.json) {
    std::cout << theorem_report_json(result);
  } else {
    print_text(result);
  }
  return exit_code_of(result.report);
}

}  // namespace

void add_refute(const Command& app, int& exit_code) {
  const Command command =
      app.add_subcommand("refute", "Show where a model breaks that an impossibility theorem covers");
  command.footer(
      "With MODEL: its theorem's hypothesis is checked on the exact weights, then two words are sought that leave the\n"
      "same bits but need different labels. Without: a model is made that satisfies the hypothesis (--family), or a\n"
      "boundary case is taken (--example).\n"
      "The verdict is about the model and the theorem's language, as in krohn check: exit code 10 and 's REFUTED "
      "word'\n"
      "where the model fails (what the theorem predicts), 0 and 's PROVED' where it recognises the language all the\n"
      "same, 20 not settled, 1 bad input (a model outside the hypothesis included), 2 usage, 3 resources.");
  const auto arguments = std::make_shared<Arguments>();
  command.add_option("MODEL", arguments->model, "a model directory, or a checkpoint with a task.json");
  add_reading_options(command, arguments->hints);
  add_theorem_option(command, arguments->theorem);
  add_arithmetic_option(command, arguments->semantics, "the model's, else fp32");
  add_made_model_options(command, arguments->made, std::string(family_name(Family::mamba)));
  command.add_option("--symbol", arguments->symbol, "the counted symbol (default 1)");
  command.add_option("--example", arguments->example, "a named boundary case: parity-cycle, mod3-cycle");
  command.add_flag("--list-examples", arguments->list_examples, "list the boundary cases");
  command
      .add_option("--budget", arguments->budget,
                  "steps for the orbit of 1^k (default 33554432; of a checkpoint 1048576)")
      .check(natural_number(1, std::uint64_t{1} << 48U));
  add_certificate_option(command, arguments->certificate,
                         "write what was found to this file: the two words and the bits behind them");
  add_time_limit_option(command, arguments->time_limit);
  add_json_option(command, arguments->json);
  command.callback([arguments, command, &exit_code] {
    arguments->given = command.given();
    exit_code = run_refute(command, *arguments);
  });
}

}  // namespace krohn::cli
