// Many words at once: sorted, so that words with a common beginning lie together; cut into chunks for the threads; in
// a chunk, a frontier of prefixes advances in step, as many to a vector as the processor has lanes. A prefix that
// branches copies its state; one that goes on alone stays in its lane. Invariant: after step t every lane of the
// frontier holds the state of one distinct prefix of length t. Cost: one forward pass for each vector of distinct
// prefixes of a chunk (64 words).
#include "krohn/engine/learned.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <limits>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>

#include "cpu_features.hpp"
#include "krohn/engine/threads.hpp"
#include "krohn/error.hpp"
#include "learned/device_batches.hpp"
#include "learned/finite_logits.hpp"
#include "learned_pass_of.hpp"

namespace krohn {
namespace {

template <class T>
std::unique_ptr<LearnedPass<T>> make_plain_pass(const Program& model) {
  return std::make_unique<LearnedPassOf<T, forward::OneByOne<T>>>(model);
}

}  // namespace

template <>
std::unique_ptr<LearnedPass<float>> make_pass(const Program& model) {
  return has_avx2_fma() ? make_avx2_pass(model) : make_plain_pass<float>(model);
}
template <>
std::unique_ptr<LearnedPass<double>> make_pass(const Program& model) {
  return has_avx2_fma() ? make_avx2_double_pass(model) : make_plain_pass<double>(model);
}

namespace {

/// Where `share` words are to be run by a thread.
std::unique_ptr<LearnedPass<float>> make_batch(const Program& model, std::size_t share) {
  if (has_avx512() && share > 8) return make_avx512_batch(model, share);
  return has_avx2_fma() ? make_avx2_batch(model) : make_plain_pass<float>(model);
}

std::string bad_token(std::uint32_t token, const Program& model) {
  return "token: expected an id below the vocabulary size " + std::to_string(model.vocabulary_size()) + ", got " +
         std::to_string(token);
}

/// Floats aligned to a vector of `lanes`.
class Interleaved {
 public:
  Interleaved(std::size_t size, std::size_t lanes) : lanes_(lanes), blocks_((size * lanes + 15) / 16) {}
  float* data() noexcept { return blocks_.front().values; }
  void read(std::size_t lane, std::span<float> out) noexcept {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = data()[i * lanes_ + lane];
  }
  void copy_lane(std::size_t lane, Interleaved& from, std::size_t from_lane, std::size_t size) noexcept {
    for (std::size_t i = 0; i < size; ++i) data()[i * lanes_ + lane] = from.data()[i * lanes_ + from_lane];
  }

 private:
  struct alignas(64) Block {
    float values[16] = {};
  };
  std::size_t lanes_;
  std::vector<Block> blocks_;
};

/// Words [begin, end) of the sorted order share the prefix that this lane has read.
struct Prefix {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t source = 0;  // lane of the parent, counted over all groups
};

class Chunk {
 public:
  Chunk(const Program& model, LearnedPass<float>& pass, std::span<const Tokens> words,
        std::span<const std::size_t> order, const LogitsSink& sink)
      : model_(model), pass_(pass), words_(words), order_(order), sink_(sink) {}

  void run() {
    const std::size_t lanes = pass_.lanes();
    const std::size_t state_size = model_.state_size();
    std::vector<Interleaved> states;
    states.emplace_back(std::max<std::size_t>(state_size, 1), lanes);
    pass_.initial(states[0].data());
    Interleaved logits(model_.num_logits(), lanes);
    std::vector<float> row(model_.num_logits());
    std::vector<float> final_state(state_size);
    std::vector<std::uint32_t> tokens(lanes, 0);
    std::vector<Prefix> prefixes = {{0, order_.size(), 0}};
    for (std::size_t position = 0; !prefixes.empty(); ++position) {
      bool in_place = true;
      std::vector<Prefix> next = children(prefixes, position, in_place);
      if (next.empty()) return;
      const std::size_t groups = (next.size() + lanes - 1) / lanes;
      if (!in_place || groups < states.size()) {
        std::vector<Interleaved> moved(groups, Interleaved(std::max<std::size_t>(state_size, 1), lanes));
        for (std::size_t i = 0; i < next.size(); ++i) {
          moved[i / lanes].copy_lane(i % lanes, states[next[i].source / lanes], next[i].source % lanes, state_size);
          next[i].source = i;
        }
        states = std::move(moved);
      }
      for (std::size_t g = 0; g < states.size(); ++g) {
        std::fill(tokens.begin(), tokens.end(), 0U);
        for (const Prefix& prefix : next) {
          if (prefix.source / lanes == g) tokens[prefix.source % lanes] = word(prefix.begin)[position];
        }
        pass_.step(states[g].data(), tokens.data(), logits.data());
        for (const Prefix& prefix : next) {
          if (prefix.source / lanes != g) continue;
          logits.read(prefix.source % lanes, row);
          finite(row, prefix.begin, position);
          bool state_read = false;
          for (std::size_t i = prefix.begin; i < prefix.end; ++i) {
            const bool ends = word(i).size() == position + 1;
            if (ends && !state_read) pass_.read_state(states[g].data(), prefix.source % lanes, final_state.data());
            state_read = state_read || ends;
            sink_(order_[i], position, row, ends ? std::span<const float>(final_state) : std::span<const float>{});
          }
        }
      }
      prefixes = std::move(next);
    }
  }

