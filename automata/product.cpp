// Products over reachable pairs, and separating words by the algorithm of Hopcroft and Karp (1971) run breadth first.
//
// Hopcroft and Karp merge the states that equal languages would force to be equivalent, and skip a pair that is merged
// already. Breadth first, letters ascending, the first differing pair that turns up has the least separating word in
// shortlex order. For let u.w be that least word and suppose that the pair (p, q) reached by u was skipped. Then p and
// q are linked by a chain of pairs met earlier, and some link of the chain is separated by w, since its ends are; that
// link was reached by a word u' before u in shortlex order, and u'.w is separating and comes before u.w: a
// contradiction. At most |a| + |b| - 1 pairs are merged, whatever the answer.
#include "krohn/automata/product.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "krohn/error.hpp"

namespace krohn {
namespace {

void require_acceptor(const Dfa& dfa, const char* operation) {
  if (dfa.is_acceptor()) return;
  throw InputError(std::string(operation) +
                   ": expected an acceptor (labels 0 and 1), got an automaton with other labels or null");
}

std::string listed(const Alphabet& alphabet) {
  std::string text;
  for (Symbol a = 0; a < alphabet.size(); ++a) {
    if (a == 20) return text + " ..";
    text += (a == 0 ? "" : " ") + alphabet.name(a);
  }
  return text;
}

void require_same_alphabet(const Dfa& a, const Dfa& b) {
  if (a.alphabet() == b.alphabet()) return;
  throw InputError("alphabet: expected the same symbols in the same order, got '" + listed(a.alphabet()) + "' and '" +
                   listed(b.alphabet()) + "'");
}

bool combine(BooleanOperation operation, bool a, bool b) {
  switch (operation) {
    case BooleanOperation::conjunction:
      return a && b;
    case BooleanOperation::disjunction:
      return a || b;
    case BooleanOperation::difference:
      return a && !b;
    case BooleanOperation::symmetric_difference:
      return a != b;
  }
  throw InternalError("product: unknown operation");
}

}  // namespace

Dfa complement(const Dfa& dfa) {
  require_acceptor(dfa, "complement");
  std::vector<LabelId> labels(dfa.labels().begin(), dfa.labels().end());
  for (LabelId& label : labels) label = 1 - label;
  return Dfa(dfa.alphabet(), dfa.start(), {dfa.delta().begin(), dfa.delta().end()}, std::move(labels), {"0", "1"});
}

Dfa product(const Dfa& a, const Dfa& b, BooleanOperation operation, std::size_t max_states) {
  require_acceptor(a, "product");
  require_acceptor(b, "product");
  require_same_alphabet(a, b);
  const std::size_t k = a.num_symbols();
  std::unordered_map<std::uint64_t, State> number;
  std::vector<std::pair<State, State>> pairs;
  const auto state_of = [&](State p, State q) {
    const auto [entry, added] = number.emplace((std::uint64_t{p} << 32U) | q,
                                               static_cast<State>(std::min<std::size_t>(pairs.size(), UINT32_MAX)));
    if (added) {
      if (pairs.size() >= max_states) {
        throw ResourceError("product: more than " + std::to_string(max_states) + " reachable pairs of " +
                            std::to_string(a.num_states()) + " and " + std::to_string(b.num_states()) +
                            " states; minimise the operands first");
      }
      pairs.emplace_back(p, q);
    }
    return entry->second;
  };
  std::vector<State> delta;
  std::vector<bool> accepting;
  state_of(a.start(), b.start());
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto [p, q] = pairs[i];
    accepting.push_back(combine(operation, a.accepts_at(p), b.accepts_at(q)));
    for (Symbol s = 0; s < k; ++s) delta.push_back(state_of(a.next(p, s), b.next(q, s)));
  }
  return Dfa::acceptor(a.alphabet(), 0, std::move(delta), accepting);
}

std::optional<Word> separating_word(const Dfa& a, const Dfa& b) {
  require_same_alphabet(a, b);
  // The labels of b under the numbers of a; a name that a does not know differs from all of them.
  std::unordered_map<std::string, LabelId> name_in_a;
  for (std::size_t i = 0; i < a.label_names().size(); ++i) {
    name_in_a.emplace(a.label_names()[i], static_cast<LabelId>(i));
  }
  std::vector<LabelId> translated(b.label_names().size());
  for (std::size_t i = 0; i < translated.size(); ++i) {
    const auto found = name_in_a.find(b.label_names()[i]);
    translated[i] = found == name_in_a.end() ? null_label - 1 : found->second;
  }
  const auto differ = [&](State p, State q) {
    const LabelId of_b = b.label(q);
    return a.label(p) != (of_b == null_label ? null_label : translated[static_cast<std::size_t>(of_b)]);
  };
  if (differ(a.start(), b.start())) return Word{};

  // Union-find over the states of a, then those of b, with path halving and union by size.
  const std::size_t k = a.num_symbols();
  const auto base = static_cast<std::uint32_t>(a.num_states());
  std::vector<std::uint32_t> parent(a.num_states() + b.num_states());
  std::vector<std::uint32_t> size(parent.size(), 1);
  for (std::uint32_t i = 0; i < parent.size(); ++i) parent[i] = i;
  const auto root = [&](std::uint32_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
  };
  struct Met {
    State p;
    State q;
    std::uint32_t from;
    Symbol symbol;
  };
  std::vector<Met> met{{a.start(), b.start(), 0, 0}};
  const auto merge = [&](State p, State q) {
    std::uint32_t x = root(p);
    std::uint32_t y = root(base + q);
    if (x == y) return false;
    if (size[x] < size[y]) std::swap(x, y);
    parent[y] = x;
    size[x] += size[y];
    return true;
  };
  merge(a.start(), b.start());
  for (std::uint32_t i = 0; i < met.size(); ++i) {
    for (Symbol s = 0; s < k; ++s) {
      const State p = a.next(met[i].p, s);
      const State q = b.next(met[i].q, s);
      if (!merge(p, q)) continue;
      if (differ(p, q)) {
        Word word{s};
        for (std::uint32_t j = i; j != 0; j = met[j].from) word.push_back(met[j].symbol);
        std::reverse(word.begin(), word.end());
        return word;
      }
      met.push_back({p, q, i, s});
    }
  }
  return std::nullopt;
}

}  // namespace krohn
