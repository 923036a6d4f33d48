// Real representations by splitting the regular one.
//
// The group acts on R^G by right multiplication, R(s) e_g = e_{gs}; matrices that commute with all R(s) are those of
// left multiplications. M = sum of c_t (L(t) + L(t)^T) with random c is symmetric and commutes, so its eigenspaces are
// invariant; for almost all c they are irreducible over the reals, and every real irreducible representation occurs.
// Characters, which are rounded to no more than the eigenvectors are, tell copies apart, and
// dim Fix(g) = mean of chi(g^k) over the powers of g is an integer, so rank(g - I) comes out exactly.
// The start vector is a random one averaged over the stabiliser of the start state: its orbit has a vector a state, and
// a representation is of use if those are pairwise different. Cost: the cube of the order, and for every sum tried the
// square of the states. Refuses orders above the cap.
#include "krohn/compile/representation.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "krohn/automata/transformation.hpp"
#include "krohn/error.hpp"
#include "krohn/model/eigenvalues.hpp"

namespace krohn {
namespace {

using Index = Eigen::Index;

/// The transition group with its elements as permutations of the states; element 0 is the identity.
struct FiniteGroup {
  std::vector<std::vector<State>> elements;
  std::map<std::vector<State>, std::size_t> number;
  std::vector<std::size_t> letter;  // distinct letters, as elements
  std::vector<std::uint32_t> letter_of_symbol;

  std::size_t product(std::size_t g, std::size_t h) const {  // first g, then h
    std::vector<State> images(elements[g].size());
    for (std::size_t q = 0; q < images.size(); ++q) images[q] = elements[h][elements[g][q]];
    return number.at(images);
  }
};

FiniteGroup enumerate(const Dfa& dfa, std::size_t max_order) {
  FiniteGroup group;
  std::vector<State> identity(dfa.num_states());
  for (State q = 0; q < identity.size(); ++q) identity[q] = q;
  group.elements.push_back(identity);
  group.number[identity] = 0;
  std::map<std::vector<State>, std::uint32_t> letters;
  std::vector<std::vector<State>> distinct;
  for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
    std::vector<State> images = dfa.letter(a);
    const auto [at, is_new] = letters.try_emplace(images, static_cast<std::uint32_t>(distinct.size()));
    if (is_new) distinct.push_back(std::move(images));
    group.letter_of_symbol.push_back(at->second);
  }
  for (std::size_t g = 0; g < group.elements.size(); ++g) {
    for (const std::vector<State>& letter : distinct) {
      std::vector<State> images(identity.size());
      for (std::size_t q = 0; q < images.size(); ++q) images[q] = letter[group.elements[g][q]];
      if (!group.number.try_emplace(images, group.elements.size()).second) continue;
      if (group.elements.size() >= max_order) {
        throw ResourceError("representations: expected a group of at most " + std::to_string(max_order) +
                            " elements, got more");
      }
      group.elements.push_back(std::move(images));
    }
  }
  for (const std::vector<State>& letter : distinct) group.letter.push_back(group.number.at(letter));
  return group;
}

/// An irreducible part: an orthonormal basis of an invariant subspace of R^G, and its character.
struct Irreducible {
  Eigen::MatrixXd basis;  // [order, dimension]
  Eigen::VectorXd character;
  std::size_t dimension() const { return static_cast<std::size_t>(basis.cols()); }
};

std::vector<std::vector<std::size_t>> multiplication_table(const FiniteGroup& group) {
  const std::size_t n = group.elements.size();
  std::vector<std::vector<std::size_t>> table(n, std::vector<std::size_t>(n));
  for (std::size_t g = 0; g < n; ++g) {
    for (std::size_t h = 0; h < n; ++h) table[g][h] = group.product(g, h);
  }
  return table;
}

/// The matrix of R(s) on a subspace: basis^T R(s) basis.
Eigen::MatrixXd restricted(const Eigen::MatrixXd& basis, const std::vector<std::vector<std::size_t>>& table,
                           std::size_t s) {
  Eigen::MatrixXd moved(basis.rows(), basis.cols());
  for (std::size_t g = 0; g < table.size(); ++g)
    moved.row(static_cast<Index>(table[g][s])) = basis.row(static_cast<Index>(g));
  return basis.transpose() * moved;
}

std::vector<Irreducible> irreducibles(const std::vector<std::vector<std::size_t>>& table) {
  const std::size_t n = table.size();
  std::uint64_t state = 1;
  const auto random = [&] {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return static_cast<double>(state >> 11U) * 0x1p-53 - 0.5;
  };
  Eigen::MatrixXd m = Eigen::MatrixXd::Zero(static_cast<Index>(n), static_cast<Index>(n));
  for (std::size_t t = 0; t < n; ++t) {
    const double c = random();
    for (std::size_t g = 0; g < n; ++g) {
      m(static_cast<Index>(table[t][g]), static_cast<Index>(g)) += c;
      m(static_cast<Index>(g), static_cast<Index>(table[t][g])) += c;
    }
  }
  const SymmetricDecomposition decomposition =
      symmetric_decomposition({m.data(), static_cast<std::size_t>(m.size())}, n);
  const Eigen::Map<const Eigen::VectorXd> values(decomposition.values.data(), m.rows());
  const Eigen::Map<const Eigen::MatrixXd> vectors(decomposition.vectors.data(), m.rows(), m.rows());
  // Entries of about 1, sums of n of them: computed eigenvalues are right to n * 2^-50 or so; random ones differ by far
  // more. A wrong cut would show as a character that is no class function's norm; see below.
  const double gap = 1e-9 * (1.0 + values.cwiseAbs().maxCoeff());
  std::vector<Irreducible> parts;
  for (Index first = 0; first < values.size();) {
    Index end = first + 1;
    while (end < values.size() && values(end) - values(end - 1) < gap) ++end;
    Irreducible part;
    part.basis = vectors.middleCols(first, end - first);
    part.character.resize(static_cast<Index>(n));
    for (std::size_t s = 0; s < n; ++s) {
      double trace = 0.0;
      for (std::size_t g = 0; g < n; ++g) {
        trace += part.basis.row(static_cast<Index>(table[g][s])).dot(part.basis.row(static_cast<Index>(g)));
      }
      part.character(static_cast<Index>(s)) = trace;
    }
    first = end;
    const bool known = std::any_of(parts.begin(), parts.end(), [&](const Irreducible& other) {
      return (other.character - part.character).cwiseAbs().maxCoeff() < 1e-6;
    });
    if (!known) parts.push_back(std::move(part));
  }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const Irreducible& a, const Irreducible& b) { return a.dimension() < b.dimension(); });
  return parts;
}

