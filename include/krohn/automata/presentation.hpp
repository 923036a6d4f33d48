// A presentation of a transition monoid: generators and the relations between them.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "krohn/automata/transition_monoid.hpp"

namespace krohn {

/// One relation, words over the monoid's letters; `left` is later than `right` in shortlex order.
struct Relation {
  std::vector<std::uint32_t> left;
  std::vector<std::uint32_t> right;
  friend bool operator==(const Relation&, const Relation&) = default;
};

/// Relations that define the monoid and, read from left to right, form a complete rewriting system: every word comes to
/// the least word of its element, whatever is rewritten first, and neither side of a relation can be rewritten by
/// another. They are those whose left side is not a least word while every proper factor of it is (Froidure and Pin
/// 1997). In shortlex order of the left sides. Needs the right graph and a complete enumeration (InputError). Cost: the
/// right graph's entries, and the relations' letters.
std::vector<Relation> presentation(const TransitionMonoid& monoid);

}  // namespace krohn
