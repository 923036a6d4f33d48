// What Mamba's architectures share: the shell, its three forms of a configuration, and the selective scan of the first
// Mamba.
//
// Forms of a configuration: transformers' and flash-linear-attention's, with one set of names; the first of them as
// converted from mamba_ssm's, which keeps keys of the original beside its own (d_model, n_layer, d_inner, ssm_cfg,
// rms_norm: nothing reads them, so they must agree); and mamba_ssm's own without a model_type, whose keys are renamed.
#pragma once

#include <optional>
#include <string_view>

#include "fla.hpp"

namespace krohn::architectures {

/// Embedding, layers x = x + mixer(norm(x)) below `backbone`, norm_f, head. The mixer's prefix ends in "mixer.";
/// `channels` are its inner ones. hidden_act must be silu, unless no layer reads it.
Program mamba_shell(Draft& draft, const std::string& name, std::size_t channels,
                    const std::function<Slice(const std::string& prefix, Slice h, Slice x, double epsilon)>& mixer,
                    bool reads_activation = true);

/// The options of `mamba_shell` and its mixers from a configuration of mamba_ssm, where ssm_cfg.layer (Mamba1 where it
/// is absent) is `layer`.
std::optional<JsonValue::Object> of_mamba_ssm(const JsonField& root, std::string_view layer);

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

/// The options of Mamba's layers; where none says a size, the tensors below `prefix` do, those of one layer:
/// mamba_ssm's configurations leave out what is its default.
SelectiveScan read_selective_scan(Draft& draft, std::size_t size, const std::string& prefix);

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
