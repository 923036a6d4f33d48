#include "krohn/verify/compare_forms.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "krohn/error.hpp"
#include "krohn/numeric/splitmix64.hpp"

namespace krohn {
namespace {

/// Words a run: bounds the memory of collected inputs.
constexpr std::size_t batch_words = 8;

struct Label {
  std::string name;
  float margin = 0.0F;
};

class Comparison {
 public:
  Comparison(const Program& model, const LearnedTask* task) : model_(model), task_(task) {}

  Label label(std::span<const float> logits) const {
    if (task_ != nullptr) {
      const Observation seen = task_->observe(logits);
      if (seen.label == undefined_label) return {"?", 0.0F};
      return {task_->label_names.at(static_cast<std::size_t>(seen.label)), seen.margin};
    }
    const auto best = std::max_element(logits.begin(), logits.end());
    float second = -INFINITY;
    for (auto it = logits.begin(); it != logits.end(); ++it) {
      if (it != best) second = std::max(second, *it);
    }
    if (second == *best) return {"?", 0.0F};
    return {std::to_string(best - logits.begin()), *best - second};
  }

  /// The task's first token, and the word.
  Tokens whole(const Tokens& word) const {
    Tokens tokens;
    if (skipped() != 0) tokens.push_back(*task_->first_token);
    tokens.insert(tokens.end(), word.begin(), word.end());
    return tokens;
  }
  std::size_t skipped() const { return task_ != nullptr && task_->first_token ? 1 : 0; }

  std::vector<float> canonical(std::span<const Tokens> words) const {
    const std::size_t length = words.empty() ? 0 : words[0].size();
    const std::size_t size = model_.num_logits();
    std::vector<float> logits(words.size() * length * size);
    LearnedRunOptions options;
    run_learned(model_, words, options,
                [&](std::size_t word, std::size_t position, std::span<const float> row, std::span<const float>) {
                  std::copy(row.begin(), row.end(),
                            logits.begin() + static_cast<std::ptrdiff_t>((word * length + position) * size));
                });
    return logits;
  }

  /// Counts the differences of a batch; keeps the shortest prefix with different labels.
  void add(std::span<const Tokens> words, std::span<const float> mine, std::span<const float> other,
           FormComparison& result) const {
    const std::size_t size = model_.num_logits();
    const std::size_t length = words.empty() ? 0 : words[0].size();
    for (std::size_t w = 0; w < words.size(); ++w) {
      for (std::size_t t = skipped(); t < length; ++t) {
        const std::size_t read = t + 1 - skipped();
        const std::size_t bucket = read <= 1 ? 0 : static_cast<std::size_t>(std::bit_width(read - 1));
        while (result.by_length.size() <= bucket) {
          const std::size_t i = result.by_length.size();
          FormDifference fresh;
          fresh.from = i == 0 ? 1 : (std::size_t{1} << (i - 1)) + 1;
          fresh.to = std::size_t{1} << i;
          result.by_length.push_back(fresh);
        }
        FormDifference& difference = result.by_length[bucket];
        const auto a = mine.subspan((w * length + t) * size, size);
        const auto b = other.subspan((w * length + t) * size, size);
        double square = 0.0;
        for (std::size_t i = 0; i < size; ++i) {
          const double d = std::abs(double{a[i]} - double{b[i]});
          difference.largest = std::max(difference.largest, d);
          square += d * d;
        }
        // Sums of squares until finish().
        difference.root_mean_square += square / static_cast<double>(size);
        ++difference.positions;
        Label la = label(a);
        Label lb = label(b);
        if (la.name == lb.name) continue;
        ++difference.labels;
        if (result.witness && result.witness->word.size() <= read) continue;
        const auto first = words[w].begin() + static_cast<std::ptrdiff_t>(skipped());
        result.witness = FormWitness{Tokens(first, first + static_cast<std::ptrdiff_t>(read)),
                                     std::move(la.name),
                                     std::move(lb.name),
                                     la.margin,
                                     lb.margin,
                                     false};
      }
    }
    result.words += words.size();
  }

