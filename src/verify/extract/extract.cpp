// Extraction, in the order of what the answers are worth. The closure of everything carried, minimised, is the
// automaton: two words that end in one carried state have the same labels ever after, and the label of a word is that
// of the arrow it ends with. A guess that krohn check proves is the automaton too: it is minimal, and its label is the
// model's on every word. What active learning finds is a hypothesis until one of these proves it; the table of all
// words up to a length gives a cover automaton, which is about those words alone. Nothing is claimed but what the
// status says, and a difference between a hypothesis and the model is always a word that was run.
#include "krohn/verify/extract.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "extract/learner.hpp"
#include "extract/table.hpp"
#include "extract/target.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/automata/product.hpp"
#include "krohn/error.hpp"
#include "krohn/verify/closure.hpp"
#include "krohn/verify/counterexample.hpp"
#include "krohn/verify/fast_refutation.hpp"
#include "labelled_words.hpp"

namespace krohn {
namespace {

using Clock = std::chrono::steady_clock;

// All words up to the length asked for are run where they are so many.
constexpr std::uint64_t most_words = std::uint64_t{1} << 21U;

class Extracting {
 public:
  Extracting(const Machine& model, const std::optional<Dfa>& domain, const ExtractOptions& options,
             const InvariantHint* hint)
      : model_(model), target_(model, domain), ties_named_(model), options_(options), hint_(hint) {
    words_ = options.words;
    wrong_guesses_.resize(options.guesses.size());
    for (std::size_t i = 0; i < options.guesses.size(); ++i) {
      std::optional<Dfa> fitting = within_domain(Specification(model, options.guesses[i]).automaton());
      if (!fitting) continue;
      const auto known = std::find_if(guesses_.begin(), guesses_.end(),
                                      [&](const Guess& guess) { return guess.automaton == *fitting; });
      if (known == guesses_.end()) {
        guesses_.push_back({*std::move(fitting), {i}});
      } else {
        known->numbers.push_back(i);
      }
    }
  }

  Extraction run() {
    try {
      if (close() || guessed() || (options_.up_to && table(*options_.up_to, most_words)) || learn()) return finish();
    } catch (const StoppedError&) {
      // The best so far.
    }
    if (!best_ || growing_) fall_back();
    return finish();
  }

 private:
  class Timed {
   public:
    Timed(Extracting& owner, std::string method) : owner_(owner), rung_{std::move(method), "ended early", 0.0} {
      if (owner.options_.begins) owner.options_.begins(rung_.method);
    }
    ~Timed() {
      rung_.seconds = std::chrono::duration<double>(Clock::now() - start_).count();
      owner_.rungs_.push_back(std::move(rung_));
    }
    Timed(const Timed&) = delete;
    Timed& operator=(const Timed&) = delete;
    void outcome(std::string text) { rung_.outcome = std::move(text); }

   private:
    Extracting& owner_;
    Rung rung_;
    Clock::time_point start_ = Clock::now();
  };

  /// Over the model's labels, and which of the options' it is.
  struct Guess {
    Dfa automaton;
    std::vector<std::size_t> numbers;
  };

  struct Best {
    Dfa automaton;
    std::variant<Exactly, RightUpTo, NotExcluded> status;
  };

  // Of the closure and of each search that every hypothesis meets, of the W-method's words, and the words of a table
  // where hypotheses grew.
  std::uint64_t hypothesis_steps() const { return options_.steps / 32; }
  std::uint64_t suite_symbols() const { return 2 * options_.steps; }
  std::uint64_t few_words() const { return options_.steps / 16; }

  bool over() const { return options_.budget.interrupted() || options_.budget.out_of_time(); }

  Extraction finish() {
    Extraction result{.automaton = std::move(best_->automaton),
                      .status = std::move(best_->status),
                      .semantics = std::string(model_.semantics()),
                      .series = std::move(series_),
                      .growing = growing_,
                      .wrong_guesses = std::move(wrong_guesses_),
                      .queries = queries_,
                      .symbols = symbols_,
                      .rungs = std::move(rungs_),
                      .ended_early = over(),
                      .interrupted = options_.budget.interrupted()};
    return result;
  }

  void exactly(const Dfa& automaton, std::string method) {
    growing_ = false;
    best_ = Best{minimize(automaton), Exactly{std::move(method)}};
  }

