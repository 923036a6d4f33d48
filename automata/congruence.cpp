// Congruences by union-find: whenever two states are joined, their successors under each letter are joined too. The
// congruences that one pair generates are the join-irreducible candidates for splitting an automaton into a quotient
// and its classes; collapsing the states that one state reaches (a union of strongly connected components that no
// letter leaves) is the case of a Rees quotient.
#include "krohn/automata/congruence.hpp"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

namespace krohn {

namespace {

// Beyond it all pairs take longer than everything else that makes a cascade.
constexpr std::size_t max_states_for_congruences = 128;

}  // namespace

namespace {

// As generated_congruence; the pairs that are looked at are counted.
Partition closed(std::size_t num_states, const std::vector<std::vector<State>>& letters,
                 const std::vector<State>& equivalent, std::size_t& pairs) {
  std::vector<State> parent(num_states);
  std::iota(parent.begin(), parent.end(), State{0});
  const auto find = [&](State q) {
    while (parent[q] != q) q = parent[q] = parent[parent[q]];
    return q;
  };
  std::vector<std::pair<State, State>> waiting;
  for (std::size_t i = 1; i < equivalent.size(); ++i) waiting.emplace_back(equivalent[0], equivalent[i]);
  std::size_t classes_left = num_states;
  while (!waiting.empty() && classes_left > 1) {
    const State a = find(waiting.back().first);
    const State b = find(waiting.back().second);
    const auto [p, q] = waiting.back();
    waiting.pop_back();
    ++pairs;
    if (a == b) continue;
    parent[b] = a;
    --classes_left;
    for (const std::vector<State>& letter : letters) waiting.emplace_back(letter[p], letter[q]);
  }
  Partition partition(num_states);
  std::vector<std::uint32_t> number(num_states, UINT32_MAX);
  std::uint32_t count = 0;
  for (State q = 0; q < num_states; ++q) {
    std::uint32_t& known = number[find(q)];
    if (known == UINT32_MAX) known = count++;
    partition[q] = known;
  }
  return partition;
}

}  // namespace

Partition generated_congruence(std::size_t num_states, const std::vector<std::vector<State>>& letters,
                               const std::vector<State>& equivalent) {
  std::size_t pairs = 0;
  return closed(num_states, letters, equivalent, pairs);
}

std::vector<std::vector<State>> classes_of(const Partition& partition) {
  std::vector<std::vector<State>> classes;
  for (State q = 0; q < partition.size(); ++q) {
    if (partition[q] >= classes.size()) classes.resize(partition[q] + 1);
    classes[partition[q]].push_back(q);
  }
  return classes;
}

std::vector<std::vector<State>> quotient_letters(const std::vector<std::vector<State>>& letters,
                                                 const Partition& partition) {
  const std::vector<std::vector<State>> classes = classes_of(partition);
  std::vector<std::vector<State>> result;
  for (const std::vector<State>& letter : letters) {
    std::vector<State>& images = result.emplace_back();
    for (const std::vector<State>& members : classes) images.push_back(partition[letter[members.front()]]);
  }
  return result;
}

std::vector<Partition> small_congruences(std::size_t num_states, const std::vector<std::vector<State>>& letters,
                                         std::size_t max_count, std::size_t& budget) {
  if (num_states > max_states_for_congruences) return {};
  std::set<std::pair<std::size_t, Partition>> found;
  const auto consider = [&](const std::vector<State>& equivalent) {
    std::size_t pairs = 0;
    Partition partition = closed(num_states, letters, equivalent, pairs);
    budget -= std::min(budget, pairs);
    const std::vector<std::vector<State>> classes = classes_of(partition);
    if (classes.size() == 1 || classes.size() == num_states) return;
    std::size_t largest = 0;
    for (const std::vector<State>& members : classes) largest = std::max(largest, members.size());
    found.emplace(classes.size() + largest, std::move(partition));
    if (found.size() > max_count) found.erase(std::prev(found.end()));
  };
  // What one state reaches comes first, then neighbours: where the budget ends, the few have been tried that often do.
  for (State p = 0; p < num_states && budget > 0; ++p) {
    std::vector<State> reached = {p};
    std::vector<bool> seen(num_states, false);
    seen[p] = true;
    for (std::size_t head = 0; head < reached.size(); ++head) {
      for (const std::vector<State>& letter : letters) {
        const State next = letter[reached[head]];
        if (!seen[next]) {
          seen[next] = true;
          reached.push_back(next);
        }
      }
    }
    budget -= std::min(budget, reached.size() * letters.size());
    if (reached.size() > 1 && reached.size() < num_states) consider(reached);
  }
  for (std::size_t apart = 1; apart < num_states; ++apart) {
    for (std::size_t p = 0; p + apart < num_states && budget > 0; ++p) {
      consider({static_cast<State>(p), static_cast<State>(p + apart)});
    }
  }
  std::vector<Partition> result;
  for (const auto& [size, partition] : found) result.push_back(partition);
  return result;
}

}  // namespace krohn
