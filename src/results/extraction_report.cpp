// Tested by tests/verify/extract_test.cpp.
#include "krohn/results/extraction_report.hpp"

#include <algorithm>
#include <deque>
#include <utility>

#include "krohn/error.hpp"
#include "krohn/languages/format_json.hpp"
#include "krohn/text/counted.hpp"
#include "krohn/text/source_text.hpp"
#include "krohn/verify/counterexample.hpp"
#include "krohn/verify/failing.hpp"
#include "result_json.hpp"

namespace krohn {
namespace {

/// Every word, less those that are too short for the model.
std::optional<Dfa> all_words(const OpenModel& open) {
  if (!open.task || open.task->min_length == 0) return std::nullopt;
  const Alphabet& alphabet = open.machine->alphabet();
  const Dfa all(alphabet, 0, std::vector<State>(alphabet.size(), 0), {0}, {open.machine->label_names().front()});
  return open.within_domain(all);
}

/// A long word by its stretches.
std::string word_text(const Word& word, const Alphabet& alphabet) {
  constexpr std::size_t long_word = 60;
  return word.size() < long_word ? alphabet.format_word(word) : stretches_text(word, alphabet);
}

/// A shortest word for every state; all states are reachable.
std::vector<Word> access_words(const Dfa& dfa) {
  std::vector<Word> words(dfa.num_states());
  std::vector<bool> seen(dfa.num_states(), false);
  std::deque<State> queue{dfa.start()};
  seen[dfa.start()] = true;
  while (!queue.empty()) {
    const State q = queue.front();
    queue.pop_front();
    for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
      const State next = dfa.next(q, a);
      if (seen[next]) continue;
      seen[next] = true;
      words[next] = words[q];
      words[next].push_back(a);
      queue.push_back(next);
    }
  }
  return words;
}

void require_labels(const Machine& model, const Dfa& language, const std::string& name) {
  std::vector<std::string> problems;
  const std::vector<std::string>& known = model.label_names();
  std::string names;
  for (const std::string& label : known) names += (names.empty() ? "" : ", ") + label;
  for (std::size_t i = 0; i < language.label_names().size(); ++i) {
    const std::string& label = language.label_names()[i];
    const auto used = std::find(language.labels().begin(), language.labels().end(), static_cast<LabelId>(i));
    if (used != language.labels().end() && std::find(known.begin(), known.end(), label) == known.end()) {
      problems.push_back(name + ": labels: expected those of the model (" + names + "), got " + shown(label));
    }
  }
  if (!problems.empty()) throw InputError(problems);
}

std::optional<std::uint64_t> length_of(const Extraction& extraction) {
  if (const auto* up_to = std::get_if<RightUpTo>(&extraction.status)) return up_to->cover.length;
  if (const auto* hypothesis = std::get_if<NotExcluded>(&extraction.status)) return hypothesis->agrees;
  return std::nullopt;
}

}  // namespace

ExtractionComparison compare_extraction(const Extraction& extraction, const Machine& model, const Language& language,
                                        const std::string& name, const std::optional<Word>& known) {
  require_labels(model, language.minimal(), name);
  const Specification specification(model, language.minimal());
  const bool proved = std::holds_alternative<Exactly>(extraction.status);
  const auto* up_to = std::get_if<RightUpTo>(&extraction.status);
  const std::optional<std::uint64_t> length = up_to != nullptr ? std::optional(up_to->cover.length) : std::nullopt;
  ExtractionComparison result{name, specification.automaton(),
                              compare_labels(extraction.automaton, specification.automaton(), length), std::nullopt,
                              length};
  if (!result.comparison.word && known && !proved) {
    if (const auto found = confirm(model, specification, *known)) {
      result.equal = false;
      result.up_to.reset();
      result.comparison.word = found->word;
      result.comparison.expected = found->expected;
      result.comparison.observed = found->observed;
      return result;
    }
  }
  if (result.comparison.word) {
    // The label of the model itself, which for a hypothesis need not be the automaton's.
    if (const auto found = confirm(model, specification, *result.comparison.word)) {
      result.equal = false;
      result.comparison.word = found->word;
      result.comparison.expected = found->expected;
      result.comparison.observed = found->observed;
    } else if (proved || up_to != nullptr) {
      throw InternalError("extract: a difference from the language that a replay does not show");
    }
  } else if (proved || up_to != nullptr) {
    result.equal = true;
  }
  return result;
}

ExtractionAnswer extract_from(const OpenModel& open, const std::optional<Dfa>& language, const std::string& name,
                              const std::optional<Dfa>& hypothesis, ExtractOptions options) {
  const std::optional<Dfa> own = open.own_language();
  if (hypothesis) options.guesses.push_back(*hypothesis);
  const std::size_t number = options.guesses.size();
  if (language) options.guesses.push_back(*language);
  if (own) options.guesses.push_back(*own);
  const std::optional<Dfa> domain = language ? language : own ? own : all_words(open);
  ExtractionAnswer answer{extract(*open.machine, domain, options, open.hint ? &*open.hint : nullptr), std::nullopt,
                          domain ? open.domain(*domain) : "all words"};
  if (language) {
    // Where a length was asked for, longer words refute nothing.
    answer.comparison = compare_extraction(answer.extraction, *open.machine, *language, name,
                                           options.up_to ? std::nullopt : answer.extraction.wrong_guesses[number]);
  }
  return answer;
}