  /// The automaton with the model's labels, null outside the domain; nothing where it has a null label inside, or a
  /// label that is none of the model's.
  std::optional<Dfa> within_domain(const Dfa& dfa) const {
    std::map<std::string, LabelId> ids;
    for (std::size_t i = 0; i < model_.label_names().size(); ++i) {
      ids.emplace(model_.label_names()[i], static_cast<LabelId>(i));
    }
    ids.emplace(name_of_ties(model_.label_names()), target_.tie());
    std::map<std::pair<State, State>, State> number;
    std::vector<std::pair<State, State>> pairs;
    const auto state_of = [&](State p, State q) {
      const auto [entry, added] = number.emplace(std::pair(p, q), static_cast<State>(pairs.size()));
      if (added) pairs.emplace_back(p, q);
      return entry->second;
    };
    std::vector<State> delta;
    std::vector<LabelId> labels;
    state_of(dfa.start(), target_.domain().start());
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const auto [p, q] = pairs[i];
      LabelId label = null_label;
      if (target_.domain().label(q) != null_label) {
        const auto found = ids.find(dfa.label_name(dfa.label(p)));
        if (dfa.label(p) == null_label || found == ids.end()) return std::nullopt;
        label = found->second;
      }
      labels.push_back(label);
      for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
        delta.push_back(state_of(dfa.next(p, a), target_.domain().next(q, a)));
      }
    }
    return minimize(target_.automaton(std::move(delta), std::move(labels)));
  }

  /// What an automaton is compared with: the model, with its ties named where the automaton has them.
  const Machine& machine_for(const Dfa& automaton) const {
    if (automaton.label_names().size() > model_.label_names().size()) return ties_named_;
    return model_;
  }

  // ---- for all lengths ----------------------------------------------------------------------------------------------

  bool close() {
    Timed rung(*this, "closure");
    const Budget budget = options_.budget.share(0.25);
    const std::size_t size = model_.state_size();
    const std::size_t k = target_.num_symbols();
    const auto labels_each = static_cast<std::uint32_t>(target_.tie() + 2);
    PairSet pairs(size);
    std::vector<std::byte> pair(size + sizeof(State));
    const auto insert = [&](std::int32_t seen, State inside, std::uint32_t parent, Symbol symbol) {
      const std::uint32_t code = inside * labels_each + static_cast<std::uint32_t>(target_.label(seen, inside) + 1);
      std::memcpy(pair.data() + size, &code, sizeof code);
      return pairs.insert(pair.data(), parent, symbol);
    };
    insert(model_.initial(std::span(pair).first(size)).label, target_.domain().start(), 0, 0);
    std::vector<State> delta;
    for (std::uint32_t i = 0; i < pairs.size(); ++i) {
      const State inside = pairs.automaton_state(i) / labels_each;
      for (Symbol a = 0; a < k; ++a) {
        std::memcpy(pair.data(), pairs.pair(i), size);
        std::int32_t seen = undefined_label;
        try {
          seen = model_.step(std::span(pair).first(size), a).label;
        } catch (const NumericError& error) {
          Word word = pairs.word(i);
          word.push_back(a);
          throw NumericError("word " + model_.alphabet().format_word(word) + ": " + error.what());
        }
        delta.push_back(insert(seen, target_.domain().next(inside, a), i, a));
        ++symbols_;
      }
      const std::size_t memory = pairs.memory_of_next() + 2 * sizeof(State) * delta.size();
      if (delta.size() > options_.steps || memory > budget.memory || budget.interrupted() ||
          (i % 64 == 0 && budget.out_of_time())) {
        rung.outcome("not closed after " + std::to_string(pairs.size()) + " carried states");
        return false;
      }
    }
    std::vector<LabelId> labels;
    for (std::uint32_t i = 0; i < pairs.size(); ++i) {
      labels.push_back(static_cast<LabelId>(pairs.automaton_state(i) % labels_each) - 1);
    }
    exactly(target_.automaton(std::move(delta), std::move(labels)), "closure");
    rung.outcome("closed with " + std::to_string(pairs.size()) + " carried states");
    return true;
  }

