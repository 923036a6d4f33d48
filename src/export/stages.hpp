// A language as stages, each of which one layer of a delta-rule language model runs: heads that keep markers on places,
// what they read, and the table that leads to the next stage's row.
//
// A *marker head* keeps one marker on one of `width` places; place i is the pair of key coordinates 2i, 2i+1, and a
// last pair, never moved, takes the other half of the marker's write, so that one key (1/2, 1/2, 1/2, 1/2) writes it
// (or there is no such pair, and two factors write it, a coordinate each). A permutation moves it by swaps, keys (1/2,
// 1/2, +-1/2, +-1/2) with beta 2; a reset clears the head by a zero gate and writes. Where keys pass through silu they
// cannot be negative: places then have signs, a marker on a negative place is negative, and only places of different
// signs are swapped at once, by (1/2, 1/2, 1/2, 1/2). Its query asks whether the marker is on one of several places of
// one sign: *present* or *absent*. All numbers are 0 and one dyadic magnitude, after every factor.
//
// A *register head* keeps a slot as a column under one key: a write with beta 1, no gate. A *delay head* keeps the
// slots of this and of the last token under two keys, which take turns: the time head, a marker that every token swaps,
// tells whose turn it is.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "krohn/automata/cascade.hpp"
#include "krohn/automata/language.hpp"

namespace krohn {

/// A small integer at a coordinate.
struct StageEntry {
  std::uint32_t index = 0;
  int weight = 0;
};

/// One generalized Householder factor; the key is the entries divided by their norm, 1 or 2. Idle without entries.
struct StageFactor {
  std::vector<StageEntry> key;
  int beta = 0;
  /// What it writes, in units of the marker.
  std::vector<StageEntry> value;
};

/// What a head does on a row.
struct StageAction {
  bool clears = false;
  std::vector<StageFactor> factors;
};

struct StageHead {
  enum class Kind { table, delay };
  Kind kind = Kind::table;
  /// table: per row of the stage.
  std::vector<StageAction> actions;
  /// table: entries whose squares sum to a power of 4.
  std::vector<StageEntry> query;
  /// What it reads: in at most one of so many columns a marker, times `sign`.
  std::uint32_t columns = 1;
  int sign = 1;
};

/// Something that is present or not in the residual stream after the heads were read. Index `absent` of a reading or of
/// the slot: no column is present.
struct StageFeature {
  static constexpr std::uint32_t absent = 0xFFFFFFFFU;
  enum class Kind : std::uint8_t { row, reading, slot };
  Kind kind = Kind::row;
  std::uint32_t head = 0;
  std::uint32_t index = 0;
  friend auto operator<=>(const StageFeature&, const StageFeature&) = default;
};

/// A unit of the stage's table: where all `tests` are present it writes +1 and -1.
struct StageUnit {
  std::vector<StageFeature> tests;
  std::vector<std::pair<StageFeature, int>> writes;
};

struct Stage {
  /// "group", "level 1", "level 1, delayed".
  std::string name;
  /// Rows 0 (the token before every word) to rows - 1; after the last stage a row is a label.
  std::uint32_t rows = 0;
  std::uint32_t key_size = 0;
  std::vector<StageHead> heads;
  std::vector<StageUnit> units;
  /// Slots that the table hands to the delay stage behind this one (0: none).
  std::uint32_t slots = 0;

  std::size_t num_householder() const;
  bool gated() const;
};

struct StagePlan {
  std::vector<Stage> stages;
  /// Per symbol its row of the first stage.
  std::vector<std::uint32_t> symbol_row;
  /// The head of the first stage, its last, that tells odd from even positions, if a stage is delayed.
  bool times = false;
  std::size_t num_householder = 1;
  bool gated = false;
  /// Why one factor a token, or no gate, will not do: sentences.
  std::string why_factors;
  std::string why_gate;
};

/// Plans for keys that may have negative entries (`signed_keys`) or not. Throws
/// ResourceError past the caps of the cascade and of 2^20 configurations of a group's markers.
StagePlan plan_stages(const Language& language, bool signed_keys, const CascadeOptions& options);

}  // namespace krohn
