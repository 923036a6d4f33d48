// label: slow
// Reports are well-formed XML (judged by Python's parser), fetch nothing, escape what they show, and are the same
// twice.
#include "krohn/results/report.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>

#include "krohn/automata/catalog.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/compile/group.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/results/figures.hpp"
#include "krohn/results/svg.hpp"
#include "temporary_directory.hpp"

namespace krohn {
namespace {

/// Python's standard parser takes the text.
void check_well_formed(const std::string& text) {
  const TemporaryDirectory directory;
  const std::string path = (directory / "page.xml").string();
  std::ofstream(path, std::ios::binary) << text;
  const std::string command =
      "python3 -c \"import sys, xml.dom.minidom as m; m.parse(sys.argv[1])\" '" + path + "' 2>&1";
  CHECK(std::system(command.c_str()) == 0);
}

void check_page(const std::string& page) {
  check_well_formed(page);
  CHECK(page.find("<script") == std::string::npos);
  CHECK(page.find("href") == std::string::npos);
  CHECK(page.find("src=") == std::string::npos);
  CHECK(page.find("@import") == std::string::npos);
  CHECK(page.find("url(") == std::string::npos);
  CHECK(page.find("nan") == std::string::npos);
  // Only the two namespaces look like addresses.
  const std::regex address("https?://[^\"]*");
  for (auto at = std::sregex_iterator(page.begin(), page.end(), address); at != std::sregex_iterator(); ++at) {
    CHECK((at->str() == "http://www.w3.org/1999/xhtml" || at->str() == "http://www.w3.org/2000/svg"));
  }
}

ReportOptions small() {
  ReportOptions options;
  options.max_monoid = 20000;
  options.check_seconds = 1.0;
  options.words = 10;
  options.length = 64;
  return options;
}

TEST_CASE("reports of languages of every kind are pages that stand alone") {
  for (const char* name : {"parity", "mod:6", "word:S5", "word:A4", "flipflop", "modarith:5", "tomita:7", "dyck:2,3",
                           "random:30,3,4", "cycle:5", "Q8", "random:200,2,1"}) {
    CAPTURE(name);
    const Dfa dfa = catalog_language(name);
    const std::string page = language_report(dfa, name, small());
    check_page(page);
    for (const char* part : {"<h2>Automaton</h2>", "<h2>Algebra</h2>", "<h2>Which linear RNN can do it</h2>"}) {
      CHECK(page.find(part) != std::string::npos);
    }
    CHECK(page == language_report(dfa, name, small()));
  }
}

TEST_CASE("one state, one symbol, and names that are mark-up") {
  check_page(language_report(Dfa::acceptor(Alphabet({"a"}), 0, {0}, {true}), "all words", small()));
  const Dfa hostile(Alphabet({"<b>", "&amp;", "\"'", "]]>"}), 0, {1, 0, 1, 1, 0, 1, 1, 0}, {0, 1},
                    {"</svg>", "<script>x</script>"});
  const std::string page = language_report(hostile, "<title>&\x01</title>", small());
  check_page(page);
  CHECK(page.find("&lt;title&gt;&amp;\xEF\xBF\xBD&lt;/title&gt;") != std::string::npos);
  // Long names are cut between characters, not within one.
  std::string long_name = "a";
  for (int i = 0; i < 20; ++i) long_name += "\xC3\xA9";
  const Dfa wordy(Alphabet({long_name, "b"}), 0, {1, 0, 0, 1}, {0, 1}, {"0", long_name});
  const std::string cut = language_report(wordy, "long names", small());
  check_page(cut);
  CHECK(cut.find(">a\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9..<") != std::string::npos);
}

TEST_CASE("models: eigenvalues, trajectories with their lasso, margins") {
  OpenModel model;
  const Dfa dfa = catalog_language("mod:6");
  const CompiledGroup compiled = compile_group(dfa, {KeyForm::integer, GroupRepresentation::rotation});
  model.exact = compiled.exact;
  model.horizon = compiled.horizon;
  model.automaton = dfa;
  model.machine = make_machine(compiled.model, Semantics::fp32_fma_v1);
  const std::string page = model_report(model, "a model", small());
  check_page(page);
  for (const char* part : {"<h2>Eigenvalues</h2>", "<h2>Hidden trajectories</h2>", "<h2>Margins</h2>"}) {
    CHECK(page.find(part) != std::string::npos);
  }
}

TEST_CASE("a broken model's page says what it learned, where it parts from the language, and on which family") {
  const OpenModel model =
      open_model(std::filesystem::path(KROHN_TEST_DATA) / "models/parity_delta_net_neg_noconv_1layer");
  ReportOptions options = small();
  options.check_seconds = 30.0;  // it takes three: no clock decides
  const std::string page = model_report(model, "parity", options);
  check_page(page);
  // Parity of the ones up to 1^25; then it stays odd. Its own automaton counts that far.
  CHECK(page.find("1^k: every even k from 26 on (run for every k up to 104)") != std::string::npos);
  CHECK(page.find(
            "differs from the language on 11111111111111111111111111 (length 26): the language says 0, the model 1") !=
        std::string::npos);
  CHECK(page.find("<th>automaton</th><td>29 states</td>") != std::string::npos);
  CHECK(page.find("What the language asks for") != std::string::npos);
  CHECK(page.find("<h2>Learned states</h2>") != std::string::npos);
  CHECK(page.find("Gaps between clusters") != std::string::npos);
  CHECK(model_report(model, "parity", options) == page);
}

TEST_CASE("a right model's page says so, and draws its automaton once") {
  OpenModel model;
  const Dfa language = catalog_language("word:S3");
  model.machine = make_machine(compile(language).model, Semantics::fp32_fma_v1);
  model.automaton = language;
  const std::string page = model_report(model, "S3", small());
  check_page(page);
  CHECK(page.find("exactly this automaton, at every length (closure)") != std::string::npos);
  CHECK(page.find("equal to the language at every length") != std::string::npos);
  CHECK(page.find("What the language asks for") == std::string::npos);
}

TEST_CASE("figures of nothing and of extreme numbers") {
  CHECK(draw_eigenvalues({}).svg.empty());
  CHECK(draw_margins({}, std::nullopt).svg.empty());
  CHECK(draw_accuracy({}, 0.5).svg.empty());
  CHECK(draw_trajectories({}, "1", std::nullopt).svg.empty());
  check_well_formed(draw_trajectories({{"x", {1e30, -1e30, 0.0}}, {"y", {2.0, 2.0, 2.0}}}, "ab", Lasso{1, 1}).svg);
  check_well_formed(draw_trajectories({{"x", {1.0, 1.0}}}, "1", Lasso{1000, 7}).svg);
  check_well_formed(draw_margins({{"m", {{1.0, 0.0}, {2.0, 0.0}}}}, 1).svg);
  check_well_formed(draw_margins({{"m", {{1.0, 3.0}}}}, std::uint64_t{1} << 60U).svg);
  check_well_formed(draw_eigenvalues({{"layer 1", {{-40.0, 3.0}, {0.0, 0.0}}}}).svg);
  check_well_formed(draw_accuracy({{"a", {{16.0, 1.0, 0.9, 1.0}}}}, 0.5).svg);
}

TEST_CASE("numbers and texts of a drawing") {
  CHECK(svg_number(0.0) == "0");
  CHECK(svg_number(-0.001) == "0");
  CHECK(svg_number(1.005) == "1");
  CHECK(svg_number(-2.5) == "-2.5");
  CHECK(svg_number(1e6) == "1000000");
  CHECK(xml_escaped("a<b>&\"'") == "a&lt;b&gt;&amp;&quot;&#39;");
  CHECK(xml_escaped(std::string_view("\x00\x1F\n", 3)) == "\xEF\xBF\xBD\xEF\xBF\xBD\n");
  CHECK(xml_escaped("\xEF\xBF\xBF") == "\xEF\xBF\xBD");
  for (std::size_t i = 0; i < 7; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      CHECK(series_style(i).colour != series_style(j).colour);
      CHECK(series_style(i).dash != series_style(j).dash);
      CHECK(series_style(i).marker != series_style(j).marker);
    }
  }
}

}  // namespace
}  // namespace krohn
