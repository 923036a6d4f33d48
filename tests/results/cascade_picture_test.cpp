// label: quick
// Pictures show the sets of the cascade, and hints of another shape are refused.
#include "krohn/results/cascade_picture.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "corpus.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

TEST_CASE("the picture has a node for each set, an edge for each slot, every state a leaf") {
  for (const std::string id : {"mixed4", "deep6", "re:ab:(a|b)*abb", "S5_nat", "re:all2"}) {
    INFO(id);
    const auto& languages = corpus::languages();
    const auto found =
        std::find_if(languages.begin(), languages.end(), [&](const corpus::Language& l) { return l.id == id; });
    if (found == languages.end()) continue;
    for (const Resets resets : {Resets::automatic, Resets::registers}) {
      CompileOptions options;
      options.resets = resets;
      const CompileResult result = compile(found->dfa, options);
      const std::string dot = cascade_dot(result.model, result.hint);
      const auto count = [&](const std::string& text) {
        std::size_t n = 0;
        for (std::size_t at = dot.find(text); at != std::string::npos; at = dot.find(text, at + 1)) ++n;
        return n;
      };
      CHECK(count("[label=") ==
            result.hint.num_nodes() +
                static_cast<std::size_t>(std::count_if(result.hint.child_node.begin(), result.hint.child_node.end(),
                                                       [](std::int32_t c) { return c >= 0; })));
      CHECK(count("shape=circle") == result.minimal.num_states());
      const std::string text = cascade_text(result.model, result.hint);
      for (std::size_t l = 0; l < result.model.layers().size(); ++l) {
        CHECK(text.find("layer " + std::to_string(l) + ":") != std::string::npos);
      }
    }
  }
}

TEST_CASE("the root of (a|b)*abb is all four states, and lists are cut where asked") {
  const CompileResult result = compile(corpus::language("re:ab:(a|b)*abb").dfa);
  const std::string text = cascade_text(result.model, result.hint);
  CHECK(text.find("{0-3}:") != std::string::npos);
  CHECK(cascade_text(result.model, result.hint, 1).find("more contexts") != std::string::npos);
}

TEST_CASE("hints of another model are refused") {
  const CompileResult result = compile(corpus::language("mixed4").dfa);
  const auto refused = [&](auto change) {
    InvariantHint hint = result.hint;
    change(hint);
    CHECK_THROWS_AS(cascade_dot(result.model, hint), InputError);
    CHECK_THROWS_AS(cascade_text(result.model, hint), InputError);
  };
  refused([](InvariantHint& hint) { hint.row_context.pop_back(); });
  refused([](InvariantHint& hint) { hint.row_context[0].pop_back(); });
  refused([](InvariantHint& hint) { hint.row_context[0][0].new_node = 1000000; });
  refused([](InvariantHint& hint) { hint.root = 1000000; });
  refused([](InvariantHint& hint) { hint.child_offset.pop_back(); });
  refused([](InvariantHint& hint) { hint.child_node[0] = 1000000; });
  refused([](InvariantHint& hint) { std::fill(hint.node_layer.begin(), hint.node_layer.end(), 0U); });
  refused([](InvariantHint& hint) { hint.child_offset[1] = 1000000; });
}

}  // namespace
}  // namespace krohn
