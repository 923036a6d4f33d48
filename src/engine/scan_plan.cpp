// The licence of a scan. The carried state of a run (hidden states of every layer, in their stored bits, and whether
// the run is undefined) determines all that follows, so where the states that words reach are finitely many, the model
// on its bits *is* the machine whose transitions are the steps between them, in the named semantics and with every
// rounding: what a piece of a sequence does to that machine's states is what it does to the model. Composition of
// transformations is associative whatever the arithmetic was, so the cut into pieces cannot matter.
//
// Points are blocks of states that symbols move about (of few states, each alone). That the colours of states move as
// the states do is checked for every state and symbol, so that nothing rests on how the action was found; by induction
// it holds of words.
//
// The monoid is listed breadth first (right multiplication by symbols). A shortest word without its first symbol is a
// shortest word again, hence listed earlier, which gives `rest` from the row of the parent's. Cost: elements * symbols
// * states look-ups, elements * states words of memory. Tested by tests/engine/scan_test.cpp.
#include "scan_plan.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <span>
#include <unordered_set>

#include "krohn/automata/group_action.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

constexpr std::size_t max_steps = std::size_t{1} << 20U;
/// Bytes of the states listed.
constexpr std::size_t max_bytes = std::size_t{1} << 28U;
/// About a third of a second.
constexpr std::size_t max_work = std::size_t{1} << 26U;
/// The most entries of a table that is searched for an action on blocks of states.
constexpr std::size_t max_action_entries = std::size_t{1} << 18U;

PointAction::Colours moved_colours(const PointAction::Colours& colours, const std::uint8_t* image) {
  PointAction::Colours out{};
  for (std::size_t p = 0; p < most_points; ++p) {
    if (colours[p] != 0) out[image[p]] = colours[p];
  }
  return out;
}

std::uint64_t key_of(const PointAction::Colours& colours) { return std::bit_cast<std::uint64_t>(colours); }

}  // namespace

std::optional<TransformationMonoid> transformation_monoid(const std::vector<std::uint32_t>& next,
                                                          std::uint32_t num_symbols, std::size_t max_work) {
  if (num_symbols == 0) return std::nullopt;
  const std::size_t states = next.size() / num_symbols;
  std::vector<std::uint32_t> images(states);
  for (std::size_t q = 0; q < states; ++q) images[q] = static_cast<std::uint32_t>(q);
  const auto element = [&](std::uint32_t e) { return std::span(images).subspan(e * states, states); };
  const auto hash = [&](std::uint32_t e) {
    std::size_t h = 0xCBF29CE484222325ULL;  // FNV-1a over words
    for (const std::uint32_t image : element(e)) h = (h ^ image) * 0x100000001B3ULL;
    return h ^ (h >> 32U);
  };
  const auto equal = [&](std::uint32_t a, std::uint32_t b) {
    return std::equal(element(a).begin(), element(a).end(), element(b).begin());
  };
  std::unordered_set<std::uint32_t, decltype(hash), decltype(equal)> seen(16, hash, equal);
  seen.insert(0);
  TransformationMonoid monoid;
  monoid.num_symbols = num_symbols;
  monoid.first = monoid.rest = {0};
  std::size_t work = 0;
  for (std::uint32_t e = 0; e < monoid.first.size(); ++e) {
    for (std::uint32_t a = 0; a < num_symbols; ++a) {
      work += states;
      if (work > max_work || images.size() > max_work / 2 || monoid.right.size() >= piece_scan_max_entries) {
        return std::nullopt;
      }
      // The candidate lies behind the list while it is looked for.
      const auto candidate = static_cast<std::uint32_t>(monoid.first.size());
      images.resize((candidate + std::size_t{1}) * states);
      for (std::size_t q = 0; q < states; ++q) {
        images[candidate * states + q] = next[std::size_t{images[e * states + q]} * num_symbols + a];
      }
      const auto [at, added] = seen.insert(candidate);
      const std::uint32_t product = *at;
      if (added) {
        monoid.first.push_back(e == 0 ? a : monoid.first[e]);
        monoid.rest.push_back(e == 0 ? 0 : monoid.right[std::size_t{monoid.rest[e]} * num_symbols + a]);
      }
      monoid.right.push_back(product);
    }
  }
  return monoid;
}

