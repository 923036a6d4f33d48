// The decision table: linear-RNN families against the groups in the syntactic monoid.
//
// Sources. Star-free languages and nonnegative diagonal gates: Sarrof, Veitsman, Hahn (2024, arXiv:2405.17394).
// Theorems 1 to 4 and the families with negative eigenvalues: Grazzi et al. (2025, arXiv:2411.12537); S_n in four
// layers of single factors: Siems et al. (2025, arXiv:2502.10297); RWKV-7: Peng et al. (2025, arXiv:2503.14456). The
// least number of reflections: Scherk (1950). "No" for diagonal and triangular real families holds on the real bits of
// any monotone rounding; the other "no"s are theorems about exact steps and are labelled so. Null labels: a "no" rests
// on words whose labels differ, so it stands only where states on a cycle are told apart by labels that are not null.
// Cost: linear in the letters; with null labels in the edges between pairs of states.
#include "krohn/automata/expressivity.hpp"

#include <algorithm>
#include <numeric>

#include "krohn/automata/group_action.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

/// The least p with a^i = a^{i+p} for some i: the least common multiple of the cycle lengths, saturating.
std::size_t period_of(const std::vector<State>& letter) {
  constexpr std::size_t limit = std::size_t{1} << 40U;
  std::size_t period = 1;
  std::vector<int> seen(letter.size(), -1);
  for (State start = 0; start < letter.size(); ++start) {
    State q = start;
    while (seen[q] < 0) {
      seen[q] = static_cast<int>(start);
      q = letter[q];
    }
    if (seen[q] != static_cast<int>(start)) continue;
    std::size_t length = 0;
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

std::string list(const std::vector<std::size_t>& widths) {
  std::string text;
  for (const std::size_t width : widths) text += (text.empty() ? "" : ", ") + std::to_string(width);
  return text;
}

std::size_t sum(const std::vector<std::size_t>& widths) {
  return std::accumulate(widths.begin(), widths.end(), std::size_t{0});
}

FamilyDecision decided(std::string family, std::string models) {
  FamilyDecision decision;
  decision.family = std::move(family);
  decision.models = std::move(models);
  return decision;
}

void say(FamilyDecision& decision, Answer answer, std::string reason, std::string theorem,
         std::string arithmetic = "") {
  decision.answer = answer;
  decision.reason = std::move(reason);
  decision.theorem = std::move(theorem);
  decision.arithmetic = std::move(arithmetic);
}

constexpr const char* theorem_1 = "Grazzi et al. 2025, Thm 1";
constexpr const char* theorem_2 = "Grazzi et al. 2025, Thm 2";
constexpr const char* theorem_3 = "Grazzi et al. 2025, Thm 3";
constexpr const char* theorem_4 = "Grazzi et al. 2025, Thm 4";
constexpr const char* sarrof = "Sarrof et al. 2024";
constexpr const char* on_the_bits = "bit by bit: every step is monotone";
constexpr const char* with_margin = "exact arithmetic with a readout margin";
constexpr const char* exact = "exact arithmetic";

void star_free(FamilyDecision& decision, const LanguageFacts& facts, const char* theorem) {
  say(decision, Answer::yes, "aperiodic: a cascade of resets", theorem);
  if (!facts.reset_widths) return;
  decision.layers = facts.reset_widths->size();
  decision.size = sum(*facts.reset_widths);
  decision.reason += ", hidden sizes " + list(*facts.reset_widths);
}

}  // namespace

std::string answer_name(Answer answer) {
  return answer == Answer::yes ? "yes" : answer == Answer::no ? "no" : "unknown";
}

LanguageFacts letter_facts(const Dfa& minimal) {
  LanguageFacts facts;
  facts.is_group = letters_are_permutations(minimal);
  facts.cycles_matter = cycles_are_told_apart(minimal);
  std::vector<std::vector<State>> letters;
  bool exponent_2 = true;
  for (Symbol symbol = 0; symbol < minimal.num_symbols(); ++symbol) {
    letters.push_back(minimal.letter(symbol));
    const std::size_t period = period_of(letters.back());
    exponent_2 = exponent_2 && period <= 2;
    if (period > facts.largest_letter_period || facts.letter.empty()) {
      facts.largest_letter_period = std::max(period, facts.largest_letter_period);
      facts.letter = minimal.alphabet().name(symbol);
    }
  }
  std::sort(letters.begin(), letters.end());
  letters.erase(std::unique(letters.begin(), letters.end()), letters.end());
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
    } catch (const ResourceError&) {
      // The action on the states themselves does it too.
      facts.degree = minimal.num_states();
      facts.reflections = 0;
      for (const std::vector<std::uint32_t>& letter : letters) {
        facts.reflections = std::max(*facts.reflections, letter.size() - cycle_count(letter));
      }
    }
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
  const auto deny = [&](FamilyDecision& decision, std::string reason, const char* theorem, const char* arithmetic) {
    if (facts.cycles_matter) return say(decision, Answer::no, std::move(reason), theorem, arithmetic);
    say(decision, Answer::unknown, "null labels: not shown that the states on its cycles have to be told apart", "");
  };
  // Letters of period 3 or more take more than one layer of single factors.
  const std::string not_one_layer = facts.cycles_matter && facts.largest_letter_period >= 3
                                        ? "; not in one layer: the letter '" + facts.letter + "' has period " +
                                              std::to_string(facts.largest_letter_period) + " (exact or cast steps)"
                                        : "";

  {
    FamilyDecision d = decided("diagonal or triangular, [0,1]", "Mamba, GLA, mLSTM, Mamba-2");
    if (aperiodic) {
      star_free(d, facts, sarrof);
    } else if (not_aperiodic) {
      deny(d, "a word acts with period > 1, and orbits of such layers end in fixed points", theorem_1, on_the_bits);
    } else {
      say(d, Answer::unknown, no_flag, "");
    }
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d = decided("real diagonal or triangular, [-1,1]", "Mamba with 2 exp(dt A) - 1");
    if (aperiodic) {
      star_free(d, facts, sarrof);
    } else if (two_groups) {
      say(d, Answer::yes, "only 2-groups: layers of signs on layers of signs", theorem_2);
      if (facts.is_group && facts.elementary_2_group.value_or(false)) {
        d.layers = 1;
        d.size = facts.degree;
        d.reason = "an elementary abelian 2-group: signs in one layer";
      }
    } else if (odd) {
      deny(d, "an element of odd prime order, and periods of such layers are powers of two", theorem_2, on_the_bits);
    } else {
      say(d, Answer::unknown, no_flag, "");
    }
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d = decided("complex diagonal", "S4 and LRU with complex eigenvalues");
    if (aperiodic) {
      star_free(d, facts, sarrof);
    } else if (solvable) {
      say(d, Answer::yes, "solvable groups: one layer for each abelian factor of a subnormal series", "Krohn-Rhodes");
      if (facts.abelian_group.value_or(false)) {
        d.layers = 1;
        d.reason = "an abelian group: one layer of rotations";
      }
    } else if (not_solvable) {
      deny(d, "a group that is not solvable, and such layers build solvable ones", "Krohn-Rhodes", exact);
    } else {
      say(d, Answer::unknown, no_flag, "");
    }
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d = decided("generalized Householder, [0,1], any n_h", "DeltaNet, Gated DeltaNet, DeltaProduct");
    if (aperiodic) {
      star_free(d, facts, "projections as resets");
      d.householder = 1;
    } else if (not_aperiodic) {
      deny(d, "every factor contracts, so powers of a word's matrix converge: no group", theorem_1, with_margin);
    } else {
      say(d, Answer::unknown, no_flag, "");
    }
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d = decided("generalized Householder, [-1,1], n_h = 1", "DeltaNet with beta in (0,2)");
    d.householder = 1;
    if (facts.is_group && facts.reflections && *facts.reflections <= 1) {
      d.layers = 1;
      d.size = facts.degree;
      say(d, Answer::yes, "every letter is a reflection or does nothing", theorem_3);
    } else if (aperiodic) {
      star_free(d, facts, theorem_4);
    } else if (facts.is_group && facts.abelian_group.value_or(false) && facts.largest_letter_period >= 3) {
      say(d, Answer::yes, "two layers for each cyclic factor: a rotation is two reflections in turn", theorem_2);
      d.reason += not_one_layer;
    } else {
      say(d, Answer::yes, "at most four layers for each permutation level, one for each reset level", theorem_4);
      d.reason += not_one_layer;
    }
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d = decided("generalized Householder, [-1,1], n_h as needed", "DeltaProduct with beta in (0,2)");
    if (facts.is_group && facts.reflections) {
      d.layers = *facts.degree <= 1 ? 0 : 1;
      d.size = facts.degree;
      d.householder = facts.reflections;
      say(d, Answer::yes,
          "one layer: the group permutes " + std::to_string(*facts.degree) + " coordinates, a letter takes at most " +
              std::to_string(*facts.reflections) + (*facts.reflections == 1 ? " reflection" : " reflections"),
          theorem_3);
    } else {
      say(d, Answer::yes, "a cascade of permutations and resets", theorem_4);
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
    FamilyDecision d = decided("RWKV-7 widened (decay 1, removal up to 2)", "RWKV-7 as in its paper's proof");
    say(d, Answer::yes, "every regular language at constant depth", "RWKV-7 paper (2025)");
    table.push_back(std::move(d));
  }
  {
    FamilyDecision d = decided("RWKV-7, released format", "RWKV-7 checkpoints");
    if (aperiodic) {
      star_free(d, facts, sarrof);
    } else if (facts.largest_letter_period > 1) {
      deny(d,
           "the letter '" + facts.letter + "' has period " + std::to_string(facts.largest_letter_period) +
               ", and a letter's spectrum is real and in (-0.455, 1)",
           "form of the layer", with_margin);
    } else if (not_aperiodic) {
      say(d, Answer::unknown, "its groups need words of several letters", "");
    } else {
      say(d, Answer::unknown, no_flag, "");
    }
    table.push_back(std::move(d));
  }
  if (facts.is_group && facts.degree == std::size_t{1}) {
    for (FamilyDecision& d : table) {
      say(d, Answer::yes, "one state: every word has the same label", "nothing to remember");
      d.layers = d.size = 0;
      if (d.householder) d.householder = 0;
    }
  }
  return table;
}

}  // namespace krohn
