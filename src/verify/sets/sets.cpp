// The search for endings, depth first: a node whose readout is right is a leaf, any other is replaced by its words with
// a symbol before them. Every word is in a leaf, or begins at the first situation and is tried by itself. Invariant:
// each word of length >= 1 ends in a leaf found, in a node still open, or was itself tried. Cost: some tens of
// enclosed readouts a node.
#include "krohn/verify/sets.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <utility>

#include "krohn/error.hpp"
#include "sets/enclosing.hpp"
#include "sets/endings.hpp"
#include "sets/readout.hpp"
#include "sets/system.hpp"

namespace krohn {
namespace {

/// Horizons are tried upwards from the first, by these steps, and no further than the last.
constexpr std::uint64_t first_length = 25;
constexpr std::uint64_t last_length = 1'000'000;
/// The first of them may take so many enclosed readouts.
constexpr std::uint64_t first_evaluations = 5000;
constexpr int halvings = 16;
/// Of one symbol, before an ending that is given up: what decays slowly has gone far by then.
constexpr std::size_t long_runs[] = {1000, 30000, 200000};
/// A leaf takes memory in the certificate.
constexpr std::size_t most_endings = std::size_t{1} << 20U;
constexpr std::size_t longest_ending = 4096;

/// The right label on a word, by the canonical form.
bool right_on(const Machine& machine, const Specification& specification, const Word& word) {
  std::vector<std::byte> state(machine.state_size());
  Observation seen = machine.initial(state);
  State q = specification.automaton().start();
  for (const Symbol a : word) {
    seen = machine.step(state, a);
    q = specification.automaton().next(q, a);
  }
  return specification.agrees(seen.label, q);
}

std::string in_letters(const Machine& machine, const Word& word) {
  std::string text;
  const std::size_t shown = std::min<std::size_t>(word.size(), 24);
  if (shown < word.size()) text = "..";
  for (std::size_t i = word.size() - shown; i < word.size(); ++i) text += machine.alphabet().name(word[i]);
  return text;
}

struct Search {
  bool done = false;
  std::vector<InductiveSetsEvidence::Ending> endings;
  std::optional<Word> wrong;
  std::string outcome;
};

/// Whether a symbol more in front changes nothing that the readout sees.
bool stands_still(const sets::Node& before, const sets::Node& after) {
  if (before.situation != after.situation) return false;
  const auto close = [](const std::vector<double>& a, const std::vector<double>& b) {
    double most = 1e-30;
    double change = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      most = std::max(most, std::abs(a[i]));
      change = std::max(change, std::abs(a[i] - b[i]));
    }
    return change <= 1e-9 * most;
  };
  return close(before.functionals, after.functionals) && close(before.parts, after.parts);
}

/// A shortest word to every situation.
std::vector<Word> words_to_situations(const sets::System& system) {
  std::vector<Word> words(system.situations().size());
  std::vector<bool> met(words.size(), false);
  std::vector<std::uint32_t> queue = {0};
  met[0] = true;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    for (Symbol a = 0; a < system.symbols(); ++a) {
      const std::uint32_t to = system.next(queue[i], a);
      if (met[to]) continue;
      met[to] = true;
      words[to] = words[queue[i]];
      words[to].push_back(a);
      queue.push_back(to);
    }
  }
  return words;
}

