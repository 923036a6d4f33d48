// Functions are taken into products with one reader; then one pass over the operations hands out places, first fit.
// Tested by tests/engine/enumerate_test.cpp.
#include "krohn/engine/schedule.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

namespace krohn {
namespace {

std::optional<Function> times(Function f) {
  switch (f) {
    case Function::silu:
      return Function::times_silu;
    case Function::gelu:
      return Function::times_gelu;
    case Function::sigmoid:
      return Function::times_sigmoid;
    default:
      return std::nullopt;
  }
}

class Scheduler {
 public:
  Scheduler(const Program& program, bool keep_token_values, const std::vector<bool>& given, bool single)
      : program_(program),
        single_(single),
        operations_(program.operations()),
        readers_(operations_.size(), 0),
        taken_(operations_.size()) {
    for (std::uint32_t i = 0; i < given.size(); ++i) {
      if (given[i]) operations_[i].kind = Constants{};  // which reads nothing
    }
    for (const Operation& operation : operations_) {
      for (const Slice& slice : inputs_of(operation)) ++readers_[slice.value];
    }
    for (std::uint32_t i = 0; i < operations_.size(); ++i) take_in(i, keep_token_values);
    // What is given is made when it is first read, and else not at all.
    std::vector<bool> waits = given;
    waits.resize(operations_.size(), false);
    if (!given.empty() && given.back()) waits.back() = false;
    for (std::uint32_t i = 0; i < operations_.size(); ++i) {
      if (taken_[i] || waits[i]) continue;
      for (const Slice& slice : inputs_of(operations_[i])) {
        if (waits[slice.value]) order_.push_back(slice.value);
        waits[slice.value] = false;
      }
      order_.push_back(i);
    }
  }

  Schedule run() {
    Schedule schedule;
    schedule.place.assign(operations_.size(), no_index);
    last_.assign(operations_.size(), 0);
    for (std::uint32_t at = 0; at < order_.size(); ++at) {
      last_[order_[at]] = at;
      for (const Slice& slice : inputs_of(operations_[order_[at]])) last_[slice.value] = at;
    }
    last_.back() = std::numeric_limits<std::uint32_t>::max();
    for (std::uint32_t at = 0; at < order_.size(); ++at) {
      const std::uint32_t i = order_[at];
      const std::uint32_t reused = same_place(i, at, schedule.place);
      schedule.place[i] = reused != no_index ? schedule.place[reused] : allocate(operations_[i].size);
      schedule.num_features = std::max(schedule.num_features, schedule.place[i] + operations_[i].size);
      std::vector<Slice> read = inputs_of(operations_[i]);
      std::sort(read.begin(), read.end(), [](const Slice& a, const Slice& b) { return a.value < b.value; });
      std::uint32_t before = no_index;
      for (const Slice& slice : read) {
        if (slice.value == before) continue;
        before = slice.value;
        if (last_[before] == at && before != reused) release(schedule.place[before], operations_[before].size);
      }
      if (last_[i] == at) release(schedule.place[i], operations_[i].size);
      schedule.operations.push_back({i, operations_[i]});
    }
    return schedule;
  }

 private:
  bool whole(const Operand& operand) const { return operand.share == 1 && operand.run == 0 && whole(operand.slice); }
  bool whole(const Slice& slice) const {
    return slice.present() && slice.offset == 0 && slice.size == operations_[slice.value].size;
  }

  /// If i is a product of features and one factor a function that nobody else reads, the two become one.
  void take_in(std::uint32_t i, bool keep_token_values) {
    auto* product = std::get_if<Elementwise>(&operations_[i].kind);
    if (product == nullptr || product->function != Function::multiply) return;
    for (Operand Elementwise::*factor : {&Elementwise::b, &Elementwise::a}) {
      const Operand& operand = product->*factor;
      const std::uint32_t from = operand.slice.value;
      const auto* inner = std::get_if<Elementwise>(&operations_[from].kind);
      if (inner == nullptr || readers_[from] != 1 || !whole(operand)) continue;
      const std::optional<Function> joined = times(inner->function);
      const bool apart = keep_token_values && program_.dependence()[from] < program_.dependence()[i] &&
                         program_.dependence()[from] != Dependence::history;
      if (!joined || apart) continue;
      const Operand other = product->*(factor == &Elementwise::b ? &Elementwise::a : &Elementwise::b);
      *product = Elementwise{*joined, other, inner->a, {}, {}, {}};
      taken_[from] = true;
      return;
    }
  }

