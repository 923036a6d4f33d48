// Hardening a model that was opened, with the verdict before and after: what krohn harden does, and how it is
// told.
//
// As JSON: docs/schemas/v1/harden.json.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

#include "krohn/checkpoints/open_model.hpp"
#include "krohn/verify/check.hpp"
#include "krohn/verify/harden.hpp"

namespace krohn {

struct HardenReport {
  /// The verdict on the model itself.
  CheckReport original;
  Hardening hardening;
  /// The verdict on the hardened model; UNKNOWN with the reason where there is none.
  CheckReport report;
  /// Null where nothing was hardened.
  std::unique_ptr<Machine> machine;
  double seconds = 0.0;

  /// Of all units.
  std::size_t codes() const;
};

/// A tenth of the time left goes to the model itself, at most four fifths of the rest to the codes. `name` is the
/// model's, for messages. Throws InputError for a model that has codes and for a compiled one in another semantics than
/// fp32-fma-v1, and as harden().
HardenReport harden_with_verdict(const OpenModel& model, const std::string& name, const Language& language,
                                 const HardenOptions& options);

/// One object over several lines, with a final line feed.
std::string harden_report_json(const HardenReport& report, const Alphabet& alphabet);

/// The hardened model as the directory `to`. Of a checkpoint the files in `from`, unchanged, and the codes; of a
/// compiled model the model with its codes, and the automaton of `model`. Throws InternalError where nothing was
/// hardened, and as PendingDirectory or write_model.
void write_hardened(const OpenModel& model, const Hardening& hardening, const std::filesystem::path& from,
                    const std::filesystem::path& to, bool force = false);

}  // namespace krohn
