// Invariant: expand(words) is the state that led to words, entry by entry, as long as no unit was left without a code.
// What the newest slot of a tail holds after one token depends on that token alone, so one step a token tells it.
// Tested by tests/verify/harden_test.cpp.
#include "krohn/engine/learned/carried_words.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>
#include <variant>

#include "krohn/error.hpp"

namespace krohn {
namespace {

std::string bits_of(std::span<const float> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

/// The state part in which an operation keeps earlier values of what depends on the token alone.
std::optional<std::uint32_t> token_tail(const Program& program, const Operation& operation) {
  const auto of_token = [&](const Slice& in) { return program.dependence()[in.value] != Dependence::history; };
  if (const auto* convolution = std::get_if<ShortConvolution>(&operation.kind)) {
    if (convolution->tail != no_index && of_token(convolution->in)) return convolution->tail;
  }
  if (const auto* shift = std::get_if<TokenShift>(&operation.kind)) {
    if (of_token(shift->in)) return shift->last;
  }
  return std::nullopt;
}

}  // namespace

CarriedWords::CarriedWords(const Program& program, const Tokens& tokens) : program_(&program) {
  LearnedStream<float> stream(program);
  start_.assign(stream.state().begin(), stream.state().end());
  std::vector<bool> plain(start_.size(), true);
  const auto taken = [&](std::size_t offset, std::size_t size) {
    std::fill_n(plain.begin() + static_cast<std::ptrdiff_t>(offset), size, false);
  };
  for (const Operation& operation : program.operations()) {
    const std::optional<std::uint32_t> index = token_tail(program, operation);
    if (!index) continue;
    const StatePart& part = program.state_parts()[*index];
    const std::size_t slots = part.kind == StatePart::Kind::convolution ? part.shape[0] : 1;
    tails_.push_back({part.offset, slots, part.size / slots, part.initial, {}});
    look_back_ = std::max(look_back_, slots);
    taken(part.offset, part.size);
  }
  if (!tails_.empty()) {
    std::vector<float> logits(program.num_logits());
    for (const std::uint32_t token : tokens) {
      stream.restart();
      stream.step(token, logits);
      for (Tail& tail : tails_) {
        const std::span<const float> newest =
            stream.state().subspan(tail.offset + (tail.tokens - 1) * tail.channels, tail.channels);
        tail.values[token].assign(newest.begin(), newest.end());
      }
    }
  }
  for (std::size_t p = 0; p < program.state_parts().size(); ++p) {
    const StatePart& part = program.state_parts()[p];
    for (std::size_t u = 0; u < part.codes.size(); ++u) set_codes(p, u, program.tensors()[part.codes[u]].values);
    if (!part.codes.empty()) taken(part.offset, part.size);
  }
  for (std::size_t i = 0; i < plain.size(); ++i) {
    if (plain[i]) plain_.push_back(i);
  }
}

void CarriedWords::set_codes(std::size_t part, std::size_t unit, std::span<const float> codes) {
  const auto at = std::lower_bound(units_.begin(), units_.end(), std::pair(part, unit),
                                   [](const Unit& u, auto key) { return std::pair(u.part, u.unit) < key; });
  if (at != units_.end() && at->part == part && at->unit == unit) return fill(*at, codes);
  const StatePart& where = program_->state_parts()[part];
  const std::size_t offset = where.offset + unit * where.unit_size();
  Unit& added = *units_.insert(at, Unit{part, unit, offset, where.unit_size(), {}, {}});
  std::erase_if(plain_, [&](std::size_t i) { return i >= offset && i < offset + added.size; });
  fill(added, codes);
}

void CarriedWords::fill(Unit& unit, std::span<const float> codes) {
  unit.codes.assign(codes.begin(), codes.end());
  unit.numbers.clear();
  for (std::uint32_t k = 0; (k + 1) * unit.size <= codes.size(); ++k) {
    unit.numbers.emplace(bits_of(codes.subspan(k * unit.size, unit.size)), k + 1);
  }
}

void CarriedWords::initial(std::span<std::uint32_t> words) const {
  std::fill_n(words.begin(), look_back_ + units_.size(), 0U);
  std::uint32_t* word = words.data() + look_back_ + units_.size();
  for (const std::size_t i : plain_) std::memcpy(word++, &start_[i], sizeof(float));
}

void CarriedWords::expand(std::span<const std::uint32_t> words, std::span<float> state) const {
  std::copy(start_.begin(), start_.end(), state.begin());
  for (const Tail& tail : tails_) {
    for (std::size_t slot = 0; slot < tail.tokens; ++slot) {
      const std::uint32_t word = words[look_back_ - tail.tokens + slot];
      if (word == 0) continue;
      const auto value = tail.values.find(word - 1);
      if (value == tail.values.end())
        throw InputError("a carried state names token " + std::to_string(word - 1) + ", which the task does not read");
      std::copy(value->second.begin(), value->second.end(),
                state.begin() + static_cast<std::ptrdiff_t>(tail.offset + slot * tail.channels));
    }
  }
  for (std::size_t u = 0; u < units_.size(); ++u) {
    const Unit& unit = units_[u];
    const std::uint32_t word = words[look_back_ + u];
    if (word == 0) continue;
    if (word * unit.size > unit.codes.size())
      throw InputError("a carried state names code " + std::to_string(word - 1) + " of " +
                       std::to_string(unit.codes.size() / unit.size));
    std::copy_n(unit.codes.begin() + static_cast<std::ptrdiff_t>((word - 1) * unit.size), unit.size,
                state.begin() + static_cast<std::ptrdiff_t>(unit.offset));
  }
  const std::uint32_t* word = words.data() + look_back_ + units_.size();
  for (const std::size_t i : plain_) std::memcpy(&state[i], word++, sizeof(float));
}

void CarriedWords::advance(std::span<std::uint32_t> words, std::uint32_t token, std::span<const float> state) const {
  if (look_back_ > 0) {
    std::copy(words.begin() + 1, words.begin() + static_cast<std::ptrdiff_t>(look_back_), words.begin());
    words[look_back_ - 1] = token + 1;
  }
  for (std::size_t u = 0; u < units_.size(); ++u) {
    const Unit& unit = units_[u];
    const auto number = unit.numbers.find(bits_of(state.subspan(unit.offset, unit.size)));
    if (number == unit.numbers.end()) throw NumericError("a state is infinitely far from every code");
    words[look_back_ + u] = number->second;
  }
  std::uint32_t* word = words.data() + look_back_ + units_.size();
  for (const std::size_t i : plain_) std::memcpy(word++, &state[i], sizeof(float));
}

}  // namespace krohn