/// rank(g - I) from the character.
std::size_t reflections_of(const Irreducible& part, const std::vector<std::vector<std::size_t>>& table, std::size_t g) {
  double sum = 0.0;
  std::size_t order = 0;
  std::size_t power = 0;
  do {
    sum += part.character(static_cast<Index>(power));
    power = table[power][g];
    ++order;
  } while (power != 0);
  return part.dimension() - static_cast<std::size_t>(std::lround(sum / static_cast<double>(order)));
}

/// The vectors of the states in the sum of the parts; nothing if two of them coincide.
std::optional<OrthogonalRepresentation> representation_of(const Dfa& dfa, const FiniteGroup& group,
                                                          const std::vector<std::vector<std::size_t>>& table,
                                                          const std::vector<const Irreducible*>& parts) {
  OrthogonalRepresentation result;
  Index dimension = 0;
  for (const Irreducible* part : parts) {
    result.name += (result.name.empty() ? "" : "+") + std::to_string(part->dimension());
    dimension += part->basis.cols();
  }
  result.dimension = static_cast<std::size_t>(dimension);
  const auto matrix_of = [&](std::size_t g) {
    Eigen::MatrixXd m = Eigen::MatrixXd::Zero(dimension, dimension);
    Index at = 0;
    for (const Irreducible* part : parts) {
      m.block(at, at, part->basis.cols(), part->basis.cols()) = restricted(part->basis, table, g);
      at += part->basis.cols();
    }
    return m;
  };
  // A random vector of each part, averaged over the stabiliser.
  Eigen::VectorXd start = Eigen::VectorXd::Zero(dimension);
  Eigen::VectorXd generic(dimension);
  for (Index i = 0; i < dimension; ++i) generic(i) = std::cos(1.0 + 2.0 * static_cast<double>(i * i));
  std::vector<std::optional<std::size_t>> element_to(dfa.num_states());
  std::size_t stabiliser = 0;
  for (std::size_t g = 0; g < group.elements.size(); ++g) {
    const State q = group.elements[g][dfa.start()];
    if (!element_to[q]) element_to[q] = g;
    if (q != dfa.start()) continue;
    ++stabiliser;
    start += matrix_of(g) * generic;
  }
  start /= static_cast<double>(stabiliser);
  if (start.norm() < 1e-6) return std::nullopt;
  start.normalize();
  std::vector<Eigen::VectorXd> vectors;
  for (State q = 0; q < dfa.num_states(); ++q) {
    vectors.push_back(matrix_of(element_to[q].value()) * start);
    for (Index i = 0; i < dimension; ++i) result.state_vectors.push_back(vectors.back()(i));
  }
  result.separation = 2.0;
  for (std::size_t q = 0; q < vectors.size(); ++q) {
    for (std::size_t r = 0; r < q; ++r)
      result.separation = std::min(result.separation, (vectors[q] - vectors[r]).norm());
  }
  if (result.separation < 1e-3) return std::nullopt;
  result.letter_of_symbol = group.letter_of_symbol;
  for (const std::size_t letter : group.letter) {
    const Eigen::MatrixXd m = matrix_of(letter);
    std::vector<double>& entries = result.letters.emplace_back();
    for (Index i = 0; i < dimension; ++i) {
      for (Index j = 0; j < dimension; ++j) entries.push_back(m(i, j));
    }
    std::size_t needed = 0;
    for (const Irreducible* part : parts) needed += reflections_of(*part, table, letter);
    result.letter_reflections.push_back(needed);
    result.reflections = std::max(result.reflections, needed);
  }
  return result;
}

}  // namespace

