// Mamba (Gu and Dao 2023) as Hugging Face's models keep it; positive_and_negative doubles the range of the decays
// (Grazzi et al. 2025).
#include "shared/mamba_shell.hpp"

namespace krohn::architectures {
namespace {

Program build(Draft& draft) {
  Options& options = draft.options;
  const std::size_t size = options.size("hidden_size", 2048);
  SelectiveScan s;
  s.state_size = options.size("state_size", 16);
  s.channels = options.product(size, "expand", 2);
  s.width = options.size("conv_kernel", 4);
  s.rank = scan_rank(options, options.has("time_step_rank") ? "time_step_rank" : "dt_rank", size);
  s.bias = options.flag("use_bias", false);
  s.convolution_bias = options.flag("use_conv_bias", true);
  s.negative = options.flag("positive_and_negative", false);
  if (options.size("intermediate_size", s.channels) != s.channels) {
    options.report("intermediate_size", "expand * hidden_size = " + std::to_string(s.channels));
  }
  return mamba_shell(draft, "mamba", [&](const std::string& prefix, Slice h, Slice x, double) {
    return selective_scan(draft, prefix, s, h, x);
  });
}

}  // namespace

extern const Architecture mamba;
const Architecture mamba{"mamba", build};

}  // namespace krohn::architectures