  /// The value in whose place value i may be written while it is read, as operation `at` of the order.
  std::uint32_t same_place(std::uint32_t i, std::uint32_t at, const std::vector<std::uint32_t>& place) const {
    const auto ends = [&](const Slice& slice) {
      return whole(slice) && last_[slice.value] == at && slice.size == operations_[i].size;
    };
    if (const auto* op = std::get_if<Elementwise>(&operations_[i].kind)) {
      // The first place of those that would do, so that what is free lies together at the end.
      std::uint32_t found = no_index;
      for (const Operand* operand : {&op->a, &op->b, &op->c}) {
        const std::uint32_t value = operand->slice.value;
        const auto apart = [&](const Operand& other) { return other.slice.value != value || whole(other); };
        const bool fits = operand->slice.present() && whole(*operand) && ends(operand->slice) && apart(op->a) &&
                          apart(op->b) && apart(op->c);
        if (fits && (found == no_index || place[value] < place[found])) found = value;
      }
      return found;
    }
    if (const auto* op = std::get_if<Normalization>(&operations_[i].kind)) {
      return ends(op->in) ? op->in.value : no_index;
    }
    if (const auto* op = std::get_if<ShortConvolution>(&operations_[i].kind)) {
      return single_ && ends(op->in) ? op->in.value : no_index;
    }
    if (const auto* op = std::get_if<Product>(&operations_[i].kind)) {
      const bool fits = op->onto.present() && ends(op->onto) && op->in.value != op->onto.value;
      return fits ? op->onto.value : no_index;
    }
    return no_index;
  }

  std::uint32_t allocate(std::uint32_t size) {
    for (auto at = free_.begin(); at != free_.end(); ++at) {
      if (at->second < size) continue;
      const std::uint32_t place = at->first;
      const std::uint32_t rest = at->second - size;
      free_.erase(at);
      if (rest > 0) free_.emplace(place + size, rest);
      return place;
    }
    // What is free at the end grows.
    if (!free_.empty()) {
      const auto last = std::prev(free_.end());
      if (last->first + last->second == end_) {
        const std::uint32_t place = last->first;
        free_.erase(last);
        end_ = place + size;
        return place;
      }
    }
    const std::uint32_t place = end_;
    end_ += size;
    return place;
  }
  void release(std::uint32_t place, std::uint32_t size) {
    auto at = free_.emplace(place, size).first;
    const auto next = std::next(at);
    if (next != free_.end() && at->first + at->second == next->first) {
      at->second += next->second;
      free_.erase(next);
    }
    if (at == free_.begin()) return;
    const auto before = std::prev(at);
    if (before->first + before->second != at->first) return;
    before->second += at->second;
    free_.erase(at);
  }

  const Program& program_;
  bool single_;
  std::vector<Operation> operations_;
  std::vector<std::uint32_t> readers_;
  std::vector<bool> taken_;
  /// Values as they are made, and per value the place in that order of the last one that reads it.
  std::vector<std::uint32_t> order_;
  std::vector<std::uint32_t> last_;
  /// Places that are free, and how many features each.
  std::map<std::uint32_t, std::uint32_t> free_;
  std::uint32_t end_ = 0;
};

}  // namespace

std::vector<Multiplication> multiplications(const Program& program, const Product& product) {
  const std::vector<std::size_t>& shape = program.tensors()[product.weight].shape;
  const std::size_t blocks = shape.size() == 3 ? shape[0] : 1;
  const std::size_t rows = shape[shape.size() - 2];
  const std::size_t columns = product.inputs != 0 ? product.inputs : shape[shape.size() - 1];
  std::vector<Multiplication> list;
  // Of blocks and copies either is 1.
  for (std::size_t g = 0; g < blocks * product.copies; ++g) {
    const std::size_t block = g / product.copies;
    list.push_back(
        {(block * columns + product.first_input) * rows, rows, columns, g * columns, block * rows, g * rows});
  }
  return list;
}

Schedule make_schedule(const Program& program, bool keep_token_values, const std::vector<bool>& given, bool single) {
  return Scheduler(program, keep_token_values, given, single).run();
}

}  // namespace krohn
