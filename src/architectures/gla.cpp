// Gated linear attention (Yang et al. 2024): S = diag(a) S + k v^T with a gate a in (0, 1) for every key. Heads of
// queries may share a state.
//
// Forms of the file: flash-linear-attention's, and its form of before July 2024, where with share_conv_kernel one
// convolution of the layer's input (and a silu behind it) stands before all projections, those of the gates too.
#include <limits>
#include <map>

#include "shared/fla.hpp"

namespace krohn::architectures {
namespace {

Program build(Draft& draft) {
  Options& options = draft.options;
  const std::size_t size = options.size("hidden_size", 2048);
  const std::size_t keys = options.product(size, "expand_k", 0.5);
  const std::size_t values = options.product(size, "expand_v", 1.0);
  const std::size_t heads = options.size("num_heads", 4);
  const std::size_t key_heads = options.size("num_kv_heads", heads);
  if (heads % key_heads != 0) options.report("num_kv_heads", "a divisor of num_heads " + std::to_string(heads));
  const std::size_t key_size = options.split(keys, heads, "num_heads");
  const std::size_t value_size = options.split(values, heads, "num_heads");
  const bool use_convolution = options.flag("use_short_conv", false);
  const std::size_t width = options.size("conv_size", 4);
  const bool shares = shared_convolution(draft, use_convolution);
  const bool gate = options.flag("use_output_gate", true);
  const bool affine = options.flag("elementwise_affine", true);
  options.require_flag("use_gk", true);
  options.require_flag("use_gv", false);
  const double floor = options.number("clamp_min", -std::numeric_limits<double>::infinity());
  Function feature_map = Function::copy;
  if (options.has("feature_map")) {
    static const std::map<std::string, Function> functions = {{"relu", Function::relu},
                                                              {"silu", Function::silu},
                                                              {"swish", Function::silu},
                                                              {"sigmoid", Function::sigmoid},
                                                              {"logsigmoid", Function::log_sigmoid},
                                                              {"sqrelu", Function::squared_relu}};
    feature_map =
        functions.at(options.require_text("feature_map", {"relu", "silu", "swish", "sigmoid", "logsigmoid", "sqrelu"}));
  }
  const std::string norm = gate && options.flag("fuse_norm", true) ? "g_norm_swish_gate" : "g_norm";
  const FlaShell shell(draft, 24);
  return shell.build(draft, "gla", [&](const std::string& prefix, Slice in, Slice x) {
    ProgramBuilder& net = draft.net;
    Tensors& tensors = draft.tensors;
    const Slice h = shares ? convolved_input(draft, prefix, in, width, Function::silu) : in;
    const std::size_t conv = use_convolution && !shares ? width : 0;
    const Function activation = conv != 0 ? Function::silu : Function::copy;
    Slice q = projection(draft, prefix, "q", h, keys, conv, activation);
    Slice k = projection(draft, prefix, "k", h, key_heads * key_size, conv, activation);
    const Slice v = projection(draft, prefix, "v", h, key_heads * value_size, conv, activation);
    const std::size_t found = tensors.extent(prefix + "gk_proj.0.weight", 0);
    const std::size_t rank = found == 0 ? 16 : found;
    const std::uint32_t down = tensors.matrix(prefix + "gk_proj.0.weight", rank, h.size);
    const std::uint32_t up = tensors.matrix(prefix + "gk_proj.1.weight", key_heads * key_size, rank);
    const std::uint32_t bias = tensors.vector(prefix + "gk_proj.1.bias", {key_heads * key_size});
    const Slice decays =
        net.map_constant(Function::divided_decay, net.low_rank(down, up, bias, Function::copy, h), 16.0, floor);
    if (feature_map != Function::copy) {
      q = net.map(feature_map, q);
      k = net.map(feature_map, k);
    }
    LinearRecurrence r = ProgramBuilder::recurrence(key_heads, key_size, value_size);
    r.queries = static_cast<std::uint32_t>(heads / key_heads);
    r.decay = LinearRecurrence::Decay::key;
    r.decays = ProgramBuilder::heads(decays, key_size);
    RankOneUpdate update;
    update.write = ProgramBuilder::heads(k, key_size);
    update.value = ProgramBuilder::heads(v, value_size);
    r.updates = {update};
    r.query = ProgramBuilder::heads(q, key_size);
    const Slice o = over_root(net, net.recur(std::move(r)), key_size);
    const std::uint32_t weight = affine ? tensors.vector(prefix + norm + ".weight", {value_size}) : no_index;
    return head_output(draft, prefix, o, h, x, heads, weight, shell.epsilon, gate ? Function::silu : Function::copy);
  });
}

}  // namespace

extern const Architecture gla;
const Architecture gla{"gla", build};

}  // namespace krohn::architectures
