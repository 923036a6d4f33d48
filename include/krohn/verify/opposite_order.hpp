// Word problems have two conventions for the order of a product; a model of the one is refuted by the other.
#pragma once

#include <optional>
#include <string>

#include "krohn/engine/machine.hpp"

namespace krohn {

/// If `language` is word:G or word-left:G (or accept: of these) and the model agrees on random words with the other
/// order of the product, one line that says so. A few hundred words are run.
std::optional<std::string> opposite_order_hint(const Machine& model, const std::string& language);

}  // namespace krohn
