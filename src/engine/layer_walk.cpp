// The operations of a schedule are cut into groups, a layer each. For a batch of tokens, group after group: its tensors
// are read; threads take segments of whole words, whichever is next, in chunks, and each operation goes over the
// chunk's tokens, products over all of them at once. Between groups a token keeps only the values that later groups
// read. An operation finds its state as its own step of the token before left it, for no state part belongs to two
// operations; where one does, tokens go through the whole program one by one.
//
// A word starts in the state that the first token, if there is one, leaves: that is found once, with the first batch.
// Cost: the weights once a batch of 8192 tokens; memory: one group's weights, and for each thread a chunk's features.
// Tested by tests/engine/spectrum_test.cpp.
#include "layer_walk.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "krohn/error.hpp"
#include "krohn/numeric/splitmix64.hpp"
#include "learned_pass.hpp"
#include "product_in_double.hpp"

namespace krohn {
namespace {

constexpr std::size_t batch_tokens = 8192;
constexpr std::size_t chunk_bytes = std::size_t{1} << 26U;
constexpr std::size_t most_chunk_tokens = 512;

/// Runs `work(i)` for i < count on so many threads, this one among them; the first error is thrown again.
template <class Work>
void in_parallel(std::size_t count, const Work& work) {
  std::vector<std::exception_ptr> errors(count);
  const auto run = [&](std::size_t i) {
    try {
      work(i);
    } catch (...) {
      errors[i] = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < count; ++i) others.emplace_back(run, i);
    if (count != 0) run(0);
  }
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

/// All tokens to be read, a batch at a time.
class TokenSource {
 public:
  explicit TokenSource(const SpectrumOptions& options) : options_(options), random_(options.seed) {
    total_ = options.tokens.size() + options.words * options.length;
  }
  std::uint64_t total() const { return total_; }

  /// Whole words while they fit, else a part of one.
  std::vector<ReadToken> next() {
    std::vector<ReadToken> batch;
    while (number_ < total_ && batch.size() < batch_tokens) {
      const std::size_t alone = options_.tokens.size();
      if (number_ < alone) {
        batch.push_back({number_, false, 0, true, number_});
      } else {
        const std::uint64_t index = (number_ - alone) % options_.length;
        const bool fits = batch.size() + std::min<std::uint64_t>(options_.length, batch_tokens) <= batch_tokens;
        if (index == 0 && !batch.empty() && !fits) break;
        batch.push_back(
            {static_cast<std::size_t>(random_.next() % alone), true, index, index + 1 == options_.length, number_});
      }
      ++number_;
    }
    return batch;
  }

 private:
  const SpectrumOptions& options_;
  SplitMix64 random_;
  std::uint64_t total_ = 0;
  std::uint64_t number_ = 0;
};

/// Operations [first, last) of the schedule.
struct Group {
  std::size_t first = 0;
  std::size_t last = 0;
  /// Tensors of products and embeddings.
  std::vector<std::uint32_t> tensors;
  /// Places and sizes of the values that later groups read.
  std::vector<std::pair<std::size_t, std::size_t>> kept;
  std::size_t kept_size = 0;
};

class Plan {
 public:
  Plan(const Program& program, const Schedule& schedule) : program_(program), schedule_(schedule) {
    std::size_t end = 0;
    std::set<std::uint32_t> parts;
    for (std::size_t i = 0; i < schedule.operations.size(); ++i) {
      const Operation& operation = schedule.operations[i].operation;
      if (std::holds_alternative<LinearRecurrence>(operation.kind)) end = i + 1;
      for (const std::uint32_t part : state_parts_of(operation)) shared_ = shared_ || !parts.insert(part).second;
    }
    for (std::size_t i = 0; i < end; ++i) {
      const Operation& operation = schedule.operations[i].operation;
      const bool begins =
          groups_.empty() || (!shared_ && operation.layer != schedule.operations[i - 1].operation.layer);
      if (begins) groups_.push_back({i, i, {}, {}, 0});
      Group& group = groups_.back();
      group.last = i + 1;
      if (const auto* op = std::get_if<Product>(&operation.kind)) group.tensors.push_back(op->weight);
      if (const auto* op = std::get_if<Embedding>(&operation.kind)) group.tensors.push_back(op->table);
    }
    for (Group& group : groups_) {
      std::sort(group.tensors.begin(), group.tensors.end());
      group.tensors.erase(std::unique(group.tensors.begin(), group.tensors.end()), group.tensors.end());
      std::set<std::uint32_t> read;
      for (std::size_t i = group.last; i < end; ++i) {
        for (const Slice& slice : inputs_of(schedule.operations[i].operation)) read.insert(slice.value);
      }
      for (std::size_t i = 0; i < group.last; ++i) {
        const ScheduledOperation& made = schedule.operations[i];
        if (!read.contains(made.value)) continue;
        group.kept.emplace_back(schedule.place[made.value], made.operation.size);
        group.kept_size += made.operation.size;
      }
    }
  }

  const Program& program() const { return program_; }
  const Schedule& schedule() const { return schedule_; }
  const std::vector<Group>& groups() const { return groups_; }
  /// A state part belongs to several operations.
  bool shared() const { return shared_; }

 private:
  const Program& program_;
  const Schedule& schedule_;
  std::vector<Group> groups_;
  bool shared_ = false;
};

using Tensors = std::vector<std::unique_ptr<TensorValues>>;

/// Whole words of a batch, and what their tokens keep from the group before and for the next.
struct Segment {
  std::span<const ReadToken> tokens;
  std::vector<double> kept[2];
};

/// What one thread does.
class Walker {
 public:
  Walker(const Plan& plan, LearnedPass<double>& pass, TokenProbe& probe, const SpectrumOptions& options)
      : plan_(plan),
        pass_(pass),
        probe_(probe),
        options_(options),
        width_(plan.schedule().num_features),
        chunk_(plan.shared() ? 1
                             : std::clamp<std::size_t>(chunk_bytes / sizeof(double) / std::max<std::size_t>(width_, 1),
                                                       16, most_chunk_tokens)),
        features_(width_ * chunk_),
        first_token_(options.first_token ? width_ : 0),
        start_(plan.program().state_size()),
        state_(plan.program().state_size()) {
    pass_.initial(start_.data());
  }

  /// Tokens that go through an operation together, at most.
  std::size_t chunk() const { return chunk_; }

  /// Before the segments of a group.
  void begin(const Group& group, const Tensors& tensors) {
    if (started_ || !options_.first_token) return;
    for (std::size_t i = group.first; i < group.last; ++i) {
      run_on(
          i, tensors, first_token_.data(), 1,
          [&](std::size_t) {
            pass_.run_operation(i, first_token_.data(), start_.data(), *options_.first_token, nullptr);
          },
          [&](std::size_t) { return *options_.first_token; });
    }
  }

  void run(const Group& group, const Group* before, const Tensors& tensors, Segment& segment) {
    const std::span<const ReadToken> tokens = segment.tokens;
    segment.kept[1].assign(tokens.size() * group.kept_size, 0.0);
    for (std::size_t first = 0; first < tokens.size(); first += chunk_) {
      const std::size_t count = std::min(chunk_, tokens.size() - first);
      if (before != nullptr) {
        move(*before, segment.kept[0].data() + first * before->kept_size, count, false);
      }
      for (std::size_t i = group.first; i < group.last; ++i) run_on_chunk(i, tensors, tokens.subspan(first, count));
      move(group, segment.kept[1].data() + first * group.kept_size, count, true);
    }
    std::swap(segment.kept[0], segment.kept[1]);
  }

  /// After the last group of a batch.
  void end_batch() { started_ = true; }

 private:
  void move(const Group& group, double* rows, std::size_t count, bool out) {
    for (std::size_t t = 0; t < count; ++t) {
      for (const auto& [place, size] : group.kept) {
        double* feature = features_.data() + t * width_ + place;
        if (out) {
          std::copy_n(feature, size, rows);
        } else {
          std::copy_n(rows, size, feature);
        }
        rows += size;
      }
    }
  }

  void run_on_chunk(std::size_t index, const Tensors& tensors, std::span<const ReadToken> tokens) {
    const Operation& operation = plan_.schedule().operations[index].operation;
    const std::vector<std::uint32_t> parts = state_parts_of(operation);
    const bool recurs = std::holds_alternative<LinearRecurrence>(operation.kind);
    run_on(
        index, tensors, features_.data(), tokens.size(),
        [&](std::size_t t) {
          const ReadToken& token = tokens[t];
          if (plan_.shared()) {
            if (index == 0 && token.index == 0) state_ = start_;
          } else if (token.index == 0) {
            for (const std::uint32_t part : parts) {
              const StatePart& p = plan_.program().state_parts()[part];
              std::copy_n(start_.begin() + static_cast<std::ptrdiff_t>(p.offset), p.size,
                          state_.begin() + static_cast<std::ptrdiff_t>(p.offset));
            }
          }
          if (recurs) probe_.token(token);
          pass_.run_operation(index, features_.data() + t * width_, state_.data(), options_.tokens[token.place],
                              recurs ? &probe_ : nullptr);
        },
        [&](std::size_t t) { return options_.tokens[tokens[t].place]; });
  }

  /// Products and embeddings on all rows; else `one(t)` for each.
  template <class One, class Token>
  void run_on(std::size_t index, const Tensors& tensors, double* rows, std::size_t count, const One& one,
              const Token& token_of) {
    const ScheduledOperation& scheduled = plan_.schedule().operations[index];
    const std::size_t place = plan_.schedule().place[scheduled.value];
    if (const auto* op = std::get_if<Embedding>(&scheduled.operation.kind)) {
      const std::vector<float>& table = **tensors[op->table];
      const std::size_t vocabulary = plan_.program().vocabulary_size();
      for (std::size_t t = 0; t < count; ++t) {
        for (std::size_t i = 0; i < scheduled.operation.size; ++i) {
          rows[t * width_ + place + i] = static_cast<double>(table[i * vocabulary + token_of(t)]);
        }
      }
    } else if (const auto* product = std::get_if<Product>(&scheduled.operation.kind)) {
      const std::vector<float>& weight = **tensors[product->weight];
      const std::vector<float>* bias =
          product->bias == no_index ? nullptr : &plan_.program().tensors()[product->bias].values;
      const double* in = rows + plan_.schedule().at(product->in);
      const double* onto = product->onto.present() ? rows + plan_.schedule().at(product->onto) : nullptr;
      for (const Multiplication& m : multiplications(plan_.program(), *product)) {
        const std::vector<double>& sums =
            product_.multiply(weight.data() + m.weight, m.rows, m.columns, in + m.in, width_, count);
        for (std::size_t t = 0; t < count; ++t) {
          for (std::size_t r = 0; r < m.rows; ++r) {
            double sum = sums[t * m.rows + r];
            if (bias != nullptr) sum = sum + static_cast<double>((*bias)[m.bias + r]);
            if (onto != nullptr) sum = onto[t * width_ + m.out + r] + sum;
            rows[t * width_ + place + m.out + r] = sum;
          }
        }
      }
    } else {
      for (std::size_t t = 0; t < count; ++t) one(t);
    }
  }

  const Plan& plan_;
  LearnedPass<double>& pass_;
  TokenProbe& probe_;
  const SpectrumOptions& options_;
  std::size_t width_;
  std::size_t chunk_;
  /// [chunk_, width_], and those of the first token.
  std::vector<double> features_;
  std::vector<double> first_token_;
  std::vector<double> start_;
  std::vector<double> state_;
  ProductInDouble product_;
  bool started_ = false;
};

}  // namespace

void walk_layers(const Program& program, const SpectrumOptions& options, std::span<TokenProbe* const> probes,
                 const std::function<void(double)>& progress) {
  std::vector<std::unique_ptr<LearnedPass<double>>> passes;
  for (std::size_t i = 0; i < probes.size(); ++i) passes.push_back(make_pass<double>(program));
  const Plan plan(program, passes.front()->schedule());
  std::vector<Walker> walkers;
  walkers.reserve(probes.size());
  for (std::size_t i = 0; i < probes.size(); ++i) walkers.emplace_back(plan, *passes[i], *probes[i], options);
  TokenSource source(options);
  std::uint64_t done = 0;
  for (std::vector<ReadToken> batch = source.next(); !batch.empty(); batch = source.next()) {
    std::vector<Segment> segments;
    for (std::size_t from = 0; from < batch.size();) {
      std::size_t to = std::min(batch.size(), from + walkers.front().chunk());
      while (to < batch.size() && batch[to].index != 0) ++to;
      segments.push_back({std::span<const ReadToken>(batch).subspan(from, to - from), {}});
      from = to;
    }
    const Group* before = nullptr;
    for (std::size_t g = 0; g < plan.groups().size(); ++g) {
      const Group& group = plan.groups()[g];
      Tensors tensors(program.tensors().size());
      std::atomic<std::size_t> next = 0;
      in_parallel(walkers.size(), [&](std::size_t) {
        for (std::size_t i = next++; i < group.tensors.size(); i = next++) {
          tensors[group.tensors[i]] = std::make_unique<TensorValues>(program.tensors()[group.tensors[i]]);
        }
      });
      // A part of a word, which other batches continue, is a batch by itself, and the first thread's, which has its
      // state.
      next = 0;
      in_parallel(walkers.size(), [&](std::size_t i) {
        walkers[i].begin(group, tensors);
        if (segments.size() == 1 && i != 0) return;
        for (std::size_t s = next++; s < segments.size(); s = next++) {
          walkers[i].run(group, before, tensors, segments[s]);
        }
      });
      before = &group;
      if (progress) {
        progress((static_cast<double>(done) + static_cast<double>(batch.size()) * static_cast<double>(g + 1) /
                                                  static_cast<double>(plan.groups().size())) /
                 static_cast<double>(source.total()));
      }
    }
    for (Walker& walker : walkers) walker.end_batch();
    done += batch.size();
  }
}

}  // namespace krohn
