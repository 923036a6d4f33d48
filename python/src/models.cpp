// Models, compiled and learned: opened from files or from arrays in memory, run, checked, hardened, refuted, measured.
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/complex.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/checkpoints/model_directory.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/checkpoints/weights.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/compile/option_names.hpp"
#include "krohn/engine/captured_spectrum.hpp"
#include "krohn/engine/learned.hpp"
#include "krohn/engine/spectrum.hpp"
#include "krohn/error.hpp"
#include "krohn/model/fingerprint.hpp"
#include "krohn/results/accuracy_report.hpp"
#include "krohn/results/certificate_file.hpp"
#include "krohn/results/check_report.hpp"
#include "krohn/results/compile_report.hpp"
#include "krohn/results/figures.hpp"
#include "krohn/results/harden_report.hpp"
#include "krohn/results/search_part.hpp"
#include "krohn/results/spectrum_svg.hpp"
#include "krohn/results/theorem_report.hpp"
#include "krohn/verify/accuracy.hpp"
#include "krohn/verify/certificate.hpp"
#include "krohn/verify/check.hpp"
#include "krohn/verify/opposite_order.hpp"
#include "krohn/verify/sample.hpp"
#include "krohn/verify/specification.hpp"
#include "model.hpp"
#include "work.hpp"

namespace krohn::python {
namespace {

namespace fs = std::filesystem;
using namespace nb::literals;

constexpr const char* tool = "krohn " KROHN_VERSION;

/// `field` is what the caller calls it.
Semantics semantics_named(const std::string& text, const char* field = "format") {
  const std::optional<Semantics> semantics = parse_semantics(text);
  if (!semantics) {
    throw InputError(std::string(field) + ": expected " + std::string(semantics_short_names) +
                     " or a semantics id, got '" + text + "'");
  }
  return *semantics;
}
std::optional<Semantics> semantics_named(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  return semantics_named(*text);
}

ReadingHints hints_of(const std::optional<std::array<std::uint32_t, 3>>& fla_version) { return {fla_version}; }

Model opened(std::string name, OpenModel open) {
  Model model;
  model.name = std::move(name);
  model.notes = open.notes;
  model.program = open.learned;
  model.open = std::make_shared<const OpenModel>(std::move(open));
  return model;
}

/// A checkpoint, with its task where there is one.
Model opened(std::string name, Checkpoint checkpoint, const std::optional<std::string>& task,
             const std::string& task_source) {
  auto program = std::make_shared<const Program>(std::move(checkpoint.model));
  Model model;
  if (task) {
    Task parsed = parse_task(*task, task_source, *program);
    model = opened(std::move(name), open_learned(program, std::move(parsed), std::move(checkpoint.notes)));
  } else {
    model.name = std::move(name);
    model.program = std::move(program);
    model.notes = std::move(checkpoint.notes);
  }
  model.layer_numbers = std::move(checkpoint.layer_numbers);
  return model;
}

using Array = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;

DType dtype_of(const std::string& name, nb::dlpack::dtype dtype) {
  using Code = nb::dlpack::dtype_code;
  const auto code = static_cast<Code>(dtype.code);
  for (const auto& [known, bits, result] :
       {std::tuple(Code::Float, 64, DType::f64), std::tuple(Code::Float, 32, DType::f32),
        std::tuple(Code::Float, 16, DType::f16), std::tuple(Code::Bfloat, 16, DType::bf16),
        std::tuple(Code::Int, 64, DType::i64), std::tuple(Code::Int, 32, DType::i32),
        std::tuple(Code::Int, 16, DType::i16), std::tuple(Code::Int, 8, DType::i8),
        std::tuple(Code::UInt, 64, DType::u64), std::tuple(Code::UInt, 32, DType::u32),
        std::tuple(Code::UInt, 16, DType::u16), std::tuple(Code::UInt, 8, DType::u8),
        std::tuple(Code::Bool, 8, DType::boolean)}) {
    if (code == known && dtype.bits == bits) return result;
  }
  throw InputError(name + ": expected an array of float32, float16 or bfloat16, got another type");
}

/// Views of arrays that stay where they are; whoever drops the last one of them asks for the interpreter's lock.
Weights weights_of(const std::string& source, const nb::dict& arrays) {
  std::vector<TensorView> views;
  std::vector<std::shared_ptr<const void>> owners;
  std::vector<std::string> problems;
  for (const auto& [key, value] : arrays) {
    const std::string name = nb::cast<std::string>(key);
    Array array;
    if (!nb::try_cast(value, array)) {
      problems.push_back(source + ": " + name + ": expected an array in the CPU's memory, contiguous, got " +
                         nb::cast<std::string>(nb::repr(value.type())));
      continue;
    }
    TensorView view;
    view.name = name;
    view.dtype = dtype_of(source + ": " + name, array.dtype());
    for (std::size_t i = 0; i < array.ndim(); ++i) view.shape.push_back(array.shape(i));
    view.bytes = {static_cast<const std::byte*>(array.data()), array.nbytes()};
    views.push_back(std::move(view));
    owners.emplace_back(new Array(array), [](const Array* kept) {
      const nb::gil_scoped_acquire acquire;
      delete kept;
    });
  }
  if (!problems.empty()) throw InputError(problems);
  return Weights::of_arrays(source, std::move(views), std::move(owners));
}

// ---- results ------------------------------------------------------------------------------------------------------

/// A verdict with what it rests on.
struct Check {
  Model model;
  Dfa language;
  std::shared_ptr<const CheckReport> report;
  std::optional<std::uint64_t> up_to;
  /// Of a hardened model, whose machine is another.
  std::shared_ptr<const Machine> machine = nullptr;
  std::shared_ptr<const FailureReport> failures = nullptr;
  std::optional<std::string> hint = std::nullopt;

