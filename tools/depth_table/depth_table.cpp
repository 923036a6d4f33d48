// Prints docs/depth.md: how deep cascades are, mode by mode, on the corpus, on all small automata, on random ones, on
// the full transformation monoids and on a family that makes the textbook decomposition deep. Every cascade counted
// has passed verify_cascade. The one argument is the folder of the corpus, tests/data/corpus.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "krohn/automata/cascade.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/error.hpp"
#include "krohn/languages/format_att.hpp"

namespace {

using namespace krohn;

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Alphabet letters(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t a = 0; a < count; ++a) names.push_back("s" + std::to_string(a));
  return Alphabet(names);
}

// Depths in each mode and by the policy without and with splits; empty past a cap.
struct Depths {
  std::optional<std::size_t> textbook, points, pulled, images;
  std::optional<std::size_t> unsplit, chosen;
};

Depths depths_of(const Dfa& dfa) {
  Depths depths;
  depths.textbook = holonomy_depth(dfa, 20000);
  const auto depth = [&](const CascadeOptions& options) -> std::optional<std::size_t> {
    try {
      return make_cascade(dfa, options).depth();
    } catch (const ResourceError&) {
      return std::nullopt;
    }
  };
  CascadeOptions options;
  options.max_family = 20000;
  options.max_rows = 200000;
  options.mode = CascadeMode::points;
  depths.points = depth(options);
  options.mode = CascadeMode::pulled;
  depths.pulled = depth(options);
  options.mode = CascadeMode::images;
  depths.images = depth(options);
  options.mode.reset();
  options.split = false;
  depths.unsplit = depth(options);
  options.split = true;
  depths.chosen = depth(options);
  return depths;
}

std::string text(const std::optional<std::size_t>& depth) { return depth ? std::to_string(*depth) : "-"; }

std::string columns(const Depths& depths) {
  return text(depths.textbook) + " | " + text(depths.points) + " | " + text(depths.pulled) + " | " +
         text(depths.images) + " | " + text(depths.unsplit) + " | **" + text(depths.chosen) + "**";
}

std::size_t sum(const std::vector<std::size_t>& values) {
  return std::accumulate(values.begin(), values.end(), std::size_t{0});
}

std::size_t largest(const std::vector<std::size_t>& values) {
  return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}

std::string milliseconds(double time) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f", 1000 * time);
  return buffer;
}

std::string decimal(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.2f", value);
  return buffer;
}

// In a table cell a bar ends the cell.
std::string cell(const std::string& raw) {
  std::string result = "`";
  for (const char c : raw) result += c == '|' ? std::string("\\|") : std::string(1, c);
  return result + "`";
}

void language_row(const std::string& name, const Dfa& dfa) {
  const double start = seconds();
  const CompileResult result = compile(dfa);
  const double time = seconds() - start;
  CompileOptions signed_gates;
  signed_gates.recurrence = Recurrence::kda;
  const CompileResult kda = compile(dfa, signed_gates);
  const ModelSize& reflections = *kda.with_reflections;
  const ModelSize gates = size_of(kda.model);
  const auto sizes = [](const ModelSize& size) {
    return std::to_string(size.hidden) + ", " + std::to_string(size.householder) + ", " + std::to_string(size.factors);
  };
  std::cout << "| " << cell(name) << " | " << result.minimal.num_states() << " | " << columns(depths_of(result.minimal))
            << " | " << (result.mode.empty() ? "-" : result.mode) << " | " << result.model.hidden_size() << " | "
            << largest(result.num_householder) << " | " << result.rows << " | " << result.factors << " | "
            << milliseconds(time) << " | " << sizes(reflections) << " | " << sizes(gates)
            << (kda.mode == "squares" ? " s"
                : kda.mode == "cubes" ? " c"
                                      : "")
            << " |\n";
}

constexpr const char* language_header =
    "| language | \\|Q\\| | H | R | Z | G | unsplit | auto | mode | hidden | n_h | rows | factors | ms | DeltaProduct "
    "| KDA |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";