 private:
  const Tokens& word(std::size_t i) const { return words_[order_[i]]; }

  void finite(std::span<const float> row, std::size_t i, std::size_t position) const {
    try {
      require_finite(row);
    } catch (const NumericError& error) {
      throw NumericError("word " + std::to_string(order_[i]) + ", position " + std::to_string(position) + ": " +
                         error.what());
    }
  }

  /// The prefixes one token longer. Sorted order puts the words that end here first.
  std::vector<Prefix> children(const std::vector<Prefix>& prefixes, std::size_t position, bool& in_place) const {
    std::vector<Prefix> next;
    for (const Prefix& prefix : prefixes) {
      std::size_t i = prefix.begin;
      while (i < prefix.end && word(i).size() == position) ++i;
      bool first = true;
      while (i < prefix.end) {
        const std::uint32_t token = word(i)[position];
        std::size_t end = i + 1;
        while (end < prefix.end && word(end)[position] == token) ++end;
        in_place = in_place && first;
        first = false;
        next.push_back({i, end, prefix.source});
        i = end;
      }
    }
    return next;
  }

  const Program& model_;
  LearnedPass<float>& pass_;
  std::span<const Tokens> words_;
  std::span<const std::size_t> order_;
  const LogitsSink& sink_;
};

std::string cpu_name() { return has_avx512() ? "cpu (avx512)" : has_avx2_fma() ? "cpu (avx2)" : "cpu"; }

void run_on_cpu(const Program& model, std::span<const Tokens> words, const LearnedRunOptions& options,
                const LogitsSink& sink) {
  std::vector<std::size_t> order(words.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return words[a] != words[b] ? words[a] < words[b] : a < b; });
  std::size_t threads = threads_to_use(options.threads);
  // One word a thread goes alone, eight columns to a vector, with the same bits; more of them a vector of words at a
  // time, in chunks of whole vectors, small enough that every thread has one, at most 64 words and states of 256 MiB.
  const std::size_t share = (order.size() + threads - 1) / threads;
  const bool alone = share <= 1;
  const std::size_t most =
      std::clamp<std::size_t>((std::size_t{1} << 28U) / (sizeof(float) * (model.state_size() + 1)), 8, 64);
  const std::size_t together = std::clamp<std::size_t>(share, 1, most);
  const auto make = [&] { return alone ? make_pass<float>(model) : make_batch(model, together); };
  std::unique_ptr<LearnedPass<float>> first = make();
  const std::size_t chunk_size = (together + first->lanes() - 1) / first->lanes() * first->lanes();
  const std::size_t chunks = (order.size() + chunk_size - 1) / chunk_size;
  threads = std::clamp<std::size_t>(threads, 1, std::max<std::size_t>(chunks, 1));
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  std::size_t failed_chunk = std::numeric_limits<std::size_t>::max();
  const auto work = [&](const std::unique_ptr<LearnedPass<float>> pass) {
    for (;;) {
      const std::size_t chunk = next.fetch_add(1);
      if (chunk >= chunks) return;
      const std::size_t begin = chunk * chunk_size;
      const std::size_t count = std::min(chunk_size, order.size() - begin);
      try {
        Chunk(model, *pass, words, std::span(order).subspan(begin, count), sink).run();
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (chunk < failed_chunk) {
          failed_chunk = chunk;
          failure = std::current_exception();
        }
        next.store(chunks);
      }
    }
  };
  {
    std::vector<std::jthread> pool;
    for (std::size_t i = 1; i < threads; ++i) pool.emplace_back([&] { work(make()); });
    work(std::move(first));
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

template <class T>
LearnedStream<T>::LearnedStream(const Program& model)
    : model_(&model), pass_(make_pass<T>(model)), state_(model.state_size()) {
  restart();
}
template <class T>
LearnedStream<T>::~LearnedStream() = default;
template <class T>
LearnedStream<T>::LearnedStream(LearnedStream&&) noexcept = default;
template <class T>
LearnedStream<T>& LearnedStream<T>::operator=(LearnedStream&&) noexcept = default;

template <class T>
void LearnedStream<T>::restart() {
  pass_->initial(state_.data());
}

template <class T>
void LearnedStream<T>::step(std::uint32_t token, std::span<T> logits) {
  if (token >= model_->vocabulary_size()) throw InputError(bad_token(token, *model_));
  if (logits.size() != model_->num_logits()) throw InternalError("LearnedStream::step: wrong number of logits");
  pass_->step(state_.data(), &token, logits.data());
  require_finite<T>(logits);
}

template class LearnedStream<float>;
template class LearnedStream<double>;

std::string run_learned(const Program& model, std::span<const Tokens> words, const LearnedRunOptions& options,
                        const LogitsSink& sink) {
  double tokens = 0;
  for (const Tokens& word : words) {
    tokens += static_cast<double>(word.size());
    for (const std::uint32_t token : word) {
      if (token >= model.vocabulary_size()) throw InputError(bad_token(token, model));
    }
  }
  if (const auto team = choose_devices(model, tokens, options.device)) {
    run_on_devices(model, words, *team, {options.device_memory}, sink);
    return team->description();
  }
  run_on_cpu(model, words, options, sink);
  return cpu_name();
}

}  // namespace krohn
