// The licence of a scan. The carried state of a run (hidden states of every layer, in their stored bits, and whether
// the run is undefined) determines all that follows, so where the states that words reach are finitely many, the model
// on its bits *is* the machine whose transitions are the steps between them, in the named semantics and with every
// rounding: what a piece of a sequence does to that machine's states is what it does to the model. Composition of
// transformations is associative whatever the arithmetic was, so the cut into pieces cannot matter.
//
// The monoid is listed breadth first (right multiplication by symbols). A shortest word without its first symbol is a
// shortest word again, hence listed earlier, which gives `rest` from the row of the parent's. Cost: elements * symbols
// * states look-ups, elements * states words of memory. Tested by tests/engine/scan_test.cpp.
#include "scan_plan.hpp"

#include <algorithm>
#include <span>
#include <unordered_set>

namespace krohn {
namespace {

constexpr std::size_t max_steps = std::size_t{1} << 20U;
/// Bytes of the states listed.
constexpr std::size_t max_bytes = std::size_t{1} << 28U;
/// About a third of a second.
constexpr std::size_t max_work = std::size_t{1} << 26U;

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

std::variant<ScanPlan, std::string> plan_scan(const Machine& model) {
  const std::size_t steps = std::min(max_steps, max_bytes / std::max<std::size_t>(1, model.state_size()));
  std::optional<Reachable> machine = reachable_states(model, steps);
  if (!machine) {
    return "its runs reach too many hidden states to list (more than " + std::to_string(steps) +
           " steps), or one that is not a finite number";
  }
  const auto num_symbols = static_cast<std::uint32_t>(model.alphabet().size());
  std::optional<TransformationMonoid> monoid = transformation_monoid(machine->next, num_symbols, max_work);
  return ScanPlan{std::move(*machine), std::move(monoid)};
}

}  // namespace krohn
