// krohn inspect --compare-forms and --reference: where two implementations of one model part.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "krohn/architectures/draft.hpp"

namespace krohn::cli {

struct InspectForms {
  std::string model;
  ReadingHints hints;
  std::optional<std::string> task;
  bool json = false;
  std::optional<double> time_limit = std::nullopt;
  /// A safetensors file with input_ids and logits of another program; empty: the chunked form.
  std::string reference;
  std::string format = "bf16";
  std::string device = "auto";
  std::uint64_t words = 0;
  std::uint64_t length = 0;
  std::uint64_t seed = 1;
};

void inspect_forms(const InspectForms& options);

}  // namespace krohn::cli
