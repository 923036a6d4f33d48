// Actions of permutation groups on orbits and blocks: what names and composition series are found from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "krohn/automata/permutation_group.hpp"

namespace krohn {

/// The least n >= 1 with p^n the identity.
std::uint64_t order_of(const Permutation& p);
Permutation power(const Permutation& p, std::uint64_t exponent);

/// The orbits of more than one point, in the order of their least points.
std::vector<std::vector<std::uint32_t>> orbits(const PermutationGroup& group);

/// Invariant classes of points, numbered from 0; -1 for points left out.
struct PointClasses {
  std::vector<std::int32_t> of;
  std::size_t count = 0;
};

/// The points of one orbit, each a class of its own.
PointClasses orbit_classes(const PermutationGroup& group, const std::vector<std::uint32_t>& orbit);

/// A non-trivial block system of the action on one orbit; none if that action is primitive.
std::optional<PointClasses> block_system(const PermutationGroup& group, const std::vector<std::uint32_t>& orbit);

/// What a permutation does to the classes.
Permutation action_on(const Permutation& permutation, const PointClasses& classes);
PermutationGroup action_on(const PermutationGroup& group, const PointClasses& classes);

/// The action on classes with its kernel, and elements that act in a given way.
class ClassAction {
 public:
  ClassAction(const PermutationGroup& group, const PointClasses& classes);
  const PermutationGroup& image() const noexcept { return image_; }
  /// The elements that fix every class, on the points of the group.
  PermutationGroup kernel() const;
  /// An element whose action on the classes is `on_classes`, a member of the image (InternalError otherwise).
  Permutation lift(const Permutation& on_classes) const;

 private:
  std::size_t degree_;
  std::size_t classes_;
  PermutationGroup image_;
  PermutationGroup joint_;  // on the classes, then the points
};

/// m, and true for S_m, false for A_m, if some orbit of m points carries the whole group as S_m or A_m.
std::optional<std::pair<std::size_t, bool>> natural_symmetric(const PermutationGroup& group);

}  // namespace krohn
