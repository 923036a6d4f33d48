// The decision table: linear-RNN families against the groups in the syntactic monoid.
//
// docs/families.md has every row's statement, its source, and the proofs that are ours. "No" for real families with
// diagonal or triangular matrices holds on the real bits of any monotone rounding; the other "no"s are theorems about
// exact steps and are labelled so. Null labels: a "no" rests on words whose labels differ, so it stands only where
// states on a cycle are told apart by labels that are not null. Cost: linear in the letters, quadratic in the states
// for what their pairs show, and what find_reflection_layer takes.
#include "krohn/automata/expressivity.hpp"

#include <algorithm>
#include <numeric>

#include "krohn/automata/group_action.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

/// The least p with a^i = a^{i+p} for some i: the least common multiple of the cycle lengths, saturating.
std::uint64_t period_of(const std::vector<State>& letter) {
  constexpr std::uint64_t limit = std::uint64_t{1} << 40U;
  std::uint64_t period = 1;
  std::vector<int> seen(letter.size(), -1);
  for (State start = 0; start < letter.size(); ++start) {
    State q = start;
    while (seen[q] < 0) {
      seen[q] = static_cast<int>(start);
      q = letter[q];
    }
    if (seen[q] != static_cast<int>(start)) continue;
    std::uint64_t length = 0;
    State at = q;
    do {
      at = letter[at];
      ++length;
    } while (at != q);
    period = std::min(limit, std::lcm(period, length));
  }
  return period;
}

/// LanguageFacts::cycles_matter. A pair of states on one cycle of a word w comes back to itself under a power of w, its
/// members reach one another, and where no suffix tells it apart, none tells its successors apart: so the pairs to
/// worry about are those on a cycle of the graph of pairs that are distinct, mutually reachable and not told apart.
/// What is left of that graph when pairs without a successor are taken away again and again has a cycle iff it is not
/// empty.
bool cycles_are_told_apart(const Dfa& dfa) {
  const std::size_t n = dfa.num_states();
  const std::size_t k = dfa.num_symbols();
  bool nulls = false;
  for (State q = 0; q < n; ++q) nulls = nulls || dfa.label(q) == null_label;
  if (!nulls) return true;
  constexpr std::size_t most_edges = std::size_t{1} << 26U;
  if (n > 4096 || n * n > most_edges / k) return false;
  std::vector<std::vector<State>> before(n * k);
  for (State q = 0; q < n; ++q) {
    for (Symbol a = 0; a < k; ++a) before[a * n + dfa.next(q, a)].push_back(q);
  }
  const auto for_each_before = [&](std::size_t pair, const auto& visit) {
    for (Symbol a = 0; a < k; ++a) {
      for (const State p : before[a * n + pair / n]) {
        for (const State q : before[a * n + pair % n]) visit(p * n + q);
      }
    }
  };
  // Told apart: by labels at once, or by a letter and what follows.
  std::vector<bool> apart(n * n, false);
  std::vector<std::size_t> queue;
  for (State p = 0; p < n; ++p) {
    for (State q = 0; q < n; ++q) {
      if (dfa.label(p) == null_label || dfa.label(q) == null_label || dfa.label(p) == dfa.label(q)) continue;
      apart[p * n + q] = true;
      queue.push_back(p * n + q);
    }
  }
  while (!queue.empty()) {
    const std::size_t pair = queue.back();
    queue.pop_back();
    for_each_before(pair, [&](std::size_t earlier) {
      if (apart[earlier]) return;
      apart[earlier] = true;
      queue.push_back(earlier);
    });
  }
  std::vector<bool> reaches(n * n, false);
  for (State from = 0; from < n; ++from) {
    std::vector<State> found{from};
    reaches[from * n + from] = true;
    for (std::size_t i = 0; i < found.size(); ++i) {
      for (Symbol a = 0; a < k; ++a) {
        const State next = dfa.next(found[i], a);
        if (reaches[from * n + next]) continue;
        reaches[from * n + next] = true;
        found.push_back(next);
      }
    }
  }
  std::vector<bool> open(n * n, false);
  for (State p = 0; p < n; ++p) {
    for (State q = 0; q < n; ++q) {
      open[p * n + q] = p != q && !apart[p * n + q] && reaches[p * n + q] && reaches[q * n + p];
    }
  }
  std::vector<std::uint32_t> successors(n * n, 0);
  std::size_t left = 0;
  for (std::size_t pair = 0; pair < n * n; ++pair) {
    if (!open[pair]) continue;
    ++left;
    for (Symbol a = 0; a < k; ++a) {
      if (open[dfa.next(static_cast<State>(pair / n), a) * n + dfa.next(static_cast<State>(pair % n), a)]) {
        ++successors[pair];
      }
    }
    if (successors[pair] == 0) queue.push_back(pair);
  }
  while (!queue.empty()) {
    const std::size_t pair = queue.back();
    queue.pop_back();
    --left;
    for_each_before(pair, [&](std::size_t earlier) {
      if (open[earlier] && --successors[earlier] == 0) queue.push_back(earlier);
    });
  }
  return left == 0;
}