  /// krohn check of an automaton. True if that proves it; a word on which it is wrong goes to `wrong_`, a length up to
  /// which it is right to `agrees_`.
  bool checked(const Language& language, const Budget& budget, std::optional<std::uint64_t> up_to, bool draw) {
    CheckOptions how;
    how.budget = budget;
    how.up_to = up_to;
    // Of more words than can be counted none are tried; a horizon may still reach so far.
    if (up_to && words_up_to(target_.num_symbols(), *up_to)) how.exhaustive = up_to;
    how.device = options_.device;
    how.progress = options_.progress;
    how.begins = options_.begins;
    how.sample = options_.sample;
    if (!draw) how.sample.words = 0;
    const Machine& machine = machine_for(language.minimal());
    const CheckReport report = check(machine, language, how, &machine == &model_ ? hint_ : nullptr);
    for (const Rung& rung : report.rungs) rungs_.push_back(rung);
    agrees_.reset();
    wrong_.reset();
    if (const auto* refuted = std::get_if<Refuted>(&report.verdict)) wrong_ = refuted->counterexample.word;
    if (const auto* certified = std::get_if<CertifiedUpTo>(&report.verdict)) agrees_ = certified->length;
    if (const auto* unknown = std::get_if<Unknown>(&report.verdict)) agrees_ = unknown->length;
    method_ = report.method;
    return std::holds_alternative<Proved>(report.verdict);
  }

  bool guessed() {
    for (const Guess& guess : guesses_) {
      if (options_.quick) return false;
      if (checked(guess.automaton, options_.budget.share(0.3), std::nullopt, false)) {
        exactly(guess.automaton, method_);
        return true;
      }
      if (!wrong_) continue;
      words_.push_back(*wrong_);
      for (const std::size_t number : guess.numbers) wrong_guesses_[number] = wrong_;
    }
    return false;
  }

  // ---- up to a length -----------------------------------------------------------------------------------------------

  bool table(std::uint64_t length, std::uint64_t most) {
    const std::optional<std::uint64_t> words = words_up_to(target_.num_symbols(), length);
    if (!words || *words > most) return false;
    Timed rung(*this, "table");
    Cover cover = minimal_cover(tabulate(target_, length, options_), length);
    symbols_ += *words - 1;
    queries_ += *words;
    rung.outcome("all " + std::to_string(*words) + " words up to length " + std::to_string(length) + " were run");
    cover_with(std::move(cover), "exhaustive");
    return true;
  }

  void cover_with(Cover cover, std::string method) {
    Dfa automaton = cover.automaton;
    best_ = Best{std::move(automaton), RightUpTo{std::move(cover), std::move(method)}};
  }

  // The longest words that are few; the empty one at least.
  void fall_back() {
    ExtractOptions how = options_;
    std::uint64_t length = 0;
    while (words_up_to(target_.num_symbols(), length + 1).value_or(few_words() + 1) <= few_words()) ++length;
    for (;;) {
      Timed rung(*this, "table");
      try {
        Cover cover = minimal_cover(tabulate(target_, length, how), length);
        rung.outcome("all words up to length " + std::to_string(length) + " were run");
        cover_with(std::move(cover), "exhaustive");
        return;
      } catch (const StoppedError&) {
        // A few words are run whatever the time.
        how.budget.deadline.reset();
        how.budget.stop = nullptr;
        while (length > 1 && *words_up_to(target_.num_symbols(), length) > 256) --length;
      }
    }
  }

  // ---- learning -----------------------------------------------------------------------------------------------------

  bool learn() {
    ExtractOptions how = options_;
    how.budget = options_.budget.share(0.7);
    Learner learner(target_, how, options_.budget.memory / 4);
    struct Counts {
      Extracting& owner;
      const Learner& learner;
      ~Counts() {
        owner.queries_ += learner.tree().queries();
        owner.symbols_ += learner.tree().steps();
      }
    } counts{*this, learner};
    for (;;) {
      std::optional<Dfa> hypothesis;
      {
        Timed rung(*this, "learning");
        hypothesis = learner.hypothesis();
        rung.outcome(hypothesis ? "a hypothesis of " + std::to_string(hypothesis->num_states()) + " states after " +
                                      std::to_string(learner.tree().queries()) + " words"
                                : "more than " + std::to_string(options_.max_states) + " states");
      }
      if (!hypothesis) {
        growing_ = true;
        return false;
      }
      series_.push_back(hypothesis->num_states());
      const Language language = *hypothesis;
      const Dfa& automaton = language.minimal();
      best_ = Best{automaton, NotExcluded{}};
      growing_ = false;
      std::optional<Word> word = difference(automaton);
      if (!word && std::holds_alternative<Exactly>(best_->status)) return true;
      if (!word && !options_.quick) {
        if (checked(language, options_.budget.share(0.6), options_.up_to, true)) {
          exactly(automaton, method_);
          return true;
        }
        word = wrong_;
        if (!word && options_.up_to && agrees_ && *agrees_ >= *options_.up_to) {
          cover_with(minimal_cover(automaton, *options_.up_to), method_);
          return true;
        }
        if (auto* status = std::get_if<NotExcluded>(&best_->status)) status->agrees = std::max(status->agrees, agrees_);
      }
      if (!word) return true;
      growing_ = true;
      learner.differs_on(*word);
    }
  }

