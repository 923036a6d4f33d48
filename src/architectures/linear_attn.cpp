// Linear attention (Katharopoulos et al. 2020): S = S + phi(k) v^T, o = S^T phi(q), with one of several feature maps
// phi. With norm_feature_map, o is divided by z . phi(q), z the sum of the phi(k): one more value column, of ones.
//
// feature_map_q and feature_map_k may be one module, of which a file has either name or both.
#include <string>

#include "shared/fla.hpp"

namespace krohn::architectures {
namespace {

/// phi of every head's vector [heads, d]; `features` is the size of its value.
class FeatureMap {
 public:
  FeatureMap(Draft& draft, std::string kind, bool tied) : draft_(draft), kind_(std::move(kind)), tied_(tied) {}

  std::size_t features(std::size_t d) const { return kind_ == "hedgehog" ? 2 * d : kind_ == "dpfp" ? 8 * d : d; }

  Slice operator()(const std::string& prefix, const std::string& which, Slice x, std::size_t heads) const {
    ProgramBuilder& net = draft_.net;
    const std::size_t d = x.size / heads;
    const auto layer = [&](const std::string& name, bool bias) {
      const std::uint32_t weight = tensor(prefix, which, name + ".weight", {d, d}, true);
      const std::uint32_t added = bias ? tensor(prefix, which, name + ".bias", {d}, false) : no_index;
      return net.product_of_parts(weight, x, heads, added);
    };
    if (kind_ == "elementwise_product") {
      const Slice first = layer("layer1", true);
      return net.multiply(first, layer("layer2", true));
    }
    if (kind_ == "hedgehog") {
      const Slice y = layer("layer", true);
      const Slice both = net.interleave(
          {net.map_constant(Function::scale, y, 2.0), net.map_constant(Function::scale, y, -2.0)}, heads);
      return net.normalize({Normalization::Kind::softmax, both, static_cast<std::uint32_t>(heads)});
    }
    if (kind_ == "t2r") return net.map(Function::relu, layer("layer", false));
    if (kind_ == "dpfp") return rolled_products(x, heads);
    if (kind_ == "elu") return net.map(Function::elu_plus_one, x);
    return kind_ == "relu" ? net.map(Function::relu, x) : x;
  }

 private:
  /// Tied maps are one, under the name of the keys' where the file has that.
  std::uint32_t tensor(const std::string& prefix, const std::string& which, const std::string& name,
                       const std::vector<std::size_t>& shape, bool matrix) const {
    Tensors& tensors = draft_.tensors;
    std::string full = prefix + "feature_map_" + which + "." + name;
    if (!tied_) return matrix ? tensors.matrix(full, shape) : tensors.vector(full, shape);
    const std::string query = prefix + "feature_map_q." + name;
    const std::string key = prefix + "feature_map_k." + name;
    const bool both = tensors.has(query) && tensors.has(key);
    if (both && which == "k" && tensors.take(query, shape) != tensors.take(key, shape)) {
      tensors.report(query + ": expected the numbers of feature_map_k, since tie_feature_map_qk is true, got others");
    }
    // Each use has a tensor of its own name, whichever the file has.
    const std::string& found = tensors.has(full) ? full : tensors.has(query) ? query : key;
    return tensors.add(full, shape, tensors.take(found, shape), matrix);
  }

  /// y = [relu(x), -relu(x)], and its products with y rolled by 1, 2, 3 and 4.
  Slice rolled_products(Slice x, std::size_t heads) const {
    ProgramBuilder& net = draft_.net;
    const std::size_t d = 2 * x.size / heads;
    const Slice positive = net.map(Function::relu, x);
    const Slice y = net.interleave({positive, net.map_constant(Function::scale, positive, -1.0)}, heads);
    std::vector<Slice> products;
    for (std::size_t by = 1; by <= 4; ++by) {
      const std::size_t shift = by % d;
      Slice rolled = y;
      if (shift != 0) {
        const Slice last = net.runs(y.part(d - shift, y.size - (d - shift)), shift, d, heads);
        rolled = net.interleave({last, net.runs(y, d - shift, d, heads)}, heads);
      }
      products.push_back(net.multiply(y, rolled));
    }
    return net.interleave(products, heads);
  }

