// RetNet (Sun et al. 2023): S = gamma S + k v^T with a fixed gamma for each head, queries and keys turned by their
// position. The position enters as an angle alone, so that the state is kept turned back: with S' = R(-t) S,
// S' = gamma R(-1) S' + k v^T and o = S'^T q, where R(-1) turns the pair of keys (j, j + d/2) by -10000^(-2j/d).
#include <map>

#include "krohn/numeric/transcendental.hpp"
#include "shared/fla.hpp"

namespace krohn::architectures {
namespace {

/// For each head gamma cos(angle), -gamma sin(angle), for each pair.
std::vector<double> turns(std::size_t heads, std::size_t key_size) {
  std::vector<double> result;
  const double log_base = numeric::log(10000.0);
  double share = 1.0 / 32.0;
  for (std::size_t h = 0; h < heads; ++h, share /= 2.0) {
    const double gamma = 1.0 - share;
    for (std::size_t j = 0; j < key_size / 2; ++j) {
      const double power = numeric::quotient(-2.0 * static_cast<double>(j), static_cast<double>(key_size));
      const double angle = numeric::exp(power * log_base);
      result.push_back(gamma * numeric::cosine(angle));
      result.push_back(0.0 - gamma * numeric::sine(angle));
    }
  }
  return result;
}

Program build(Draft& draft) {
  Options& options = draft.options;
  const std::size_t size = options.size("hidden_size", 2048);
  const std::size_t heads = options.size("num_heads", 8);
  const std::size_t key_heads = options.size("num_kv_heads", heads);
  if (heads % key_heads != 0) options.report("num_kv_heads", "a divisor of num_heads " + std::to_string(heads));
  const std::size_t share = std::max<std::size_t>(heads / key_heads, 1);
  const std::size_t key_size = options.split(options.product(size, "expand_k", 1.0), heads, "num_heads");
  const std::size_t value_size = options.split(options.product(size, "expand_v", 2.0), heads, "num_heads");
  if (key_size % 2 != 0) options.report("expand_k", "keys of an even size, got " + std::to_string(key_size));
  const bool gate = options.flag("use_output_gate", true);
  const bool affine = options.flag("elementwise_affine", true);
  Function feature_map = Function::copy;
  if (options.has("feature_map")) {
    static const std::map<std::string, Function> functions = {
        {"relu", Function::relu},       {"silu", Function::silu}, {"swish", Function::silu},
        {"sigmoid", Function::sigmoid}, {"tanh", Function::tanh}, {"relu2", Function::squared_relu},
        {"gelu", Function::gelu}};
    feature_map = functions.at(
        options.require_text("feature_map", {"relu", "silu", "swish", "sigmoid", "tanh", "relu2", "gelu"}));
  }
  if (options.flag("use_short_conv", false)) note_unread(draft, "use_short_conv", "there is no convolution");
  options.size("conv_size", 4);
  const std::string norm = gate && options.flag("fuse_norm", true) ? "g_norm_swish_gate" : "g_norm";
  FlaShell::Form form;
  form.hidden_ratio = 2;
  form.powlu = false;
  const FlaShell shell(draft, 24, form);
  return shell.build(draft, "retnet", [&](const std::string& prefix, Slice h, Slice x) {
    ProgramBuilder& net = draft.net;
    // Entries j and j + d/2 of each head's vector side by side.
    const auto paired = [&](const char* name, std::size_t count) {
      const Slice y = projection(draft, prefix, name, h, count * key_size, 0, feature_map);
      const std::size_t half = key_size / 2;
      const Slice first = net.runs(y, half, key_size, count);
      return net.interleave({first, net.runs(y.part(half, y.size - half), half, key_size, count)}, count * half);
    };
    const Slice q = paired("q", heads);
    const Slice k = paired("k", key_heads);
    const Slice v = projection(draft, prefix, "v", h, key_heads * value_size, 0, Function::copy);
    LinearRecurrence r = ProgramBuilder::recurrence(heads, key_size, value_size);
    r.decay = LinearRecurrence::Decay::rotation;
    r.decays = ProgramBuilder::heads(net.constants(turns(heads, key_size)), key_size);
    RankOneUpdate update;
    update.write = ProgramBuilder::heads(k, key_size, share);
    update.value = ProgramBuilder::heads(v, value_size, share);
    r.updates = {update};
    r.query = ProgramBuilder::heads(q, key_size);
    const Slice o = over_root(net, net.recur(std::move(r)), key_size);
    const std::uint32_t weight = affine ? draft.tensors.vector(prefix + norm + ".weight", {value_size}) : no_index;
    return head_output(draft, prefix, o, h, x, heads, weight, shell.epsilon, gate ? Function::silu : Function::copy);
  });
}

}  // namespace

extern const Architecture retnet;
const Architecture retnet{"retnet", build};

}  // namespace krohn::architectures