  /// A shortest word that only one of hypothesis and domain takes for outside. Without one the hypothesis is null on
  /// the words outside and nowhere else, so that comparing it with the model, which passes over its nulls, passes over
  /// no word of the domain.
  std::optional<Word> other_domain(const Dfa& automaton) const {
    std::vector<LabelId> labels;
    for (const LabelId label : automaton.labels()) labels.push_back(label == null_label ? null_label : 0);
    return separating_word(
        Dfa(automaton.alphabet(), automaton.start(), {automaton.delta().begin(), automaton.delta().end()},
            std::move(labels), target_.domain().label_names()),
        target_.domain());
  }

  /// What every hypothesis meets: searches of a bounded number of steps, cheapest first.
  std::optional<Word> difference(const Dfa& automaton) {
    const Machine& machine = machine_for(automaton);
    const Specification specification(machine, automaton);
    if (std::optional<Word> word = other_domain(automaton)) return word;
    const auto allowed = [&](const Word& word) { return !options_.up_to || word.size() <= *options_.up_to; };
    for (const Word& word : words_) {
      if (allowed(word) && confirm(machine, specification, word)) return word;
    }
    {
      Timed rung(*this, "closure");
      Closure closure = joint_closure(machine, specification, {options_.budget, options_.up_to, hypothesis_steps()});
      if (closure.disagreement) {
        rung.outcome("a difference on a word of length " + std::to_string(closure.disagreement->size()));
        return closure.disagreement;
      }
      if (closure.closed) {
        rung.outcome("closed with " + std::to_string(closure.pairs.size()) + " pairs");
        exactly(automaton, "closure");
        return std::nullopt;
      }
      if (closure.length) best_->status = NotExcluded{closure.length};
      rung.outcome("all words up to length " + std::to_string(closure.length.value_or(0)));
    }
    for (const Guess& guess : guesses_) {
      Timed rung(*this, "language");
      const std::optional<Word> apart = compare_labels(automaton, guess.automaton, std::nullopt).word;
      if (apart && allowed(*apart)) {
        std::vector<std::byte> state(machine.state_size());
        std::int32_t label = machine.initial(state).label;
        for (const Symbol a : *apart) label = machine.step(state, a).label;
        if (!specification.agrees(label, automaton.next(automaton.start(), *apart))) {
          rung.outcome("a difference where hypothesis and language part");
          return apart;
        }
        rung.outcome("where they part the model goes with the hypothesis");
      } else {
        rung.outcome("the hypothesis is the language");
      }
    }
    {
      Timed rung(*this, "fast refutation");
      FastRefutationOptions how;
      how.budget = options_.budget;
      how.steps = hypothesis_steps();
      how.device = options_.device;
      const std::optional<Refutation> found = fast_refutation(machine, specification, how);
      if (found && allowed(found->word)) {
        rung.outcome("a difference on a word of length " + std::to_string(found->word.size()));
        return found->word;
      }
      rung.outcome(found ? "a difference beyond the length asked for" : "nothing found");
    }
    return suite(machine, specification, automaton);
  }

