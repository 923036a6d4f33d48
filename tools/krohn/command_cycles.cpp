// krohn cycles: how often rounding makes a cycle where exact powers would settle. Random models within a theorem's
// hypothesis, and the period of each on 1^k.
#include <cinttypes>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "command.hpp"
#include "krohn/verify/lasso.hpp"
#include "krohn/verify/layered_lasso.hpp"
#include "krohn/verify/refute.hpp"
#include "made_model.hpp"
#include "work.hpp"

namespace krohn::cli {
namespace {

struct Arguments {
  std::string theorem = "parity";
  std::string arithmetic;
  MadeModelArguments models;
  bool one_size = false;
  std::uint64_t count = 200;
  std::uint64_t budget = RefuteOptions{}.budget.max_steps;
  std::optional<double> time_limit;
  bool json = false;
};

/// One kind of model in one arithmetic.
struct Row {
  FamilyOptions made;
  Arithmetic arithmetic;
  std::uint64_t models = 0;   // that satisfy the hypothesis
  std::uint64_t cycles = 0;   // period on 1^k above 1
  std::uint64_t escapes = 0;  // period a multiple of the modulus
  std::uint64_t unsettled = 0;
  std::vector<std::uint64_t> seeds;  // of the first escapes
  std::uint64_t tried = 0;

