// label: slow
// Small representations of groups: they are representations (checked by multiplying matrices along random words), the
// reflection counts are ranks (checked by Eigen), and the compiled layers answer random words right.
#include "krohn/compile/representation.hpp"

#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <random>

#include "krohn/automata/catalog.hpp"
#include "krohn/compile/group.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Matrix matrix_of(const OrthogonalRepresentation& r, Symbol a) {
  const auto d = static_cast<Eigen::Index>(r.dimension);
  return Eigen::Map<const Matrix>(r.letters[r.letter_of_symbol[a]].data(), d, d);
}

TEST_CASE("letters act orthogonally, move the states' vectors as the automaton does, with the ranks stated") {
  for (const char* name : {"word:S3", "word:S4", "word:A4", "word:A5", "word:S5", "word:Q8", "word:D:6", "word:Z:7",
                           "perm:S5", "S:4", "A:5", "word:Z:2xZ:3"}) {
    CAPTURE(name);
    const Dfa dfa = catalog_language(name);
    for (const OrthogonalRepresentation& r : find_representations(dfa)) {
      const auto d = static_cast<Eigen::Index>(r.dimension);
      std::size_t most = 0;
      for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
        const Matrix m = matrix_of(r, a);
        // Eigenvectors of a symmetric matrix of size at most 120 with gaps above 1e-3: far better than 1e-8.
        CHECK((m * m.transpose() - Matrix::Identity(d, d)).cwiseAbs().maxCoeff() < 1e-8);
        Eigen::FullPivLU<Matrix> lu(m - Matrix::Identity(d, d));
        lu.setThreshold(1e-6);
        // The threshold is relative to the largest pivot, which is rounding alone for the identity.
        const Matrix moved = m - Matrix::Identity(d, d);
        const std::size_t rank = moved.cwiseAbs().maxCoeff() < 1e-8 ? 0 : static_cast<std::size_t>(lu.rank());
        CHECK(rank == r.letter_reflections[r.letter_of_symbol[a]]);
        most = std::max(most, rank);
        for (State q = 0; q < dfa.num_states(); ++q) {
          const auto vector = [&](State s) {
            return Eigen::Map<const Eigen::VectorXd>(r.state_vectors.data() + s * r.dimension, d);
          };
          CHECK((m * vector(q) - vector(dfa.next(q, a))).cwiseAbs().maxCoeff() < 1e-8);
        }
      }
      CHECK(most == r.reflections);
      CHECK(r.separation > 1e-3);
    }
  }
}

TEST_CASE("the known minimal representations are found") {
  const auto least = [](const char* name) {
    const OrthogonalRepresentation r = find_representations(catalog_language(name)).front();
    return std::pair(r.dimension, r.reflections);
  };
  CHECK(least("word:S5") == std::pair<std::size_t, std::size_t>(4, 4));  // the standard representation
  CHECK(least("word:A5") == std::pair<std::size_t, std::size_t>(3, 2));  // rotations of the icosahedron
  CHECK(least("word:S4") == std::pair<std::size_t, std::size_t>(3, 2));  // rotations of the cube
  CHECK(least("word:S3") == std::pair<std::size_t, std::size_t>(2, 2));
  CHECK(least("word:Z:7") == std::pair<std::size_t, std::size_t>(2, 2));
  CHECK(least("word:Q8") == std::pair<std::size_t, std::size_t>(4, 4));  // no faithful real one is smaller
}

TEST_CASE("compiled representations answer random words within their horizon") {
  std::mt19937 random(5);
  for (const char* name : {"word:S4", "word:A5", "perm:S5", "word:Q8"}) {
    const Dfa dfa = catalog_language(name);
    for (const GroupRepresentation kind :
         {GroupRepresentation::least_dimension, GroupRepresentation::least_reflections}) {
      const CompiledGroup compiled = compile_group(dfa, {KeyForm::integer, kind});
      REQUIRE((compiled.exact || compiled.horizon.value_or(0) > 2000));
      const auto machine = make_machine(compiled.model, Semantics::fp32_fma_v1);
      std::vector<std::byte> state(machine->state_size());
      machine->initial(state);
      State q = dfa.start();
      for (int t = 0; t < 2000; ++t) {
        const auto a = static_cast<Symbol>(random() % dfa.num_symbols());
        q = dfa.next(q, a);
        REQUIRE(machine->step(state, a).label == dfa.label(q));
      }
    }
  }
}

TEST_CASE("refused: letters that merge states, groups beyond the cap") {
  CHECK_THROWS_AS(find_representations(catalog_language("flipflop")), InputError);
  CHECK_THROWS_AS(find_representations(catalog_language("word:S5"), 100), ResourceError);
}

}  // namespace
}  // namespace krohn