std::optional<PointAction> PointAction::make(const std::vector<std::uint32_t>& next, std::uint32_t num_symbols,
                                             std::vector<std::uint8_t> image, std::vector<Colours> colours) {
  PointAction action;
  for (std::uint32_t q = 0; q < colours.size(); ++q) {
    if (!action.state_of_.emplace(key_of(colours[q]), q).second) return std::nullopt;
    for (std::uint32_t a = 0; a < num_symbols; ++a) {
      const Colours& expected = colours[next[std::size_t{q} * num_symbols + a]];
      if (moved_colours(colours[q], image.data() + std::size_t{a} * most_points) != expected) return std::nullopt;
    }
  }
  action.num_symbols_ = num_symbols;
  action.image_ = std::move(image);
  action.colours_ = std::move(colours);
  return action;
}

std::uint32_t PointAction::after(std::uint32_t state, const PointImages& moved) const {
  return state_of_.at(key_of(moved_colours(colours_[state], moved.data())));
}

std::optional<PointAction> find_points(const std::vector<std::uint32_t>& next, std::uint32_t num_symbols) {
  if (num_symbols == 0) return std::nullopt;
  const std::size_t states = next.size() / num_symbols;
  std::vector<std::uint8_t> image(std::size_t{num_symbols} * most_points);
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<std::uint8_t>(i % most_points);
  std::vector<PointAction::Colours> colours(states);
  if (states <= most_points) {
    for (std::size_t q = 0; q < states; ++q) {
      colours[q][q] = 1;
      for (std::size_t a = 0; a < num_symbols; ++a) {
        image[a * most_points + q] = static_cast<std::uint8_t>(next[q * num_symbols + a]);
      }
    }
    return PointAction::make(next, num_symbols, std::move(image), std::move(colours));
  }
  if (next.size() > max_action_entries) return std::nullopt;
  std::vector<char> reached(states);
  for (std::size_t a = 0; a < num_symbols; ++a) {
    std::fill(reached.begin(), reached.end(), char{0});
    for (std::size_t q = 0; q < states; ++q) reached[next[q * num_symbols + a]] = 1;
    if (std::count(reached.begin(), reached.end(), char{0}) != 0) return std::nullopt;
  }
  std::vector<std::string> names;
  for (std::size_t a = 0; a < num_symbols; ++a) names.push_back(std::to_string(a));
  const std::optional<GroupAction> found = [&]() -> std::optional<GroupAction> {
    try {
      return find_action(Dfa::acceptor(Alphabet(names), 0, next, std::vector<bool>(states)));
    } catch (const ResourceError&) {
      return std::nullopt;  // many states that no few blocks tell apart
    }
  }();
  if (!found || found->degree > most_points) return std::nullopt;
  const GroupAction& action = *found;
  for (std::size_t a = 0; a < num_symbols; ++a) {
    const std::vector<std::uint32_t>& letter = action.letters[action.letter_of_symbol[a]];
    std::copy(letter.begin(), letter.end(), image.begin() + static_cast<std::ptrdiff_t>(a * most_points));
  }
  for (std::size_t q = 0; q < states; ++q) {
    const auto colour = action.state_colour(static_cast<State>(q));
    std::copy(colour.begin(), colour.end(), colours[q].begin());
  }
  return PointAction::make(next, num_symbols, std::move(image), std::move(colours));
}

std::uint32_t ScanPlan::after_element(std::uint32_t state, std::uint32_t element) const {
  for (; element != 0; element = monoid->rest[element]) state = step(state, monoid->first[element]);
  return state;
}

std::unique_ptr<PieceScan> ScanPlan::open(std::size_t capacity) const {
  if (points) return std::make_unique<PieceScan>(points->view(), capacity);
  if (monoid) return std::make_unique<PieceScan>(monoid->view(), capacity);
  return std::make_unique<PieceScan>(
      MachineView{static_cast<std::uint32_t>(machine.count), num_symbols, machine.next.data()}, capacity);
}

std::uint32_t ScanPlan::after(std::uint32_t state, const PieceEffect& effect) const {
  if (points) return points->after(state, effect.points);
  return monoid ? after_element(state, effect.element) : effect.image[state];
}

std::variant<ScanPlan, std::string> plan_scan(const Machine& model) {
  const std::size_t steps = std::min(max_steps, max_bytes / std::max<std::size_t>(1, model.state_size()));
  std::optional<Reachable> machine = reachable_states(model, steps);
  if (!machine) {
    return "its runs reach too many hidden states to list (more than " + std::to_string(steps) +
           " steps), or one that is not a finite number";
  }
  const auto num_symbols = static_cast<std::uint32_t>(model.alphabet().size());
  std::optional<TransformationMonoid> monoid = transformation_monoid(machine->next, num_symbols, max_work);
  return ScanPlan{num_symbols, std::move(*machine), std::nullopt, std::move(monoid)};
}

}  // namespace krohn
