// What Mamba's architectures share: the shell of the Hugging Face models, and the selective scan of the first Mamba.
#pragma once

#include "fla.hpp"

namespace krohn::architectures {

/// Embedding, layers x = x + mixer(norm(x)) below `backbone`, norm_f, head. The mixer's prefix ends in "mixer.".
Program mamba_shell(Draft& draft, const std::string& name,
                    const std::function<Slice(const std::string& prefix, Slice h, Slice x, double epsilon)>& mixer);

/// Sizes and options of a selective scan.
struct SelectiveScan {
  std::size_t channels = 0;
  std::size_t state_size = 0;
  std::size_t rank = 0;
  std::size_t width = 0;
  bool bias = false;
  bool convolution_bias = true;
  /// Decays 2 exp(dt A) - 1 instead of exp(dt A).
  bool negative = false;
};

/// in_proj, conv1d, x_proj, dt_proj, A_log, D, out_proj: per channel e and state entry n, s = A s + dt B[n] u,
/// y = sum_n s C[n] + D u, with A = exp(dt rate) and rate = -exp(A_log[e, n]).
Slice selective_scan(Draft& draft, const std::string& prefix, const SelectiveScan& sizes, Slice h, Slice x);

/// A rank option: 'auto' (or none) is a sixteenth of the size, rounded up.
std::size_t scan_rank(Options& options, const std::string& key, std::size_t size);

/// y * silu(z) through out_proj, added to x.
Slice gated_out(Draft& draft, const std::string& prefix, Slice y, Slice x, bool bias);

/// fma(D, u, o), a weight for each `share` features.
Slice skip(ProgramBuilder& net, Slice o, Slice u, std::uint32_t weight, std::size_t share);

}  // namespace krohn::architectures
