// Words are drawn by walking the automaton forward with probabilities proportional to the number of words that end
// with a label, counted backward in double with a running scale: exact enough for drawing, and uniform for automata
// without null labels. Then the model's labels at every position are compared with the automaton's. Cost: the
// model's steps; states times symbols times length once.
#include "krohn/verify/accuracy.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <deque>
#include <future>
#include <memory>
#include <optional>
#include <set>

#include "krohn/engine/chunked_form.hpp"
#include "krohn/engine/learned/learned_machine.hpp"
#include "krohn/engine/threads.hpp"
#include "krohn/error.hpp"
#include "krohn/numeric/splitmix64.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {
namespace {

constexpr double z95 = 1.959963984540054;

class Random {
 public:
  explicit Random(std::uint64_t seed) : random_(seed) {}
  std::uint64_t next() { return random_.next(); }
  /// In [0, 1), 53 bits.
  double uniform() { return static_cast<double>(next() >> 11U) * 0x1p-53; }

 private:
  SplitMix64 random_;
};

/// Draws words of one length whose last label is not null.
class Sampler {
 public:
  Sampler(const Dfa& dfa, std::uint64_t length, const std::vector<double>& symbol_weights)
      : dfa_(dfa), length_(length), symbol_(symbol_weights) {
    if (symbol_.empty()) symbol_.assign(dfa.num_symbols(), 1.0);
    const auto is_one = [](double w) { return w == 1.0; };
    const std::size_t states = dfa.num_states();
    std::vector<double> level(states);
    for (State q = 0; q < states; ++q) level[q] = dfa.label(q) == null_label ? 0.0 : 1.0;
    even_ = std::all_of(level.begin(), level.end(), is_one) && std::all_of(symbol_.begin(), symbol_.end(), is_one);
    if (even_) return;
    weight_.push_back(level);
    for (std::uint64_t l = 0; l < length; ++l) {
      std::vector<double> previous(states, 0.0);
      double largest = 0;
      for (State q = 0; q < states; ++q) {
        for (Symbol a = 0; a < dfa.num_symbols(); ++a) previous[q] += symbol_[a] * level[dfa.next(q, a)];
        largest = std::max(largest, previous[q]);
      }
      // Only the ratios within a level are used.
      if (largest > 0) {
        for (double& w : previous) w /= largest;
      }
      level = previous;
      weight_.push_back(level);
    }
  }

  bool empty() const { return !even_ && weight_[length_][dfa_.start()] <= 0; }

  Word draw(Random& random) const {
    Word word;
    word.reserve(length_);
    if (even_) {
      // What the walk below does where every weight is 1: its subtractions are exact then.
      const auto symbols = static_cast<double>(dfa_.num_symbols());
      for (std::uint64_t l = 0; l < length_; ++l) {
        word.push_back(static_cast<Symbol>(std::min(random.uniform() * symbols, symbols - 1)));
      }
      return word;
    }
    State state = dfa_.start();
    for (std::uint64_t l = length_; l-- > 0;) {
      double total = 0;
      for (Symbol a = 0; a < dfa_.num_symbols(); ++a) total += symbol_[a] * weight_[l][dfa_.next(state, a)];
      double left = random.uniform() * total;
      Symbol chosen = 0;
      // The last symbol of positive weight where rounding leaves nothing over.
      for (Symbol a = 0; a < dfa_.num_symbols(); ++a) {
        const double w = symbol_[a] * weight_[l][dfa_.next(state, a)];
        if (w <= 0) continue;
        chosen = a;
        if (left < w) break;
        left -= w;
      }
      word.push_back(chosen);
      state = dfa_.next(state, chosen);
    }
    return word;
  }