std::vector<OrthogonalRepresentation> find_representations(const Dfa& minimal, std::size_t max_order) {
  if (!distinct_letters(minimal).permute) {
    throw InputError("representations: expected letters that permute the states, got one that merges two states");
  }
  const FiniteGroup group = enumerate(minimal, max_order);
  const auto table = multiplication_table(group);
  const std::vector<Irreducible> parts = irreducibles(table);
  std::vector<std::vector<const Irreducible*>> sums;
  for (std::size_t a = 0; a < parts.size(); ++a) {
    sums.push_back({&parts[a]});
    for (std::size_t b = a + 1; b < parts.size() && parts.size() <= 64; ++b) {
      sums.push_back({&parts[a], &parts[b]});
      for (std::size_t c = b + 1; c < parts.size() && parts.size() <= 16; ++c) {
        sums.push_back({&parts[a], &parts[b], &parts[c]});
      }
    }
  }
  const auto dimension_of = [](const std::vector<const Irreducible*>& sum) {
    std::size_t dimension = 0;
    for (const Irreducible* part : sum) dimension += part->dimension();
    return dimension;
  };
  const auto reflections_of_sum = [&](const std::vector<const Irreducible*>& sum) {
    std::size_t most = 0;
    for (const std::size_t letter : group.letter) {
      std::size_t needed = 0;
      for (const Irreducible* part : sum) needed += reflections_of(*part, table, letter);
      most = std::max(most, needed);
    }
    return most;
  };
  struct Candidate {
    std::size_t dimension;
    std::size_t reflections;
    const std::vector<const Irreducible*>* sum;
  };
  std::vector<Candidate> candidates;
  for (const auto& sum : sums) candidates.push_back({dimension_of(sum), reflections_of_sum(sum), &sum});
  std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.dimension != b.dimension ? a.dimension < b.dimension : a.reflections < b.reflections;
  });
  std::vector<OrthogonalRepresentation> front;
  for (const Candidate& candidate : candidates) {
    if (candidate.dimension > minimal.num_states()) break;
    if (!front.empty() && candidate.reflections >= front.back().reflections) continue;
    if (auto found = representation_of(minimal, group, table, *candidate.sum)) front.push_back(std::move(*found));
  }
  return front;
}

}  // namespace krohn