/// No two states come back to themselves under one word: every word of some length resets. Pairs of distinct states
/// without a successor are taken away again and again; none is left iff no pair lies on, or leads to, a cycle of pairs.
bool definite(const Dfa& dfa) {
  const std::size_t n = dfa.num_states();
  std::vector<std::uint32_t> successors(n * n, 0);
  std::vector<std::vector<std::size_t>> before(n * n);
  std::vector<std::size_t> queue;
  std::size_t left = 0;
  for (State p = 0; p < n; ++p) {
    for (State q = p + 1; q < n; ++q) {
      ++left;
      for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
        const State x = std::min(dfa.next(p, a), dfa.next(q, a));
        const State y = std::max(dfa.next(p, a), dfa.next(q, a));
        if (x == y) continue;
        ++successors[p * n + q];
        before[x * n + y].push_back(p * n + q);
      }
      if (successors[p * n + q] == 0) queue.push_back(p * n + q);
    }
  }
  while (!queue.empty()) {
    const std::size_t pair = queue.back();
    queue.pop_back();
    --left;
    for (const std::size_t earlier : before[pair]) {
      if (--successors[earlier] == 0) queue.push_back(earlier);
    }
  }
  return left == 0;
}

/// The transition monoid is J-trivial: every cycle is a loop, and for each state p, among the states joined to it by
/// edges of letters that fix p (in either direction), none but p has no way on along such letters (Simon 1975,
/// Trahtman 2001).
bool piecewise_testable(const Dfa& dfa) {
  const std::size_t n = dfa.num_states();
  std::vector<std::size_t> degree(n, 0);
  for (State q = 0; q < n; ++q) {
    for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
      if (dfa.next(q, a) != q) ++degree[dfa.next(q, a)];
    }
  }
  std::vector<State> order;
  for (State q = 0; q < n; ++q) {
    if (degree[q] == 0) order.push_back(q);
  }
  for (std::size_t i = 0; i < order.size(); ++i) {
    for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
      const State next = dfa.next(order[i], a);
      if (next != order[i] && --degree[next] == 0) order.push_back(next);
    }
  }
  if (order.size() != n) return false;
  for (State p = 0; p < n; ++p) {
    std::vector<std::vector<State>> joined(n);
    std::vector<bool> goes_on(n, false);
    for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
      if (dfa.next(p, a) != p) continue;
      for (State q = 0; q < n; ++q) {
        const State next = dfa.next(q, a);
        if (next == q) continue;
        goes_on[q] = true;
        joined[q].push_back(next);
        joined[next].push_back(q);
      }
    }
    std::vector<bool> seen(n, false);
    std::vector<State> component{p};
    seen[p] = true;
    for (std::size_t i = 0; i < component.size(); ++i) {
      if (component[i] != p && !goes_on[component[i]]) return false;
      for (const State q : joined[component[i]]) {
        if (!seen[q]) component.push_back(q);
        seen[q] = true;
      }
    }
  }
  return true;
}

bool is_permutation(const std::vector<State>& letter) {
  std::vector<bool> seen(letter.size(), false);
  for (const State q : letter) seen[q] = true;
  return std::find(seen.begin(), seen.end(), false) == seen.end();
}

std::size_t moved_points(const std::vector<State>& letter) {
  std::size_t moved = 0;
  for (State q = 0; q < letter.size(); ++q) moved += letter[q] != q ? 1U : 0U;
  return moved;
}

std::string list(const std::vector<std::size_t>& widths) {
  std::string text;
  for (const std::size_t width : widths) text += (text.empty() ? "" : ", ") + std::to_string(width);
  return text;
}

