// A_5 by one reflection a letter. For a unit quaternion p the map x -> p x p is the reflection x -> -p conj(x) p in the
// hyperplane orthogonal to p, after x -> -conj(x), which is diag(-1, 1, 1, 1): a sign gate and a factor with key p and
// beta 2. Behind a word x_1 .. x_n the state is a x b with a = p_n .. p_1 and b = p_1 .. p_n. The elements a, up to
// sign, multiply as those of A_5 do (the binary icosahedral group modulo its centre), in the other order: so the state
// of the automaton is a function of a. What is reached of the pairs (a, b), up to a common sign, is a finite group that
// acts on the sphere by isometries; the centres are one orbit, and the smallest distance within it is that of x to its
// own images. Of some starting points the one with the largest such distance is taken.
//
// An assignment of quaternions to two or three letters that generate the group is found by trying: it is one if the
// pairs (element, quaternion) that they reach together are as many as the elements. Cost: 60^3 times 60 steps at most;
// then 7200 pairs a starting point, and their squared number for the margin.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "krohn/compile/group.hpp"
#include "krohn/error.hpp"
#include "krohn/model/horizon.hpp"
#include "krohn/numeric/splitmix64.hpp"

namespace krohn {
namespace {

constexpr std::size_t order = 60;
constexpr std::size_t starting_points = 64;

using Quaternion = std::array<double, 4>;
using Images = std::vector<State>;
using Index = std::uint32_t;

Quaternion product(const Quaternion& x, const Quaternion& y) {
  return {x[0] * y[0] - x[1] * y[1] - x[2] * y[2] - x[3] * y[3], x[0] * y[1] + x[1] * y[0] + x[2] * y[3] - x[3] * y[2],
          x[0] * y[2] - x[1] * y[3] + x[2] * y[0] + x[3] * y[1], x[0] * y[3] + x[1] * y[2] - x[2] * y[1] + x[3] * y[0]};
}

double distance(const Quaternion& x, const Quaternion& y) {
  double sum = 0.0;
  for (std::size_t i = 0; i < 4; ++i) sum += (x[i] - y[i]) * (x[i] - y[i]);
  return std::sqrt(sum);
}

/// The binary icosahedral group: 120 quaternions, the first of them 1. Different ones are at least 0.6 apart, so that a
/// product in double is nearest to the right one.
class Icosahedral {
 public:
  Icosahedral() {
    const double golden = (1.0 + std::sqrt(5.0)) / 2.0;
    const Quaternion generators[] = {{0.5, 0.5, 0.5, 0.5}, {golden / 2.0, 0.5 / golden, 0.5, 0.0}};
    elements_ = {{1.0, 0.0, 0.0, 0.0}};
    for (std::size_t i = 0; i < elements_.size(); ++i) {
      for (const Quaternion& g : generators) {
        const Quaternion next = krohn::product(elements_[i], g);
        if (find(next) == elements_.size()) elements_.push_back(next);
      }
    }
    if (elements_.size() != 2 * order) throw InternalError("icosahedral: expected 120 quaternions");
    for (const Quaternion& x : elements_) {
      negative_.push_back(static_cast<Index>(find({-x[0], -x[1], -x[2], -x[3]})));
      for (const Quaternion& y : elements_) product_.push_back(static_cast<Index>(find(krohn::product(x, y))));
    }
  }
  std::size_t size() const { return elements_.size(); }
  const Quaternion& element(Index x) const { return elements_[x]; }
  Index product(Index x, Index y) const { return product_[x * elements_.size() + y]; }
  Index negative(Index x) const { return negative_[x]; }
  /// The lesser of x and -x.
  Index up_to_sign(Index x) const { return std::min(x, negative_[x]); }

 private:
  std::size_t find(const Quaternion& x) const {
    std::size_t i = 0;
    while (i < elements_.size() && distance(elements_[i], x) > 0.1) ++i;
    return i;
  }
  std::vector<Quaternion> elements_;
  std::vector<Index> product_;
  std::vector<Index> negative_;
};

/// The group that permutations generate, if it has 60 elements.
class Sixty {
 public:
  explicit Sixty(const std::vector<Images>& letters) : letters_(letters) {
    Images identity(letters.front().size());
    for (State q = 0; q < identity.size(); ++q) identity[q] = q;
    add(identity);
    for (std::size_t i = 0; i < elements_.size() && elements_.size() <= order; ++i) {
      for (const Images& letter : letters) add(then(elements_[i], letter));
    }
    if (!complete()) return;
    for (const Images& element : elements_) {
      for (const Images& letter : letters) next_.push_back(number_.at(then(element, letter)));
    }
  }
  bool complete() const { return elements_.size() == order; }
  const Images& element(Index g) const { return elements_[g]; }
  Index letter(std::size_t l) const { return number_.at(letters_[l]); }
  /// First g, then the letter.
  Index after(Index g, std::size_t l) const { return next_[g * letters_.size() + l]; }