std::string status_text(const Extraction& extraction) {
  if (const auto* exactly = std::get_if<Exactly>(&extraction.status)) {
    return "exactly this automaton, at every length (" + exactly->method + ")";
  }
  if (const auto* up_to = std::get_if<RightUpTo>(&extraction.status)) {
    return "a smallest automaton that agrees with the model on all words up to length " +
           std::to_string(up_to->cover.length) + " (" + up_to->method + "); longer words are left open";
  }
  const auto& hypothesis = std::get<NotExcluded>(extraction.status);
  std::string methods;
  for (const Rung& rung : extraction.rungs) {
    if (rung.method == "learning" || rung.method == "table" || rung.method == "shortening") continue;
    if (methods.find(rung.method) == std::string::npos) methods += (methods.empty() ? "" : ", ") + rung.method;
  }
  return std::string(extraction.ended_early ? "a hypothesis when time was up: no difference found so far by "
                                            : "a hypothesis: no difference found by ") +
         methods +
         (hypothesis.agrees ? "; every word up to length " + std::to_string(*hypothesis.agrees) + " agrees" : "");
}

std::string comparison_text(const ExtractionComparison& comparison, const Alphabet& alphabet) {
  const std::string where = comparison.up_to ? " on all words up to length " + std::to_string(*comparison.up_to)
                                             : std::string(" at every length");
  if (comparison.equal == true) return "equal to " + comparison.language + where;
  if (comparison.equal == false) {
    const Comparison& found = comparison.comparison;
    return "differs from " + comparison.language + " on " + word_text(*found.word, alphabet) + " (length " +
           std::to_string(found.word->size()) + "): the language says " + found.expected + ", the model " +
           found.observed;
  }
  return comparison.comparison.word
             ? "the hypothesis differs from " + comparison.language + ", the model not where they part"
             : "the hypothesis is " + comparison.language + ", which proves nothing";
}

std::string growth_text(const Extraction& extraction) {
  if (!extraction.growing) return "";
  std::string text = "not an automaton of few states: the hypotheses grew";
  constexpr std::size_t most = 12;
  for (std::size_t i = 0; i < extraction.series.size(); ++i) {
    if (extraction.series.size() > most && i == most / 2) {
      text += ", ..";
      i = extraction.series.size() - most / 2;
    }
    text += (i == 0 ? ": " : ", ") + std::to_string(extraction.series[i]);
  }
  return text + " states, and a word was found on which each is wrong";
}

std::string extraction_json(const Extraction& extraction, const std::string& domain,
                            const std::optional<ExtractionComparison>& comparison) {
  const Alphabet& alphabet = extraction.automaton.alphabet();
  const auto* exactly = std::get_if<Exactly>(&extraction.status);
  const auto* up_to = std::get_if<RightUpTo>(&extraction.status);
  Json object;
  object["status"] = exactly != nullptr ? "exact" : up_to != nullptr ? "up_to" : "hypothesis";
  const std::optional<std::uint64_t> length = length_of(extraction);
  object["length"] = length ? Json(*length) : Json();
  object["states"] = extraction.automaton.num_states();
  object["method"] = exactly != nullptr ? Json(exactly->method) : up_to != nullptr ? Json(up_to->method) : Json();
  object["semantics"] = extraction.semantics;
  object["domain"] = domain;
  object["automaton"] = json_of(format_json(extraction.automaton));
  Json words = Json::array();
  for (const Word& word : up_to != nullptr ? up_to->cover.words : access_words(extraction.automaton)) {
    words.push_back(word_json(word, alphabet));
  }
  object["words"] = words;
  object["certificate"] = Json();
  if (up_to != nullptr) {
    Json suffixes = Json::array();
    for (std::size_t j = 1; j < up_to->cover.words.size(); ++j) {
      for (std::size_t i = 0; i < j; ++i) {
        suffixes.push_back(Json::array({i, j, word_json(up_to->cover.suffix(i, j), alphabet)}));
      }
    }
    object["certificate"] = suffixes;
  }
  object["series"] = extraction.series;
  object["growing"] = extraction.growing;
  object["queries"] = extraction.queries;
  object["steps"] = extraction.symbols;
  object["comparison"] = Json();
  if (comparison) {
    const Comparison& found = comparison->comparison;
    Json differing = Json::array();
    for (std::size_t q = 0; q < found.differing.size(); ++q) {
      if (found.differing[q]) differing.push_back(q);
    }
    const bool differs = comparison->equal == false;
    object["comparison"] = {{"language", comparison->language},
                            {"equal", comparison->equal ? Json(*comparison->equal) : Json()},
                            {"up_to", comparison->up_to ? Json(*comparison->up_to) : Json()},
                            {"word", differs ? word_json(*found.word, alphabet) : Json()},
                            {"expected", differs ? Json(found.expected) : Json()},
                            {"observed", differs ? Json(found.observed) : Json()},
                            {"differing", differing}};
  }
  Json rungs = Json::array();
  for (const Rung& rung : extraction.rungs) {
    rungs.push_back({{"method", rung.method}, {"outcome", rung.outcome}, {"seconds", rung.seconds}});
  }
  object["rungs"] = rungs;
  object["ended_early"] = extraction.ended_early;
  object["interrupted"] = extraction.interrupted;
  return json_lines(object);
}

Figure draw_extraction(const Extraction& extraction, const std::optional<ExtractionComparison>& comparison) {
  const std::vector<bool> none(extraction.automaton.num_states(), false);
  std::vector<NamedFigure> figures{
      {"What the model does",
       draw_automaton(extraction.automaton, comparison ? comparison->comparison.differing : none)}};
  if (comparison) {
    figures.push_back({"What " + comparison->language + " asks for",
                       draw_automaton(comparison->automaton, comparison->comparison.differing_in_language)});
  }
  Figure figure = stacked(figures, "Extracted automaton");
  if (comparison && std::find(comparison->comparison.differing.begin(), comparison->comparison.differing.end(), true) !=
                        comparison->comparison.differing.end()) {
    figure.caption += " States with a second, dashed ring are reached by words on which the two part.";
  }
  return figure;
}

}  // namespace krohn
