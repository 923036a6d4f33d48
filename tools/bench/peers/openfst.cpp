// OpenFst on one automaton: processor seconds of Minimize, and of Equivalent with the result.
//     openfst FILE.att
#include <fst/fstlib.h>

#include "att.hpp"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const AttFile file = read_att(argv[1]);
  fst::StdVectorFst input;
  input.AddStates(file.num_states);
  input.SetStart(file.start);
  for (const AttFile::Arc& arc : file.arcs) {
    input.AddArc(arc.from, fst::StdArc(arc.symbol, arc.symbol, fst::TropicalWeight::One(), arc.to));
  }
  for (const int q : file.finals) input.SetFinal(q, fst::TropicalWeight::One());
  fst::ArcSort(&input, fst::StdILabelCompare());
  fst::StdVectorFst minimal(input);
  double start = processor_seconds();
  fst::Minimize(&minimal);
  std::printf("openfst minimize %.4f s, %d states\n", processor_seconds() - start, minimal.NumStates());
  start = processor_seconds();
  const bool equal = fst::Equivalent(input, minimal);
  std::printf("openfst equivalence %.4f s, %s\n", processor_seconds() - start, equal ? "equal" : "different");
  return 0;
}