std::size_t sum(const std::vector<std::size_t>& widths) {
  return std::accumulate(widths.begin(), widths.end(), std::size_t{0});
}

/// A theorem, where it stands, and who proves it.
struct Statement {
  const char* theorem;
  const char* source;
  Basis basis = Basis::proved;
};

constexpr Statement theorem_1{"Grazzi et al. 2025, Thm 1", "docs/families.md, 1; arXiv:2411.12537"};
constexpr Statement theorem_2{"Grazzi et al. 2025, Thm 2", "docs/families.md, 2; arXiv:2411.12537"};
constexpr Statement theorem_3{"Grazzi et al. 2025, Thm 3", "docs/families.md, 5; arXiv:2411.12537"};
constexpr Statement theorem_4{"Grazzi et al. 2025, Thm 4", "docs/families.md, 5; arXiv:2411.12537"};
constexpr Statement two_layers{"reflections in turn", "docs/families.md, 5; arXiv:2411.12537"};
constexpr Statement contraction{"contraction", "docs/families.md, 3"};
constexpr Statement sarrof{"Sarrof et al. 2024", "docs/families.md, 1; arXiv:2405.17394"};
constexpr Statement signs{"layers of signs", "docs/families.md, 2", Basis::textbook};
constexpr Statement krohn_rhodes{"Krohn-Rhodes", "docs/families.md, 4", Basis::textbook};
constexpr Statement four_layers{"four layers of single factors for S_n", "arXiv:2502.10297", Basis::paper};
constexpr Statement kda_one_layer{"signed KDA in one layer", "docs/families.md, 6; arXiv:2609.24797"};
constexpr Statement one_reflection{"one reflection and a gate", "docs/families.md, 6"};
constexpr Statement gdn2_moves{"moves of one state", "docs/families.md, 7"};
constexpr Statement gdn2_letter{"real spectrum of a letter, Thm 1", "docs/families.md, 7; arXiv:2411.12537"};
constexpr Statement comba_signs{"a - beta on a line", "docs/families.md, 8"};
constexpr Statement precond{"holds Gated DeltaNet", "docs/families.md, 9"};
constexpr Statement rotations_decay{"no rotation without decay", "docs/families.md, 10"};
constexpr Statement pd_ssm{"a transition matrix is column one-hot", "docs/families.md, 11; arXiv:2509.22284"};
constexpr Statement retnet{"a fixed contraction forgets", "docs/families.md, 12"};
constexpr Statement sums{"counts of subsequences", "docs/families.md, 13"};
constexpr Statement rwkv_paper{"Peng et al. 2025", "arXiv:2503.14456", Basis::paper};
constexpr Statement rwkv_form{"form of the layer", "docs/families.md, 14"};
constexpr Statement nothing{"nothing to remember", "docs/families.md"};

constexpr const char* on_the_bits = "bit by bit: every step is monotone";
constexpr const char* with_margin = "exact arithmetic with a readout margin";
constexpr const char* real_numbers = "exact arithmetic; in floating point to a horizon";
constexpr const char* exact = "exact arithmetic";
constexpr const char* exact_floats = "floating point, exactly";

FamilyDecision decided(std::string id, std::string family, std::string models) {
  FamilyDecision decision;
  decision.id = std::move(id);
  decision.family = std::move(family);
  decision.models = std::move(models);
  return decision;
}

void say(FamilyDecision& decision, Answer answer, std::string reason, const Statement& statement,
         std::string arithmetic) {
  decision.answer = answer;
  decision.reason = std::move(reason);
  decision.theorem = statement.theorem;
  decision.source = statement.source;
  decision.basis = statement.basis;
  decision.arithmetic = std::move(arithmetic);
}

void say_unknown(FamilyDecision& decision, std::string reason) {
  decision.answer = Answer::unknown;
  decision.reason = std::move(reason);
}

void star_free(FamilyDecision& decision, const LanguageFacts& facts, const Statement& statement) {
  say(decision, Answer::yes, "aperiodic: a cascade of resets", statement, exact_floats);
  if (!facts.reset_widths) return;
  decision.layers = facts.reset_widths->size();
  decision.size = sum(*facts.reset_widths);
  decision.reason += ", hidden sizes " + list(*facts.reset_widths);
}

}  // namespace

std::string answer_name(Answer answer) {
  return answer == Answer::yes ? "yes" : answer == Answer::no ? "no" : "unknown";
}