/// What each family takes of one language: layers: hidden size, n_h, factors.
void family_row(const std::string& name, const Dfa& dfa) {
  const auto sizes = [](const ModelSize& size) {
    return std::to_string(size.layers) + ": " + std::to_string(size.hidden) + ", " + std::to_string(size.householder) +
           ", " + std::to_string(size.factors);
  };
  std::string row;
  std::size_t states = 0;
  for (const Recurrence family :
       {Recurrence::gated_deltaproduct, Recurrence::kda, Recurrence::rwkv7_widened, Recurrence::pd}) {
    CompileOptions options;
    options.recurrence = family;
    const CompileResult result = compile(dfa, options);
    states = result.minimal.num_states();
    if (row.empty()) row = " | " + sizes(*result.with_reflections);
    // What falls back to products of reflections is no layer of RWKV-7, which has one factor a token.
    const bool other = family == Recurrence::rwkv7_widened && result.mode != "moves";
    row += " | " + (other ? "-" : sizes(size_of(result.model)));
    if (result.mode == "squares" || result.square_levels > 0) row += " s";
    if (result.mode == "cubes") row += " c";
    if (result.mode == "moves") row += " m";
  }
  std::cout << "| " << cell(name) << " | " << states << row << " |\n";
}

constexpr const char* family_header =
    "| language | \\|Q\\| | DeltaProduct | Gated DeltaProduct | KDA | RWKV-7 widened | PD |\n"
    "|---|---|---|---|---|---|---|\n";

using Row = void (*)(const std::string&, const Dfa&);

void corpus_rows(const std::filesystem::path& folder, Row row) {
  std::ifstream file(folder / "languages.json");
  if (!file) throw InputError(folder.string() + ": expected a folder with languages.json");
  for (const nlohmann::json& entry : nlohmann::json::parse(file)) {
    const nlohmann::json& automaton = entry.at("dfa");
    const auto rows = automaton.at("delta").get<std::vector<std::vector<State>>>();
    const std::size_t states = automaton.at("n").get<std::size_t>();
    std::vector<State> delta(states * rows.size());
    for (std::size_t a = 0; a < rows.size(); ++a) {
      for (std::size_t q = 0; q < states; ++q) delta[q * rows.size() + a] = rows[a].at(q);
    }
    std::vector<bool> accepting(states, false);
    for (const std::size_t q : automaton.at("accept").get<std::vector<std::size_t>>()) accepting.at(q) = true;
    row(entry.at("id").get<std::string>(),
        Dfa::acceptor(letters(rows.size()), automaton.at("start").get<State>(), delta, accepting));
  }
}

void corpus_table(const std::filesystem::path& folder) {
  std::cout << "## The corpus\n\n" << language_header;
  corpus_rows(folder, language_row);
  std::cout << "\n## MLRegTest automata\n\n" << language_header;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "mlregtest")) {
    if (entry.path().extension() == ".att") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const std::filesystem::path& path : files) language_row(path.stem().string(), read_format_att(path).dfa);
}

// How many automata have which depth, a line a mode.
void exhaustive_table(std::size_t n) {
  std::size_t codes = 1;
  for (std::size_t i = 0; i < 2 * n; ++i) codes *= n;
  std::map<std::string, std::map<std::size_t, std::size_t>> histogram;
  std::size_t count = 0;
  std::vector<bool> accepting(n, false);
  accepting[0] = true;
  for (std::size_t code = 0; code < codes; ++code) {
    std::vector<State> delta(2 * n);
    std::size_t rest = code;
    for (State& q : delta) {
      q = static_cast<State>(rest % n);
      rest /= n;
    }
    const Dfa dfa = reachable_part(Dfa::acceptor(letters(2), 0, delta, accepting));
    if (dfa.num_states() != n) continue;
    ++count;
    const Depths depths = depths_of(dfa);
    const auto add = [&](const char* name, const std::optional<std::size_t>& depth) { ++histogram[name][*depth]; };
    add("H", depths.textbook);
    add("R", depths.points);
    add("Z", depths.pulled);
    add("G", depths.images);
    add("unsplit", depths.unsplit);
    add("auto", depths.chosen);
  }
  std::size_t deepest = 0;
  for (const auto& [name, depths] : histogram) deepest = std::max(deepest, depths.rbegin()->first);
  std::cout << "\n### " << n << " states: " << count << " automata with all states reachable\n\n| mode |";
  for (std::size_t d = 1; d <= deepest; ++d) std::cout << " depth " << d << " |";
  std::cout << " mean |\n|---|";
  for (std::size_t d = 1; d <= deepest; ++d) std::cout << "---|";
  std::cout << "---|\n";
  for (const char* name : {"H", "R", "Z", "G", "unsplit", "auto"}) {
    std::cout << "| " << name << " |";
    double total = 0;
    for (std::size_t d = 1; d <= deepest; ++d) {
      const std::size_t automata = histogram[name][d];
      total += static_cast<double>(d * automata);
      std::cout << ' ' << automata << " |";
    }
    std::cout << ' ' << decimal(total / static_cast<double>(count)) << " |\n";
  }
}

