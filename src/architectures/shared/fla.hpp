// What flash-linear-attention's models share: the shell of embedding, blocks and head, and the parts of delta rules.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "krohn/architectures/architecture.hpp"

namespace krohn::architectures {

/// One block's mixer: given h = norm(x), it adds to the stream x and returns the sum.
using Mixer = std::function<Slice(const std::string& prefix, Slice h, Slice x)>;

/// Options that stand in every configuration and that krohn supports in one setting.
void common_options(Options& options, bool depth_residuals = false);

/// Notes that `key` says something that no layer reads; `computed` is what is computed whatever it says.
void note_unread(Draft& draft, const std::string& key, const std::string& computed);

/// intermediate_size, else int(size * hidden_ratio * numerator / denominator) as Python computes it, rounded up to a
/// multiple.
std::size_t feed_forward_size(Options& options, std::size_t size, double numerator, double denominator,
                              std::size_t multiple, double default_ratio = 4);

/// x (+ bias) through the head: lm_head.weight, or the embedding where that is absent and may be.
void head(Draft& draft, Slice x, std::uint32_t embedding, const std::string& tie_key);

/// x + down(act(gate h) * up h), with `act` silu, gelu or powlu.
Slice gated_feed_forward(Draft& draft, Slice h, Slice x, Function activation, std::uint32_t gate, std::uint32_t up,
                         std::uint32_t down);
/// The halves of a tensor [2 inner, size], as two tensors.
std::pair<std::uint32_t, std::uint32_t> halves(Draft& draft, const std::string& name, const std::string& first,
                                               const std::string& second, std::size_t inner, std::size_t size);

/// Embedding, blocks with attn_norm, attn, mlp_norm, mlp, last norm, head: x = x + attn(norm(x)); x = x + mlp(norm(x)).
///
/// With attnres_block_size b, residuals over depth: before each part but the first, x is the mean of the sums so far
/// (done sums, and the running one), weighted by the softmax of rms(sum; res_norm) . res_proj; every b-th part, from
/// the first on, ends the running sum and begins one of itself alone. A stream that holds nothing has no value.
struct FlaShell {
  /// What the architectures' shells differ in.
  struct Form {
    double hidden_ratio = 4;
    bool powlu = true;
    bool depth_residuals = true;
    /// Files of 2024 may have the norms before the parts inside of them.
    bool norms_inside = true;
  };
  std::size_t size = 0;
  std::size_t vocabulary = 0;
  std::size_t layers = 0;
  double epsilon = 0.0;
  std::size_t inner = 0;
  bool norms_inside = false;
  Function activation = Function::silu;
  /// attnres_block_size; 0: none.
  std::size_t residual_block = 0;
  /// What the mixer of each layer is called, where they differ.
  std::vector<std::string> names;

  /// Reads the options.
  FlaShell(Draft& draft, std::size_t default_layers, const Form& form);
  FlaShell(Draft& draft, std::size_t default_layers) : FlaShell(draft, default_layers, Form()) {}
  /// `name` is what the layers' mixers are called, unless `names` says so; a mixer's prefix ends in "attn.".
  Program build(Draft& draft, const std::string& name, const Mixer& mixer) const;

 private:
  Slice mixed_sums(Draft& draft, const std::vector<Slice>& sums, const std::string& weights, std::uint32_t norm) const;
};

/// q, k, v: projection, then convolution if there is one, then activation.
struct Projected {
  Slice query, key, value;
};
/// name_proj.weight, and name_conv1d.weight (.bias) where `width` is not 0; the convolution's state part is named by
/// the first letter of `name`.
Slice projection(Draft& draft, const std::string& prefix, const std::string& name, Slice h, std::size_t out,
                 std::size_t width, Function activation);

/// Whether one convolution of the mixer's input stands in the place of those of queries, keys and values
/// (share_conv_kernel, of files of before 15 July 2024).
bool shared_convolution(Draft& draft, bool use_convolution);
/// That convolution, h_conv1d.
Slice convolved_input(Draft& draft, const std::string& prefix, Slice h, std::size_t width, Function activation);

/// Sizes of a delta rule; value head h uses query and key head h / (num_value_heads / num_heads).
struct DeltaHeads {
  std::size_t num_heads = 0;
  std::size_t num_value_heads = 0;
  std::size_t key_size = 0;
  std::size_t value_size = 0;
  std::size_t num_householder = 1;

  std::size_t queries() const { return num_heads * key_size; }
  std::size_t values() const { return num_value_heads * value_size; }
};
/// S = decay . S; for j < num_householder: S = S + k_j (beta_j (v_j - S^T k_j))^T; o = S^T q / sqrt(key_size). Keys and
/// values [num_householder, heads, entries], beta [num_householder, num_value_heads]; decays [num_value_heads], or one
/// a key where `decay` says so.
Slice delta_rule(ProgramBuilder& net, const DeltaHeads& sizes, const Projected& inputs, Slice beta,
                 LinearRecurrence::Decay decay, Slice decays);

/// exp(-exp(A_log) softplus(h a_proj^T + dt_bias)) for each value head.
Slice gated_decay(Draft& draft, const std::string& prefix, Slice h, std::size_t value_heads);

/// x + o_proj(rms(o; norm) (* gate(h g_proj^T))), with `gate` copy for none.
Slice head_output(Draft& draft, const std::string& prefix, Slice o, Slice h, Slice x, std::size_t heads,
                  std::uint32_t norm, double epsilon, Function gate);

/// o / sqrt(size), by one rounded constant.
inline Slice over_root(ProgramBuilder& net, Slice o, std::size_t size) {
  return net.map_constant(Function::scale, o, 1.0 / std::sqrt(static_cast<double>(size)));
}

}  // namespace krohn::architectures