 private:
  static Images then(const Images& first, const Images& second) {
    Images result(first.size());
    for (std::size_t q = 0; q < first.size(); ++q) result[q] = second[first[q]];
    return result;
  }
  void add(Images element) {
    const auto [at, is_new] = number_.try_emplace(element, static_cast<Index>(elements_.size()));
    if (is_new) elements_.push_back(std::move(element));
  }
  const std::vector<Images>& letters_;
  std::vector<Images> elements_;
  std::map<Images, Index> number_;
  std::vector<Index> next_;
};

/// For every element the quaternion, up to sign, that the letters `chosen` reach with it where they stand for `images`;
/// nothing unless that is one for each.
std::vector<Index> correspondence(const Sixty& group, const Icosahedral& quaternions,
                                  const std::vector<std::size_t>& chosen, const std::vector<Index>& images) {
  constexpr Index none = ~Index{0};
  std::vector<Index> of(order, none);
  std::vector<Index> queue = {0};
  of[0] = 0;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    for (std::size_t c = 0; c < chosen.size(); ++c) {
      const Index next = group.after(queue[i], chosen[c]);
      const Index quaternion = quaternions.up_to_sign(quaternions.product(images[c], of[queue[i]]));
      if (of[next] == none) {
        of[next] = quaternion;
        queue.push_back(next);
      } else if (of[next] != quaternion) {
        return {};
      }
    }
  }
  std::vector<bool> met(quaternions.size(), false);
  for (const Index quaternion : of) {
    if (quaternion == none || met[quaternion]) return {};
    met[quaternion] = true;
  }
  return of;
}

std::vector<Index> find_correspondence(const Sixty& group, const Icosahedral& quaternions, std::size_t letters) {
  std::vector<Index> classes;
  for (Index x = 0; x < quaternions.size(); ++x) {
    if (quaternions.up_to_sign(x) == x) classes.push_back(x);
  }
  // Two letters generate nearly always; three cover what letters of order 2 leave.
  for (std::size_t first = 0; first < letters; ++first) {
    for (std::size_t second = first + 1; second < letters; ++second) {
      for (const Index p : classes) {
        for (const Index q : classes) {
          std::vector<Index> found = correspondence(group, quaternions, {first, second}, {p, q});
          if (!found.empty()) return found;
        }
      }
    }
    if (first >= 8) break;
  }
  for (std::size_t third = 2; third < std::min<std::size_t>(letters, 4); ++third) {
    for (const Index p : classes) {
      for (const Index q : classes) {
        for (const Index r : classes) {
          std::vector<Index> found = correspondence(group, quaternions, {0, 1, third}, {p, q, r});
          if (!found.empty()) return found;
        }
      }
    }
  }
  return {};
}

/// What is carried: the two products, up to a common sign, and the element.
struct Pair {
  Index left;
  Index right;
  Index element;
};

}  // namespace