  const Machine& asked() const { return machine ? *machine : model.machine(); }
};

nb::bytes bytes_of(const std::string& text) { return nb::bytes(text.data(), text.size()); }

struct Harden {
  Model model;
  Dfa language;
  std::shared_ptr<const HardenReport> report;
};

struct Asked {
  Model model;
  std::shared_ptr<TheoremAnswer> answer;
};

std::string power_text(const PowerWord& word, const Alphabet& alphabet) {
  std::string text =
      alphabet.format_word(word.prefix) + " " + alphabet.format_word(word.loop) + "^" + std::to_string(word.exponent);
  if (!word.suffix.empty()) text += " " + alphabet.format_word(word.suffix);
  return text;
}

nb::dict head_dict(const HeadSpectrum& head) {
  nb::dict d;
  d["layer"] = head.block;
  d["head"] = head.head;
  d["key_size"] = head.key_size;
  d["matrices"] = head.matrices;
  d["eigenvalues"] = head.eigenvalues;
  d["least_real"] = head.least_real;
  d["most_real"] = head.most_real;
  d["most_modulus"] = head.most_modulus;
  d["most_imaginary"] = head.most_imaginary;
  d["negative"] = head.negative;
  d["complex"] = head.complex;
  const std::size_t bins = head.histogram.size();
  d["histogram"] = array_of(head.histogram, {bins});
  const std::size_t sample = head.sample.size();
  d["sample"] = array_of(head.sample, {sample});
  return d;
}

template <class T>
nb::ndarray<nb::numpy, std::complex<double>> captured(
    nb::ndarray<nb::ro, const T, nb::c_contig, nb::device::cpu> keys,
    nb::ndarray<nb::ro, const T, nb::c_contig, nb::device::cpu> betas,
    std::optional<nb::ndarray<nb::ro, const T, nb::c_contig, nb::device::cpu>> gates) {
  CapturedUpdates<T> updates;
  updates.matrices = keys.shape(0);
  updates.factors = keys.shape(1);
  updates.key_size = keys.shape(2);
  updates.keys = {keys.data(), keys.size()};
  updates.betas = {betas.data(), betas.size()};
  if (gates) updates.gates = {gates->data(), gates->size()};
  // The arrays outlive the call: the caller holds them.
  auto values =
      run_work<std::vector<std::complex<double>>>(nb::none(), [updates](Work&) { return captured_spectrum(updates); });
  return array_of(std::move(values), {updates.matrices, updates.key_size});
}

/// A row of a table in dense form.
nb::dict layer_dict(const LrnnModel& model, std::size_t index) {
  if (index >= model.layers().size()) {
    throw InputError("layer: expected a number below " + std::to_string(model.layers().size()) + ", got " +
                     std::to_string(index));
  }
  const TableLayer& layer = model.layers()[index];
  const TokenTable& table = layer.table;
  if (table.reads_apart()) {
    throw InputError("expected factors that read by their keys, which the arrays hold, got a read vector");
  }
  const std::size_t rows = table.num_rows();
  const std::size_t factors = table.num_householder();
  const std::size_t d = table.key_size();
  const std::size_t v = table.value_size();
  std::vector<float> keys(rows * factors * d, 0.0F);
  std::vector<float> reads(rows * factors * d, 0.0F);
  std::vector<float> betas(rows * factors, 0.0F);
  std::vector<float> values(rows * factors * v, 0.0F);
  std::vector<float> gates(rows * d, 1.0F);
  std::vector<float> writes(rows * d * v, 0.0F);
  for (std::size_t r = 0; r < rows; ++r) {
    const TokenRow row = table.row(r);
    for (std::size_t j = 0; j < d; ++j) gates[r * d + j] = row.gate[row.gate.size() == 1 ? 0 : j];
    for (std::size_t f = 0; f < row.factors.size(); ++f) {
      betas[r * factors + f] = row.factors[f].beta;
      for (const Entry& e : row.factors[f].key) keys[(r * factors + f) * d + e.index] = e.value;
      for (const Entry& e : row.factors[f].reads_by()) reads[(r * factors + f) * d + e.index] = e.value;
      for (const Entry& e : row.factors[f].value) values[(r * factors + f) * v + e.index] = e.value;
    }
    for (const Entry& e : row.write) writes[r * d * v + e.index] = e.value;
  }
  nb::dict result;
  result["keys"] = array_of(std::move(keys), {rows, factors, d});
  result["reads"] = array_of(std::move(reads), {rows, factors, d});
  result["betas"] = array_of(std::move(betas), {rows, factors});
  result["values"] = array_of(std::move(values), {rows, factors, v});
  result["gates"] = array_of(std::move(gates), {rows, d});
  result["writes"] = array_of(std::move(writes), {rows, d, v});
  result["initial"] = array_of(layer.initial_hidden, {d, v});
  result["row_action"] = array_of(layer.row_action, {layer.row_action.size()});
  result["reads_before"] = layer.reads_before;
  result["codes"] = nb::none();
  if (!layer.codes.empty()) result["codes"] = nb::cast(array_of(layer.codes, {layer.num_codes(), d, v}));
  result["symbol_rows"] = nb::none();
  if (index == 0) {
    std::vector<std::int32_t> symbol_rows;
    for (const std::int32_t row : model.symbol_row()) {
      symbol_rows.push_back(
          row == undefined_row ? -1 : static_cast<std::int32_t>(layer.row_action[static_cast<std::size_t>(row)]));
    }
    const std::size_t symbols = symbol_rows.size();
    result["symbol_rows"] = nb::cast(array_of(std::move(symbol_rows), {symbols}));
  }
  return result;
}

void bind_results(nb::module_& m) {
  nb::class_<Check>(m, "Check", "A verdict and what it rests on.")
      .def_prop_ro("verdict", [](const Check& c) { return verdict_name(verdict_kind(c.report->verdict)); })
      .def("json",
           [](const Check& c) {
             return check_report_json(*c.report, c.asked().alphabet(), c.up_to,
                                      c.failures ? std::optional(*c.failures) : std::nullopt);
           })
      .def_prop_ro("hint", [](const Check& c) { return c.hint; })
      .def_prop_ro("failure_lines",
                   [](const Check& c) {
                     return c.failures ? failure_lines(*c.failures, c.asked().alphabet())
                                       : std::vector<std::pair<std::string, std::string>>{};
                   })
      .def_prop_ro("final_line", [](const Check& c) { return final_line(c.report->verdict, c.asked().alphabet()); })
      .def(
          "certificate",
          [](const Check& c, const std::string& model_name, const std::string& language_name) {
            return bytes_of(certificate_bytes(
                make_certificate(*c.report, c.asked(), c.language, {tool, model_name, language_name})));
          },
          "model_name"_a, "language_name"_a);

  nb::class_<Harden>(m, "Harden", "A hardened model and the verdicts before and after.")
      .def("json", [](const Harden& h) { return harden_report_json(*h.report, h.model.alphabet()); })
      .def_prop_ro("check",
                   [](const Harden& h) {
                     return Check{h.model, h.language, std::shared_ptr<const CheckReport>(h.report, &h.report->report),
                                  std::nullopt, std::shared_ptr<const Machine>(h.report, h.report->machine.get())};
                   })
      .def_prop_ro("original",
                   [](const Harden& h) {
                     return Check{h.model, h.language,
                                  std::shared_ptr<const CheckReport>(h.report, &h.report->original), std::nullopt};
                   })
      .def("model",
           [](const Harden& h) -> std::optional<Model> {
             if (!h.report->machine) return std::nullopt;
             if (h.report->hardening.compiled) {
               OpenModel open;
               open.machine = make_machine(*h.report->hardening.compiled, Semantics::fp32_snap_v1);
               open.automaton = h.model.on_task().automaton;
               return opened(h.model.name, std::move(open));
             }
             return opened(h.model.name, open_learned(std::make_shared<const Program>(*h.report->hardening.program),
                                                      *h.model.on_task().task, h.model.notes));
           })
      .def(
          "write",
          [](const Harden& h, const std::string& path, bool force) {
            if (!h.report->machine) throw InputError(path + ": nothing was hardened: " + h.report->hardening.reason);
            if (h.model.directory.empty() && h.report->hardening.program) {
              throw InputError(path +
                               ": expected a checkpoint opened from files, whose files a hardened one keeps, "
                               "got one from memory");
            }
            write_hardened(h.model.on_task(), h.report->hardening, h.model.directory, path, force);
          },
          "path"_a, "force"_a);

  nb::class_<Asked>(m, "Asked", "An impossibility theorem's answer about a model.")
      .def("json", [](const Asked& a) { return theorem_report_json(*a.answer); })
      .def_prop_ro("verdict", [](const Asked& a) { return verdict_name(theorem_verdict(a.answer->report)); })
      .def_prop_ro("words",
                   [](const Asked& a) -> std::optional<std::pair<std::string, std::string>> {
                     const auto* pair = std::get_if<IndistinguishablePair>(&a.answer->report.conclusion);
                     if (pair == nullptr) return std::nullopt;
                     return std::pair(power_text(pair->word_a, a.answer->alphabet),
                                      power_text(pair->word_b, a.answer->alphabet));
                   })
      .def(
          "certificate",
          [](const Asked& a, const std::string& model_name, const std::string& language_name) {
            return bytes_of(certificate_bytes(
                theorem_certificate(a.model.on_task(), *a.answer, {tool, model_name, language_name})));
          },
          "model_name"_a, "language_name"_a);
}

void bind_model(nb::module_& m) {
  nb::class_<Model>(m, "Model", "A compiled model, or a checkpoint, with a task or without.")
      .def_prop_ro("name", [](const Model& model) { return model.name; })
      .def_prop_ro("directory", [](const Model& model) { return model.directory; })
      .def_prop_ro("notes", [](const Model& model) { return model.notes; })
      .def_prop_ro("has_task", [](const Model& model) { return model.open != nullptr; })
      .def_prop_ro("is_learned", [](const Model& model) { return model.program != nullptr; })
      .def_prop_ro("architecture",
                   [](const Model& model) -> std::optional<std::string> {
                     if (!model.program) return std::nullopt;
                     return model.program->architecture();
                   })
      .def_prop_ro("num_parameters",
                   [](const Model& model) -> std::optional<std::size_t> {
                     if (!model.program) return std::nullopt;
                     return model.program->num_parameters();
                   })
      .def_prop_ro(
          "vocabulary_size",
          [](const Model& model) { return model.program ? model.program->vocabulary_size() : model.alphabet().size(); })
      .def_prop_ro("alphabet", [](const Model& model) { return model.alphabet().names(); })
      .def_prop_ro("label_names", [](const Model& model) { return model.machine().label_names(); })
      .def_prop_ro("semantics", [](const Model& model) { return std::string(model.machine().semantics()); })
      .def_prop_ro("fingerprint", [](const Model& model) { return model.on_task().identity(); })
      .def_prop_ro("min_length",
                   [](const Model& model) { return model.on_task().task ? model.on_task().task->min_length : 0; })
      .def_prop_ro("exact", [](const Model& model) { return model.on_task().exact; })
      .def_prop_ro("horizon", [](const Model& model) { return model.on_task().horizon; })
      .def_prop_ro("report", [](const Model& model) { return model.report; })
      .def_prop_ro("num_layers",
                   [](const Model& model) {
                     return model.program ? model.program->layers().size()
                                          : model.machine().compiled()->layers().size();
                   })
      .def(
          "layer",
          [](const Model& model, std::size_t index) {
            const LrnnModel* const compiled = model.machine().compiled();
            if (compiled == nullptr)
              throw InputError(model.name + ": expected a compiled model, which has tables, got a learned one");
            return layer_dict(*compiled, index);
          },
          "index"_a, nb::sig("def layer(self, index: int) -> dict[str, object]"))
      .def("own_language", [](const Model& model) { return model.on_task().own_language(); })
      .def(
          "with_task",
          [](const Model& model, const std::string& task, const std::string& source) {
            if (!model.program)
              throw InputError(model.name + ": expected a checkpoint with the task, got a compiled model");
            Model result =
                opened(model.name, open_learned(model.program, parse_task(task, source, *model.program), model.notes));
            result.directory = model.directory;
            return result;
          },
          "task"_a, "source"_a)
      .def(
          "in_format",
          [](const Model& model, const std::string& format) {
            const Semantics semantics = semantics_named(format);
            const LrnnModel* const compiled = model.machine().compiled();
            if (compiled == nullptr) {
              throw InputError(model.name + ": semantics: expected " + std::string(learned_semantics) +
                               ", the only one of a learned model, got " + std::string(semantics_id(semantics)));
            }
            OpenModel other;
            other.machine = make_machine(*compiled, semantics);
            other.hint = model.open->hint;
            other.exact = model.open->exact;
            other.horizon = model.open->horizon;
            other.automaton = model.open->automaton;
            Model result = model;
            result.open = std::make_shared<const OpenModel>(std::move(other));
            return result;
          },
          "format"_a)
      .def(
          "save",
          [](const Model& model, const std::string& path, bool force) {
            const LrnnModel* const compiled = model.open ? model.machine().compiled() : nullptr;
            if (compiled == nullptr) throw InputError(path + ": expected a compiled model to write, got a checkpoint");
            const Semantics semantics = parse_semantics(model.machine().semantics()).value();
            if (model.compiled) {
              ModelDirectory directory = model_directory(*model.compiled, model.report);
              directory.semantics = semantics;
              write_model(path, directory, force);
              return;
            }
            ModelDirectory directory{*compiled};
            directory.semantics = semantics;
            directory.hint = model.open->hint;
            directory.exact = model.open->exact;
            directory.horizon = model.open->horizon;
            directory.automaton = model.open->automaton;
            write_model(path, directory, force);
          },
          "path"_a, "force"_a)
      .def(
          "run",
          [](const Model& model, nb::handle words, bool all_positions, bool margins, const std::string& device,
             unsigned threads, const nb::object& progress) {
            const std::shared_ptr<const Words> batch = words_from(words, model.alphabet());
            RunOptions options;
            options.all_positions = all_positions;
            options.margins = margins;
            options.device = device_named(device);
            options.threads = threads;
            Trace trace = run_work<Trace>(progress, [model, batch, options](Work& work) {
              RunOptions own = options;
              own.stop = &work.stop;
              return model.machine().run(batch->view, own);
            });
            const std::size_t count = trace.labels.size();
            const std::size_t offsets = trace.offset.size();
            nb::dict result;
            const bool has_margins = !trace.margins.empty();
            result["labels"] = array_of(std::move(trace.labels), {count});
            result["margins"] = has_margins ? nb::cast(array_of(std::move(trace.margins), {count})) : nb::none();
            result["offset"] = array_of(std::move(trace.offset), {offsets});
            result["device"] = trace.device;
            result["semantics"] = trace.semantics;
            return result;
          },
          "words"_a, "all_positions"_a, "margins"_a, "device"_a, "threads"_a, "progress"_a = nb::none(),
          nb::sig("def run(self, words: object, all_positions: bool, margins: bool, device: str, threads: int, "
                  "progress: object = None) -> dict[str, object]"))
      .def(
          "carried",
          [](const Model& model, nb::handle word) {
            const Machine& machine = model.machine();
            const Word symbols = word_from(word, machine.alphabet(), "word");
            std::vector<std::byte> state(machine.state_size());
            machine.initial(state);
            for (const Symbol symbol : symbols) machine.step(state, symbol);
            std::vector<std::uint32_t> bits(state.size() / 4);
            std::memcpy(bits.data(), state.data(), bits.size() * 4);
            const std::size_t size = bits.size();
            return array_of(std::move(bits), {size});
          },
          "word"_a, nb::sig("def carried(self, word: object) -> object"))
      .def(
          "logits",
          [](const Model& model, const std::vector<std::uint32_t>& tokens) {
            if (!model.program)
              throw InputError(model.name + ": expected a learned model, which has logits, got a compiled one");
            const std::size_t size = model.program->num_logits();
            std::vector<float> logits(tokens.size() * size);
            LearnedStream<float> stream(*model.program);
            for (std::size_t t = 0; t < tokens.size(); ++t)
              stream.step(tokens[t], std::span(logits).subspan(t * size, size));
            return array_of(std::move(logits), {tokens.size(), size});
          },
          "tokens"_a)
      .def(
          "check",
          [](const Model& model, const std::optional<Dfa>& language, const std::string& name,
             std::optional<std::uint64_t> up_to, std::optional<double> time_limit, std::size_t memory,
             std::optional<std::uint64_t> exhaustive, std::uint64_t samples, std::uint64_t sample_length,
             std::uint64_t seed, const std::string& device, bool failing, const nb::object& progress) {
            const Dfa asked = model.language(language);
            CheckOptions options;
            options.budget.memory = memory;
            options.budget.deadline = deadline_in(time_limit);
            options.up_to = up_to;
            options.exhaustive = exhaustive;
            options.device = device_named(device);
            options.sample.words = samples;
            options.sample.max_length = sample_length;
            options.sample.seed = seed;
            return run_work<Check>(progress, [model, asked, name, options, up_to, failing](Work& work) {
              CheckOptions own = options;
              own.budget.stop = &work.stop;
              own.begins = [&work](const std::string& method) { work.begins(method); };
              own.progress = [&work](const EnumerateProgress& part) {
                work.part(static_cast<double>(part.nodes), static_cast<double>(part.total));
              };
              const OpenModel& open = model.on_task();
              CheckReport report = check(*open.machine, asked, own, open.hint ? &*open.hint : nullptr);
              Check result{model, asked, nullptr, up_to};
              if (failing) {
                work.begins("failing words");
                if (auto found = failures_of(report, open, asked, own.budget)) {
                  result.failures = std::make_shared<const FailureReport>(*std::move(found));
                }
              }
              if (std::holds_alternative<Refuted>(report.verdict)) {
                result.hint = opposite_order_hint(*open.machine, name);
              }
              if (open.task && open.task->min_length > 0) report.domain = open.domain(asked);
              result.report = std::make_shared<const CheckReport>(std::move(report));
              return result;
            });
          },
          "language"_a.none(), "name"_a, "up_to"_a.none(), "time_limit"_a.none(), "memory"_a, "exhaustive"_a.none(),
          "samples"_a, "sample_length"_a, "seed"_a, "device"_a, "failing"_a, "progress"_a = nb::none())
      .def(
          "harden",
          [](const Model& model, const std::optional<Dfa>& language, std::optional<double> time_limit,
             std::size_t max_codes, const std::string& method, const nb::object& progress) {
            Dfa asked = model.language(language);
            HardenOptions options;
            options.budget.deadline = deadline_in(time_limit);
            options.max_codes = max_codes;
            if (method != "codes" && method != "grid") {
              throw InputError("method: expected one of codes, grid, got '" + method + "'");
            }
            if (method == "grid") options.method = HardenOptions::Method::grid;
            auto report = run_work<std::shared_ptr<const HardenReport>>(progress, [model, asked, options](Work& work) {
              work.begins("codes");
              HardenOptions own = options;
              own.budget.stop = &work.stop;
              return std::make_shared<const HardenReport>(harden_with_verdict(model.on_task(), model.name, asked, own));
            });
            return Harden{model, std::move(asked), std::move(report)};
          },
          "language"_a.none(), "time_limit"_a.none(), "max_codes"_a, "method"_a, "progress"_a = nb::none())
      .def(
          "refute",
          [](const Model& model, const std::string& theorem, const std::optional<std::string>& symbol,
             const std::optional<std::string>& semantics, std::optional<std::uint64_t> max_steps,
             const nb::object& progress) {
            TheoremQuestion question;
            question.theorem = Theorem::parse(theorem);
            question.symbol = symbol;
            question.max_steps = max_steps;
            if (semantics) {
              question.arithmetic = parse_arithmetic(*semantics);
              if (!question.arithmetic) {
                throw InputError("format: expected fp32, fp16, bf16, FORMAT-separate-v1 or a semantics id, got '" +
                                 *semantics + "'");
              }
            }
            model.on_task();
            auto answer = run_work<std::shared_ptr<TheoremAnswer>>(progress, [model, question](Work& work) {
              TheoremQuestion own = question;
              own.stop = &work.stop;
              own.begins = [&work](const std::string& stage) { work.begins(stage); };
              return std::make_shared<TheoremAnswer>(ask_theorem(model.on_task(), model.name, own));
            });
            return Asked{model, std::move(answer)};
          },
          "theorem"_a, "symbol"_a.none(), "semantics"_a.none(), "max_steps"_a.none(), "progress"_a = nb::none())
      .def(
          "accuracy",
          [](const Model& model, const std::optional<Dfa>& language, const std::vector<std::uint64_t>& lengths,
             std::uint64_t words, std::uint64_t seed, const std::vector<double>& weights, const std::string& device,
             const nb::object& progress) {
            const Dfa asked = model.language(language);
            AccuracyOptions options;
            options.lengths = lengths;
            options.words = words;
            options.seed = seed;
            options.symbol_weights = weights;
            options.device = device_named(device);
            const OpenModel& open = model.on_task();
            options.last_only = open.task && open.task->positions == Task::Positions::last;
            return run_work<std::string>(progress, [model, asked, options](Work& work) {
              AccuracyOptions own = options;
              own.stop = &work.stop;
              own.progress = [&work](std::uint64_t, double done, double total) { work.part(done, total); };
              return accuracy_json(measure_accuracy(model.machine(), asked, own), options,
                                   std::string(model.machine().semantics()));
            });
          },
          "language"_a.none(), "lengths"_a, "words"_a, "seed"_a, "weights"_a, "device"_a, "progress"_a = nb::none())
      .def(
          "sample",
          [](const Model& model, const std::optional<Dfa>& language, std::uint64_t words, std::uint64_t max_length,
             std::uint64_t seed, double confidence, const std::string& device, const nb::object& progress) {
            const Dfa asked = model.language(language);
            SampleDesign design{words, max_length, seed, confidence};
            const Device where = device_named(device);
            const Sample sample = run_work<Sample>(progress, [model, asked, design, where](Work& work) {
              Budget budget;
              budget.stop = &work.stop;
              return krohn::sample(model.machine(), Specification(model.machine(), asked), design, budget, where);
            });
            nb::dict result;
            result["drawn"] = sample.drawn;
            result["labelled"] = sample.labelled;
            result["word"] =
                sample.disagreement ? nb::object(word_tuple(*sample.disagreement, model.alphabet())) : nb::none();
            result["bound"] = sample.bound ? nb::cast(*sample.bound) : nb::none();
            return result;
          },
          "language"_a.none(), "words"_a, "max_length"_a, "seed"_a, "confidence"_a, "device"_a,
          "progress"_a = nb::none(),
          nb::sig("def sample(self, language: Dfa | None, words: int, max_length: int, seed: int, confidence: float, "
                  "device: str, progress: object = None) -> dict[str, object]"))
      .def(
          "search_part",
          [](const Model& model, const std::optional<Dfa>& language, std::uint64_t max_length, std::uint32_t part,
             std::uint32_t parts, const std::optional<std::string>& earlier, std::optional<double> time_limit,
             const std::string& device, unsigned threads, const nb::object& progress) {
            if (part >= parts) {
              throw InputError("part: expected a number from 0 to " + std::to_string(parts) + " - 1, got " +
                               std::to_string(part));
            }
            const Dfa asked = model.language(language);
            EnumerateOptions options;
            options.max_length = max_length;
            options.shard = {part, parts};
            options.threads = threads;
            options.device = device_named(device);
            options.deadline = deadline_in(time_limit);
            if (earlier) {
              const SearchPart known = parse_search_part(*earlier, "earlier");
              if (known.identity == search_identity(model.on_task(), asked, max_length) && known.shard.index == part &&
                  known.shard.count == parts && !known.result.disagreement) {
                options.agreed = known.result.agreed;
              }
            }
            return run_work<std::string>(progress, [model, asked, options](Work& work) {
              EnumerateOptions own = options;
              own.stop = &work.stop;
              own.progress = [&work](const EnumerateProgress& told) {
                work.part(static_cast<double>(told.nodes), static_cast<double>(told.total));
              };
              return format_search_part(krohn::search_part(model.on_task(), asked, own));
            });
          },
          "language"_a.none(), "max_length"_a, "part"_a, "parts"_a, "earlier"_a.none(), "time_limit"_a.none(),
          "device"_a, "threads"_a, "progress"_a = nb::none())
      .def(
          "spectrum",
          [](const Model& model, std::uint64_t words, std::uint64_t length, std::uint64_t seed,
             const std::string& title, const nb::object& progress) {
            if (!model.program) {
              throw InputError(model.name + ": expected a learned model, got a compiled one, whose layers have tables");
            }
            SpectrumOptions options;
            if (model.open) {
              options.tokens = model.open->task->answers.tokens;
              options.first_token = model.open->task->answers.first_token;
            } else {
              const auto most = std::min<std::size_t>(model.program->vocabulary_size(), 4096);
              for (std::uint32_t token = 0; token < most; ++token) options.tokens.push_back(token);
            }
            options.words = words;
            options.length = length;
            options.seed = seed;
            const LearnedSpectrum spectrum = run_work<LearnedSpectrum>(
                progress, [model, options](Work&) { return compute_spectrum(*model.program, options); });
            nb::list heads;
            for (const HeadSpectrum& head : spectrum.heads) {
              nb::dict one = head_dict(head);
              if (!model.layer_numbers.empty()) one["layer"] = model.layer_numbers.at(head.block);
              heads.append(one);
            }
            return nb::make_tuple(heads, spectrum_svg(spectrum, title));
          },
          "words"_a, "length"_a, "seed"_a, "title"_a, "progress"_a = nb::none(),
          nb::sig("def spectrum(self, words: int, length: int, seed: int, title: str, progress: object = None) -> "
                  "tuple[list[dict[str, object]], str]"));
}

}  // namespace

void bind_models(nb::module_& m) {
  bind_model(m);
  bind_results(m);

  m.def(
      "compile",
      [](const Dfa& dfa, const std::string& name, const std::string& cascade, const std::string& delay,
         const std::string& resets, const std::string& spectrum, const std::string& keys,
         const std::string& representation, const std::string& family, const std::string& semantics,
         std::size_t max_rows, std::size_t max_family, const nb::object& progress) {
        std::vector<std::string> problems;
        const auto choose = [&problems](const char* option, const auto& names, const std::string& text) {
          const auto value = option_named(names, text);
          if (!value) {
            std::string known;
            for (const auto& [one, ignored] : names) known += (known.empty() ? "" : ", ") + std::string(one);
            problems.push_back(std::string(option) + ": expected one of " + known + ", got '" + text + "'");
          }
          return value.value_or(names.front().second);
        };
        CompileOptions options;
        options.cascade.mode = choose("cascade", cascade_names, cascade);
        options.delay = choose("delay", delay_names, delay);
        options.resets = choose("resets", reset_names, resets);
        options.spectrum = choose("spectrum", spectrum_names, spectrum);
        options.keys = choose("keys", key_names, keys);
        options.representation = choose("representation", representation_names, representation);
        options.recurrence = choose("family", recurrence_names, family);
        try {
          options.semantics = semantics_named(semantics, "semantics");
        } catch (const InputError& error) {
          problems.push_back(error.problems().front());
        }
        if (!problems.empty()) throw InputError(problems);
        options.cascade.max_rows = max_rows;
        options.cascade.max_family = max_family;
        auto result = run_work<std::shared_ptr<const CompileResult>>(progress, [dfa, options](Work& work) {
          CompileOptions own = options;
          own.begins = [&work](const std::string& stage) {
            if (work.stop) throw StoppedError();
            work.begins(stage);
          };
          return std::make_shared<const CompileResult>(compile(dfa, own));
        });
        OpenModel open;
        open.machine = make_machine(result->model, options.semantics);
        open.hint = result->hint;
        open.exact = result->exact;
        open.horizon = result->horizon;
        open.automaton = result->minimal;
        Model model = opened(name, std::move(open));
        model.report = compile_report_json(*result, options, name);
        model.compiled = std::move(result);
        return model;
      },
      "dfa"_a, "name"_a, "cascade"_a, "delay"_a, "resets"_a, "spectrum"_a, "keys"_a, "representation"_a, "family"_a,
      "semantics"_a, "max_rows"_a, "max_family"_a, "progress"_a = nb::none());

  m.def(
      "open_model",
      [](const std::string& path, const std::optional<std::string>& format, const std::optional<std::string>& task,
         const std::string& task_source, const std::optional<std::array<std::uint32_t, 3>>& fla_version,
         const nb::object& progress) {
        const std::optional<Semantics> semantics = semantics_named(format);
        const ReadingHints hints = hints_of(fla_version);
        return run_work<Model>(progress, [=](Work&) {
          Model model;
          if (read_model_type(path) == "krohn-lrnn") {
            if (task) throw InputError(path + ": expected a checkpoint with the task, got a compiled model");
            model = opened(path, open_model(path, semantics, std::nullopt, hints));
          } else if (is_hybrid(path)) {
            model = opened(path, read_linear_layers(path, {}, hints), task, task_source);
          } else if (!task && fs::exists(fs::path(path) / "task.json")) {
            model = opened(path, open_model(path, semantics, std::nullopt, hints));
          } else {
            model = opened(path, read_checkpoint(path, hints), task, task_source);
          }
          model.directory = path;
          return model;
        });
      },
      "path"_a, "format"_a.none(), "task"_a.none(), "task_source"_a, "fla_version"_a.none(), "progress"_a = nb::none());

  m.def(
      "open_arrays",
      [](const std::string& config, const std::string& source, const nb::typed<nb::dict, nb::str, nb::object>& arrays,
         const std::optional<std::string>& task, const std::string& task_source,
         const std::optional<std::array<std::uint32_t, 3>>& fla_version, const nb::object& progress) {
        const auto weights = std::make_shared<Weights>(weights_of(source, arrays));
        const ReadingHints hints = hints_of(fla_version);
        return run_work<Model>(progress, [=](Work&) {
          return opened(source, read_checkpoint(config, source + ": config", *weights, hints), task, task_source);
        });
      },
      "config"_a, "source"_a, "arrays"_a, "task"_a.none(), "task_source"_a, "fla_version"_a.none(),
      "progress"_a = nb::none());

  m.def("captured_spectrum", &captured<double>, "keys"_a.noconvert(), "betas"_a.noconvert(),
        "gates"_a.noconvert().none());
  m.def("captured_spectrum", &captured<float>, "keys"_a.noconvert(), "betas"_a.noconvert(),
        "gates"_a.noconvert().none());
  m.def(
      "draw_eigenvalues",
      [](const std::vector<std::string>& names, const std::vector<std::vector<std::complex<double>>>& values) {
        std::vector<EigenvalueSeries> series;
        for (std::size_t i = 0; i < names.size(); ++i) series.push_back({names[i], values.at(i)});
        const Figure figure = draw_eigenvalues(series);
        return std::pair(figure.svg, figure.caption);
      },
      "names"_a, "values"_a);

  m.def(
      "merge_search_parts",
      [](const std::vector<std::string>& texts, const std::vector<std::string>& names) {
        std::vector<SearchPart> parts;
        for (std::size_t i = 0; i < texts.size(); ++i) parts.push_back(parse_search_part(texts[i], names.at(i)));
        return merged_search_json(merge_search_parts(parts, names));
      },
      "texts"_a, "names"_a);
  m.def(
      "search_part_state",
      [](const std::string& text, const std::string& source) {
        const SearchPart part = parse_search_part(text, source);
        const bool over =
            part.result.disagreement || (part.result.agreed && *part.result.agreed >= part.identity.max_length);
        return nb::make_tuple(part.identity.model, part.identity.language, part.identity.semantics,
                              part.identity.max_length, part.shard.index, part.shard.count, over);
      },
      "text"_a, "source"_a,
      nb::sig("def search_part_state(text: str, source: str) -> tuple[str, str, str, int, int, int, bool]"));
  m.def(
      "sample_bound",
      [](std::uint64_t labelled, double confidence) { return clopper_pearson_upper(0, labelled, confidence); },
      "labelled"_a, "confidence"_a);
  m.def(
      "parse_lengths", [](const std::string& text) { return parse_lengths(text); }, "text"_a);

  m.def(
      "verify",
      [](const nb::bytes& bytes, const Model& model, const std::optional<Dfa>& language, const nb::object& progress) {
        const std::string text(bytes.c_str(), bytes.size());
        const Dfa asked = model.language(language);
        using Result = std::pair<std::string, std::string>;
        return run_work<Result>(progress, [text, model, asked](Work&) {
          const Certificate certificate = parse_certificate(text, "certificate");
          const std::optional<Rejection> rejection = reject(certificate, model.machine(), asked);
          return Result(!rejection             ? "VERIFIED"
                        : rejection->unchecked ? "UNCHECKED"
                                               : "REJECTED",
                        rejection ? rejection->reason : certificate_claim(certificate));
        });
      },
      "certificate"_a, "model"_a, "language"_a.none(), "progress"_a = nb::none());
}

}  // namespace krohn::python
