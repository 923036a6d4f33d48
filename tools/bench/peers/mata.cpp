// Mata on one automaton: processor seconds of its minimisation by Hopcroft's algorithm.
//     mata FILE.att
#include <mata/nfa/algorithms.hh>
#include <mata/nfa/nfa.hh>

#include "att.hpp"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const AttFile file = read_att(argv[1]);
  mata::nfa::Nfa input(static_cast<std::size_t>(file.num_states));
  input.initial.insert(static_cast<mata::nfa::State>(file.start));
  for (const AttFile::Arc& arc : file.arcs) {
    input.delta.add(static_cast<mata::nfa::State>(arc.from), static_cast<mata::Symbol>(arc.symbol),
                    static_cast<mata::nfa::State>(arc.to));
  }
  for (const int q : file.finals) input.final.insert(static_cast<mata::nfa::State>(q));
  input.trim();
  const double start = processor_seconds();
  const mata::nfa::Nfa minimal = mata::nfa::algorithms::minimize_hopcroft(input);
  std::printf("mata minimize %.4f s, %zu states\n", processor_seconds() - start, minimal.num_of_states());
  return 0;
}
