// label: quick
// Fingerprints against values computed by a separate program:
//   text = "krohn-automaton-v1\n" + json.dumps({"alphabet": .., "start": .., "transitions": .., "labels": ..},
//                                              separators=(",", ":"))
//   hashlib.sha256(text.encode()).hexdigest()
#include "krohn/automata/fingerprint.hpp"

#include <doctest/doctest.h>

#include <set>

#include "corpus.hpp"
#include "krohn/automata/catalog.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

TEST_CASE("parity") {
  const Dfa parity = catalog_language("parity");
  CHECK(canonical_text(parity) ==
        "krohn-automaton-v1\n"
        R"({"alphabet":["0","1"],"start":0,"transitions":[[0,1],[1,0]],"labels":["0","1"]})");
  CHECK(fingerprint(parity) == "7fc929e61b5da21ab16e501d638b3ef63bb041d6e8b25036ec2c9018a049ce9d");
}

TEST_CASE("escapes, null labels and long symbols") {
  const Dfa dfa(Alphabet({"a\"", "\\", "α", "𝄞", "go"}), 1, {0, 1, 0, 1, 0, 1, 1, 1, 1, 1}, {null_label, 1},
                {"unused", "x\n\t\r\b\f\x01\x7F/ é"});
  CHECK(fingerprint(dfa) == "b707bb22c29cde5cc848f0adc2c4ac350334c1bb03636ac74563affc20310be3");
}

TEST_CASE("different languages of the corpus have different fingerprints") {
  std::set<std::string> seen;
  for (const corpus::Language& entry : corpus::languages()) {
    CAPTURE(entry.id);
    seen.insert(fingerprint(entry.dfa));
  }
  // One automaton occurs under two names.
  CHECK(seen.size() == 107);
}

TEST_CASE("what a fingerprint depends on") {
  const Alphabet ab = Alphabet::of_characters("ab");
  const Dfa dfa(ab, 0, {0, 1, 1, 0}, {0, 1}, {"0", "1"});
  CHECK(fingerprint(dfa) == fingerprint(Dfa(ab, 0, {0, 1, 1, 0}, {1, 0}, {"1", "0"})));  // names, not numbers
  CHECK(fingerprint(dfa) != fingerprint(Dfa(ab, 1, {0, 1, 1, 0}, {0, 1}, {"0", "1"})));
  CHECK(fingerprint(dfa) != fingerprint(Dfa(ab, 0, {0, 1, 1, 1}, {0, 1}, {"0", "1"})));
  CHECK(fingerprint(dfa) != fingerprint(Dfa(ab, 0, {0, 1, 1, 0}, {0, null_label}, {"0", "1"})));
  CHECK(fingerprint(Dfa(ab, 0, {0, 1, 1, 0}, {0, 1}, {"0", "null"})) !=
        fingerprint(Dfa(ab, 0, {0, 1, 1, 0}, {0, null_label}, {"0", "1"})));
  CHECK(fingerprint(dfa) != fingerprint(Dfa(Alphabet::of_characters("ac"), 0, {0, 1, 1, 0}, {0, 1}, {"0", "1"})));
  CHECK_THROWS_AS(fingerprint(Dfa(ab, 0, {0, 0}, {0}, {"\xFF"})), InputError);
}

}  // namespace
}  // namespace krohn