  // Chow 1978: behind every state's word all words of at most extra + 1 symbols, then the suffixes that tell states
  // apart.
  std::optional<Word> suite(const Machine& machine, const Specification& specification, const Dfa& automaton) {
    Timed rung(*this, "w-method");
    const Cover states = minimal_cover(automaton, 2 * automaton.num_states());
    std::set<Word> apart(states.suffixes.begin(), states.suffixes.end());
    apart.insert(Word{});
    std::vector<Word> suffixes(apart.begin(), apart.end());
    std::vector<Word> middles{Word{}};
    for (std::size_t i = 0, begin = 0; i <= options_.extra_states; ++i) {
      const std::size_t end = middles.size();
      for (; begin < end; ++begin) {
        for (Symbol a = 0; a < automaton.num_symbols(); ++a) {
          Word word = middles[begin];
          word.push_back(a);
          middles.push_back(std::move(word));
        }
        if (middles.size() > suite_symbols()) break;
      }
    }
    std::uint64_t symbols = 0;
    std::vector<Word> words;
    bool whole = true;
    const auto flush = [&]() -> std::optional<Word> {
      const LabelledWords seen =
          label_and_compare(machine, specification, words, options_.device, options_.budget, NotFinite::pass_over);
      whole = whole && (seen.wrong || seen.right == words.size());
      std::optional<Word> wrong;
      if (seen.wrong) {
        wrong = words[seen.wrong->word];
        wrong->resize(seen.wrong->length);
      }
      words.clear();
      return wrong;
    };
    for (std::size_t i = 0; i < states.words.size() && whole; ++i) {
      for (const Word& middle : middles) {
        for (const Word& suffix : suffixes) {
          Word word = states.words[i];
          word.insert(word.end(), middle.begin(), middle.end());
          word.insert(word.end(), suffix.begin(), suffix.end());
          if (options_.up_to && word.size() > *options_.up_to) word.resize(*options_.up_to);
          symbols += word.size();
          words.push_back(std::move(word));
        }
        whole = whole && symbols <= suite_symbols() && !over();
        if (!whole) break;
        if (words.size() < 4096) continue;
        if (std::optional<Word> wrong = flush()) {
          rung.outcome("a difference on a word of length " + std::to_string(wrong->size()));
          return wrong;
        }
      }
    }
    if (!words.empty()) {
      if (std::optional<Word> wrong = flush()) {
        rung.outcome("a difference on a word of length " + std::to_string(wrong->size()));
        return wrong;
      }
    }
    rung.outcome(!whole ? "cut short, nothing found"
                 : options_.up_to
                     ? "nothing found within the length asked for"
                     : "every model of at most " + std::to_string(automaton.num_states() + options_.extra_states) +
                           " states but this one is excluded");
    return std::nullopt;
  }

  const Machine& model_;
  const Target target_;
  const TiesNamed ties_named_;
  const ExtractOptions& options_;
  const InvariantHint* hint_;
  std::vector<Guess> guesses_;
  std::vector<std::optional<Word>> wrong_guesses_;
  std::optional<Best> best_;
  bool growing_ = false;
  std::vector<std::size_t> series_;
  std::vector<Rung> rungs_;
  std::uint64_t queries_ = 0;
  std::uint64_t symbols_ = 0;
  /// Words on which some automaton was wrong, for the learner.
  std::vector<Word> words_;
  // Of the last check.
  std::optional<Word> wrong_;
  std::optional<std::uint64_t> agrees_;
  std::string method_;
};

}  // namespace

Extraction extract(const Machine& model, const std::optional<Dfa>& domain, const ExtractOptions& options,
                   const InvariantHint* hint) {
  return Extracting(model, domain, options, hint).run();
}

Comparison compare_labels(const Dfa& extracted, const Dfa& language, std::optional<std::uint64_t> length) {
  if (extracted.alphabet() != language.alphabet()) throw InternalError("compare_labels: alphabets in another order");
  Comparison result;
  result.differing.assign(extracted.num_states(), false);
  result.differing_in_language.assign(language.num_states(), false);
  struct Met {
    State p;
    State q;
    std::uint32_t from;
    Symbol symbol;
    std::uint64_t length;
  };
  std::set<std::pair<State, State>> seen{{extracted.start(), language.start()}};
  std::vector<Met> met{{extracted.start(), language.start(), 0, 0, 0}};
  for (std::uint32_t i = 0; i < met.size(); ++i) {
    const Met one = met[i];
    const LabelId wanted = language.label(one.q);
    const LabelId given = extracted.label(one.p);
    // A tie has a name that no label of the model has; a language that has it is still not met by it.
    const bool same =
        given != null_label && wanted != null_label && extracted.label_name(given) == language.label_name(wanted);
    if (wanted != null_label && !same) {
      result.differing[one.p] = true;
      result.differing_in_language[one.q] = true;
      if (!result.word) {
        Word word;
        for (std::uint32_t j = i; j != 0; j = met[j].from) word.push_back(met[j].symbol);
        std::reverse(word.begin(), word.end());
        result.word = std::move(word);
        result.expected = language.label_name(wanted);
        result.observed = extracted.label_name(given);
      }
    }
    if (length && one.length >= *length) continue;
    for (Symbol a = 0; a < extracted.num_symbols(); ++a) {
      const State p = extracted.next(one.p, a);
      const State q = language.next(one.q, a);
      if (seen.emplace(p, q).second) met.push_back({p, q, i, a, one.length + 1});
    }
  }
  return result;
}

}  // namespace krohn