  Draft& draft_;
  std::string kind_;
  bool tied_;
};

Program build(Draft& draft) {
  Options& options = draft.options;
  const std::size_t size = options.size("hidden_size", 2048);
  const std::size_t heads = options.size("num_heads", 4);
  const std::size_t key_heads = options.size("num_kv_heads", heads);
  if (heads % key_heads != 0) options.report("num_kv_heads", "a divisor of num_heads " + std::to_string(heads));
  const std::size_t key_size = options.split(options.product(size, "expand_k", 1.0), heads, "num_heads");
  const std::size_t value_size = options.split(options.product(size, "expand_v", 1.0), heads, "num_heads");
  const std::string kind = options.require_text(
      "feature_map", {"elementwise_product", "hedgehog", "t2r", "relu", "identity", "elu", "dpfp"});
  const bool learned = kind == "elementwise_product" || kind == "hedgehog" || kind == "t2r";
  const bool tied = options.flag("tie_feature_map_qk", false);
  if (tied && !learned) note_unread(draft, "tie_feature_map_qk", "the feature map " + kind + " has no weights");
  const bool norm_queries = options.flag("norm_q", false);
  const bool norm_keys = options.flag("norm_k", false);
  const bool normalized = options.flag("norm_feature_map", false);
  const bool affine = options.flag("elementwise_affine", true);
  const FeatureMap feature_map(draft, kind, tied);
  FlaShell::Form form;
  form.norms_inside = false;
  const FlaShell shell(draft, 24, form);
  return shell.build(draft, "linear_attn", [&](const std::string& prefix, Slice h, Slice x) {
    ProgramBuilder& net = draft.net;
    const std::size_t features = feature_map.features(key_size);
    const auto mapped = [&](const char* name, std::size_t count, bool normed) {
      const Slice y = projection(draft, prefix, name, h, count * key_size, 0, Function::copy);
      const Slice phi = feature_map(prefix, name, y, count);
      if (!normed) return phi;
      return net.normalize({Normalization::Kind::sum, phi, static_cast<std::uint32_t>(count), 1e-4});
    };
    const Slice q = mapped("q", heads, norm_queries);
    const Slice k = mapped("k", key_heads, norm_keys);
    Slice v = projection(draft, prefix, "v", h, key_heads * value_size, 0, Function::copy);
    const std::size_t columns = value_size + (normalized ? 1 : 0);
    if (normalized) v = net.interleave({v, net.constant(1.0, key_heads)}, key_heads);
    LinearRecurrence r = ProgramBuilder::recurrence(key_heads, features, columns);
    r.queries = static_cast<std::uint32_t>(std::max<std::size_t>(heads / key_heads, 1));
    RankOneUpdate update;
    update.write = ProgramBuilder::heads(k, features);
    update.value = ProgramBuilder::heads(v, columns);
    r.updates = {update};
    r.query = ProgramBuilder::heads(q, features);
    Slice o = over_root(
        net, net.recur(std::move(r), normalized ? StatePart::Axes::normalizer_last : StatePart::Axes::key_value),
        features);
    if (normalized) {
      const Slice divisor = net.map_constant(
          Function::add_constant, net.runs(o.part(value_size, o.size - value_size), 1, columns, heads), 1e-10);
      Elementwise divide;
      divide.function = Function::divide;
      divide.a = {o, 1, static_cast<std::uint32_t>(value_size), static_cast<std::uint32_t>(columns)};
      divide.b = {divisor, static_cast<std::uint32_t>(value_size)};
      o = net.map(divide, heads * value_size);
    }
    const std::uint32_t weight = affine ? draft.tensors.vector(prefix + "norm.weight", {value_size}) : no_index;
    return head_output(draft, prefix, o, h, x, heads, weight, shell.epsilon, Function::copy);
  });
}

}  // namespace

extern const Architecture linear_attn;
const Architecture linear_attn{"linear_attn", build};

}  // namespace krohn::architectures
