// The operations of a schedule are cut into groups, a layer each. What a group computes is a function of the token (if
// it embeds it), of the values that it takes over from the groups before, and of its own parts of the state: a memo for
// each group maps the numbers of these to the numbers of the values handed on and of the new parts, and the last one's
// to the observation. Numbers stand for bits (KeySet compares them), and a group is run by the operations that a step
// runs, in their order; so labels, margins and states are those of steps, bit by bit. Values handed on are those that
// later groups read, each from where its last writer left it.
//
// Cost of a step: a lookup a group, and what is met for the first time. Refused: state parts that two groups use.
// Tested by tests/verify/collapsed_test.cpp.
#include "collapsed_program.hpp"

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "../learned_pass.hpp"
#include "finite_logits.hpp"
#include "krohn/engine/key_set.hpp"

namespace krohn {
namespace {

/// Numbers [place, place + size) of features or of a state.
struct Range {
  std::size_t place = 0;
  std::size_t size = 0;
};

std::size_t total(const std::vector<Range>& ranges) {
  std::size_t size = 0;
  for (const Range& range : ranges) size += range.size;
  return size;
}

void gather(const std::vector<Range>& ranges, const float* from, std::vector<float>& row) {
  row.clear();
  for (const Range& range : ranges) row.insert(row.end(), from + range.place, from + range.place + range.size);
}

void scatter(const std::vector<Range>& ranges, const std::byte* row, float* to) {
  for (const Range& range : ranges) {
    std::memcpy(to + range.place, row, range.size * sizeof(float));
    row += range.size * sizeof(float);
  }
}

const std::byte* bytes_of(const std::vector<float>& row) { return std::as_bytes(std::span(row)).data(); }

/// What a group computed.
struct Outcome {
  std::uint32_t out = 0;
  std::uint32_t part = 0;
  Observation observation;
};

/// Operations [first, last) of the schedule.
struct Group {
  std::size_t first = 0;
  std::size_t last = 0;
  bool embeds = false;
  /// Values that later groups read, and its parts of the state.
  std::vector<Range> out;
  std::vector<Range> part;
};

/// Nothing where a state part belongs to two groups.
std::vector<Group> groups_of(const Program& program, const Schedule& schedule) {
  const std::vector<ScheduledOperation>& operations = schedule.operations;
  std::vector<Group> groups;
  std::set<std::uint32_t> taken;
  std::vector<std::set<std::uint32_t>> parts;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const Operation& operation = operations[i].operation;
    if (i == 0 || operation.layer != operations[i - 1].operation.layer) {
      groups.push_back({i, i, false, {}, {}});
      parts.emplace_back();
    }
    Group& group = groups.back();
    group.last = i + 1;
    group.embeds = group.embeds || std::holds_alternative<Embedding>(operation.kind);
    for (const std::uint32_t part : state_parts_of(operation)) {
      if (!parts.back().insert(part).second) continue;
      if (!taken.insert(part).second) return {};
      const StatePart& p = program.state_parts()[part];
      group.part.push_back({p.offset, p.size});
    }
  }
  for (Group& group : groups) {
    std::set<std::uint32_t> read;
    for (std::size_t i = group.last; i < operations.size(); ++i) {
      for (const Slice& slice : inputs_of(operations[i].operation)) read.insert(slice.value);
    }
    for (std::size_t i = 0; i < group.last; ++i) {
      const ScheduledOperation& made = operations[i];
      if (read.contains(made.value)) group.out.push_back({schedule.place[made.value], made.operation.size});
    }
  }
  return groups;
}

class CollapsedProgram final : public CollapsedStates {
 public:
  CollapsedProgram(const Program& program, const LearnedTask& task, std::unique_ptr<LearnedPass<float>> pass,
                   const std::vector<Group>& groups)
      : program_(program),
        task_(task),
        pass_(std::move(pass)),
        features_(pass_->schedule().num_features),
        carried_(program.state_size()) {
    for (const Group& group : groups) {
      const bool carries = !group.part.empty();
      stores_.push_back({group, carries ? places_++ : no_place, KeySet(3 * sizeof(std::uint32_t), sizeof(Outcome)),
                         KeySet(total(group.out) * sizeof(float)), KeySet(total(group.part) * sizeof(float))});
    }
    numbers_.resize(places_);
  }

  std::size_t size() const override { return places_ * sizeof(std::uint32_t); }

  Observation initial(std::span<std::byte> state) override {
    pass_->initial(carried_.data());
    for (Store& store : stores_) {
      if (store.place != no_place) numbers_[store.place] = kept(store.parts, store.group.part, carried_.data());
    }
    Observation observation{undefined_label, 0.0F};
    if (task_.first_token) observation = advance(*task_.first_token);
    std::memcpy(state.data(), numbers_.data(), size());
    return observation;
  }

