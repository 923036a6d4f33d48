// Letters that permute or reset, and layers of points. Tested by tests/compile/square_symmetries_test.cpp and
// tests/compile/octahedral_test.cpp.
#include "permuting_letters.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace krohn {
namespace {

constexpr std::size_t max_generators = 3;
constexpr std::size_t max_elements = 4096;

bool is_permutation(const Images& letter) {
  std::vector<bool> seen(letter.size(), false);
  for (const State q : letter) seen[q] = true;
  return std::find(seen.begin(), seen.end(), false) == seen.end();
}

/// Fills in generators and words; false past a cap.
bool find_generators(PermutingLetters& letters) {
  std::map<Images, std::vector<std::size_t>> words;
  const auto close = [&] {
    words.clear();
    Images identity(letters.images.front().size());
    std::iota(identity.begin(), identity.end(), 0U);
    std::vector<Images> found{identity};
    words.emplace(identity, std::vector<std::size_t>());
    for (std::size_t i = 0; i < found.size(); ++i) {
      for (std::size_t g = 0; g < letters.generators.size(); ++g) {
        Images next = composed(found[i], letters.generators[g]);
        if (words.contains(next)) continue;
        std::vector<std::size_t> word = words.at(found[i]);
        word.push_back(g);
        if (words.size() == max_elements) return false;
        words.emplace(next, std::move(word));
        found.push_back(std::move(next));
      }
    }
    return true;
  };
  if (!close()) return false;
  for (std::size_t l = 0; l < letters.images.size(); ++l) {
    if (!letters.permutes[l] || words.contains(letters.images[l])) continue;
    letters.generators.push_back(letters.images[l]);
    if (letters.generators.size() > max_generators || !close()) return false;
  }
  // Later ones may have made earlier ones superfluous.
  const std::size_t order = words.size();
  for (std::size_t i = 0; i < letters.generators.size() && letters.generators.size() > 1;) {
    const std::vector<Images> all = letters.generators;
    letters.generators.erase(letters.generators.begin() + static_cast<std::ptrdiff_t>(i));
    if (close() && words.size() == order) continue;
    letters.generators = all;
    close();
    ++i;
  }
  for (std::size_t l = 0; l < letters.images.size(); ++l) {
    letters.word.push_back(letters.permutes[l] ? words.at(letters.images[l]) : std::vector<std::size_t>());
  }
  return true;
}

}  // namespace

Images composed(const Images& first, const Images& second) {
  Images result(first.size());
  for (std::size_t q = 0; q < first.size(); ++q) result[q] = second[first[q]];
  return result;
}

std::optional<PermutingLetters> permuting_letters(const Dfa& minimal) {
  if (minimal.num_states() < 2 || minimal.num_states() > max_slots) return std::nullopt;
  PermutingLetters letters;
  std::map<Images, std::int32_t> rows;
  for (Symbol a = 0; a < minimal.num_symbols(); ++a) {
    const Images images = minimal.letter(a);
    const auto [at, is_new] = rows.try_emplace(images, static_cast<std::int32_t>(letters.images.size()));
    letters.row_of_symbol.push_back(at->second);
    if (!is_new) continue;
    letters.images.push_back(images);
    letters.symbol_of_row.push_back(a);
    letters.permutes.push_back(is_permutation(images));
    const bool resets = std::all_of(images.begin(), images.end(), [&](State q) { return q == images.front(); });
    if (!letters.permutes.back() && !resets) return std::nullopt;
  }
  if (!find_generators(letters)) return std::nullopt;
  return letters;
}

std::optional<CompiledGroup> layer_of_points(const Dfa& minimal, const PermutingLetters& letters,
                                             std::vector<TokenRow> rows, const std::vector<std::vector<float>>& points,
                                             const std::vector<State>& states) {
  const std::size_t size = points.front().size();
  for (std::size_t l = 0; l < letters.images.size(); ++l) {
    if (letters.permutes[l]) continue;
    const auto at = std::find(states.begin(), states.end(), letters.images[l].front());
    if (at == states.end()) return std::nullopt;
    rows[l].gate = {0.0F};
    const std::vector<float>& target = points[static_cast<std::size_t>(at - states.begin())];
    for (std::uint32_t j = 0; j < size; ++j) {
      if (target[j] != 0.0F) rows[l].write.push_back({j, target[j]});
    }
  }
  SlotReadout readout;
  std::vector<std::int32_t> labels;
  for (std::size_t slot = 0; slot < points.size(); ++slot) {
    std::vector<Entry>& weight = readout.weight.emplace_back();
    for (std::uint32_t j = 0; j < size; ++j) {
      if (points[slot][j] != 0.0F) weight.push_back({j, points[slot][j]});
    }
    readout.bias.push_back(0.0F);
    // A state whose label does not matter gets label 0: undefined_label would stay for ever.
    const LabelId label = minimal.label(states[slot]);
    labels.push_back(label == null_label && !minimal.label_names().empty() ? 0 : label);
  }
  TableLayer layer{TokenTable(size, 1, rows), points.front(), {std::move(readout)}, false, {}, {}, {}, labels};
  for (std::uint32_t row = 0; row < rows.size(); ++row) layer.row_action.push_back(row);
  layer.row_readout.assign(rows.size(), 0);
  layer.row_next.assign(rows.size(), 0);
  return CompiledGroup{LrnnModel(minimal.alphabet(), minimal.label_names(), minimal.label(minimal.start()),
                                 letters.row_of_symbol, {std::move(layer)}),
                       one_layer_hint(states, letters.symbol_of_row), true, std::nullopt};
}

}  // namespace krohn