std::string basis_name(Basis basis) {
  return basis == Basis::proved ? "proved" : basis == Basis::textbook ? "textbook" : "paper";
}

LanguageFacts letter_facts(const Language& language) {
  const Dfa& minimal = language.minimal();
  LanguageFacts facts;
  facts.states = minimal.num_states();
  for (State q = 0; q < minimal.num_states(); ++q) {
    facts.has_null_labels = facts.has_null_labels || minimal.label(q) == null_label;
  }
  constexpr std::size_t most_states = 4096;
  constexpr std::size_t most_pairs = std::size_t{1} << 24U;
  if (facts.states <= most_states && facts.states * facts.states <= most_pairs / minimal.num_symbols()) {
    facts.is_definite = definite(minimal);
    facts.is_piecewise_testable = piecewise_testable(minimal);
  }
  facts.is_group = language.is_group();
  facts.cycles_matter = cycles_are_told_apart(minimal);
  const std::vector<Transformation>& letters = language.letters().images;
  bool exponent_2 = true;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    const std::uint64_t period = period_of(letters[i]);
    exponent_2 = exponent_2 && period <= 2;
    if (period > facts.largest_letter_period || facts.letter.empty()) {
      facts.largest_letter_period = std::max(period, facts.largest_letter_period);
      facts.letter = minimal.alphabet().name(language.letters().symbol[i]);
    }
  }
  facts.last_symbol_decides = facts.permutes_or_resets = facts.swaps_or_resets = facts.moves_or_resets = true;
  std::vector<Permutation> permutations;
  for (const std::vector<State>& letter : letters) {
    const bool reset = std::all_of(letter.begin(), letter.end(), [&](State q) { return q == letter.front(); });
    facts.last_symbol_decides = facts.last_symbol_decides && reset;
    if (reset && letter.size() > 1) continue;
    const bool permutes = is_permutation(letter);
    const std::size_t moved = moved_points(letter);
    facts.permutes_or_resets = facts.permutes_or_resets && permutes;
    facts.swaps_or_resets = facts.swaps_or_resets && permutes && moved <= 2;
    facts.moves_or_resets = facts.moves_or_resets && (moved <= 1 || (permutes && moved == 2));
    if (permutes) permutations.push_back(letter);
  }
  bool commute = facts.is_group;
  for (std::size_t a = 0; commute && a < letters.size(); ++a) {
    for (std::size_t b = a + 1; commute && b < letters.size(); ++b) {
      for (State q = 0; commute && q < minimal.num_states(); ++q) {
        commute = letters[b][letters[a][q]] == letters[a][letters[b][q]];
      }
    }
  }
  facts.abelian_group = commute;
  // A commuting set of involutions generates an elementary abelian 2-group, and a non-abelian group is none.
  facts.elementary_2_group = commute && exponent_2;
  if (facts.is_group) {
    try {
      const GroupAction action = find_action(minimal);
      facts.degree = action.degree;
      facts.reflections = action.max_reflections;
      facts.reflection_layer = find_reflection_layer(action.degree, action.letters);
    } catch (const ResourceError&) {
      // The action on the states themselves does it too.
      facts.degree = minimal.num_states();
      facts.reflections = 0;
      for (const std::vector<std::uint32_t>& letter : letters) {
        facts.reflections = std::max(*facts.reflections, letter.size() - cycle_count(letter));
      }
    }
  }
  if (facts.permutes_or_resets && !facts.is_group) {
    std::sort(permutations.begin(), permutations.end());
    facts.reflection_layer = find_reflection_layer(facts.states, permutations);
  }
  return facts;
}

void add_monoid_flags(LanguageFacts& facts, const MonoidFlags& flags) {
  facts.is_aperiodic = flags.is_aperiodic;
  facts.only_2_groups = flags.only_2_groups;
  facts.all_groups_solvable = flags.all_groups_solvable;
}

