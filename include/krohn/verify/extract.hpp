// Which automaton did a model learn? The minimal one that it implements, or what can be said of it.
//
//     const Extraction extraction = extract(*open.machine, domain, {});
//     if (std::holds_alternative<Exactly>(extraction.status)) ... // proved: extraction.automaton, at every length
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "krohn/automata/cover.hpp"
#include "krohn/automata/dfa.hpp"
#include "krohn/engine/enumerate.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/model/hint.hpp"
#include "krohn/verify/budget.hpp"
#include "krohn/verify/check.hpp"
#include "krohn/verify/sample.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {

struct ExtractOptions {
  Budget budget;
  /// Where no automaton can be proved for all lengths, one is wanted that is right on all words up to this length.
  std::optional<std::uint64_t> up_to = std::nullopt;
  /// A hypothesis of more states is not made: the model then counts as one of more states than that.
  std::size_t max_states = 256;
  /// The W-method's suite covers implementations with so many states more than the hypothesis.
  std::size_t extra_states = 1;
  /// Steps of the first closure. What every hypothesis meets has parts of it: its closure, powers and beams 1/32 each,
  /// the W-method 2; the table where hypotheses grew has 1/16 words.
  std::uint64_t steps = std::uint64_t{1} << 18U;
  /// Searches bounded by steps alone, so that the answer depends on no clock; neither guesses nor hypotheses are then
  /// put to krohn check.
  bool quick = false;
  /// Automata to try first, over the model's symbols: the language that comes with the model, or what a hardened form
  /// of it implements. They are checked, never believed.
  std::vector<Dfa> guesses = {};
  /// Words to compare every hypothesis on, such as one that is known to refute the language.
  std::vector<Word> words = {};
  /// Where words run that are asked many at once.
  Device device = Device::automatic;
  unsigned threads = 0;
  /// The last search for a difference.
  SampleDesign sample = {};
  /// Called as a part begins, with its name.
  std::function<void(const std::string&)> begins = {};
  std::function<void(const EnumerateProgress&)> progress = {};
};

/// The automaton is the minimal one of the model's labels at every length, in the semantics named.
struct Exactly {
  /// "closure" of everything carried, or the method of krohn check that proved the automaton.
  std::string method;
};

/// A smallest automaton that has the model's labels on all words up to `cover.length`; `cover.automaton` is
/// Extraction::automaton, and the rest of it shows that none is smaller.
struct RightUpTo {
  Cover cover;
  /// "exhaustive" (every word was run) or the method of krohn check that certified the length.
  std::string method;
};

/// No difference was found, and none was excluded.
struct NotExcluded {
  /// Every word up to this length agrees.
  std::optional<std::uint64_t> agrees;
};

struct Extraction {
  /// Labels are the model's, in their order; a label "?" for words on which the readout ties is added where there are
  /// such; null outside the domain.
  Dfa automaton;
  std::variant<Exactly, RightUpTo, NotExcluded> status;
  std::string semantics;
  /// States of the hypotheses made, in order; the last is complete only if no difference was found.
  std::vector<std::size_t> series;
  /// True if a difference was found to every hypothesis that was made: the model has more states than the last.
  bool growing = false;
  /// [guesses]: a word on which the model is known to differ from the guess.
  std::vector<std::optional<Word>> wrong_guesses;
  /// Words that were asked, those whose label was not known yet; steps of the model for them and for the closure (those
  /// of krohn check and of searches are not counted).
  std::uint64_t queries = 0;
  std::uint64_t symbols = 0;
  /// What was tried, and what came of it.
  std::vector<Rung> rungs;
  /// A limit or an interrupt ended it: what is named in `rungs` may have looked at little.
  bool ended_early = false;
  bool interrupted = false;
};

/// `domain`, over the model's symbols, is null on the words outside the domain; none: all words are inside.
///
/// First the closure of everything carried: where it ends, its minimal automaton is the answer, proved. Then guesses.
/// Else active learning (L#: Vaandrager, Garhewal, Rot and Wissmann 2022) on a tree of words, each symbol run once;
/// a hypothesis is compared by closure, powers, W-method, beams, the ladder of krohn check and a sample, and what
/// differs refines it. With `up_to` every word up to it is run instead, where those are few, and the answer is a
/// smallest cover automaton; without it, where hypotheses only grew, one for a length that can be run soon. Limits end
/// with the best answer so far. Throws InputError where alphabets do not match, NumericError where a word that was
/// asked ends in NaN or infinity, naming it, ResourceError where `up_to` is out of reach.
Extraction extract(const Machine& model, const std::optional<Dfa>& domain, const ExtractOptions& options,
                   const InvariantHint* hint = nullptr);

/// Where the model and a language part, seen through the automaton extracted.
struct Comparison {
  /// A shortest word, within what the extraction's status covers, whose label in the language is not null and is not
  /// the automaton's; nothing if there is none.
  std::optional<Word> word;
  std::string expected;
  std::string observed;
  /// [states]: the state is reached together with one of the other side by a word on which labels differ (within the
  /// status' length).
  std::vector<bool> differing;
  std::vector<bool> differing_in_language;
};

/// `language` has the model's symbols in the same order (Specification::automaton()). `length` bounds the words.
Comparison compare_labels(const Dfa& extracted, const Dfa& language, std::optional<std::uint64_t> length);

}  // namespace krohn