  static void finish(FormComparison& result) {
    for (FormDifference& d : result.by_length) {
      if (d.positions != 0) d.root_mean_square = std::sqrt(d.root_mean_square / static_cast<double>(d.positions));
    }
  }

  /// The witness of the whole word, if the labels after it differ.
  std::optional<FormWitness> differs(const Tokens& word, const ChunkedFormOptions& form) const {
    const Tokens tokens = whole(word);
    if (tokens.empty()) return std::nullopt;
    const std::span<const Tokens> one(&tokens, 1);
    const std::size_t size = model_.num_logits();
    const std::vector<float> mine = canonical(one);
    const std::vector<float> other = run_chunked_form(model_, one, form).logits;
    Label a = label(std::span(mine).last(size));
    Label b = label(std::span(other).last(size));
    if (a.name == b.name) return std::nullopt;
    return FormWitness{word, std::move(a.name), std::move(b.name), a.margin, b.margin, false};
  }

  /// Leaves out pieces of half the word, a quarter, .. single tokens, while the labels differ.
  void minimise(FormWitness& witness, const ChunkedFormOptions& form) const {
    for (std::size_t piece = std::max<std::size_t>(1, witness.word.size() / 2); piece > 0; piece /= 2) {
      bool smaller = true;
      while (smaller) {
        smaller = false;
        for (std::size_t at = 0; at + piece <= witness.word.size(); at += piece) {
          Tokens shorter = witness.word;
          const auto first = shorter.begin() + static_cast<std::ptrdiff_t>(at);
          shorter.erase(first, first + static_cast<std::ptrdiff_t>(piece));
          if (auto found = differs(shorter, form)) {
            witness = std::move(*found);
            smaller = true;
            break;
          }
        }
      }
    }
    witness.minimised = true;
  }

 private:
  const Program& model_;
  const LearnedTask* task_;
};

}  // namespace

FormComparison compare_forms(const Program& model, const LearnedTask* task, const CompareFormsOptions& options) {
  if (const auto reason = without_chunked_form(model)) throw InputError("chunked form: " + *reason);
  if (options.length == 0) throw InputError("compare forms: expected a length of at least 1, got 0");
  const Comparison comparison(model, task);
  FormComparison result;
  SplitMix64 random(options.seed);
  const std::size_t choices = task != nullptr ? task->tokens.size() : model.vocabulary_size();
  for (std::uint64_t done = 0; done < options.words; done += batch_words) {
    std::vector<Tokens> words;
    for (std::uint64_t w = done; w < std::min(options.words, done + batch_words); ++w) {
      Tokens word;
      for (std::size_t t = 0; t < options.length; ++t) {
        const auto i = static_cast<std::uint32_t>(random.next() % choices);
        word.push_back(task != nullptr ? task->tokens[i] : i);
      }
      words.push_back(comparison.whole(word));
    }
    const std::vector<float> mine = comparison.canonical(words);
    const ChunkedLogits other = run_chunked_form(model, words, options.form);
    result.device = other.device;
    comparison.add(words, mine, other.logits, result);
  }
  Comparison::finish(result);
  if (result.witness) {
    // The same tokens alone may round otherwise on a device that cuts longer words into segments.
    if (auto alone = comparison.differs(result.witness->word, options.form)) {
      result.witness = std::move(alone);
      comparison.minimise(*result.witness, options.form);
    }
  }
  return result;
}

FormComparison compare_with_logits(const Program& model, const LearnedTask* task, std::span<const Tokens> words,
                                   std::span<const double> logits) {
  const Comparison comparison(model, task);
  FormComparison result;
  result.device = "cpu";
  std::vector<float> other(logits.size());
  std::transform(logits.begin(), logits.end(), other.begin(), [](double x) { return static_cast<float>(x); });
  const std::vector<float> mine = comparison.canonical(words);
  if (mine.size() != other.size()) {
    throw InputError("logits: expected " + std::to_string(mine.size()) + " numbers, got " +
                     std::to_string(other.size()));
  }
  for (const float x : other) {
    if (!std::isfinite(x)) throw InputError("logits: expected finite numbers, got NaN or infinity");
  }
  comparison.add(words, mine, other, result);
  Comparison::finish(result);
  return result;
}

}  // namespace krohn
