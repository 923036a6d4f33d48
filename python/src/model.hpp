// Models as Python holds them, and arguments that several jobs take.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "krohn/checkpoints/open_model.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/engine/device.hpp"
#include "krohn/error.hpp"

namespace krohn::python {

/// A model as Python holds it; cheap to copy.
struct Model {
  std::string name;
  /// Where its files are, if it has any.
  std::string directory = {};
  /// With a machine, unless it is a learned model without a task.
  std::shared_ptr<const OpenModel> open;
  std::shared_ptr<const Program> program = nullptr;
  std::shared_ptr<const CompileResult> compiled = nullptr;
  std::string report = {};
  std::vector<std::string> notes = {};
  std::vector<std::size_t> layer_numbers = {};

  const OpenModel& on_task() const {
    if (open) return *open;
    throw InputError(
        name +
        ": expected a task, which says what symbols and labels the checkpoint's tokens and logits are, got "
        "none: give one when it is opened, such as {\"symbols\": {\"0\": 0, \"1\": 1}, \"bos\": None, "
        "\"outputs\": {\"0\": \"0\", \"1\": \"1\"}, \"automaton\": \"parity\"}");
  }
  const Machine& machine() const { return *on_task().machine; }
  const Alphabet& alphabet() const { return machine().alphabet(); }

  /// The language given, or the model's own, as the model can be checked against it.
  Dfa language(const std::optional<Dfa>& given) const {
    if (given) return on_task().within_domain(*given);
    std::optional<Dfa> own = on_task().own_language();
    if (!own) throw InputError("language: expected one, got none, and none comes with the model");
    return *std::move(own);
  }
};

/// Throws InputError for another name, DeviceError where there is no such device.
inline Device device_named(const std::string& name) {
  const std::optional<Device> device = parse_device(name);
  if (!device) {
    throw InputError("device: expected one of auto, cpu, cuda, or cuda: and numbers (cuda:0,1), got '" + name + "'");
  }
  require_device(*device);
  return *device;
}

inline std::optional<std::chrono::steady_clock::time_point> deadline_in(std::optional<double> seconds) {
  if (!seconds) return std::nullopt;
  if (!(*seconds >= 0.0 && *seconds <= 1e9)) {
    throw InputError("time_limit: expected seconds from 0 to 1e9, got " + std::to_string(*seconds));
  }
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(static_cast<std::int64_t>(*seconds * 1000.0));
}

}  // namespace krohn::python