Search search(const Machine& machine, const sets::System& system, sets::Endings& tree, const Budget& budget,
              std::uint64_t most_evaluations) {
  Search result;
  std::vector<sets::Node> open;
  for (std::uint32_t s = 0; s < system.situations().size(); ++s) {
    for (Symbol a = 0; a < system.symbols(); ++a) open.push_back(tree.root(s, a));
  }
  std::size_t longest = 0;
  while (!open.empty()) {
    sets::Node node = std::move(open.back());
    open.pop_back();
    longest = std::max(longest, node.word.size());
    const auto give_up = [&](const std::string& why) {
      const char* lost = tree.lost();
      result.outcome = why + " at endings of " + std::to_string(node.word.size()) + " symbols (" +
                       std::to_string(result.endings.size()) + " shown, open: " + in_letters(machine, node.word) +
                       "); what was lost there: " + (lost == nullptr ? "the margin of the logits" : lost);
    };
    // Where all words that end so are alike to the readout, or nearly, some of them are tried.
    const auto is_wrong = [&] {
      std::vector<Word> words = {words_to_situations(system)[node.situation]};
      for (const std::size_t times : long_runs) {
        for (Symbol a = 0; a < system.symbols(); ++a) words.emplace_back(times, a);
      }
      for (Word& word : words) {
        word.insert(word.end(), node.word.begin(), node.word.end());
        if (right_on(machine, system.specification(), word)) continue;
        result.outcome = "a wrong word of length " + std::to_string(word.size());
        result.wrong = std::move(word);
        return true;
      }
      return false;
    };
    const bool over = budget.interrupted() || budget.out_of_time();
    if (over || tree.evaluations() > most_evaluations) {
      if (is_wrong()) return result;
      give_up(over ? "the time was used up" : "the enclosed readouts were used up");
      return result;
    }
    if (tree.right(node, halvings)) {
      result.endings.push_back({node.situation, std::move(node.word)});
      if (result.endings.size() > most_endings) {
        give_up("too many endings");
        return result;
      }
      continue;
    }
    if (node.word.size() >= longest_ending) {
      if (is_wrong()) return result;
      give_up("the readout is not enclosed");
      return result;
    }
    if (node.situation == 0 && !right_on(machine, system.specification(), node.word)) {
      result.wrong = node.word;
      result.outcome = "a wrong word of length " + std::to_string(node.word.size());
      return result;
    }
    for (const sets::System::Predecessor& predecessor : system.predecessors(node.situation)) {
      sets::Node longer = tree.before(node, predecessor);
      if (stands_still(node, longer)) {
        if (is_wrong()) return result;
        give_up("the sets are too wide where more symbols tell nothing more");
        return result;
      }
      open.push_back(std::move(longer));
    }
  }
  result.done = true;
  result.outcome = std::to_string(result.endings.size()) + " endings of up to " + std::to_string(longest) + " symbols";
  return result;
}

}  // namespace

SetsReport enclose(const Machine& machine, const Specification& specification, const SetsOptions& options) {
  SetsReport report;
  const std::optional<LearnedView> learned = learned_of(machine);
  if (!learned) {
    report.outcome = "not a learned model";
    return report;
  }
  if (const auto obstacle = sets::System::obstacle(learned->program)) {
    report.outcome = "does not apply: " + *obstacle;
    return report;
  }
  const sets::System system(learned->program, learned->task, specification);
  if (!system.situations().empty() && system.contracts() && !sets::is_definite(specification.automaton())) {
    report.outcome =
        "does not apply: the model forgets all in time (every decay is below 1), so that only definite languages can "
        "be "
        "proved of it, and this language is none";
    return report;
  }
  const sets::Chosen chosen = sets::choose_family(system);
  if (chosen.family == nullptr) {
    report.outcome = "does not apply: " + chosen.obstacle;
    return report;
  }
  sets::Enclosing& family = *chosen.family;
  if (const auto obstacle = family.close(options.budget)) {
    report.outcome = *obstacle;
    return report;
  }
  std::vector<std::byte> state(machine.state_size());
  if (!specification.agrees(machine.initial(state).label, specification.automaton().start())) {
    report.wrong = Word{};
    report.outcome = "a wrong word of length 0";
    return report;
  }
  const std::unique_ptr<sets::Readout> readout = sets::make_readout(system, family);
  const std::unique_ptr<sets::Readout> fine = sets::make_fine_readout(system, family);
  // True if that settled something.
  const auto attempt = [&](std::optional<std::uint64_t> length, std::uint64_t most_evaluations) {
    if (length) {
      if (const auto obstacle = family.close_up_to(*length, options.budget)) {
        report.outcome = *obstacle;
        return false;
      }
    }
    if (!family.bound_rounding(length)) {
      report.outcome = "the rounding is not bounded";
      return false;
    }
    sets::Endings tree(system, family, *readout, fine.get());
    Search found = search(machine, system, tree, options.budget, most_evaluations);
    report.evaluations += tree.evaluations();
    report.outcome = std::string(family.name()) + ": " + found.outcome;
    // A horizon that was found stands, and so does the question about shorter words.
    const bool beside =
        found.wrong && ((length && report.sets) || (options.up_to && found.wrong->size() > *options.up_to));
    if (!beside) report.wrong = std::move(found.wrong);
    if (!found.done) return report.wrong.has_value();
    report.sets = InductiveSetsEvidence{std::string(family.name()),
                                        length,
                                        system.inputs(),
                                        family.tables().grids,
                                        family.tables().supports,
                                        family.tables().errors,
                                        family.tables().rates,
                                        std::move(found.endings)};
    if (length) report.outcome += ", rounding bounded for " + std::to_string(*length) + " symbols";
    return true;
  };
  constexpr std::uint64_t no_limit = ~std::uint64_t{0};
  if (family.bound_rounding(std::nullopt)) {
    attempt(std::nullopt, no_limit);
    return report;
  }
  // Errors are kept for ever: a horizon. Twice the length while that holds, with some times the work of the last that
  // held; then a quarter more, from the tables of the last that held.
  std::uint64_t length = std::min(options.up_to.value_or(first_length), first_length);
  std::uint64_t most_evaluations = first_evaluations;
  family.keep();
  std::string lost;
  for (const auto& [factor, over] : {std::pair<std::uint64_t, std::uint64_t>{2, 1}, {5, 4}}) {
    while (length <= last_length) {
      const std::string before = report.outcome;
      const std::uint64_t used = report.evaluations;
      if (!attempt(length, most_evaluations)) {
        if (report.sets) {
          lost = "; for " + std::to_string(length) + ": " + report.outcome;
          report.outcome = before;
        }
        break;
      }
      if (report.wrong) return report;
      family.keep();
      if (options.up_to && length >= *options.up_to) return report;
      most_evaluations = 20 * (report.evaluations - used) + 2000;
      length = std::min(length * factor / over, options.up_to.value_or(~std::uint64_t{0}));
    }
    if (!report.sets) return report;
    family.go_back();
    length = std::min(*report.sets->length * 5 / 4, options.up_to.value_or(~std::uint64_t{0}));
  }
  report.outcome += lost;
  return report;
}

