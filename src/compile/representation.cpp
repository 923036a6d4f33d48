// Real representations by splitting the regular one.
//
// The group acts on R^G by right multiplication, R(s) e_g = e_{gs}; matrices that commute with all R(s) are those of
// left multiplications. M = sum of c_t (L(t) + L(t)^T) with random c is symmetric and commutes, so its eigenspaces are
// invariant; for almost all c they are irreducible over the reals, and every real irreducible representation occurs.
// Characters, which are rounded to no more than the eigenvectors are, tell copies apart, and
// dim Fix(g) = mean of chi(g^k) over the powers of g is an integer, so rank(g - I) comes out exactly.
// The start vector is a random one averaged over the stabiliser of the start state: its orbit has a vector a state, and
// a representation is of use if those are pairwise different; of some start vectors the one that sets them farthest
// apart is taken. The group acts transitively by isometries, so that the least distance is one from the start. Cost:
// the cube of the order, and for every sum tried the square of the states. Refuses orders above the cap. All sums have
// the order that their loops give them: a basis of an eigenspace hangs on last digits, and compiled weights are to be
// the same on every machine.
#include "krohn/compile/representation.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "krohn/automata/transformation.hpp"
#include "krohn/error.hpp"
#include "krohn/model/symmetric.hpp"
#include "krohn/numeric/splitmix64.hpp"

namespace krohn {
namespace {

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
  std::size_t dimension = 0;
  std::vector<double> basis;  // row-major [order, dimension]
  std::vector<double> character;
};

constexpr std::size_t starting_vectors = 64;

double uniform(SplitMix64& random) { return static_cast<double>(random.next() >> 11U) * 0x1p-53 - 0.5; }

std::vector<std::vector<std::size_t>> multiplication_table(const FiniteGroup& group) {
  const std::size_t n = group.elements.size();
  std::vector<std::vector<std::size_t>> table(n, std::vector<std::size_t>(n));
  for (std::size_t g = 0; g < n; ++g) {
    for (std::size_t h = 0; h < n; ++h) table[g][h] = group.product(g, h);
  }
  return table;
}

/// Row i, column j of R(s) on a subspace, basis^T R(s) basis.
double restricted(const Irreducible& part, const std::vector<std::vector<std::size_t>>& table, std::size_t s,
                  std::size_t i, std::size_t j) {
  double sum = 0.0;
  for (std::size_t g = 0; g < table.size(); ++g) {
    sum += part.basis[table[g][s] * part.dimension + i] * part.basis[g * part.dimension + j];
  }
  return sum;
}

bool same_character(const Irreducible& a, const Irreducible& b) {
  return std::equal(a.character.begin(), a.character.end(), b.character.begin(),
                    [](double x, double y) { return std::fabs(x - y) < 1e-6; });
}

std::vector<Irreducible> irreducibles(const std::vector<std::vector<std::size_t>>& table) {
  const std::size_t n = table.size();
  SplitMix64 random(1);
  std::vector<double> m(n * n, 0.0);
  for (std::size_t t = 0; t < n; ++t) {
    const double c = uniform(random);
    for (std::size_t g = 0; g < n; ++g) {
      m[g * n + table[t][g]] += c;
      m[table[t][g] * n + g] += c;
    }
  }
  const auto [values, vectors] = symmetric_decomposition(m, n);
  // Entries of about 1, sums of n of them: computed eigenvalues are right to n * 2^-50 or so; random ones differ by far
  // more. A wrong cut would show as a character that is no class function's norm; see below.
  const double gap = 1e-9 * (1.0 + std::max(std::fabs(values.front()), std::fabs(values.back())));
  std::vector<Irreducible> parts;
  for (std::size_t first = 0; first < n;) {
    std::size_t end = first + 1;
    while (end < n && values[end] - values[end - 1] < gap) ++end;
    Irreducible part;
    part.dimension = end - first;
    for (std::size_t g = 0; g < n; ++g) {
      for (std::size_t column = first; column < end; ++column) part.basis.push_back(vectors[column * n + g]);
    }
    for (std::size_t s = 0; s < n; ++s) {
      double trace = 0.0;
      for (std::size_t i = 0; i < part.dimension; ++i) trace += restricted(part, table, s, i, i);
      part.character.push_back(trace);
    }
    first = end;
    const bool known =
        std::any_of(parts.begin(), parts.end(), [&](const Irreducible& other) { return same_character(other, part); });
    if (!known) parts.push_back(std::move(part));
  }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const Irreducible& a, const Irreducible& b) { return a.dimension < b.dimension; });
  return parts;
}