 private:
  const Dfa& dfa_;
  std::uint64_t length_;
  std::vector<double> symbol_;
  bool even_ = false;  // every symbol is as likely as any other, whatever came before
  /// [l][q]: proportional to the weight of the words of length l from q to a state with a label.
  std::vector<std::vector<double>> weight_;
};

Proportion wilson(double successes, double trials, double chance) {
  Proportion p;
  if (trials <= 0) return p;
  p.value = successes / trials;
  const double z2 = z95 * z95;
  const double middle = (p.value + z2 / (2 * trials)) / (1 + z2 / trials);
  const double half =
      z95 / (1 + z2 / trials) * std::sqrt(p.value * (1 - p.value) / trials + z2 / (4 * trials * trials));
  // At 0 and 1 rounding could leave the value just outside.
  p.low = std::min(p.value, std::max(0.0, middle - half));
  p.high = std::max(p.value, std::min(1.0, middle + half));
  p.scaled = chance < 1 ? (p.value - chance) / (1 - chance) : 0.0;
  return p;
}

/// The share of right positions, from each word's counts: a ratio estimate over independent words.
Proportion clustered(const std::vector<std::pair<double, double>>& right_of, double chance) {
  double right = 0;
  double total = 0;
  for (const auto& [r, n] : right_of) {
    right += r;
    total += n;
  }
  Proportion p;
  if (total <= 0) return p;
  const double words = static_cast<double>(right_of.size());
  p.value = right / total;
  double squares = 0;
  for (const auto& [r, n] : right_of) squares += (r - p.value * n) * (r - p.value * n);
  if (words < 2 || squares <= 0) {
    const Proportion words_only = wilson(p.value * words, words, chance);
    p.low = std::min(words_only.low, p.value);
    p.high = std::max(words_only.high, p.value);
  } else {
    const double deviation = std::sqrt(squares / (words - 1) * words) / total;
    p.low = std::max(0.0, p.value - z95 * deviation);
    p.high = std::min(1.0, p.value + z95 * deviation);
  }
  p.scaled = (p.value - chance) / (1 - chance);
  return p;
}

double chance_of(const Dfa& language) {
  std::set<LabelId> labels;
  for (const LabelId label : language.labels()) {
    if (label != null_label) labels.insert(label);
  }
  return labels.empty() ? 0.0 : 1.0 / static_cast<double>(labels.size());
}

/// The labels that a chunked form gives at every position of words of one length, as Machine::run gives the machine's.
Trace run_form(const Machine& machine, const std::vector<Word>& words, const AccuracyOptions& options) {
  const LearnedView learned = *learned_of(machine);
  // Few tokens at a time: an interrupt is looked for between them. The CPU takes long for some thousand.
  const std::size_t tokens_at_once = std::size_t{1} << (options.device.is_cuda() ? 22U : 14U);
  const ChunkedFormat format = options.form == AnsweringForm::chunked_bf16 ? ChunkedFormat::bf16 : ChunkedFormat::fp32;
  Trace trace;
  trace.offset = {0};
  for (std::size_t first = 0; first < words.size();) {
    if (options.stop != nullptr && options.stop->load(std::memory_order_relaxed)) throw StoppedError();
    std::vector<Tokens> runs;
    for (std::size_t tokens = 0; first < words.size() && tokens < tokens_at_once; ++first) {
      runs.push_back(tokens_of(learned.task, words[first]));
      tokens += std::max<std::size_t>(1, runs.back().size());
    }
    const ChunkedLabels seen = label_chunked_form(learned.program, learned.task, runs, {format, options.device});
    auto label = seen.labels.begin();
    for (const Tokens& run : runs) {
      if (!learned.task.first_token) trace.labels.push_back(undefined_label);
      const auto end = label + static_cast<std::ptrdiff_t>(run.size());
      trace.labels.insert(trace.labels.end(), label, end);
      label = end;
      trace.offset.push_back(trace.labels.size());
    }
    trace.device = seen.device;
  }
  return trace;
}

/// Calls body(begin, end) for pieces of 0 .. count - 1 that take about 2^18 steps each, on as many threads at most.
template <class Body>
void in_pieces(std::uint64_t count, std::uint64_t steps, unsigned threads, const Body& body) {
  const std::uint64_t tasks = std::clamp<std::uint64_t>(count * steps >> 18U, 1, threads);
  std::vector<std::future<void>> pieces;
  for (std::uint64_t task = 0; task < tasks; ++task) {
    pieces.push_back(std::async(tasks == 1 ? std::launch::deferred : meanwhile,
                                [&, task] { body(count * task / tasks, count * (task + 1) / tasks); }));
  }
  for (std::future<void>& piece : pieces) piece.get();
}

/// What the words of one length add up to.
struct Counts {
  std::vector<std::pair<double, double>> right_of;
  double last = 0;
  double sequences = 0;
  double guessed = 0;