std::optional<std::string> refuse_sets(const InductiveSetsEvidence& claimed, const Machine& machine,
                                       const Specification& specification) {
  const std::optional<LearnedView> learned = learned_of(machine);
  if (!learned) return "the machine is not of a learned model";
  if (const auto obstacle = sets::System::obstacle(learned->program)) return "the method does not apply: " + *obstacle;
  const sets::System system(learned->program, learned->task, specification);
  const sets::Chosen chosen = sets::choose_family(system);
  if (chosen.family == nullptr) return "the method does not apply: " + chosen.obstacle;
  sets::Enclosing& family = *chosen.family;
  if (family.name() != claimed.family) return "the sets are of another family";
  if (claimed.inputs != system.inputs()) return "the inputs of the recurrence are others";
  if (!family.set_tables({claimed.grids, claimed.supports, claimed.errors, claimed.rates}))
    return "the tables are of another size, or the grids none";
  if (!family.closed(claimed.length)) return "the sets are not closed";
  if (!family.bound_rounding(claimed.length)) return "the rounding has no bound";
  if (!right_on(machine, specification, {})) return "the label of the empty word is wrong";
  const std::unique_ptr<sets::Readout> readout = sets::make_readout(system, family);
  const std::unique_ptr<sets::Readout> fine = sets::make_fine_readout(system, family);
  sets::Endings tree(system, family, *readout, fine.get());
  std::set<std::pair<std::uint32_t, Word>> endings;
  std::size_t longest = 0;
  for (const InductiveSetsEvidence::Ending& ending : claimed.endings) {
    if (ending.word.empty() || ending.word.size() > longest_ending || ending.situation >= system.situations().size()) {
      return "an ending is not one";
    }
    for (const Symbol a : ending.word) {
      if (a >= system.symbols()) return "an ending is not one";
    }
    longest = std::max(longest, ending.word.size());
    endings.emplace(ending.situation, ending.word);
  }
  // The same walk, which now only looks up. Where finitely many words lead, nodes may be longer than the endings.
  longest += system.situations().size();
  std::vector<sets::Node> open;
  for (std::uint32_t s = 0; s < system.situations().size(); ++s) {
    for (Symbol a = 0; a < system.symbols(); ++a) open.push_back(tree.root(s, a));
  }
  while (!open.empty()) {
    const sets::Node node = std::move(open.back());
    open.pop_back();
    if (endings.contains({node.situation, node.word})) {
      if (!tree.right(node, halvings)) return "behind an ending the readout is not right";
      continue;
    }
    if (node.word.size() >= longest) return "the endings are not complete";
    if (node.situation == 0 && !right_on(machine, specification, node.word)) return "a word is answered wrongly";
    for (const sets::System::Predecessor& predecessor : system.predecessors(node.situation)) {
      open.push_back(tree.before(node, predecessor));
    }
  }
  return std::nullopt;
}

}  // namespace krohn
