// Languages as values: one minimisation, one look at the letters. Cost: that of minimize, and states times symbols.
#include "krohn/automata/language.hpp"

#include "krohn/automata/minimize.hpp"

namespace krohn {

Language::Language(const Dfa& dfa)
    : given_states_(dfa.num_states()), minimal_(minimize(dfa)), letters_(distinct_letters(minimal_)) {}

}  // namespace krohn
