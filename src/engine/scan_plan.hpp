// What a scan runs: the finite machine that a model is, and the monoid of its transformations.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "krohn/engine/machine.hpp"
#include "krohn/kernels/scan.hpp"
#include "reachable.hpp"

namespace krohn {

/// The transformations of a machine's states that words effect, in shortlex order of their shortest words. Members as
/// MonoidView's.
struct TransformationMonoid {
  std::uint32_t num_symbols = 0;
  std::vector<std::uint32_t> right;
  std::vector<std::uint32_t> first;
  std::vector<std::uint32_t> rest;

  MonoidView view() const noexcept {
    return {static_cast<std::uint32_t>(first.size()), num_symbols, right.data(), first.data(), rest.data()};
  }
};

/// Nothing if listing them takes more than `max_work` look-ups, or half as many words of memory. `next` is [states *
/// num_symbols].
std::optional<TransformationMonoid> transformation_monoid(const std::vector<std::uint32_t>& next,
                                                          std::uint32_t num_symbols, std::size_t max_work);

/// An action of symbols on at most `most_points` points from which a machine's states can be told: a state is a
/// colouring of points that words move, with 0 for no colour.
class PointAction {
 public:
  using Colours = std::array<std::uint8_t, most_points>;

  /// Of a machine's table [colours.size() * num_symbols]; image as PointsView's. Nothing if symbols do not move the
  /// states' colours as the table moves states, or two states have the same.
  static std::optional<PointAction> make(const std::vector<std::uint32_t>& next, std::uint32_t num_symbols,
                                         std::vector<std::uint8_t> image, std::vector<Colours> colours);

  PointsView view() const noexcept { return {num_symbols_, image_.data()}; }
  /// The state that `state` becomes where a word moves points so.
  std::uint32_t after(std::uint32_t state, const PointImages& moved) const;

 private:
  std::uint32_t num_symbols_ = 0;
  std::vector<std::uint8_t> image_;
  std::vector<Colours> colours_;
  std::unordered_map<std::uint64_t, std::uint32_t> state_of_;
};

/// An action of a machine whose state 0 reaches all others: on the states themselves where they are few; where every
/// symbol permutes them, on blocks of states (find_action). Nothing where none is found, or looking would take long.
std::optional<PointAction> find_points(const std::vector<std::uint32_t>& next, std::uint32_t num_symbols);

struct ScanPlan {
  std::uint32_t num_symbols = 0;
  Reachable machine;
  /// Of devices and long sequences (find_points); plan_scan leaves them out.
  std::optional<PointAction> points;
  std::optional<TransformationMonoid> monoid;

  std::uint32_t step(std::uint32_t state, std::uint32_t symbol) const {
    return machine.next[std::size_t{state} * num_symbols + symbol];
  }
  /// The state that an element of the monoid makes of a state.
  std::uint32_t after_element(std::uint32_t state, std::uint32_t element) const;
  /// The form of a scan on a device: by points, else by the monoid, else from all states.
  std::unique_ptr<PieceScan> open(std::size_t capacity) const;
  /// The state after what such a scan found.
  std::uint32_t after(std::uint32_t state, const PieceEffect& effect) const;
};

/// The plan, or the reason why there is none.
std::variant<ScanPlan, std::string> plan_scan(const Machine& model);

}  // namespace krohn