/// rank(g - I) from the character.
std::size_t reflections_of(const Irreducible& part, const std::vector<std::vector<std::size_t>>& table, std::size_t g) {
  double sum = 0.0;
  std::size_t order = 0;
  std::size_t power = 0;
  do {
    sum += part.character[power];
    power = table[power][g];
    ++order;
  } while (power != 0);
  return part.dimension - static_cast<std::size_t>(std::lround(sum / static_cast<double>(order)));
}

/// A square matrix, row-major, times a vector.
std::vector<double> product(const std::vector<double>& matrix, const std::vector<double>& vector) {
  std::vector<double> result;
  for (std::size_t i = 0; i < vector.size(); ++i) {
    double sum = 0.0;
    for (std::size_t j = 0; j < vector.size(); ++j) sum += matrix[i * vector.size() + j] * vector[j];
    result.push_back(sum);
  }
  return result;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}

/// The vectors of the states in the sum of the parts; nothing if two of them coincide.
std::optional<OrthogonalRepresentation> representation_of(const Dfa& dfa, const FiniteGroup& group,
                                                          const std::vector<std::vector<std::size_t>>& table,
                                                          const std::vector<const Irreducible*>& parts) {
  OrthogonalRepresentation result;
  std::size_t& dimension = result.dimension;
  for (const Irreducible* part : parts) {
    result.name += (result.name.empty() ? "" : "+") + std::to_string(part->dimension);
    dimension += part->dimension;
  }
  const auto matrix_of = [&](std::size_t g) {
    std::vector<double> m(dimension * dimension, 0.0);
    std::size_t at = 0;
    for (const Irreducible* part : parts) {
      for (std::size_t i = 0; i < part->dimension; ++i) {
        for (std::size_t j = 0; j < part->dimension; ++j) {
          m[(at + i) * dimension + at + j] = restricted(*part, table, g, i, j);
        }
      }
      at += part->dimension;
    }
    return m;
  };
  // The mean of the stabiliser's matrices, and for every state the matrix of an element that leads to it.
  std::vector<double> mean(dimension * dimension, 0.0);
  double stabiliser = 0.0;
  std::vector<std::vector<double>> matrix_to(dfa.num_states());
  for (std::size_t g = 0; g < group.elements.size(); ++g) {
    const State q = group.elements[g][dfa.start()];
    if (q != dfa.start() && !matrix_to[q].empty()) continue;
    std::vector<double> m = matrix_of(g);
    if (q == dfa.start()) {
      for (std::size_t i = 0; i < m.size(); ++i) mean[i] += m[i];
      ++stabiliser;
    }
    if (matrix_to[q].empty()) matrix_to[q] = std::move(m);
  }
  for (double& entry : mean) entry /= stabiliser;
  SplitMix64 random(1);
  for (std::size_t attempt = 0; attempt < starting_vectors; ++attempt) {
    std::vector<double> generic;
    for (std::size_t i = 0; i < dimension; ++i) generic.push_back(uniform(random));
    std::vector<double> start = product(mean, generic);
    const double length = distance(start, std::vector<double>(dimension, 0.0));
    if (length < 1e-6) continue;
    for (double& x : start) x /= length;
    double separation = 2.0;
    std::vector<double> vectors;
    for (State q = 0; q < dfa.num_states(); ++q) {
      const std::vector<double> vector = product(matrix_to[q], start);
      if (q != dfa.start()) separation = std::min(separation, distance(vector, start));
      vectors.insert(vectors.end(), vector.begin(), vector.end());
    }
    if (separation <= result.separation) continue;
    result.separation = separation;
    result.state_vectors = std::move(vectors);
  }
  if (result.separation < 1e-3) return std::nullopt;
  result.letter_of_symbol = group.letter_of_symbol;
  for (const std::size_t letter : group.letter) {
    result.letters.push_back(matrix_of(letter));
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
    for (const Irreducible* part : sum) dimension += part->dimension;
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
