// Groups as symmetries of squares, one layer of signs and swaps.
//
// Let the permuting letters have generators g_1 .. g_k, and send these in all 8^k ways to symmetries of a square. The
// images under all ways together, a tuple of symmetries for every word in the generators, form the largest group whose
// homomorphisms to the square's group tell everything apart. If the state behind a word is a function of its tuple, the
// tuples are a model; so it is for the tuple's entries at a few of the ways, the planes of the layer. A square's
// symmetries move the point (1, 2) to eight different points of equal length: the hidden state is these points side by
// side, and the score h_k . h is largest at h = h_k (Cauchy and Schwarz). A coordinate that no letter swaps and without
// which all slots still differ is left out. A slot is a tuple; several slots may stand for one state.
//
// Cost: 8^k times the tuples, each capped. Letters that reset need their target among the states that the permuting
// letters reach from the start.
#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "krohn/compile/group.hpp"
#include "permuting_letters.hpp"

namespace krohn {
namespace {

constexpr std::size_t max_elements = 4096;
constexpr std::size_t max_entries = std::size_t{1} << 23U;

/// r quarter-turns after f flips of the second coordinate, r + 4 f.
using Symmetry = std::uint8_t;

/// First a, then b.
Symmetry then(Symmetry a, Symmetry b) {
  const unsigned ra = a % 4U;
  const unsigned rb = b % 4U;
  const unsigned fb = b / 4U;
  return static_cast<Symmetry>((fb == 0 ? ra + rb : 4 - ra + rb) % 4 + 4 * ((a / 4U) ^ fb));
}

/// Where (1, 2) goes.
std::array<float, 2> point(Symmetry s) {
  std::array<float, 2> p{1.0F, s / 4 == 0 ? 2.0F : -2.0F};
  for (unsigned turn = 0; turn < s % 4U; ++turn) p = {-p[1], p[0]};
  return p;
}

/// The signs of the coordinates, and whether they are swapped afterwards: a quarter-turn is the swap after diag(1, -1).
struct SignedSwap {
  std::array<float, 2> sign;
  bool swaps;
};
SignedSwap signed_swap(Symmetry s) {
  const bool odd = s % 2 != 0;
  std::array<float, 2> sign{1.0F, odd != (s / 4 != 0) ? -1.0F : 1.0F};
  if (s % 4 >= 2) sign = {-sign[0], -sign[1]};
  return {sign, odd};
}

/// Tuples of symmetries and the states that they stand for.
struct Tuples {
  std::vector<std::string> entries;
  std::vector<State> state;
  std::map<std::string, std::size_t> number;
};

/// All that the generators reach, with their images under the ways; nothing where a tuple would stand for two states.
std::optional<Tuples> reach(const std::vector<Images>& generators, const std::vector<std::string>& image, State start,
                            std::size_t most) {
  Tuples tuples;
  const auto add = [&](std::string tuple, State state) {
    const auto [at, is_new] = tuples.number.try_emplace(tuple, tuples.entries.size());
    if (!is_new) return tuples.state[at->second] == state;
    tuples.entries.push_back(std::move(tuple));
    tuples.state.push_back(state);
    return true;
  };
  const std::size_t ways = image.empty() ? 0 : image.front().size();
  add(std::string(ways, 0), start);
  for (std::size_t i = 0; i < tuples.entries.size(); ++i) {
    for (std::size_t g = 0; g < generators.size(); ++g) {
      std::string next(ways, 0);
      for (std::size_t w = 0; w < ways; ++w) {
        next[w] =
            static_cast<char>(then(static_cast<Symmetry>(tuples.entries[i][w]), static_cast<Symmetry>(image[g][w])));
      }
      if (!add(std::move(next), generators[g][tuples.state[i]])) return std::nullopt;
      if (tuples.entries.size() > most) return std::nullopt;
    }
  }
  return tuples;
}

/// The ways that the states need, none of them superfluous: again and again the one that tells the most tuples apart,
/// of those the one in which the fewest generators swap.
/// Ways that are not `allowed` are passed over; nothing where the others do not suffice.
std::optional<std::vector<std::size_t>> needed_ways(const Tuples& all, const std::vector<std::string>& image,
                                                    const std::vector<bool>& allowed) {
  const auto enough = [&](const std::vector<std::size_t>& ways) {
    std::map<std::string, State> seen;
    for (std::size_t i = 0; i < all.entries.size(); ++i) {
      std::string part;
      for (const std::size_t way : ways) part += all.entries[i][way];
      if (seen.try_emplace(std::move(part), all.state[i]).first->second != all.state[i]) return false;
    }
    return true;
  };
  std::vector<std::size_t> ways;
  std::vector<std::size_t> part(all.entries.size(), 0);
  while (!enough(ways)) {
    std::size_t best = 0;
    std::pair<std::size_t, std::size_t> least{~std::size_t{0}, 0};
    std::vector<std::size_t> finest = part;
    std::size_t parts_now = 0;
    for (std::size_t way = 0; way < all.entries.front().size(); ++way) {
      if (!allowed[way]) continue;
      std::map<std::pair<std::size_t, char>, std::size_t> parts;
      std::vector<std::size_t> finer;
      for (std::size_t i = 0; i < part.size(); ++i) {
        finer.push_back(parts.try_emplace({part[i], all.entries[i][way]}, parts.size()).first->second);
      }
      // Pairs in one part, less those of one state.
      std::vector<std::size_t> size(parts.size(), 0);
      std::map<std::pair<std::size_t, State>, std::size_t> of_state;
      for (std::size_t i = 0; i < finer.size(); ++i) {
        ++size[finer[i]];
        ++of_state[{finer[i], all.state[i]}];
      }
      std::size_t confused = 0;
      for (const std::size_t count : size) confused += count * count;
      for (const auto& [key, count] : of_state) confused -= count * count;
      std::size_t swaps = 0;
      for (const std::string& of_generator : image) swaps += of_generator[way] % 2 == 0 ? 0U : 1U;
      if (std::pair(confused, swaps) >= least) continue;
      least = {confused, swaps};
      parts_now = parts.size();
      best = way;
      finest = std::move(finer);
    }
    const std::size_t parts_before = part.empty() ? 0 : *std::max_element(part.begin(), part.end()) + 1;
    if (parts_now <= parts_before) return std::nullopt;
    ways.push_back(best);
    part = std::move(finest);
  }
  for (std::size_t i = ways.size(); i-- > 0;) {
    std::vector<std::size_t> without = ways;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
    if (enough(without)) ways = std::move(without);
  }
  return ways;
}

/// The model of these ways, a plane each; nothing where it takes too many slots or a letter resets out of reach.
std::optional<CompiledGroup> planes_model(const Dfa& minimal, const PermutingLetters& letters,
                                          const std::vector<std::string>& image,
                                          const std::vector<std::size_t>& planes) {
  std::vector<std::string> chosen;
  for (const std::string& of_generator : image) {
    std::string& part = chosen.emplace_back();
    for (const std::size_t way : planes) part += of_generator[way];
  }
  const std::optional<Tuples> slots = reach(letters.generators, chosen, minimal.start(), max_slots);
  if (!slots) return std::nullopt;

  std::vector<std::string> symmetry(letters.images.size(), std::string(planes.size(), 0));
  for (std::size_t l = 0; l < letters.images.size(); ++l) {
    for (const std::size_t g : letters.word[l]) {
      for (std::size_t p = 0; p < planes.size(); ++p) {
        symmetry[l][p] =
            static_cast<char>(then(static_cast<Symmetry>(symmetry[l][p]), static_cast<Symmetry>(chosen[g][p])));
      }
    }
  }

  // Coordinates, and those that can be left out.
  std::vector<std::vector<float>> vectors;
  for (const std::string& tuple : slots->entries) {
    std::vector<float>& vector = vectors.emplace_back();
    for (const char s : tuple) {
      for (const float x : point(static_cast<Symmetry>(s))) vector.push_back(x);
    }
  }
  std::vector<bool> kept(2 * planes.size(), true);
  const auto part_of = [&](const std::vector<float>& vector) {
    std::vector<float> part;
    for (std::size_t j = 0; j < kept.size(); ++j) {
      if (kept[j]) part.push_back(vector[j]);
    }
    return part;
  };
  for (std::size_t j = kept.size(); j-- > 0;) {
    const bool swapped = std::any_of(symmetry.begin(), symmetry.end(), [&](const std::string& tuple) {
      return signed_swap(static_cast<Symmetry>(tuple[j / 2])).swaps;
    });
    if (swapped) continue;
    kept[j] = false;
    std::map<std::vector<float>, std::size_t> seen;
    for (std::size_t i = 0; i < vectors.size(); ++i) seen.try_emplace(part_of(vectors[i]), i);
    kept[j] = seen.size() != vectors.size() || part_of(vectors[0]).empty();
  }
  std::vector<std::uint32_t> place(kept.size(), 0);
  std::uint32_t size = 0;
  for (std::size_t j = 0; j < kept.size(); ++j) {
    place[j] = size;
    size += kept[j] ? 1U : 0U;
  }

  std::vector<TokenRow> table;
  for (std::size_t l = 0; l < letters.images.size(); ++l) {
    TokenRow& row = table.emplace_back();
    if (!letters.permutes[l]) continue;
    std::vector<float> gate(size, 1.0F);
    for (std::size_t p = 0; p < planes.size(); ++p) {
      const SignedSwap s = signed_swap(static_cast<Symmetry>(symmetry[l][p]));
      for (std::size_t c = 0; c < 2; ++c) {
        if (kept[2 * p + c]) gate[place[2 * p + c]] = s.sign[c];
      }
      if (s.swaps) row.factors.push_back({{{place[2 * p], 1.0F}, {place[2 * p + 1], -1.0F}}, 1.0F, {}});
    }
    if (std::any_of(gate.begin(), gate.end(), [](float a) { return a != 1.0F; })) row.gate = std::move(gate);
  }
  std::vector<std::vector<float>> points;
  for (const std::vector<float>& vector : vectors) points.push_back(part_of(vector));
  return layer_of_points(minimal, letters, std::move(table), points, slots->state);
}

}  // namespace

std::optional<CompiledGroup> compile_square_symmetries(const Dfa& minimal) {
  const std::optional<PermutingLetters> letters = permuting_letters(minimal);
  if (!letters) return std::nullopt;
  const std::vector<Images>& generators = letters->generators;
  std::size_t ways = 1;
  for (std::size_t g = 0; g < generators.size(); ++g) ways *= 8;
  std::vector<std::string> image(generators.size(), std::string(ways, 0));
  for (std::size_t way = 0; way < ways; ++way) {
    std::size_t rest = way;
    for (std::string& of_generator : image) {
      of_generator[way] = static_cast<char>(rest % 8);
      rest /= 8;
    }
  }
  const std::optional<Tuples> all =
      reach(generators, image, minimal.start(), std::min(max_elements, max_entries / ways));
  if (!all) return std::nullopt;
  // Signs alone, then images that commute, then all: the least of what suffices.
  std::optional<CompiledGroup> least;
  std::pair<std::size_t, std::size_t> least_size;
  for (const int kind : {0, 1, 2}) {
    std::vector<bool> allowed(ways, true);
    for (std::size_t way = 0; way < ways && kind < 2; ++way) {
      for (const std::string& a : image) {
        const auto x = static_cast<Symmetry>(a[way]);
        if (kind == 0 && x % 2 != 0) allowed[way] = false;
        for (const std::string& b : image) {
          const auto y = static_cast<Symmetry>(b[way]);
          if (then(x, y) != then(y, x)) allowed[way] = false;
        }
      }
    }
    const auto planes = needed_ways(*all, image, allowed);
    if (!planes || planes->empty()) continue;
    std::optional<CompiledGroup> found = planes_model(minimal, *letters, image, *planes);
    if (!found) continue;
    const TokenTable& table = found->model.layers().front().table;
    const std::pair size(table.key_size(), table.num_factors());
    if (least && least_size <= size) continue;
    least = std::move(found);
    least_size = size;
  }
  return least;
}

}  // namespace krohn
