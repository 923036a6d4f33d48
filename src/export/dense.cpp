// The readout's network of a layer, in the words of one-hot blocks: first layer, for every coordinate j of the hidden
// state and every value v that it takes, the hat [h_j = v] = (relu(h_j - v + d) - 2 relu(h_j - v) + relu(h_j - v - d))
// / d, with d a power of two, at most the least distance of two values of the coordinate; second layer, one unit
// relu(sum of J tests - (J - 1)) for every hidden state and class of rows, whose tests are the hats of the state and
// the rows of the class; the output is an integer matrix. It is exact where the layer reaches finitely many hidden
// states, which are listed here by applying every action to every state found, in binary64; a layer with more than
// max_states, or whose numbers do not stay multiples of 2^-16 below 2^16, gets none.
// Tested by tests/tools/export_command_test.cpp.
#include "krohn/export/dense.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "directory.hpp"
#include "krohn/checkpoints/safetensors.hpp"
#include "krohn/error.hpp"
#include "torch_module.hpp"

namespace krohn {
namespace {

using Hidden = std::vector<double>;

constexpr std::size_t max_states = 4096;
constexpr std::size_t max_units = std::size_t{1} << 24U;
// Behind every score that a float reaches.
constexpr float never = -0x1p120F;

Hidden applied(const TokenRow& row, Hidden h, std::size_t columns) {
  const std::size_t keys = h.size() / columns;
  for (std::size_t j = 0; j < keys; ++j) {
    for (std::size_t m = 0; m < columns; ++m) h[j * columns + m] *= row.gate[row.gate.size() == 1 ? 0 : j];
  }
  for (const GeneralizedHouseholder& factor : row.factors) {
    std::vector<double> c(columns, 0.0);
    for (const Entry& entry : factor.value) c[entry.index] = entry.value;
    for (const Entry& entry : factor.key) {
      for (std::size_t m = 0; m < columns; ++m) c[m] -= static_cast<double>(entry.value) * h[entry.index * columns + m];
    }
    for (const Entry& entry : factor.key) {
      for (std::size_t m = 0; m < columns; ++m) {
        h[entry.index * columns + m] += static_cast<double>(entry.value) * static_cast<double>(factor.beta) * c[m];
      }
    }
  }
  for (const Entry& entry : row.write) h[entry.index] += entry.value;
  for (double& x : h) x += 0.0;  // no -0
  return h;
}

bool on_lattice(const Hidden& h) {
  return std::all_of(h.begin(), h.end(),
                     [](double x) { return std::abs(x) < 0x1p16 && std::nearbyint(x * 0x1p16) == x * 0x1p16; });
}

/// The hidden states that any sequence of actions reaches; nothing where they are too many or not on the lattice.
std::optional<std::vector<Hidden>> reached(const TableLayer& layer) {
  std::vector<TokenRow> rows;
  for (std::size_t i = 0; i < layer.table.num_rows(); ++i) rows.push_back(layer.table.row(i));
  const Hidden start(layer.initial_hidden.begin(), layer.initial_hidden.end());
  std::set<Hidden> seen = {start};
  std::vector<Hidden> result = {start};
  for (std::size_t at = 0; at < result.size(); ++at) {
    for (const TokenRow& row : rows) {
      Hidden next = applied(row, result[at], layer.table.value_size());
      if (!on_lattice(next)) return std::nullopt;
      if (!seen.insert(next).second) continue;
      if (seen.size() > max_states) return std::nullopt;
      result.push_back(std::move(next));
    }
  }
  return result;
}

/// The slot that the readout decodes; nothing on a tie.
std::optional<std::size_t> decoded(const SlotReadout& readout, const Hidden& h) {
  std::size_t best = 0;
  double most = -INFINITY;
  bool tie = false;
  for (std::size_t i = 0; i < readout.num_slots(); ++i) {
    double score = readout.bias[i];
    for (const Entry& entry : readout.weight[i]) score += static_cast<double>(entry.value) * h[entry.index];
    tie = score == most || (tie && score < most);
    if (score > most) {
      most = score;
      best = i;
    }
  }
  return tie ? std::nullopt : std::optional(best);
}

struct Network {
  std::vector<float> hat_weight;  // [units, hidden]
  std::vector<float> hat_bias;
  std::vector<float> and_weight;  // [units, hats + rows]
  std::vector<float> and_bias;
  std::vector<float> out;  // [outputs, units]
  std::size_t hats = 0;
  std::size_t units = 0;
};

/// Rows with one readout and what follows by slot.
using RowClass = std::pair<std::uint32_t, std::vector<std::int32_t>>;

std::optional<Network> network_of(const TableLayer& layer, std::size_t outputs, std::string& why) {
  const std::optional<std::vector<Hidden>> states = reached(layer);
  if (!states) {
    why = "its hidden states are more than " + std::to_string(max_states) + ", or no multiples of 2^-16";
    return std::nullopt;
  }
  const std::size_t hidden = layer.hidden_size();
  const std::size_t rows = layer.num_rows();
  Network net;
  // Per coordinate with more than one value: value -> the first of its three hats, and their factor.
  std::vector<std::map<double, std::pair<std::size_t, float>>> hat(hidden);
  for (std::size_t j = 0; j < hidden; ++j) {
    std::set<double> values;
    for (const Hidden& h : *states) values.insert(h[j]);
    if (values.size() < 2) continue;
    double least = INFINITY;
    for (auto it = values.begin(); std::next(it) != values.end(); ++it) least = std::min(least, *std::next(it) - *it);
    const double d = std::exp2(std::floor(std::log2(least)));
    for (const double v : values) {
      hat[j][v] = {net.hats, static_cast<float>(1.0 / d)};
      for (const double shift : {d, 0.0, -d}) {
        for (std::size_t i = 0; i < hidden; ++i) net.hat_weight.push_back(i == j ? 1.0F : 0.0F);
        net.hat_bias.push_back(static_cast<float>(shift - v));
        ++net.hats;
      }
    }
  }
  std::map<RowClass, std::vector<std::size_t>> classes;
  for (std::size_t r = 0; r < rows; ++r) {
    const auto first = layer.next.begin() + layer.row_next[r];
    const std::size_t slots = layer.readouts[layer.row_readout[r]].num_slots();
    classes[{layer.row_readout[r], {first, first + static_cast<std::ptrdiff_t>(slots)}}].push_back(r);
  }
  std::vector<std::int32_t> written;
  for (const auto& [row_class, members] : classes) {
    const bool looks = std::any_of(row_class.second.begin(), row_class.second.end(),
                                   [&](std::int32_t next) { return next != row_class.second[0]; });
    for (const Hidden& h : *states) {
      const std::optional<std::size_t> slot = decoded(layer.readouts[row_class.first], h);
      // A tie, or a slot that does not occur: no output.
      const std::int32_t next = !slot ? undefined_row : row_class.second[*slot];
      if (next != undefined_row) {
        if ((net.units + 1) * (net.hats + rows) > max_units) {
          why = "its network would have more than 2^24 weights";
          return std::nullopt;
        }
        std::vector<float> weight(net.hats + rows, 0.0F);
        std::size_t tests = 1;
        for (const std::size_t r : members) weight[net.hats + r] = 1.0F;
        for (std::size_t j = 0; looks && j < hidden; ++j) {
          if (hat[j].empty()) continue;
          const auto [first, factor] = hat[j].at(h[j]);
          weight[first] = factor;
          weight[first + 1] = -2.0F * factor;
          weight[first + 2] = factor;
          ++tests;
        }
        net.and_weight.insert(net.and_weight.end(), weight.begin(), weight.end());
        net.and_bias.push_back(-static_cast<float>(tests - 1));
        written.push_back(next);
        ++net.units;
      }
      if (!looks) break;
    }
  }
  net.out.assign(outputs * net.units, 0.0F);
  for (std::size_t u = 0; u < net.units; ++u) {
    net.out[static_cast<std::size_t>(written[u]) * net.units + u] = 1.0F;
  }
  return net;
}

class Writer {
 public:
  Writer(const LrnnModel& model, std::uint64_t max_parameters) : model_(model), max_parameters_(max_parameters) {}

