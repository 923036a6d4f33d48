// label: quick
// The corpus is what it says: 108 languages whose automata give each listed word its label.
#include "corpus.hpp"

#include <doctest/doctest.h>

#include "krohn/automata/dfa.hpp"

namespace krohn {
namespace {

TEST_CASE("the corpus has 108 languages and 64 AT&T files") {
  CHECK(corpus::languages().size() == 108);
  CHECK(corpus::mlregtest_files().size() == 64);
  std::size_t groups = 0;
  for (const corpus::Language& entry : corpus::languages()) groups += entry.is_group ? 1 : 0;
  CHECK(groups == 27);
}

TEST_CASE("every automaton of the corpus labels the listed words as listed") {
  for (const corpus::Language& entry : corpus::languages()) {
    CAPTURE(entry.id);
    CHECK(entry.dfa.num_states() == entry.min_states);
    CHECK(entry.dfa.is_acceptor());
    std::size_t wrong = 0;
    for (const Word& word : entry.accepted) {
      if (!entry.dfa.accepts_at(entry.dfa.next(entry.dfa.start(), word))) ++wrong;
    }
    for (const Word& word : entry.rejected) {
      if (entry.dfa.accepts_at(entry.dfa.next(entry.dfa.start(), word))) ++wrong;
    }
    CHECK(wrong == 0);
    CHECK(entry.accepted.size() + entry.rejected.size() > 0);
  }
}

}  // namespace
}  // namespace krohn
