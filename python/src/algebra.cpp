// What algebra says: classifications, monoids element by element, egg boxes, cascades.
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "krohn/automata/cascade.hpp"
#include "krohn/automata/presentation.hpp"
#include "krohn/automata/transition_monoid.hpp"
#include "krohn/compile/option_names.hpp"
#include "krohn/error.hpp"
#include "krohn/results/cascade_report.hpp"
#include "krohn/results/classification.hpp"
#include "krohn/results/figures.hpp"
#include "work.hpp"

namespace krohn::python {
namespace {

using namespace nb::literals;

using Shared = std::shared_ptr<const Classification>;

/// Elements with their words over the automaton's symbols.
struct MonoidTable {
  Dfa dfa;
  TransitionMonoid monoid;
};

std::vector<Transformation> letters_of(const Dfa& dfa) {
  std::vector<Transformation> letters;
  for (Symbol a = 0; a < dfa.num_symbols(); ++a) letters.push_back(dfa.letter(a));
  return letters;
}

Word symbols_of(const std::vector<std::uint32_t>& letters) { return {letters.begin(), letters.end()}; }

void require_element(const MonoidTable& table, std::uint32_t index) {
  if (index < table.monoid.size()) return;
  throw InputError("element: expected a number from 0 to " + std::to_string(table.monoid.size() - 1) + ", got " +
                   std::to_string(index));
}

/// A product of elements given by their words.
std::uint32_t multiply(const TransitionMonoid& monoid, std::uint32_t x, std::uint32_t y) {
  for (const std::uint32_t letter : monoid.word(y)) x = monoid.right(x, letter);
  return x;
}

}  // namespace

void bind_algebra(nb::module_& m) {
  nb::class_<Classification>(m, "Classification", "What algebra says about a language.")
      .def(
          "json", [](const Classification& c, const std::string& name) { return classification_json(c, name); },
          "name"_a)
      .def_prop_ro("minimal", [](const Classification& c) { return c.language.minimal(); })
      .def(
          "egg_boxes",
          [](const Classification& c) {
            nb::list boxes;
            if (!c.green || c.facts.group_on_fewer_points) return boxes;
            for (const DClass& d : c.green->d_classes) {
              nb::dict box;
              box["rank"] = d.rank;
              box["r_classes"] = d.r_classes;
              box["l_classes"] = nb::int_(nb::str(d.l_classes.c_str()));
              box["h_size"] = nb::int_(nb::str(d.h_size.c_str()));
              box["regular"] = d.regular;
              box["group"] = nb::none();
              box["idempotents"] = nb::none();
              if (d.regular) {
                box["group"] = name_group(c.facts.orbit.components()[d.component].group).name;
                nb::list rows;
                for (const std::vector<bool>& row : egg_box(c.facts.orbit, *c.green, d)) {
                  nb::list cells;
                  for (const bool cell : row) cells.append(cell);
                  rows.append(cells);
                }
                box["idempotents"] = rows;
              }
              boxes.append(box);
            }
            return boxes;
          },
          nb::sig("def egg_boxes(self) -> list[dict[str, object]]"))
      .def("draw_egg_boxes", [](const Classification& c) {
        if (!c.green || c.facts.group_on_fewer_points) {
          return std::pair(std::string(), "Green's classes are not known: " + c.unknown_because);
        }
        const Figure figure = draw_egg_boxes(c.facts.orbit, *c.green);
        return std::pair(figure.svg, figure.caption);
      });
  m.def(
      "classify",
      [](const Dfa& dfa, std::size_t max_monoid, const nb::object& progress) {
        return run_work<Classification>(progress, [dfa, max_monoid](Work& work) {
          ClassifyOptions options;
          options.max_monoid = max_monoid;
          options.begins = [&work](const std::string& stage) {
            if (work.stop) throw StoppedError();
            work.begins(stage);
          };
          return classify(dfa, options);
        });
      },
      "dfa"_a, "max_monoid"_a = 1'000'000, "progress"_a = nb::none());

  nb::class_<MonoidTable>(m, "Monoid", "A transition monoid, element by element.")
      .def_prop_ro("complete", [](const MonoidTable& t) { return t.monoid.complete(); })
      .def_prop_ro("size", [](const MonoidTable& t) { return t.monoid.size(); })
      .def(
          "word",
          [](const MonoidTable& t, std::uint32_t index) {
            require_element(t, index);
            return word_tuple(symbols_of(t.monoid.word(index)), t.dfa.alphabet());
          },
          "index"_a, nb::sig("def word(self, index: int) -> tuple[str, ...]"))
      .def(
          "transformation",
          [](const MonoidTable& t, std::uint32_t index) {
            require_element(t, index);
            std::vector<std::uint32_t> images = t.monoid.element(index);
            const std::size_t size = images.size();
            return array_of(std::move(images), {size});
          },
          "index"_a)
      .def(
          "find",
          [](const MonoidTable& t, nb::handle word) -> std::optional<std::uint32_t> {
            const std::uint32_t found =
                t.monoid.find(transformation_of(t.dfa, word_from(word, t.dfa.alphabet(), "word")));
            if (found == TransitionMonoid::none) return std::nullopt;
            return found;
          },
          "word"_a, nb::sig("def find(self, word: object) -> int | None"))
      .def(
          "multiply",
          [](const MonoidTable& t, std::uint32_t x, std::uint32_t y) -> std::uint32_t {
            require_element(t, x);
            require_element(t, y);
            return multiply(t.monoid, x, y);
          },
          "x"_a, "y"_a)
      .def(
          "table",
          [](const MonoidTable& t, std::size_t max_elements) {
            const std::size_t n = t.monoid.size();
            if (!t.monoid.complete() || n > max_elements) {
              throw ResourceError("multiplication table: expected at most " + std::to_string(max_elements) +
                                  " elements, got " + std::to_string(n) + (t.monoid.complete() ? "" : " and more") +
                                  "; try a larger max_elements");
            }
            std::vector<std::uint32_t> table(n * n);
            // x y = (x y') a for the least word y' a of y.
            std::vector<std::pair<std::uint32_t, std::uint32_t>> last(n);
            for (std::uint32_t y = 1; y < n; ++y) {
              std::vector<std::uint32_t> word = t.monoid.word(y);
              const std::uint32_t letter = word.back();
              word.pop_back();
              std::uint32_t prefix = 0;
              for (const std::uint32_t a : word) prefix = t.monoid.right(prefix, a);
              last[y] = {prefix, letter};
            }
            for (std::uint32_t x = 0; x < n; ++x) {
              table[x * n] = x;
              for (std::uint32_t y = 1; y < n; ++y) {
                table[x * n + y] = t.monoid.right(table[x * n + last[y].first], last[y].second);
              }
            }
            return array_of(std::move(table), {n, n});
          },
          "max_elements"_a)
      .def("idempotents",
           [](const MonoidTable& t) {
             std::vector<std::uint32_t> found;
             for (std::uint32_t x = 0; x < t.monoid.size(); ++x) {
               const Transformation f = t.monoid.element(x);
               if (compose(f, f) == f) found.push_back(x);
             }
             const std::size_t size = found.size();
             return array_of(std::move(found), {size});
           })
      .def(
          "presentation",
          [](const MonoidTable& t) {
            nb::list relations;
            for (const Relation& relation : presentation(t.monoid)) {
              relations.append(nb::make_tuple(word_tuple(symbols_of(relation.left), t.dfa.alphabet()),
                                              word_tuple(symbols_of(relation.right), t.dfa.alphabet())));
            }
            return relations;
          },
          nb::sig("def presentation(self) -> list[tuple[tuple[str, ...], tuple[str, ...]]]"));
  m.def(
      "monoid",
      [](const Dfa& dfa, std::size_t max_elements, const nb::object& progress) {
        return run_work<std::unique_ptr<MonoidTable>>(progress, [dfa, max_elements](Work&) {
          return std::make_unique<MonoidTable>(
              MonoidTable{dfa, TransitionMonoid(dfa.num_states(), letters_of(dfa),
                                                {.max_elements = max_elements, .right_graph = true})});
        });
      },
      "dfa"_a, "max_elements"_a, "progress"_a = nb::none());

  nb::class_<Cascade>(m, "Cascade", "A cascade of permutation-reset components.")
      .def_prop_ro("depth", &Cascade::depth)
      .def_prop_ro("mode", &Cascade::modes)
      .def_prop_ro("num_states", [](const Cascade& c) { return c.num_states; })
      .def_prop_ro("start", [](const Cascade& c) { return c.start; })
      .def(
          "encode", [](const Cascade& c, State state) { return c.encode(state); }, "state"_a)
      .def(
          "decode", [](const Cascade& c, const std::vector<std::uint32_t>& at) { return c.decode(at); },
          "coordinates"_a)
      .def(
          "step",
          [](const Cascade& c, std::vector<std::uint32_t> coordinates, Symbol symbol) {
            if (symbol >= c.symbol_row.size()) {
              throw InputError("symbol: expected a number below " + std::to_string(c.symbol_row.size()) + ", got " +
                               std::to_string(symbol));
            }
            const State state = c.step(coordinates, symbol);
            return std::pair(coordinates, state);
          },
          "coordinates"_a, "symbol"_a)
      .def(
          "faults", [](const Cascade& c, const Dfa& dfa) { return verify_cascade(c, dfa); }, "dfa"_a)
      .def("json", [](const Cascade& c) { return cascade_json(c); })
      .def("draw", [](const Cascade& c) {
        const Figure figure = draw_cascade(c);
        return std::pair(figure.svg, figure.caption);
      });
  m.def(
      "cascade",
      [](const Dfa& dfa, const std::string& mode, bool resets_only, std::size_t max_rows, std::size_t max_family,
         const nb::object& progress) {
        const auto chosen = option_named(cascade_names, mode);
        if (!chosen) throw InputError("mode: expected one of auto, G, R, Z, got '" + mode + "'");
        CascadeOptions options;
        options.mode = *chosen;
        options.resets_only = resets_only;
        options.max_rows = max_rows;
        options.max_family = max_family;
        return run_work<Cascade>(progress, [dfa, options](Work&) { return make_cascade(dfa, options); });
      },
      "dfa"_a, "mode"_a = "auto", "resets_only"_a = false, "max_rows"_a = CascadeOptions{}.max_rows,
      "max_family"_a = CascadeOptions{}.max_family, "progress"_a = nb::none());
}

}  // namespace krohn::python
