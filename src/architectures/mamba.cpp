// Mamba (Gu and Dao 2023) as Hugging Face's models and mamba_ssm keep it; positive_and_negative doubles the range of
// the decays (Grazzi et al. 2025).
#include "shared/mamba_shell.hpp"

namespace krohn::architectures {
namespace {

Program build(Draft& draft) {
  const std::size_t size = draft.options.size("hidden_size", 2048);
  const SelectiveScan s = read_selective_scan(draft, size, "backbone.layers.0.mixer.");
  return mamba_shell(draft, "mamba", s.channels, [&](const std::string& prefix, Slice h, Slice x, double) {
    return selective_scan(draft, prefix, s, h, x);
  });
}

std::optional<JsonValue::Object> of_unnamed(const JsonField& root) { return of_mamba_ssm(root, "Mamba1"); }

}  // namespace

extern const Architecture mamba;
const Architecture mamba{"mamba", build, nullptr, of_unnamed};

}  // namespace krohn::architectures
