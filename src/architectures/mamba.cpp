// Mamba (Gu and Dao 2023) as Hugging Face's models and mamba_ssm keep it; positive_and_negative doubles the range of
// the decays (Grazzi et al. 2025).
#include "shared/mamba_shell.hpp"

namespace krohn::architectures {
namespace {

Program build(Draft& draft) {
  Options& options = draft.options;
  const std::size_t size = options.size("hidden_size", 2048);
  const std::string first = "backbone.layers.0.mixer.";
  const auto extent = [&](const char* name, std::size_t axis, std::size_t otherwise) {
    const std::size_t found = draft.tensors.extent(first + name, axis);
    return found == 0 ? otherwise : found;
  };
  // Where no option says a size, the tensors do: mamba_ssm's configurations leave out what is its default.
  SelectiveScan s;
  s.state_size = options.size("state_size", extent("A_log", 1, 16));
  s.channels = options.product(size, "expand", 2);
  s.width = options.size("conv_kernel", extent("conv1d.weight", 2, 4));
  s.rank = scan_rank(options, options.has("time_step_rank") ? "time_step_rank" : "dt_rank", size);
  s.bias = options.flag("use_bias", false);
  s.convolution_bias = options.flag("use_conv_bias", true);
  s.negative = options.flag("positive_and_negative", false);
  return mamba_shell(draft, "mamba", s.channels, [&](const std::string& prefix, Slice h, Slice x, double) {
    return selective_scan(draft, prefix, s, h, x);
  });
}

std::optional<JsonValue::Object> of_unnamed(const JsonField& root) { return of_mamba_ssm(root, "Mamba1"); }

}  // namespace

extern const Architecture mamba;
const Architecture mamba{"mamba", build, nullptr, of_unnamed};

}  // namespace krohn::architectures