void random_table() {
  std::cout
      << "\n## Random automata\n\nTransitions uniform, labels random, seed 1; 100 minimal automata of each size.\n"
         "\"past a cap\" counts mode Z or R past 20,000 sets or 200,000 rows, never `auto`.\n\n"
         "| \\|Q\\| | letters | H | R | Z | G | unsplit | auto | largest auto | hidden | rows | most rows | "
         "mean ms | most ms | past a cap |\n"
         "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";
  std::mt19937_64 random(1);
  for (const std::size_t k : {std::size_t{2}, std::size_t{4}}) {
    for (const std::size_t n : {4U, 6U, 8U, 10U, 12U, 14U}) {
      constexpr std::size_t samples = 100;
      double depth[6] = {};
      std::size_t deepest = 0;
      std::size_t capped = 0;
      double hidden = 0;
      double rows = 0;
      std::size_t most_rows = 0;
      double time = 0;
      double most_time = 0;
      for (std::size_t sample = 0; sample < samples;) {
        std::vector<State> delta(n * k);
        for (State& q : delta) q = static_cast<State>(random() % n);
        std::vector<bool> accepting(n);
        for (std::size_t q = 0; q < n; ++q) accepting[q] = random() % 2 == 0;
        const Dfa dfa = minimize(Dfa::acceptor(letters(k), 0, delta, accepting));
        if (dfa.num_states() != n) continue;
        ++sample;
        const double start = seconds();
        const CompileResult result = compile(dfa);
        const double taken = seconds() - start;
        time += taken;
        most_time = std::max(most_time, taken);
        hidden += static_cast<double>(sum(result.hidden));
        rows += static_cast<double>(result.rows);
        most_rows = std::max(most_rows, result.rows);
        const Depths depths = depths_of(dfa);
        const std::optional<std::size_t> all[] = {depths.textbook, depths.points,  depths.pulled,
                                                  depths.images,   depths.unsplit, depths.chosen};
        for (std::size_t m = 0; m < 6; ++m) depth[m] += static_cast<double>(all[m].value_or(n - 1));
        if (!depths.pulled || !depths.points) ++capped;
        deepest = std::max(deepest, *depths.chosen);
      }
      std::cout << "| " << n << " | " << k;
      for (const double total : depth) std::cout << " | " << decimal(total / samples);
      std::cout << " | " << deepest << " | " << decimal(hidden / samples) << " | " << decimal(rows / samples) << " | "
                << most_rows << " | " << milliseconds(time / samples) << " | " << milliseconds(most_time) << " | "
                << capped << " |\n";
    }
  }
}

void transformation_table() {
  std::cout << "\n## Full transformation monoids\n\nT_n, generated by a cycle, a transposition and a collapse.\n\n"
            << language_header;
  for (std::size_t n = 2; n <= 12; ++n) {
    std::vector<State> delta(n * 3);
    for (State q = 0; q < n; ++q) {
      delta[3 * q] = static_cast<State>((q + 1) % n);
      delta[3 * q + 1] = q == 0 ? 1 : q == 1 ? 0 : q;
      delta[3 * q + 2] = q == 1 ? 0 : q;
    }
    std::vector<bool> accepting(n, false);
    accepting[0] = true;
    language_row("T_" + std::to_string(n), Dfa::acceptor(letters(3), 0, delta, accepting));
  }
}

