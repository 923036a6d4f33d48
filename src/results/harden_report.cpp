// A verdict on the model itself stands beside whatever becomes of it: its shortest known wrong word.
// Tested by tests/project/json_schemas.py.
#include "krohn/results/harden_report.hpp"

#include <chrono>
#include <utility>

#include "check_json.hpp"
#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/checkpoints/model_directory.hpp"
#include "krohn/error.hpp"
#include "krohn/results/check_report.hpp"
#include "krohn/text/atomic_file.hpp"
#include "krohn/text/source_text.hpp"
#include "result_json.hpp"

namespace krohn {

namespace fs = std::filesystem;

namespace {

/// What the model itself is looked at for: words that it errs on early are found in less, and krohn check looks longer.
constexpr std::chrono::milliseconds original_time{250};

const char* origin_name(CodeOrigin origin) {
  switch (origin) {
    case CodeOrigin::own_run:
      return "own run";
    case CodeOrigin::mean:
      return "mean of own runs";
    case CodeOrigin::before_snapping:
      return "before snapping";
    case CodeOrigin::grid:
      return "grid";
  }
  throw InternalError("unknown origin of a code");
}

Json codes_json(const Hardening& hardening, const Alphabet& alphabet) {
  Json list = Json::array();
  for (const UnitCodes& unit : hardening.codes) {
    Json words = Json::array();
    for (std::size_t i = 0; i < unit.words.size(); ++i) {
      words.push_back({{"word", word_json(unit.words[i], alphabet)}, {"origin", origin_name(unit.origins[i])}});
    }
    list.push_back({{"unit", unit.name}, {"codes", unit.codes.size()}, {"reached_by", words}});
  }
  return list;
}

}  // namespace

std::size_t HardenReport::codes() const {
  std::size_t count = 0;
  for (const UnitCodes& unit : hardening.codes) count += unit.codes.size();
  return count;
}

HardenReport harden_with_verdict(const OpenModel& model, const std::string& name, const Language& language,
                                 const HardenOptions& options) {
  const LrnnModel* const compiled = model.machine->compiled();
  if (compiled != nullptr ? compiled->snapped() : model.learned->snapped()) {
    throw InputError(name + ": expected a model without codes, got a hardened one");
  }
  if (compiled != nullptr && model.machine->semantics() != semantics_id(Semantics::fp32_fma_v1)) {
    throw InputError(name + ": expected a compiled model in fp32-fma-v1, got one in " +
                     std::string(model.machine->semantics()));
  }
  const auto start = std::chrono::steady_clock::now();
  const auto begins = [&](const char* what) {
    if (options.begins) options.begins(what);
  };
  HardenReport result;
  begins("the model itself");
  CheckOptions original_options;
  original_options.budget = options.budget.share(0.1);
  const auto until = start + original_time;
  original_options.budget.deadline = std::min(original_options.budget.deadline.value_or(until), until);
  original_options.sample.words = 0;
  result.original = check(*model.machine, language, original_options, model.hint ? &*model.hint : nullptr);

  begins("codes");
  HardenOptions harden_options = options;
  harden_options.budget = options.budget.share(0.8);
  result.hardening = compiled != nullptr ? harden(*compiled, language, harden_options)
                                         : harden(*model.learned, model.task->answers, language, harden_options);

  result.report.semantics =
      std::string(compiled != nullptr ? semantics_id(Semantics::fp32_snap_v1) : snapped_semantics);
  result.report.verdict = Unknown{result.hardening.length, result.hardening.reason};
  if (result.hardening.compiled) result.machine = make_machine(*result.hardening.compiled, Semantics::fp32_snap_v1);
  if (result.hardening.program) {
    result.machine = make_machine(std::make_shared<const Program>(*result.hardening.program), model.task->answers);
  }
  if (result.machine) {
    begins("closure");
    CheckOptions check_options;
    check_options.budget = options.budget;
    check_options.sample.words = 0;
    result.report = check(*result.machine, language, check_options);
  }
  result.report.domain = model.domain(language.minimal());
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

std::string harden_report_json(const HardenReport& harden, const Alphabet& alphabet) {
  const Hardening& hardening = harden.hardening;
  Json distances = Json::array();
  for (const CodeDistance& d : hardening.distances) {
    distances.push_back({{"from", d.from}, {"to", d.to}, {"mean", d.mean}, {"most", d.most}});
  }
  Json object = check_json(harden.report, alphabet, std::nullopt);
  object["original"] = check_json(harden.original, alphabet, std::nullopt);
  object["hardening"] = {{"closed", hardening.closed},
                         {"reason", hardening.reason},
                         {"rounds", hardening.rounds},
                         {"steps", hardening.steps},
                         {"configurations", hardening.configurations},
                         {"codes", harden.codes()},
                         {"gap", number_or_null(hardening.gap)},
                         {"margin", number_or_null(hardening.margin)},
                         {"code_distance", number_or_null(hardening.code_distance)},
                         {"own_states_from_codes", distances},
                         {"units", harden.machine ? codes_json(hardening, alphabet) : Json::array()},
                         {"seconds", harden.seconds}};
  return json_lines(object);
}

void write_hardened(const OpenModel& model, const Hardening& hardening, const fs::path& from, const fs::path& to,
                    bool force) {
  if (hardening.compiled) {
    ModelDirectory directory{*hardening.compiled};
    directory.semantics = Semantics::fp32_snap_v1;
    directory.automaton = model.automaton;
    return write_model(to, directory, force);
  }
  if (!hardening.program) throw InternalError("write_hardened: nothing was hardened");
  PendingDirectory directory(to, force);
  for (const fs::directory_entry& entry : fs::directory_iterator(from)) {
    const std::string name = entry.path().filename();
    if (entry.is_regular_file() && name != "codes.safetensors") {
      directory.write(name, read_file(entry.path(), std::uint64_t{1} << 40U));
    }
  }
  directory.write("codes.safetensors", format_codes(*hardening.program));
  directory.commit();
}

}  // namespace krohn