  /// Of words of one length.
  void add(const std::vector<Word>& words, const Trace& trace, const Specification& specification, bool last_only,
           double chance, unsigned threads) {
    const Dfa& dfa = specification.automaton();
    const std::size_t before = right_of.size();
    right_of.resize(before + words.size());
    std::vector<char> last_right(words.size());
    in_pieces(words.size(), words.front().size(), threads, [&](std::uint64_t first, std::uint64_t beyond) {
      for (std::uint64_t i = first; i < beyond; ++i) {
        const std::span<const std::int32_t> labels = trace.labels_of(i);
        State state = dfa.start();
        double right = 0;
        double counted = 0;
        for (std::size_t t = 0; t < words[i].size(); ++t) {
          state = dfa.next(state, words[i][t]);
          const bool end = t + 1 == words[i].size();
          if (dfa.label(state) == null_label || (last_only && !end)) continue;
          const bool agrees = specification.agrees(labels[t + 1], state);
          counted += 1;
          right += agrees ? 1 : 0;
          if (end && agrees) last_right[i] = 1;
        }
        right_of[before + i] = {right, counted};
      }
    });
    // In order, so that the sum does not depend on the threads.
    for (std::size_t i = 0; i < words.size(); ++i) {
      const auto& [right, counted] = right_of[before + i];
      last += last_right[i];
      if (right == counted) sequences += 1;
      guessed += std::pow(chance, counted);
    }
  }
};

}  // namespace

std::string form_name(AnsweringForm form, const Machine& machine) {
  if (form == AnsweringForm::chunked_bf16) return "chunked, bf16";
  if (form == AnsweringForm::chunked_fp32) return "chunked, fp32";
  return std::string(machine.semantics());
}

Accuracy measure_accuracy(const Machine& machine, const Dfa& language, const AccuracyOptions& options) {
  const Specification specification(machine, language);
  const Dfa& dfa = specification.automaton();
  const std::vector<double>& weights = options.symbol_weights;
  if (!weights.empty() &&
      (weights.size() != dfa.num_symbols() ||
       !std::all_of(weights.begin(), weights.end(), [](double w) { return w > 0 && std::isfinite(w); }))) {
    throw InputError("symbol weights: expected a positive number for each of the " + std::to_string(dfa.num_symbols()) +
                     " symbols, got " + std::to_string(weights.size()) + " numbers");
  }
  if (options.form != AnsweringForm::canonical) {
    const std::optional<LearnedView> learned = learned_of(machine);
    if (!learned) throw InputError("form: expected a checkpoint, got a compiled model, which has no chunked form");
    if (const auto reason = without_chunked_form(learned->program)) throw InputError("form: " + *reason);
  }
  Accuracy accuracy;
  accuracy.chance = chance_of(dfa);
  // Numbers of the generator that the lengths before have taken.
  std::uint64_t drawn = 0;
  double total = 0;
  double done = 0;
  for (const std::uint64_t length : options.lengths) total += static_cast<double>(length * options.words);
  for (const std::uint64_t length : options.lengths) {
    const Sampler sampler(dfa, length, options.symbol_weights);
    if (sampler.empty()) {
      accuracy.empty_lengths.push_back(length);
      total -= static_cast<double>(length * options.words);
      continue;
    }
    Counts counts;
    const unsigned threads = threads_to_use(options.threads);
    // A part at a time, so that an early end has the words run so far; large enough for vectors and devices. While a
    // part runs the next one is drawn and the one before is counted; on devices two run side by side, since what the
    // host does for one takes a third of the time.
    const std::uint64_t part_symbols = std::uint64_t{1} << (options.device.is_cuda() ? 24U : 22U);
    const std::uint64_t most = std::max<std::uint64_t>(256, part_symbols / std::max<std::uint64_t>(1, length));
    // Each symbol takes one number of the generator, whose n-th number is known without those before it.
    const auto draw = [&, drawn](std::uint64_t first) {
      const std::uint64_t count = std::min(options.words - first, most);
      std::vector<Word> words(count);
      in_pieces(count, length, threads, [&](std::uint64_t begin, std::uint64_t end) {
        Random random(options.seed + (drawn + (first + begin) * length) * SplitMix64::increment);
        for (std::uint64_t i = begin; i < end; ++i) words[i] = sampler.draw(random);
      });
      return words;
    };
    drawn += options.words * length;
    const bool side_by_side =
        options.device.is_cuda() && options.form == AnsweringForm::canonical && learned_of(machine).has_value();
    const RunOptions how{.device = options.device,
                         .all_positions = true,
                         .threads = options.threads,
                         .runs_at_once = side_by_side ? 2U : 1U,
                         .stop = options.stop};
    const auto run = [&](const std::vector<Word>& words) {
      return options.form == AnsweringForm::canonical ? machine.run(words, how) : run_form(machine, words, options);
    };
    struct Part {
      std::shared_ptr<const std::vector<Word>> words;
      std::future<Trace> trace;
    };
    std::future<std::vector<Word>> drawing = std::async(meanwhile, draw, 0);
    std::future<void> counting;
    std::deque<Part> running;
    for (std::uint64_t first = 0; (first < options.words || !running.empty()) && !accuracy.stopped;) {
      while (first < options.words && running.size() < how.runs_at_once) {
        auto words = std::make_shared<const std::vector<Word>>(drawing.get());
        first += words->size();
        if (first < options.words) drawing = std::async(meanwhile, draw, first);
        running.push_back({words, std::async(side_by_side ? meanwhile : std::launch::deferred,
                                             [&run, words] { return run(*words); })});
      }
      Part part = std::move(running.front());
      running.pop_front();
      try {
        auto trace = std::make_shared<const Trace>(part.trace.get());
        accuracy.device = trace->device;
        if (counting.valid()) counting.get();
        counting = std::async(meanwhile, [&, words = part.words, trace] {
          counts.add(*words, *trace, specification, options.last_only, accuracy.chance, threads);
        });
      } catch (const StoppedError&) {
        accuracy.stopped = true;
      }
      done += static_cast<double>(length * part.words->size());
      if (options.progress) options.progress(length, done, total);
    }
    running.clear();
    if (counting.valid()) counting.get();
    if (drawing.valid()) drawing.get();
    const auto trials = static_cast<double>(counts.right_of.size());
    if (trials > 0) {
      const double sequence_chance = counts.guessed / trials;
      accuracy.lengths.push_back({length, counts.right_of.size(), clustered(counts.right_of, accuracy.chance),
                                  wilson(counts.last, trials, accuracy.chance),
                                  wilson(counts.sequences, trials, sequence_chance), sequence_chance});
    }
    if (options.stop != nullptr && options.stop->load(std::memory_order_relaxed)) accuracy.stopped = true;
    if (accuracy.stopped) break;
  }
  return accuracy;
}