  DenseExport write() {
    std::vector<std::int64_t> symbol_row(model_.symbol_row().begin(), model_.symbol_row().end());
    add("symbol_row", symbol_row, {symbol_row.size()});
    for (std::size_t l = 0; l < model_.layers().size(); ++l) layer(l);
    const auto strings = [](const std::vector<std::string>& names) { return nlohmann::json(names).dump(); };
    result_.bytes = format_safetensors(tensors_, {{"format", "krohn-dense-v1"},
                                                  {"symbols", strings(model_.alphabet().names())},
                                                  {"labels", strings(model_.label_names())},
                                                  {"initial_label", std::to_string(model_.initial_label())},
                                                  {"num_layers", std::to_string(model_.layers().size())}});
    return std::move(result_);
  }

 private:
  template <typename Value>
  void add(const std::string& name, const std::vector<Value>& values, std::vector<std::uint64_t> shape) {
    result_.parameters += values.size();
    if (result_.parameters > max_parameters_) {
      throw ResourceError("export: expected at most " + std::to_string(max_parameters_) +
                          " numbers (--max-parameters), got more, with " + name + " at least " +
                          std::to_string(result_.parameters));
    }
    tensors_.push_back(make_tensor(name, std::span<const Value>(values), std::move(shape)));
  }

