// The hint is no verdict: it rests on words of a fixed seed, so that the same command says the same.
// Tested by tests/tools/language_commands_test.cpp.
#include "krohn/verify/opposite_order.hpp"

#include <vector>

#include "krohn/automata/catalog.hpp"
#include "krohn/error.hpp"
#include "krohn/numeric/splitmix64.hpp"

namespace krohn {
namespace {

constexpr int num_words = 300;
constexpr std::uint64_t max_length = 8;

std::optional<std::string> opposite_of(const std::string& language) {
  for (const std::string accept : {"", "accept:"}) {
    for (const auto& [one, other] : {std::pair("word:", "word-left:"), std::pair("word-left:", "word:")}) {
      if (language.starts_with(accept + one)) return accept + other + language.substr((accept + one).size());
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> opposite_order_hint(const Machine& model, const std::string& language) {
  const std::optional<std::string> opposite = opposite_of(language);
  if (!opposite) return std::nullopt;
  const Dfa asked = catalog_language(language);
  const Dfa other = catalog_language(*opposite);
  std::vector<Symbol> in_model;
  for (const std::string& name : other.alphabet().names()) {
    const std::optional<Symbol> symbol = model.alphabet().find(name);
    if (!symbol) return std::nullopt;
    in_model.push_back(*symbol);
  }
  SplitMix64 random(1);
  std::vector<std::byte> state(model.state_size());
  bool differs = false;  // the two orders, on a word that was run
  try {
    for (int i = 0; i < num_words; ++i) {
      Observation seen = model.initial(state);
      State q = other.start();
      State r = asked.start();
      for (std::uint64_t length = 2 + random.next() % (max_length - 1); length > 0; --length) {
        const auto symbol = static_cast<Symbol>(random.next() % other.num_symbols());
        seen = model.step(state, in_model[symbol]);
        q = other.next(q, symbol);
        r = asked.next(r, symbol);
      }
      const bool known = seen.label >= 0 && static_cast<std::size_t>(seen.label) < model.label_names().size();
      const std::string& expected = other.label_name(other.label(q));
      if (!known || model.label_names()[static_cast<std::size_t>(seen.label)] != expected) return std::nullopt;
      differs = differs || expected != asked.label_name(asked.label(r));
    }
  } catch (const NumericError&) {
    return std::nullopt;
  }
  if (!differs) return std::nullopt;
  return "on " + std::to_string(num_words) + " random words the model agrees with " + *opposite +
         ", where products take a new element in the other order; krohn check with that language decides";
}

}  // namespace krohn
