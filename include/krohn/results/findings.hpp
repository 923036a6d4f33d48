// What a report shows, found out: every search, sample, compilation and measurement behind its page. The page itself
// (report.hpp) only renders it, and languages are classified as `krohn classify` classifies them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "krohn/automata/cascade.hpp"
#include "krohn/automata/language.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/engine/spectrum.hpp"
#include "krohn/results/check_report.hpp"
#include "krohn/results/classification.hpp"
#include "krohn/results/extraction_report.hpp"
#include "krohn/results/figures.hpp"
#include "krohn/verify/accuracy.hpp"
#include "krohn/verify/check.hpp"
#include "krohn/verify/clusters.hpp"
#include "krohn/verify/lasso.hpp"

namespace krohn {

struct ReportOptions {
  /// As ClassifyOptions::max_monoid: beyond it a part is left out, and the page says so.
  std::size_t max_monoid = ClassifyOptions{}.max_monoid;
  /// Steps for a lasso; fewer of a checkpoint, by its size.
  std::uint64_t lasso_steps = std::uint64_t{1} << 22U;
  /// Words of a length for margins and accuracies; by default 100, and fewer, at least 10, of a checkpoint of more than
  /// about a million parameters. The longest of them.
  std::optional<std::uint64_t> words = std::nullopt;
  std::uint64_t length = 512;
  /// Seconds for the verdict of a model with a language.
  double check_seconds = 10.0;
  /// Called as a part begins, with its name.
  std::function<void(const std::string&)> begins = {};
  /// Once true, the parts that did not begin are left out; null for none.
  const std::atomic<bool>* stop = nullptr;
  bool stopped() const noexcept { return stop != nullptr && stop->load(std::memory_order_relaxed); }
};

struct LanguageFindings {
  Classification classification;
  /// For a picture, within 20,000 sets and 400,000 rows.
  std::optional<Cascade> cascade;
  /// Why there is none; empty where that is a matter of course.
  std::string no_cascade;
};

struct VerdictFindings {
  CheckReport report;
  /// Of a model that was refuted.
  std::optional<FailureReport> failures;
};

/// The automaton that the model implements.
struct ExtractionFindings {
  /// Of a model that is right up to a length only: as long a length as leaves a picture.
  Extraction drawn;
  /// The automaton found first, and its length, where `drawn` is of a shorter one.
  std::optional<std::uint64_t> whole_length;
  Dfa whole;
  std::string growth;
  std::optional<ExtractionComparison> comparison;
};

/// Margins after each symbol, signed by the right label where there is a language: below 0 the label is wrong. Infinite
/// where nothing is asked for.
struct MarginFindings {
  std::uint64_t words = 0;
  std::vector<double> least;
  std::vector<double> power;
  std::vector<double> refuting;
  /// Where a run left the numbers.
  std::string note;
};

/// Elements of the hidden state along powers of one symbol: those that move most.
struct HiddenFindings {
  std::vector<Trajectory> trajectories;
  std::optional<Lasso> lasso;
  std::string note;
};

struct ModelFindings {
  std::optional<VerdictFindings> verdict;
  std::optional<ExtractionFindings> extraction;
  /// The symbol whose powers are looked at: the letter that turns the language most, or the first.
  Symbol symbol = 0;
  /// None of a model without layers.
  std::optional<MarginFindings> margins;
  std::vector<EigenvalueSeries> eigenvalues;
  /// Of a checkpoint.
  std::optional<LearnedSpectrum> spectrum;
  std::optional<HiddenFindings> hidden;
  std::optional<Clusters> clusters;
  /// What the clusters are of: the language's automaton in the model's order of symbols, else the one extracted.
  std::optional<Dfa> clustered;
  std::optional<LanguageFindings> language;
  std::optional<Accuracy> accuracy;
  /// Whether parts were left out.
  bool stopped = false;
};

LanguageFindings look_into(const Language& language, const ReportOptions& options);

/// With the language that comes with the model, if any. Where what there is to say of that language is `known`, it is
/// not looked into again, and not in the result.
ModelFindings look_into(const OpenModel& model, const ReportOptions& options, const LanguageFindings* known = nullptr);

}  // namespace krohn