  void layer(std::size_t l) {
    const TableLayer& layer = model_.layers()[l];
    const std::string name = "layers." + std::to_string(l) + ".";
    const std::size_t keys = layer.table.key_size();
    const std::size_t columns = layer.table.value_size();
    const std::size_t actions = layer.table.num_rows();
    const std::size_t steps = std::max<std::size_t>(layer.table.num_householder(), 1);
    const std::size_t numbers = actions * (keys + steps * (keys + columns + 1) + keys * columns);
    if (numbers > max_parameters_) {
      throw ResourceError("export: expected at most " + std::to_string(max_parameters_) +
                          " numbers (--max-parameters), got " + std::to_string(numbers) + " in layer " +
                          std::to_string(l));
    }
    std::vector<float> gate(actions * keys);
    std::vector<float> key(actions * steps * keys);
    std::vector<float> beta(actions * steps);
    std::vector<float> value(actions * steps * columns);
    std::vector<float> write(actions * keys * columns);
    for (std::size_t i = 0; i < actions; ++i) {
      const TokenRow row = layer.table.row(i);
      for (std::size_t j = 0; j < keys; ++j) gate[i * keys + j] = row.gate[row.gate.size() == 1 ? 0 : j];
      for (std::size_t f = 0; f < row.factors.size(); ++f) {
        const std::size_t at = i * steps + f;
        beta[at] = row.factors[f].beta;
        for (const Entry& entry : row.factors[f].key) key[at * keys + entry.index] = entry.value;
        for (const Entry& entry : row.factors[f].value) value[at * columns + entry.index] = entry.value;
      }
      for (const Entry& entry : row.write) write[i * keys * columns + entry.index] = entry.value;
    }
    add(name + "gate", gate, {actions, keys});
    add(name + "key", key, {actions, steps, keys});
    add(name + "beta", beta, {actions, steps});
    add(name + "value", value, {actions, steps, columns});
    add(name + "write", write, {actions, keys, columns});
    add(name + "initial_hidden", layer.initial_hidden, {keys, columns});
    add(name + "reads_before", std::vector<std::int64_t>{layer.reads_before ? 1 : 0}, {1});

    const std::size_t rows = layer.num_rows();
    std::size_t slots = 1;
    for (const SlotReadout& readout : layer.readouts) slots = std::max(slots, readout.num_slots());
    add(name + "row_action", std::vector<std::int64_t>(layer.row_action.begin(), layer.row_action.end()), {rows});
    add(name + "row_readout", std::vector<std::int64_t>(layer.row_readout.begin(), layer.row_readout.end()), {rows});
    std::vector<std::int64_t> next(rows * slots, undefined_row);
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t count = layer.readouts[layer.row_readout[r]].num_slots();
      for (std::size_t s = 0; s < count; ++s) next[r * slots + s] = layer.next[layer.row_next[r] + s];
    }
    add(name + "next", next, {rows, slots});
    const std::size_t hidden = layer.hidden_size();
    std::vector<float> weight(layer.readouts.size() * slots * hidden);
    std::vector<float> bias(layer.readouts.size() * slots, never);
    for (std::size_t p = 0; p < layer.readouts.size(); ++p) {
      for (std::size_t s = 0; s < layer.readouts[p].num_slots(); ++s) {
        bias[p * slots + s] = layer.readouts[p].bias[s];
        for (const Entry& entry : layer.readouts[p].weight[s]) {
          weight[(p * slots + s) * hidden + entry.index] = entry.value;
        }
      }
    }
    add(name + "readout_weight", weight, {layer.readouts.size(), slots, hidden});
    add(name + "readout_bias", bias, {layer.readouts.size(), slots});

    const bool last = l + 1 == model_.layers().size();
    const std::size_t outputs = last ? model_.label_names().size() : model_.layers()[l + 1].num_rows();
    std::string why;
    const std::optional<Network> net = network_of(layer, outputs, why);
    result_.network_units.emplace_back(net ? net->hats : 0, net ? net->units : 0);
    if (!net) {
      result_.notes.push_back("layer " + std::to_string(l) + ": no readout network: " + why);
      return;
    }
    add(name + "network.hat_weight", net->hat_weight, {net->hats, hidden});
    add(name + "network.hat_bias", net->hat_bias, {net->hats});
    add(name + "network.and_weight", net->and_weight, {net->units, net->hats + rows});
    add(name + "network.and_bias", net->and_bias, {net->units});
    add(name + "network.out", net->out, {outputs, net->units});
  }

  const LrnnModel& model_;
  std::uint64_t max_parameters_;
  DenseExport result_;
  std::vector<Tensor> tensors_;
};

}  // namespace

DenseExport export_to_dense(const LrnnModel& model, std::uint64_t max_parameters) {
  if (model.snapped())
    throw InputError("expected a model without codes, which the arrays do not hold, got one with them");
  for (std::size_t l = 0; l < model.layers().size(); ++l) {
    if (model.layers()[l].table.reads_apart()) {
      throw InputError("layer " + std::to_string(l) +
                       ": expected factors that read by their keys, which the arrays hold, got a read vector");
    }
  }
  return Writer(model, max_parameters).write();
}

void write_torch_export(const std::filesystem::path& path, const DenseExport& model, bool force) {
  write_export(path, {{"model.py", torch_module}, {"model.safetensors", model.bytes}}, force);
}

}  // namespace krohn
