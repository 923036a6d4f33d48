// Elements are numbered in shortlex order of their least words, and least words are closed under factors. So the least
// word of x a is that of x followed by a iff (x, a) is the first pair, in order, that gives the element; and where it
// is not, w(x) a is the left side of a relation iff its suffix without the first letter is a least word.
// Tested by tests/automata/varieties_test.cpp.
#include "krohn/automata/presentation.hpp"

#include <cstddef>

#include "krohn/error.hpp"

namespace krohn {

std::vector<Relation> presentation(const TransitionMonoid& monoid) {
  if (!monoid.complete()) throw InputError("presentation: expected all elements of the monoid, got a part");
  const auto size = static_cast<std::uint32_t>(monoid.size());
  const std::size_t letters = monoid.num_letters();
  std::vector<bool> in_tree(std::size_t{size} * letters, false);
  std::vector<bool> met(size, false);
  // The element of the least word without its first letter.
  std::vector<std::uint32_t> suffix(size, 0);
  met[0] = true;
  for (std::uint32_t x = 0; x < size; ++x) {
    for (std::size_t a = 0; a < letters; ++a) {
      const std::uint32_t y = monoid.right(x, a);
      if (met[y]) continue;
      met[y] = true;
      in_tree[x * letters + a] = true;
      if (x != 0) suffix[y] = monoid.right(suffix[x], a);
    }
  }
  std::vector<Relation> relations;
  for (std::uint32_t x = 0; x < size; ++x) {
    for (std::size_t a = 0; a < letters; ++a) {
      if (in_tree[x * letters + a] || (x != 0 && !in_tree[suffix[x] * letters + a])) continue;
      Relation relation{monoid.word(x), monoid.word(monoid.right(x, a))};
      relation.left.push_back(static_cast<std::uint32_t>(a));
      relations.push_back(std::move(relation));
    }
  }
  return relations;
}

}  // namespace krohn
