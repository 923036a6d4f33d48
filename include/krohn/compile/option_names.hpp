// The names by which people choose the compiler's options, on the command line and elsewhere.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "krohn/compile/compile.hpp"

namespace krohn {

template <typename Value, std::size_t count>
using OptionNames = std::array<std::pair<std::string_view, Value>, count>;

inline constexpr OptionNames<std::optional<CascadeMode>, 4> cascade_names{
    {{"auto", std::nullopt}, {"R", CascadeMode::points}, {"Z", CascadeMode::pulled}, {"G", CascadeMode::images}}};
inline constexpr OptionNames<Delay, 2> delay_names{{{"read-before", Delay::read_before}, {"block", Delay::block}}};
inline constexpr OptionNames<Resets, 4> reset_names{{{"auto", Resets::automatic},
                                                     {"householder", Resets::householder},
                                                     {"register", Resets::registers},
                                                     {"hybrid", Resets::hybrid}}};
inline constexpr OptionNames<Spectrum, 2> spectrum_names{
    {{"any", Spectrum::any}, {"nonnegative", Spectrum::nonnegative}}};
inline constexpr OptionNames<KeyForm, 2> key_names{{{"integer", KeyForm::integer}, {"dyadic", KeyForm::dyadic}}};
inline constexpr OptionNames<std::optional<GroupRepresentation>, 6> representation_names{
    {{"auto", std::nullopt},
     {"permutation", GroupRepresentation::permutation},
     {"rotation", GroupRepresentation::rotation},
     {"scalar", GroupRepresentation::scalar},
     {"dimension", GroupRepresentation::least_dimension},
     {"reflections", GroupRepresentation::least_reflections}}};

inline constexpr OptionNames<Recurrence, 5> recurrence_names{{{"any", Recurrence::any},
                                                              {"gated_deltaproduct", Recurrence::gated_deltaproduct},
                                                              {"kda", Recurrence::kda},
                                                              {"rwkv7-widened", Recurrence::rwkv7_widened},
                                                              {"pd", Recurrence::pd}}};

/// The value of that name, or nothing.
template <typename Value, std::size_t count>
constexpr std::optional<Value> option_named(const OptionNames<Value, count>& names, std::string_view name) {
  for (const auto& [known, value] : names) {
    if (known == name) return value;
  }
  return std::nullopt;
}

/// The name of a value of the table.
template <typename Value, std::size_t count>
constexpr std::string_view name_of(const OptionNames<Value, count>& names, const Value& value) {
  for (const auto& [name, known] : names) {
    if (known == value) return name;
  }
  return {};
}

}  // namespace krohn
