// Words on which a model and its language differ: confirmed on the reference, cut and shortened.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "krohn/engine/machine.hpp"
#include "krohn/verify/budget.hpp"
#include "krohn/verify/specification.hpp"
#include "krohn/verify/verdict.hpp"

namespace krohn {

/// Runs the word on `model` (the CPU reference) and cuts it behind the first position at which the labels part;
/// nothing if they agree at every position. `shortest` of the result is false: the caller knows better or nobody does.
/// Throws NumericError as the run does.
std::optional<Counterexample> confirm(const Machine& model, const Specification& specification,
                                      std::span<const Symbol> word);

/// Shortens a counterexample by leaving out runs of symbols, halves first, and then by leaving out one symbol and
/// replacing another, for as long as a shorter word still differs, within `steps` steps of the model and the budget.
/// The result is confirmed and never longer.
Counterexample minimise(const Machine& model, const Specification& specification, Counterexample counterexample,
                        std::uint64_t steps, const Budget& budget);

}  // namespace krohn