// State 0 is a sink. The k-subsets A_1 < A_2 < .. of the other states in lexicographic order: letter 0 fixes A_1 and
// sends the rest to the sink, letter i carries A_i onto A_{i+1} in ascending order and the rest to the sink. All
// letters preserve the order of what they do not send to the sink, so the automaton is aperiodic.
void chain_table() {
  std::cout << "\n## A family that makes the textbook decomposition deep\n\n"
               "chain(n, k): the k-subsets of n-1 states, with the sink, are image sets of one size that form a one-way"
               " path of\nC(n-1, k) sets; the textbook's depth is C(n-1, k) + k. Depths of the set systems.\n\n"
               "| n | k | letters | C(n-1, k) + k | H | G | Z | R |\n|---|---|---|---|---|---|---|---|\n";
  for (const auto& [n, k] : std::vector<std::pair<std::size_t, std::size_t>>{
           {4, 1}, {5, 2}, {6, 2}, {7, 3}, {8, 3}, {9, 4}, {10, 4}, {11, 5}}) {
    std::vector<std::vector<State>> subsets;
    std::vector<bool> chosen(n - 1, false);
    std::fill(chosen.begin(), chosen.begin() + static_cast<std::ptrdiff_t>(k), true);
    do {
      std::vector<State>& subset = subsets.emplace_back();
      for (State q = 1; q < n; ++q) {
        if (chosen[q - 1]) subset.push_back(q);
      }
    } while (std::prev_permutation(chosen.begin(), chosen.end()));
    std::vector<std::vector<State>> images;
    for (std::size_t i = 0; i < subsets.size(); ++i) {
      std::vector<State>& letter = images.emplace_back(n, 0);
      const std::vector<State>& from = subsets[i == 0 ? 0 : i - 1];
      for (std::size_t j = 0; j < k; ++j) letter[from[j]] = subsets[i][j];
    }
    std::cout << "| " << n << " | " << k << " | " << images.size() << " | " << subsets.size() + k;
    for (const CascadeMode mode :
         {CascadeMode::holonomy, CascadeMode::images, CascadeMode::pulled, CascadeMode::points}) {
      std::cout << " | " << make_set_system(n, images, mode, 65536)->depth();
    }
    std::cout << " |\n";
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool families = argc == 3 && std::string(argv[2]) == "--families";
  if (argc != 2 && !families) {
    std::cerr << "usage: krohn_depth_table tests/data/corpus > docs/depth.md\n"
                 "       krohn_depth_table tests/data/corpus --families (the table of sizes in docs/families.md)\n";
    return 2;
  }
  try {
    if (families) {
      std::cout << family_header;
      corpus_rows(argv[1], family_row);
      return 0;
    }
    std::cout
        << "# How deep cascades are\n\n"
           "Every automaton with |Q| states has a cascade of at most |Q|-1 permutation-reset levels; the paper's bound "
           "is 2^|Q|.\nThis page is what the modes of `krohn compile --cascade` find, made by\n\n"
           "    cmake --build build/cpu --target krohn_depth_table\n"
           "    build/cpu/krohn_depth_table tests/data/corpus > docs/depth.md\n\n"
           "* `H` textbook holonomy decomposition, `R` point removal, `Z` pulled-back images, `G` image classes: "
           "levels in each mode (`-` past 20,000 sets or 200,000 rows). A level that a single slot would do is no "
           "level.\n"
           "* `unsplit` the policy's choice among G, Z and R; `auto` with splits by congruences too: what `krohn "
           "compile` does.\n"
           "* `mode` of the choice (`group`: all letters are permutations, one layer), `hidden` the sum of the hidden "
           "sizes, `n_h`\n  the most Householder factors of a row, `rows` and `factors` of the whole model, `ms` the "
           "time to compile in memory, verification\n  included, on one core.\n"
           "* `DeltaProduct` and `KDA` hidden size, n_h and factors by products of reflections alone (resets as "
           "projections), and with\n  signed and zero gates as well (`krohn compile --family kda`; `s`: symmetries of "
           "squares, `c`: of cubes). `auto` is Gated\n  DeltaProduct: zero gates as resets.\n\n";
    corpus_table(argv[1]);
    std::cout << "\n## All automata of two letters\n";
    exhaustive_table(3);
    exhaustive_table(4);
    random_table();
    transformation_table();
    chain_table();
  } catch (const std::exception& error) {
    std::cerr << "krohn_depth_table: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
