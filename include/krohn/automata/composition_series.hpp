// Composition series of permutation groups, as explicit chains of subgroups.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "krohn/automata/permutation_group.hpp"

namespace krohn {

/// G = terms[0] > terms[1] > .. > 1: each term is normal in the one before it, with the simple quotient named by
/// `factors` ("Z_5", "A_7", "PSL(2,11)", else "simple of order N"). The trivial group has one term and no factor.
struct CompositionSeries {
  std::vector<PermutationGroup> terms;
  std::vector<std::string> factors;
};

/// None where simplicity of a quotient was not settled (see the source) or the groups would take more than a few
/// seconds (the square of the degree times the length of the series is limited).
std::optional<CompositionSeries> composition_series(const PermutationGroup& group);

}  // namespace krohn