std::vector<FamilyDecision> decide_expressivity(const LanguageFacts& facts) {
  const bool aperiodic = facts.is_aperiodic.value_or(false);
  const bool not_aperiodic = facts.is_aperiodic.has_value() && !*facts.is_aperiodic;
  const bool two_groups = facts.only_2_groups.value_or(false);
  const bool odd = facts.only_2_groups.has_value() && !*facts.only_2_groups;
  const bool solvable = facts.all_groups_solvable.value_or(false);
  const bool not_solvable = facts.all_groups_solvable.has_value() && !*facts.all_groups_solvable;
  const std::string no_flag = "the groups in the language were not determined";
  std::vector<FamilyDecision> table;
  const auto deny = [&](FamilyDecision& decision, std::string reason, const Statement& statement,
                        const char* arithmetic) {
    if (facts.cycles_matter) return say(decision, Answer::no, std::move(reason), statement, arithmetic);
    say_unknown(decision, "null labels: not shown that the states on its cycles have to be told apart");
  };
  // Letters of period 3 or more take more than one layer of single factors.
  const std::string not_one_layer = facts.cycles_matter && facts.largest_letter_period >= 3
                                        ? "; not in one layer: the letter '" + facts.letter + "' has period " +
                                              std::to_string(facts.largest_letter_period) + " (exact or cast steps)"
                                        : "";
  // What layers of one factor a token do by depth.
  const auto by_depth = [&](FamilyDecision& d) {
    if (aperiodic) {
      star_free(d, facts, theorem_4);
    } else {
      say(d, Answer::yes, "at most four layers for each permutation level, one for each reset level", four_layers,
          exact);
    }
  };

  {
    FamilyDecision d =
        decided("diag+", "diagonal or triangular, [0,1]", "Mamba, Mamba-2, GLA, mLSTM, RWKV-6, HGRN, HGRN-2, MesaNet");
    if (aperiodic) {
      star_free(d, facts, sarrof);
    } else if (not_aperiodic) {
      deny(d, "a word acts with period > 1, and orbits of such layers end in fixed points", theorem_1, on_the_bits);
    } else {
      say_unknown(d, no_flag);
    }
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d = decided("diag+-", "real diagonal or triangular, [-1,1]", "Mamba with 2 exp(dt A) - 1");
    if (aperiodic) {
      star_free(d, facts, sarrof);
    } else if (two_groups) {
      say(d, Answer::yes, "only 2-groups: layers of signs on layers of signs", signs, exact_floats);
      if (facts.is_group && facts.elementary_2_group.value_or(false)) {
        d.layers = 1;
        d.size = facts.degree;
        d.reason = "an elementary abelian 2-group: signs in one layer";
      }
    } else if (odd) {
      deny(d, "an element of odd prime order, and periods of such layers are powers of two", theorem_2, on_the_bits);
    } else {
      say_unknown(d, no_flag);
    }
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d = decided("complex", "complex diagonal", "S4 and LRU with complex eigenvalues");
    if (aperiodic) {
      star_free(d, facts, sarrof);
    } else if (solvable) {
      say(d, Answer::yes, "solvable groups: one layer for each abelian factor of a subnormal series", krohn_rhodes,
          real_numbers);
      if (facts.abelian_group.value_or(false)) {
        d.layers = 1;
        d.reason = "an abelian group: one layer of rotations";
      }
    } else if (not_solvable) {
      deny(d, "a group that is not solvable, and such layers build solvable ones", krohn_rhodes, exact);
    } else {
      say_unknown(d, no_flag);
    }
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d =
        decided("GH+", "generalized Householder, [0,1], any n_h", "DeltaNet, Gated DeltaNet, DeltaProduct, Qwen3-Next");
    if (aperiodic) {
      star_free(d, facts, contraction);
      d.householder = 1;
    } else if (not_aperiodic) {
      deny(d, "every factor contracts, so powers of a word's matrix converge: no group", contraction, with_margin);
    } else {
      say_unknown(d, no_flag);
    }
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d = decided("GH1", "generalized Householder, [-1,1], n_h = 1", "DeltaNet with beta in (0,2)");
    d.householder = 1;
    if (facts.is_group && facts.reflections && *facts.reflections <= 1) {
      d.layers = 1;
      d.size = facts.degree;
      say(d, Answer::yes, "every letter is a reflection or does nothing", theorem_3, exact_floats);
    } else if (!aperiodic && facts.is_group && facts.abelian_group.value_or(false) &&
               facts.largest_letter_period >= 3) {
      say(d, Answer::yes, "two layers for each cyclic factor: a rotation is two reflections in turn", two_layers,
          real_numbers);
      d.reason += not_one_layer;
    } else {
      by_depth(d);
      if (!aperiodic) d.reason += not_one_layer;
    }
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d =
        decided("GHn", "generalized Householder, [-1,1], n_h as needed", "DeltaProduct with beta in (0,2)");
    if (facts.is_group && facts.reflections) {
      d.layers = *facts.degree <= 1 ? 0 : 1;
      d.size = facts.degree;
      d.householder = facts.reflections;
      say(d, Answer::yes,
          "one layer: the group permutes " + std::to_string(*facts.degree) + " coordinates, a letter takes at most " +
              std::to_string(*facts.reflections) + (*facts.reflections == 1 ? " reflection" : " reflections"),
          theorem_3, exact_floats);
    } else {
      say(d, Answer::yes, "a cascade of permutations and resets", theorem_4, exact_floats);
      if (facts.cascade_widths) {
        d.layers = facts.cascade_widths->size();
        d.size = sum(*facts.cascade_widths);
        d.reason += ", hidden sizes " + list(*facts.cascade_widths);
      }
      d.householder = facts.compiled_householder;
    }
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d =
        decided("RWKV-7w", "RWKV-7 widened (decay 1, removal up to 2)", "RWKV-7 as in its paper's proof");
    say(d, Answer::yes, "every regular language at constant depth", rwkv_paper, exact);
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d = decided("RWKV-7", "RWKV-7, released format", "RWKV-7 checkpoints");
    if (aperiodic) {
      star_free(d, facts, sarrof);
    } else if (facts.largest_letter_period > 1) {
      deny(d,
           "the letter '" + facts.letter + "' has period " + std::to_string(facts.largest_letter_period) +
               ", and a letter's spectrum is real and in (-0.455, 1)",
           rwkv_form, with_margin);
    } else if (not_aperiodic) {
      say_unknown(d, "its groups need words of several letters");
    } else {
      say_unknown(d, no_flag);
    }
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d = decided("KDA+", "gate a key and one Householder, [0,1]", "KDA, Kimi Linear");
    d.householder = 1;
    if (aperiodic) {
      star_free(d, facts, contraction);
    } else if (not_aperiodic) {
      deny(d, "gate and factor contract, and what they do not shrink they do not move: no group", contraction,
           with_margin);
    } else {
      say_unknown(d, no_flag);
    }
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d = decided("KDA", "gate in [0,1] a key and one Householder, [-1,1]",
                               "KDA and Gated DeltaNet with allow_neg_eigval, OLMo Hybrid");
    d.householder = 1;
    if (facts.is_group && facts.reflections && *facts.reflections <= 1) {
      d.layers = 1;
      d.size = facts.degree;
      say(d, Answer::yes, "every letter is a reflection or does nothing", theorem_3, exact_floats);
    } else if (facts.swaps_or_resets) {
      d.layers = 1;
      d.size = facts.states;
      say(d, Answer::yes, "every letter swaps two states at most, or resets: a zero gate and a write", one_reflection,
          exact_floats);
    } else {
      by_depth(d);
      if (!aperiodic) d.reason += not_one_layer;
    }
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d = decided("KDA+-", "gate in [-1,1] a key and one Householder, [-1,1]", "signed (complex) KDA");
    d.householder = 1;
    if (facts.permutes_or_resets && facts.reflection_layer) {
      const ReflectionLayer& layer = *facts.reflection_layer;
      d.layers = 1;
      if (facts.is_group) d.size = layer.size();
      std::string how = layer.heads.empty() ? "" : layer.construction + ", heads of sizes " + list(layer.heads);
      if (!facts.is_group) how += (how.empty() ? "" : "; ") + std::string("a reset is a zero gate and a write");
      say(d, Answer::yes, "one layer: " + how, kda_one_layer, layer.exact ? exact_floats : real_numbers);
    } else if (facts.abelian_group.value_or(false)) {
      d.layers = 1;
      say(d, Answer::yes, "one layer: plane rotations, a head for each cyclic factor", kda_one_layer, real_numbers);
    } else {
      by_depth(d);
      if (facts.is_group && not_solvable) {
        d.reason +=
            "; one layer: not decided here (arXiv:2609.24797 states that it cannot for S_5 with every element a "
            "letter)";
      } else if (!aperiodic) {
        d.reason += "; one layer: not decided";
      }
    }
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d = decided("GDN-2+", "GDN-2, erasure [0,1] a key", "Gated DeltaNet-2");
    if (aperiodic) {
      star_free(d, facts, sarrof);
    } else if (facts.largest_letter_period > 1) {
      deny(d,
           "the letter '" + facts.letter + "' has period " + std::to_string(facts.largest_letter_period) +
               ", and a letter's spectrum is real and in [0, 1]",
           gdn2_letter, with_margin);
    } else if (not_aperiodic) {
      say_unknown(d, "its groups need words of several letters, whose products may exceed norm 1");
    } else {
      say_unknown(d, no_flag);
    }
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d = decided("GDN-2", "GDN-2, erasure [0,2] a key", "Gated DeltaNet-2 with allow_neg_eigval");
    if (facts.is_group && facts.reflections && *facts.reflections <= 1) {
      d.layers = 1;
      d.size = facts.degree;
      say(d, Answer::yes, "every letter is a reflection or does nothing", theorem_3, exact_floats);
    } else if (facts.moves_or_resets) {
      d.layers = 1;
      d.size = facts.states;
      say(d, Answer::yes, "every letter moves one state, swaps two, or resets", gdn2_moves, exact_floats);
    } else {
      by_depth(d);
    }
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d = decided("Comba", "a I - beta k k^T, a and beta in [0,1]", "Comba");
    if (aperiodic) {
      star_free(d, facts, comba_signs);
    } else if (two_groups) {
      say(d, Answer::yes, "only 2-groups: a - beta is a sign on a line, layers of signs on layers of signs",
          {comba_signs.theorem, comba_signs.source, Basis::textbook}, exact_floats);
      if (facts.is_group && facts.elementary_2_group.value_or(false)) {
        d.layers = 1;
        d.reason = "an elementary abelian 2-group: a - beta is a sign on a line";
        d.basis = Basis::proved;
      }
    } else if (odd) {
      deny(d, "an element of odd prime order; what a word does not shrink it leaves or negates", comba_signs,
           with_margin);
    } else {
      say_unknown(d, no_flag);
    }
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d = decided("precond", "preconditioned Householder, beta in [0,1]", "preconditioned Gated DeltaNet");
    if (aperiodic) {
      star_free(d, facts, precond);
    } else {
      say_unknown(d, "its matrices depend on all earlier tokens, and their products may exceed norm 1");
    }
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d = decided("Mamba-3", "rotations that decay", "Mamba-3");
    if (aperiodic) {
      star_free(d, facts, sarrof);
    } else if (not_aperiodic) {
      deny(d, "a rotation by an angle t shrinks by exp(-A_floor |t| / pi) at least: groups to a horizon only",
           rotations_decay, with_margin);
    } else {
      say_unknown(d, no_flag);
    }
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d = decided("PD", "one column one-hot matrix times a diagonal", "PD-SSM");
    d.layers = 1;
    d.size = facts.states;
    say(d, Answer::yes, "one layer: a state is a unit vector, a letter its transition matrix", pd_ssm, exact_floats);
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d = decided("RetNet", "one fixed contraction, the same for every token", "RetNet");
    if (facts.last_symbol_decides) {
      say(d, Answer::yes, "the last symbol decides", retnet, exact_floats);
    } else if (facts.is_definite == false && facts.has_null_labels) {
      say_unknown(d, "null labels: not shown that old symbols have to be told apart");
    } else if (facts.is_definite == false) {
      say(d, Answer::no, "symbols of any age matter, and such layers forget them at a fixed rate", retnet, with_margin);
    } else if (facts.is_definite) {
      say_unknown(d, "the last symbols decide; not shown how layers of fixed decay tell them apart");
    } else {
      say_unknown(d, "not determined whether old symbols matter");
    }
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d = decided("sum", "sums, no decay", "linear attention");
    if (facts.is_piecewise_testable.value_or(false)) {
      say(d, Answer::yes, "piecewise testable: layers count subsequences, and a count is 0 or not", sums, exact_floats);
    } else if (not_aperiodic) {
      deny(d, "a word acts with period > 1, and orbits of such layers end in fixed points", theorem_1, on_the_bits);
    } else {
      say_unknown(d, "not piecewise testable: not shown how sums forget");
    }
    table.push_back(std::move(d));
  }
  if (facts.states == 1 || (facts.is_group && facts.degree == std::size_t{1})) {
    for (FamilyDecision& d : table) {
      say(d, Answer::yes, "one state: every word has the same label", nothing, exact_floats);
      d.layers = d.size = 0;
      if (d.householder) d.householder = 0;
    }
  }
  return table;
}

}  // namespace krohn
