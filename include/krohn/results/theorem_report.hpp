// An impossibility theorem asked of a model that was opened: what krohn refute MODEL does, and how it is told.
//
// As JSON: docs/schemas/v1/refute.json.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "krohn/automata/alphabet.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/engine/compiled/theorem_machines.hpp"
#include "krohn/verify/certificate.hpp"
#include "krohn/verify/lasso.hpp"
#include "krohn/verify/refute.hpp"

namespace krohn {

struct TheoremQuestion {
  Theorem theorem = Theorem::parity();
  /// Whether the asker named the theorem. One that was not named is not asked of a model that was made for a language
  /// that does not count so.
  bool named = true;
  /// The counted symbol; "1" by default.
  std::optional<std::string> symbol = std::nullopt;
  /// Of a compiled model; by default the one that it was opened in.
  std::optional<Arithmetic> arithmetic = std::nullopt;
  /// Steps for the orbit of 1^k; by default RefuteOptions' of a compiled model, 2^20 of a checkpoint.
  std::optional<std::uint64_t> max_steps = std::nullopt;
  const std::atomic<bool>* stop = nullptr;
  /// Called as a stage begins, with its name.
  std::function<void(const std::string&)> begins = {};
};

struct TheoremAnswer {
  TheoremReport report;
  Alphabet alphabet;
  /// The model in words.
  std::string model;
  std::string note = {};
  /// The language asked about where it is the model's own, which counts as the theorem wants, and not the theorem's.
  std::optional<Dfa> own_language = std::nullopt;
  std::optional<Arithmetic> arithmetic = std::nullopt;
};

/// `name` is the model's, for messages and the answer. Throws InputError for a model outside the theorem's hypothesis,
/// for an alphabet without the counted symbol, and for a language that the theorem is not about (see `named`).
TheoremAnswer ask_theorem(const OpenModel& model, const std::string& name, const TheoremQuestion& question);

/// REFUTED, PROVED or UNKNOWN.
VerdictKind theorem_verdict(const TheoremReport& report);
/// The word of the pair that gets a wrong label, with its suffix.
PowerWord wrong_word(const IndistinguishablePair& pair);
/// The layer that is last to settle on 1^k; none where the layers were not told apart.
std::optional<std::size_t> settling_layer(const TheoremReport& report);
/// The language asked about, in words.
std::string theorem_language_text(const TheoremAnswer& answer);

/// One object over several lines, with a final line feed.
std::string theorem_report_json(const TheoremAnswer& answer);

/// What the answer rests on. Throws InputError for an arithmetic in which models are not certified.
Certificate theorem_certificate(const OpenModel& model, const TheoremAnswer& answer, const CertificateSubject& subject);

}  // namespace krohn