  Observation step(std::span<std::byte> state, Symbol symbol) override {
    std::memcpy(numbers_.data(), state.data(), size());
    const Observation observation = advance(task_.tokens.at(symbol));
    std::memcpy(state.data(), numbers_.data(), size());
    return observation;
  }

  void expand(std::span<const std::byte> state, std::span<std::byte> carried) const override {
    std::vector<std::uint32_t> numbers(places_);
    std::memcpy(numbers.data(), state.data(), size());
    std::vector<float> values(program_.state_size());
    for (const Store& store : stores_) {
      if (store.place == no_place) continue;
      scatter(store.group.part, store.parts.key(numbers[store.place]), values.data());
    }
    std::memcpy(carried.data(), values.data(), carried.size());
  }

  std::size_t memory() const override {
    std::size_t bytes = 0;
    for (const Store& store : stores_) bytes += store.memo.memory() + store.outs.memory() + store.parts.memory();
    return bytes;
  }

  double computed() const override { return static_cast<double>(computed_) / static_cast<double>(stores_.size()); }

 private:
  static constexpr std::size_t no_place = ~std::size_t{0};

  struct Store {
    Group group;
    /// Of its part among the numbers of a collapsed state.
    std::size_t place = no_place;
    /// (token + 1 or 0, number of the values taken over, number of the part) to the outcome.
    KeySet memo;
    KeySet outs;
    KeySet parts;
  };

  std::uint32_t kept(KeySet& set, const std::vector<Range>& ranges, const float* from) {
    if (ranges.empty()) return 0;
    gather(ranges, from, row_);
    return set.insert(bytes_of(row_));
  }

  Observation advance(std::uint32_t token) {
    Outcome outcome;
    const Store* before = nullptr;
    for (Store& store : stores_) {
      std::uint32_t* const part = store.place == no_place ? nullptr : &numbers_[store.place];
      const std::uint32_t key[3] = {store.group.embeds ? token + 1 : 0, outcome.out, part == nullptr ? 0 : *part};
      const std::byte* const bytes = std::as_bytes(std::span(key)).data();
      std::uint32_t known = store.memo.find(bytes);
      if (known == KeySet::absent) {
        const Outcome found = run(store, before, outcome.out, part, token);
        known = store.memo.insert(bytes);
        std::memcpy(store.memo.payload(known), &found, sizeof found);
      }
      std::memcpy(&outcome, store.memo.payload(known), sizeof outcome);
      if (part != nullptr) *part = outcome.part;
      before = &store;
    }
    return outcome.observation;
  }

  Outcome run(Store& store, const Store* before, std::uint32_t in, const std::uint32_t* part, std::uint32_t token) {
    ++computed_;
    const Group& group = store.group;
    if (before != nullptr && !before->group.out.empty())
      scatter(before->group.out, before->outs.key(in), features_.data());
    if (part != nullptr) scatter(group.part, store.parts.key(*part), carried_.data());
    for (std::size_t i = group.first; i < group.last; ++i) {
      pass_->run_operation(i, features_.data(), carried_.data(), token, nullptr);
    }
    Outcome outcome;
    if (&store == &stores_.back()) {
      const ScheduledOperation& made = pass_->schedule().operations.back();
      const std::span<const float> logits(features_.data() + pass_->schedule().place[made.value], made.operation.size);
      require_finite(logits);
      outcome.observation = task_.observe(logits);
    } else {
      outcome.out = kept(store.outs, group.out, features_.data());
    }
    if (part != nullptr) outcome.part = kept(store.parts, group.part, carried_.data());
    return outcome;
  }

  const Program& program_;
  const LearnedTask& task_;
  std::unique_ptr<LearnedPass<float>> pass_;
  std::vector<Store> stores_;
  std::size_t places_ = 0;
  std::vector<std::uint32_t> numbers_;
  std::vector<float> features_;
  std::vector<float> carried_;
  std::vector<float> row_;
  std::uint64_t computed_ = 0;
};

}  // namespace

std::shared_ptr<CollapsedStates> collapsed_states(const Program& program, const LearnedTask& task) {
  if (program.snapped() || program.deferred()) return nullptr;
  std::unique_ptr<LearnedPass<float>> pass = make_pass<float>(program);
  const std::vector<Group> groups = groups_of(program, pass->schedule());
  const auto carry = [](const Group& group) { return !group.part.empty(); };
  if (std::count_if(groups.begin(), groups.end(), carry) < 2) return nullptr;
  return std::make_shared<CollapsedProgram>(program, task, std::move(pass), groups);
}

}  // namespace krohn