std::vector<std::uint64_t> parse_lengths(const std::string& text) {
  const auto wrong = [&]() -> InputError {
    return InputError("lengths: expected N, N,N,.., A..B or A..B:STEP with lengths from 1 to 1000000, got '" + text +
                      "'");
  };
  const auto number = [&](std::string_view part) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (error != std::errc() || end != part.data() + part.size() || value == 0 || value > 1'000'000) throw wrong();
    return value;
  };
  std::set<std::uint64_t> lengths;
  const std::string_view all = text;
  if (const std::size_t dots = all.find(".."); dots != std::string_view::npos) {
    const std::size_t colon = all.find(':', dots);
    const std::uint64_t first = number(all.substr(0, dots));
    const std::uint64_t last = number(all.substr(dots + 2, colon == std::string_view::npos ? colon : colon - dots - 2));
    if (last < first) throw wrong();
    lengths.insert(first);
    if (colon == std::string_view::npos) {
      for (std::uint64_t power = 1; power < last; power *= 2) {
        if (power > first) lengths.insert(power);
      }
      lengths.insert(last);
    } else {
      const std::uint64_t step = number(all.substr(colon + 1));
      if ((last - first) / step >= 10000) throw wrong();
      for (std::uint64_t length = first; length <= last; length += step) lengths.insert(length);
    }
  } else {
    std::size_t begin = 0;
    while (true) {
      const std::size_t comma = all.find(',', begin);
      lengths.insert(number(all.substr(begin, comma == std::string_view::npos ? comma : comma - begin)));
      if (lengths.size() > 10000) throw wrong();
      if (comma == std::string_view::npos) break;
      begin = comma + 1;
    }
  }
  return {lengths.begin(), lengths.end()};
}

}  // namespace krohn