std::optional<CompiledGroup> compile_icosahedral(const Dfa& minimal) {
  std::vector<Images> letters;
  std::vector<std::int32_t> row_of_symbol;
  std::vector<std::uint32_t> symbol_of_row;
  std::map<Images, std::int32_t> rows;
  for (Symbol a = 0; a < minimal.num_symbols(); ++a) {
    const auto [at, is_new] = rows.try_emplace(minimal.letter(a), static_cast<std::int32_t>(letters.size()));
    if (is_new) {
      letters.push_back(minimal.letter(a));
      symbol_of_row.push_back(a);
    }
    row_of_symbol.push_back(at->second);
  }
  const Sixty group(letters);
  if (!group.complete()) return std::nullopt;
  const Icosahedral quaternions;
  const std::vector<Index> above = find_correspondence(group, quaternions, letters.size());
  if (above.empty()) return std::nullopt;

  std::vector<Pair> pairs = {{0, 0, 0}};
  std::map<std::pair<Index, Index>, std::uint32_t> number = {{{0, 0}, 0}};
  std::vector<std::uint32_t> successor;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    for (std::size_t l = 0; l < letters.size(); ++l) {
      const Index p = above[group.letter(l)];
      Pair next{quaternions.product(p, pairs[i].left), quaternions.product(pairs[i].right, p),
                group.after(pairs[i].element, l)};
      if (quaternions.up_to_sign(next.left) != next.left) {
        next.left = quaternions.negative(next.left);
        next.right = quaternions.negative(next.right);
      }
      const auto [at, is_new] = number.try_emplace({next.left, next.right}, static_cast<std::uint32_t>(pairs.size()));
      successor.push_back(at->second);
      if (is_new) {
        pairs.push_back(next);
      } else if (pairs[at->second].element != next.element) {
        throw InternalError("icosahedral: a pair of products for two elements");
      }
    }
  }

  const auto centre_of = [&](const Pair& pair, const Quaternion& start) {
    return product(product(quaternions.element(pair.left), start), quaternions.element(pair.right));
  };
  Quaternion best{};
  double widest = 0.0;
  SplitMix64 random(1);
  for (std::size_t attempt = 0; attempt < starting_points; ++attempt) {
    Quaternion start;
    double length = 0.0;
    for (double& x : start) {
      x = static_cast<double>(random.next() >> 11U) * 0x1p-52 - 1.0;
      length += x * x;
    }
    for (double& x : start) x /= std::sqrt(length);
    double least = 4.0;
    for (std::size_t i = 1; i < pairs.size(); ++i) least = std::min(least, distance(start, centre_of(pairs[i], start)));
    if (least <= widest) continue;
    widest = least;
    best = start;
  }

  std::vector<TokenRow> table;
  for (std::size_t l = 0; l < letters.size(); ++l) {
    TokenRow& row = table.emplace_back();
    if (group.letter(l) == 0) continue;
    row.gate = {-1.0F, 1.0F, 1.0F, 1.0F};
    GeneralizedHouseholder factor{{}, 2.0F, {}};
    const Quaternion& p = quaternions.element(above[group.letter(l)]);
    for (std::uint32_t i = 0; i < 4; ++i) {
      // Entries that are 0 come out of products as some 1e-17.
      if (std::fabs(p[i]) > 1e-9) factor.key.push_back({i, static_cast<float>(p[i])});
    }
    row.factors.push_back(std::move(factor));
  }
  ReferenceStates reference;
  SlotReadout readout;
  std::vector<float> initial(4);
  std::vector<State> state_of_slot;
  std::vector<std::int32_t> labels;
  for (const Pair& pair : pairs) {
    const Quaternion centre = centre_of(pair, best);
    std::vector<Entry>& weight = readout.weight.emplace_back();
    for (std::uint32_t i = 0; i < 4; ++i) {
      reference.centre.push_back(centre[i]);
      const auto x = static_cast<float>(centre[i]);
      if (x != 0.0F) weight.push_back({i, x});
      if (state_of_slot.empty()) initial[i] = x;
    }
    readout.bias.push_back(0.0F);
    const State q = group.element(pair.element)[minimal.start()];
    state_of_slot.push_back(q);
    const LabelId label = minimal.label(q);
    labels.push_back(label == null_label && !minimal.label_names().empty() ? 0 : label);
  }
  reference.successor = successor;
  reference.start = 0;
  TableLayer layer{TokenTable(4, 1, table), std::move(initial), {std::move(readout)}, false, {}, {}, {}, labels};
  for (std::uint32_t row = 0; row < table.size(); ++row) layer.row_action.push_back(row);
  layer.row_readout.assign(table.size(), 0);
  layer.row_next.assign(table.size(), 0);
  const std::optional<std::uint64_t> horizon = certify_horizon(layer, reference, Semantics::fp32_fma_v1).length;
  return CompiledGroup{LrnnModel(minimal.alphabet(), minimal.label_names(), minimal.label(minimal.start()),
                                 std::move(row_of_symbol), {std::move(layer)}),
                       one_layer_hint(state_of_slot, symbol_of_row), !horizon.has_value(), horizon};
}

}  // namespace krohn
