// Tables as krohn/kernels/symbol_groups.hpp says, a row a state. Words are walked together as far as the shortest goes,
// then one by one. Tested by tests/engine/run_test.cpp.
#include "compiled/state_walk.hpp"

#include <algorithm>
#include <limits>

#include "krohn/kernels/symbol_groups.hpp"

namespace krohn {
namespace {

/// Entries of 16 bits that a first or second cache holds.
constexpr std::size_t most_narrow_entries = std::numeric_limits<std::uint16_t>::max();

template <int G>
std::uint32_t group_of(const Symbol* s) {
  if constexpr (G == 4) return s[0] | (s[1] << 2U) | (s[2] << 4U) | (s[3] << 6U);
  if constexpr (G == 2) return s[0] | (s[1] << 4U);
  return s[0];
}

std::size_t shortest(std::span<const std::span<const Symbol>> words) {
  std::size_t length = words.empty() ? 0 : words[0].size();
  for (const std::span<const Symbol> word : words) length = std::min(length, word.size());
  return length;
}

}  // namespace

StateWalk::StateWalk(const Reachable& reachable, std::uint32_t num_symbols)
    : reachable_(reachable), num_symbols_(num_symbols) {
  group_ = largest_group(num_symbols, [&](std::uint32_t row) { return reachable.count * row <= most_narrow_entries; });
  row_ = group_rows(group_, num_symbols);
  if (reachable.count * row_ <= most_narrow_entries) {
    narrow_ = table<std::uint16_t>(reachable);
  } else {
    wide_ = table<std::uint32_t>(reachable);
  }
}

template <class Entry>
std::vector<Entry> StateWalk::table(const Reachable& reachable) const {
  return grouped_table<Entry>(reachable.next.data(), static_cast<std::uint32_t>(reachable.count), num_symbols_, group_);
}

template <class Entry, int G>
void StateWalk::ends_in_groups(const std::vector<Entry>& table, std::span<const std::span<const Symbol>> words,
                               std::span<std::uint32_t> end) const {
  const Entry* rows = table.data();
  std::size_t together = 0;
  std::uint32_t at[state_walk_words] = {};
  if (words.size() == state_walk_words) {
    const Symbol* symbols[state_walk_words];
    for (std::size_t i = 0; i < state_walk_words; ++i) symbols[i] = words[i].data();
    together = shortest(words) / G * G;
    for (std::size_t t = 0; t < together; t += G) {
      for (std::size_t i = 0; i < state_walk_words; ++i) at[i] = rows[at[i] + group_of<G>(symbols[i] + t)];
    }
  }
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::uint32_t q = at[i];
    std::size_t t = together;
    for (; t + G <= words[i].size(); t += G) q = rows[q + group_of<G>(words[i].data() + t)];
    for (; t < words[i].size(); ++t) q = rows[q + first_symbol_row(G) + words[i][t]];
    end[i] = q / row_;
  }
}

template <class Entry>
void StateWalk::ends_in(const std::vector<Entry>& table, std::span<const std::span<const Symbol>> words,
                        std::span<std::uint32_t> end) const {
  if (group_ == 4) return ends_in_groups<Entry, 4>(table, words, end);
  if (group_ == 2) return ends_in_groups<Entry, 2>(table, words, end);
  ends_in_groups<Entry, 1>(table, words, end);
}

void StateWalk::ends(std::span<const std::span<const Symbol>> words, std::span<std::uint32_t> end) const {
  narrow_.empty() ? ends_in(wide_, words, end) : ends_in(narrow_, words, end);
}

void StateWalk::labels(std::span<const std::span<const Symbol>> words, std::span<std::int32_t* const> labels) const {
  const std::uint32_t* next = reachable_.next.data();
  const std::int32_t* label = reachable_.label.data();
  std::size_t together = 0;
  std::uint32_t at[state_walk_words] = {};
  const auto step = [&](std::size_t i, std::size_t t) {
    const std::size_t entry = std::size_t{at[i]} * num_symbols_ + words[i][t];
    labels[i][t] = label[entry];
    at[i] = next[entry];
  };
  if (words.size() == state_walk_words) {
    together = shortest(words);
    for (std::size_t t = 0; t < together; ++t) {
      for (std::size_t i = 0; i < state_walk_words; ++i) step(i, t);
    }
  }
  for (std::size_t i = 0; i < words.size(); ++i) {
    for (std::size_t t = together; t < words[i].size(); ++t) step(i, t);
  }
}

}  // namespace krohn
