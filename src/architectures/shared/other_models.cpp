// Model types of flash-linear-attention that are no linear recurrences on a state of a fixed size, and why.
#include <algorithm>
#include <array>
#include <utility>

#include "krohn/architectures/architecture.hpp"

namespace krohn {

std::string_view why_not_linear(std::string_view model_type) {
  constexpr std::string_view dyadic =
      "its read-out weighs sums over dyadic blocks of the past, of which there are more the longer a word is, and "
      "which "
      "blocks are merged depends on the position";
  constexpr std::string_view attention = "softmax attention keeps all earlier tokens";
  constexpr std::string_view householder =
      "its attention, of queries moved along products of matrices, keeps all earlier "
      "tokens";
  constexpr std::string_view delta = "its delta rule reads all earlier tokens by a softmax";
  constexpr std::array<std::pair<std::string_view, std::string_view>, 10> reasons = {
      {{"log_linear_mamba2", dyadic},
       {"path_attn", householder},
       {"deltaformer", delta},
       {"transformer", attention},
       {"forgetting_transformer", attention},
       {"bitnet", attention},
       {"mla", attention},
       {"moba", attention},
       {"nsa", attention},
       {"samba", attention}}};
  const auto* at =
      std::find_if(reasons.begin(), reasons.end(), [&](const auto& each) { return each.first == model_type; });
  return at == reasons.end() ? std::string_view() : at->second;
}

}  // namespace krohn