  std::string semantics() const {
    if (made.family != Family::triangular) return arithmetic.name();
    return std::string(number_format_name(arithmetic.format)) + "-triangular-v1";
  }
};

void try_one(Row& row, const Theorem& theorem, const LassoBudget& budget) {
  const Word loop{1};
  FamilyOptions made = row.made;
  made.seed += row.tried;
  const FamilyModel model = make_family_model(made);
  const Hypothesis hypothesis = std::visit([&](const auto& one) { return check_hypothesis(one, theorem); }, model);
  if (!hypothesis.holds) {
    ++row.tried;
    return;
  }
  const auto* triangular = std::get_if<TriangularModel>(&model);
  const std::optional<Lasso> lasso =
      triangular != nullptr
          ? find_lasso(*make_triangular_machine(*triangular, row.arithmetic.format), {}, loop, budget).lasso
          : find_layered_lasso(std::get<LrnnModel>(model), row.arithmetic, {}, loop, budget).lasso;
  // A model that the stop cut short is not counted.
  if (!lasso && budget.stop->load(std::memory_order_relaxed)) return;
  ++row.tried;
  ++row.models;
  if (!lasso) {
    ++row.unsettled;
  } else if (lasso->period > 1) {
    ++row.cycles;
    if (lasso->period % theorem.modulus() == 0) {
      ++row.escapes;
      if (row.seeds.size() < 5) row.seeds.push_back(made.seed);
    }
  }
}

std::vector<Row> rows_of(const Arguments& arguments) {
  std::vector<Family> families(std::begin(all_families), std::end(all_families));
  if (!arguments.models.family.empty()) families = {parse_family(arguments.models.family).value()};
  std::vector<std::size_t> sizes{2, 4, 8};
  if (arguments.one_size) sizes = {arguments.models.made.size};
  std::vector<Arithmetic> arithmetics;
  for (const NumberFormat format : {NumberFormat::fp32, NumberFormat::bf16}) {
    for (const bool separate : {false, true}) arithmetics.push_back({format, separate});
  }
  if (!arguments.arithmetic.empty()) arithmetics = {parse_arithmetic(arguments.arithmetic).value()};
  std::vector<Row> rows;
  for (const Family family : families) {
    for (const std::size_t size : sizes) {
      for (const Arithmetic& arithmetic : arithmetics) {
        if (family == Family::triangular && arithmetic.separate) continue;
        if (!has_negative_range(family) && arguments.models.range == "-1,1" && families.size() > 1) continue;
        Row row;
        row.made = arguments.models.made;
        row.made.family = family;
        row.made.size = size;
        row.made.negative = arguments.models.range == "-1,1";
        row.made.format = parameters_of(arithmetic.format);
        row.arithmetic = arithmetic;
        rows.push_back(row);
      }
    }
  }
  return rows;
}

void print_row(const Row& row, const std::string& range, std::uint64_t count) {
  std::string seeds;
  for (const std::uint64_t seed : row.seeds) seeds += (seeds.empty() ? "" : ",") + std::to_string(seed);
  std::printf("%-12s %-7s %6zu %4zu  %-18s %6" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 "  %s%s\n",
              std::string(family_name(row.made.family)).c_str(), ("[" + range + "]").c_str(), row.made.layers,
              row.made.size, row.semantics().c_str(), row.models, row.cycles, row.escapes, row.unsettled, seeds.c_str(),
              row.tried < count ? " (ended early)" : "");
  std::fflush(stdout);
}

int run_cycles(const Arguments& arguments) {
  require_arithmetic(arguments.models, arguments.arithmetic);
  const Theorem theorem = Theorem::parse(arguments.theorem);
  Work work("cycles", Work::Early::with_result, arguments.time_limit);
  const LassoBudget budget{arguments.budget, &work.stop()};
  std::vector<Row> rows = rows_of(arguments);
  const auto total = static_cast<double>(rows.size() * arguments.count);
  if (!arguments.json) {
    std::printf("%-12s %-7s %6s %4s  %-18s %6s %9s %9s %9s  %s\n", "family", "range", "layers", "size", "semantics",
                "models", "cycles", "escapes", "unsettled", "seeds");
  }
  Json list = Json::array();
  std::size_t done = 0;
  for (; done < rows.size() && !work.stop(); ++done) {
    Row& row = rows[done];
    work.method(std::string(family_name(row.made.family)) + " in " + row.semantics(), Work::Time::goes_on);
    while (row.tried < arguments.count && !work.stop()) {
      try_one(row, theorem, budget);
      work.part(static_cast<double>(done * arguments.count + row.tried), total);
    }
    if (row.tried == 0) break;
    if (!arguments.json) {
      work.clear();
      print_row(row, arguments.models.range, arguments.count);
      continue;
    }
    list.push_back({{"family", family_name(row.made.family)},
                    {"range", arguments.models.range},
                    {"layers", row.made.layers},
                    {"size", row.made.size},
                    {"semantics", row.semantics()},
                    {"models", row.models},
                    {"cycles", row.cycles},
                    {"escapes", row.escapes},
                    {"unsettled", row.unsettled},
                    {"seeds", row.seeds},
                    {"tried", row.tried}});
  }
  const bool stopped = done < rows.size() || (!rows.empty() && rows.back().tried < arguments.count);
  work.finish(stopped ? std::to_string(done) + " of " + std::to_string(rows.size()) +
                            " rows were begun; the last one shown has fewer models"
                      : "");
  if (arguments.json) {
    print_json({{"theorem", theorem.name()},
                {"count", arguments.count},
                {"first_seed", arguments.models.made.seed},
                {"rows", list},
                {"stopped", stopped}});
  } else {
    std::printf(
        "cycles: the period on 1^k is above 1; escapes: it is a multiple of %u, so that 1^k alone does not refute;\n"
        "unsettled: no period within %" PRIu64 " steps (--budget).\n",
        theorem.modulus(), arguments.budget);
  }
  return stopped ? exit_unknown : exit_ok;
}

}  // namespace

void add_cycles(const Command& app, int& exit_code) {
  const Command command = app.add_subcommand("cycles", "Count how often rounding makes random models cycle");
  command.footer(
      "A theorem takes exact powers and rounds at the end; where every step rounds, the rounding itself may keep a "
      "model\n"
      "from settling on 1^k. Random models of every family that satisfy the theorem's hypothesis are counted.\n"
      "Exit codes: 0 counted, 20 ended early, with the models that were tried.");
  const auto arguments = std::make_shared<Arguments>();
  add_theorem_option(command, arguments->theorem);
  add_arithmetic_option(command, arguments->arithmetic, "fp32 and bf16, fused and separate");
  add_made_model_options(command, arguments->models, "all of them");
  command.add_option("--count", arguments->count, "models of each kind (default 200)")
      .check(natural_number(1, 100000000));
  command.add_option("--budget", arguments->budget, "steps for the orbit of 1^k of each model (default 33554432)")
      .check(natural_number(1, std::uint64_t{1} << 48U));
  add_time_limit_option(command, arguments->time_limit);
  add_json_option(command, arguments->json);
  command.callback([arguments, command, &exit_code] {
    arguments->one_size = command.count("--size") > 0;
    exit_code = run_cycles(*arguments);
  });
}

}  // namespace krohn::cli
