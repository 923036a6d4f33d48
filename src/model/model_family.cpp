// Random models of the theorems' families (krohn/model/model_family.hpp has the distributions) and the boundary cases.
//
// Everything is computed in double precision with the project's own exp and sigmoid and then rounded once to the
// parameter format, so that a seed is the same model on every machine. GH factors whose rounded eigenvalue
// 1 - beta |k|^2 leaves the range are drawn again. Cost: linear in the number of parameters; the rows of layer l are
// 2^l. Refuses sizes beyond the header's. Tested by tests/verify/refute_test.cpp.
#include "krohn/model/model_family.hpp"

#include <cmath>
#include <limits>

#include "krohn/error.hpp"
#include "krohn/numeric/rounding.hpp"
#include "krohn/numeric/splitmix64.hpp"
#include "krohn/numeric/transcendental.hpp"

namespace krohn {
namespace {

class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : random_(seed) {}

  std::uint64_t bits() { return random_.next(); }
  /// In (0, 1).
  double uniform() { return (static_cast<double>(bits() >> 12U) + 0.5) * 0x1p-52; }
  double normal() {
    double sum = -6.0;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return sum;
  }

 private:
  SplitMix64 random_;
};

float to_format(double x, ParameterFormat format) {
  const auto value = static_cast<float>(x);
  switch (format) {
    case ParameterFormat::fp16:
      return round_to_fp16(value);
    case ParameterFormat::bf16:
      return round_to_bf16(value);
    case ParameterFormat::fp32:
      break;
  }
  return value;
}

class Maker {
 public:
  explicit Maker(const FamilyOptions& options) : options_(options), numbers_(options.seed) {}

  FamilyModel make() {
    std::vector<TableLayer> layers;
    std::vector<std::vector<std::vector<float>>> lower;
    for (std::size_t l = 0; l < options_.layers; ++l) {
      const std::size_t inputs = std::size_t{2} << l;
      std::vector<TokenRow> rows;
      std::vector<std::vector<float>> parts;
      for (std::size_t r = 0; r < inputs; ++r) {
        rows.push_back(row());
        if (options_.family == Family::triangular) parts.push_back(strictly_lower());
      }
      lower.push_back(std::move(parts));
      layers.push_back(layer(rows, inputs, l + 1 == options_.layers));
    }
    LrnnModel chain(Alphabet({"0", "1"}), {"0", "1"}, 0, {0, 1}, std::move(layers));
    if (options_.family == Family::triangular) return TriangularModel(std::move(chain), std::move(lower));
    return chain;
  }

 private:
  std::size_t value_size() const {
    const Family family = options_.family;
    return family == Family::mamba || family == Family::triangular || family == Family::hgrn ? 1 : 2;
  }

  float number() { return to_format(numbers_.normal(), options_.format); }

  /// A gate of the family's value a in (0, 1), or 2 a - 1.
  float gate(double a) { return to_format(options_.negative ? 2.0 * a - 1.0 : a, options_.format); }

  std::vector<float> key_gates() {
    std::vector<float> gates;
    for (std::size_t j = 0; j < options_.size; ++j) {
      gates.push_back(gate(numeric::exp(numeric::log(numeric::sigmoid(numbers_.normal())) / 16.0)));
    }
    return gates;
  }

  /// exp(-dt), dt log-uniform in [1e-6, 0.1].
  double step_decay() { return numeric::exp(-1e-6 * numeric::exp(numbers_.uniform() * 11.512925464970229)); }

  static void add(std::vector<Entry>& entries, std::size_t index, float value) {
    if (value != 0.0F) entries.push_back({static_cast<std::uint32_t>(index), value});
  }

  GeneralizedHouseholder factor() {
    for (;;) {
      std::vector<double> key(options_.size);
      double norm = 0.0;
      for (double& k : key) {
        k = numbers_.normal();
        norm += k * k;
      }
      norm = std::sqrt(norm);
      GeneralizedHouseholder result;
      double rounded_norm = 0.0;
      for (std::size_t j = 0; j < key.size(); ++j) {
        const float k = to_format(key[j] / norm, options_.format);
        add(result.key, j, k);
        rounded_norm += static_cast<double>(k) * static_cast<double>(k);
      }
      const double beta = numeric::sigmoid(2.0 * numbers_.normal());
      result.beta = to_format(options_.negative ? 2.0 * beta : beta, options_.format);
      for (std::size_t m = 0; m < value_size(); ++m) add(result.value, m, number());
      // The sum above is right to 2^-50 or better: no factor beyond the range passes.
      const double bound = options_.negative ? 2.0 : 1.0;
      if (static_cast<double>(result.beta) * rounded_norm < bound - 0x1p-40 && result.beta > 0.0F) return result;
    }
  }

  /// A unit key, and the vector (b k) that it reads by with b_j in (0, most) over `decay`.
  GeneralizedHouseholder apart(double most, const std::vector<double>& decay) {
    std::vector<double> key(options_.size);
    double norm = 0.0;
    for (double& k : key) {
      k = numbers_.normal();
      norm += k * k;
    }
    norm = std::sqrt(norm);
    GeneralizedHouseholder result;
    result.beta = 1.0F;
    for (std::size_t j = 0; j < key.size(); ++j) {
      const double k = key[j] / norm;
      add(result.key, j, to_format(k, options_.format));
      add(result.read, j, to_format(k * most * numeric::sigmoid(2.0 * numbers_.normal()) / decay[j], options_.format));
    }
    return result;
  }

  TokenRow row() {
    TokenRow row;
    const std::size_t d = options_.size;
    switch (options_.family) {
      case Family::mamba: {
        const double dt = 1e-6 * numeric::exp(numbers_.uniform() * 11.512925464970229);  // log 1e5
        row.gate.clear();
        for (std::size_t j = 0; j < d; ++j) row.gate.push_back(gate(numeric::exp(-dt * static_cast<double>(j + 1))));
        for (std::size_t j = 0; j < d; ++j) add(row.write, j, number());
        return row;
      }
      case Family::gla:
      case Family::linear_attn:
      case Family::mlstm: {
        if (options_.family == Family::mlstm) {
          row.gate = {gate(numeric::sigmoid(numbers_.normal() + 3.0))};
        } else if (options_.family == Family::gla) {
          row.gate = key_gates();
        }
        write_outer(row, {});
        return row;
      }
      case Family::kda:
        row.gate = key_gates();
        row.factors.push_back(factor());
        return row;
      case Family::mamba2:
        row.gate = {gate(step_decay())};
        write_outer(row, {});
        return row;
      case Family::gated_deltanet:
        row.gate = {to_format(step_decay(), options_.format)};
        row.factors.push_back(factor());
        return row;
      case Family::rwkv6:
      case Family::hgrn2:
      case Family::hgrn: {
        row.gate.clear();
        std::vector<double> rest;
        for (std::size_t j = 0; j < d; ++j) {
          const double a = numeric::sigmoid(numbers_.normal() + 3.0);
          row.gate.push_back(to_format(a, options_.format));
          rest.push_back(1.0 - a);
        }
        if (options_.family == Family::hgrn) {
          for (std::size_t j = 0; j < d; ++j) add(row.write, j, number());
        } else {
          write_outer(row, options_.family == Family::hgrn2 ? rest : std::vector<double>());
        }
        return row;
      }
      case Family::comba: {
        const float a = to_format(numeric::sigmoid(numbers_.normal() + 3.0), options_.format);
        row.gate = {a};
        row.factors.push_back(factor());
        row.factors.back().beta *= 0.5F;
        return row;
      }
      case Family::gdn2: {
        for (std::size_t j = 0; j < d; ++j) {
          const double a = numeric::exp(numeric::log(numeric::sigmoid(numbers_.normal())) / 16.0);
          if (j == 0) row.gate.clear();
          row.gate.push_back(to_format(a, options_.format));
        }
        row.factors.push_back(apart(options_.negative ? 2.0 : 1.0, std::vector<double>(d, 1.0)));
        for (std::size_t m = 0; m < value_size(); ++m) add(row.factors.back().value, m, number());
        return row;
      }
      case Family::rwkv7: {
        std::vector<double> decay(d, 1.0);
        if (!options_.negative) {
          row.gate.clear();
          for (double& w : decay) {
            row.gate.push_back(
                to_format(numeric::exp(-0.6065306597126334 * numeric::sigmoid(numbers_.normal())), options_.format));
            w = static_cast<double>(row.gate.back());
          }
        }
        row.factors.push_back(apart(options_.negative ? 2.0 : 1.0, decay));
        write_outer(row, {});
        return row;
      }
      case Family::deltanet:
        row.factors.push_back(factor());
        return row;
      case Family::deltaproduct:
        for (std::size_t f = 0; f < options_.householder; ++f) row.factors.push_back(factor());
        return row;
      case Family::triangular:
        break;
    }
    row.gate.clear();
    for (std::size_t j = 0; j < d; ++j) row.gate.push_back(gate(numbers_.uniform()));
    for (std::size_t j = 0; j < d; ++j) add(row.write, j, number());
    return row;
  }

  /// Writes k v^T, k drawn where it is not given.
  void write_outer(TokenRow& row, const std::vector<double>& key) {
    std::vector<double> value(value_size());
    for (double& v : value) v = numbers_.normal();
    for (std::size_t j = 0; j < options_.size; ++j) {
      const double k = key.empty() ? numbers_.normal() : key[j];
      for (std::size_t m = 0; m < value.size(); ++m) {
        add(row.write, j * value.size() + m, to_format(k * value[m], options_.format));
      }
    }
  }

  std::vector<float> strictly_lower() {
    const std::size_t d = options_.size;
    std::vector<float> part(d * d, 0.0F);
    for (std::size_t i = 0; i < d; ++i) {
      for (std::size_t j = 0; j < i; ++j) part[i * d + j] = to_format(numbers_.uniform() - 0.5, options_.format);
    }
    return part;
  }

  TableLayer layer(const std::vector<TokenRow>& rows, std::size_t inputs, bool last) {
    TableLayer layer{TokenTable(options_.size, value_size(), rows), {}, {}, false, {}, {}, {}, {}};
    for (std::size_t i = 0; i < layer.hidden_size(); ++i) layer.initial_hidden.push_back(number());
    SlotReadout readout;
    readout.weight.resize(2);
    for (std::size_t i = 0; i < layer.hidden_size(); ++i) add(readout.weight[1], i, number());
    readout.bias = {0.0F, number()};
    layer.readouts.push_back(std::move(readout));
    for (std::size_t r = 0; r < inputs; ++r) {
      layer.row_action.push_back(static_cast<std::uint32_t>(r));
      layer.row_readout.push_back(0);
      layer.row_next.push_back(static_cast<std::uint32_t>(2 * r));
      for (std::size_t slot = 0; slot < 2; ++slot) {
        layer.next.push_back(last ? static_cast<std::int32_t>(numbers_.bits() >> 63U)
                                  : static_cast<std::int32_t>(2 * r + slot));
      }
    }
    return layer;
  }

  const FamilyOptions& options_;
  Numbers numbers_;
};

/// One layer of two dimensions: token 0 does nothing, token 1 is one factor and a write.
LrnnModel limit_cycle_model(GeneralizedHouseholder factor, std::vector<Entry> write, std::vector<float> initial,
                            SlotReadout readout, std::vector<std::int32_t> label_of_slot, std::int32_t empty_label) {
  TableLayer layer{TokenTable(2, 1, std::vector<TokenRow>{{}, {{1.0F}, {std::move(factor)}, std::move(write)}}),
                   std::move(initial),
                   {std::move(readout)},
                   false,
                   {0, 1},
                   {0, 0},
                   {0, 0},
                   std::move(label_of_slot)};
  return LrnnModel(Alphabet({"0", "1"}), {"0", "1"}, empty_label, {0, 1}, {std::move(layer)});
}

}  // namespace

std::string_view family_name(Family family) {
  switch (family) {
    case Family::mamba:
      return "mamba";
    case Family::gla:
      return "gla";
    case Family::mlstm:
      return "mlstm";
    case Family::linear_attn:
      return "linear_attn";
    case Family::deltanet:
      return "deltanet";
    case Family::kda:
      return "kda";
    case Family::deltaproduct:
      return "deltaproduct";
    case Family::mamba2:
      return "mamba2";
    case Family::gated_deltanet:
      return "gated_deltanet";
    case Family::rwkv6:
      return "rwkv6";
    case Family::hgrn2:
      return "hgrn2";
    case Family::hgrn:
      return "hgrn";
    case Family::comba:
      return "comba";
    case Family::gdn2:
      return "gdn2";
    case Family::rwkv7:
      return "rwkv7";
    case Family::triangular:
      break;
  }
  return "triangular";
}

std::optional<Family> parse_family(std::string_view text) {
  for (const Family family : all_families) {
    if (text == family_name(family)) return family;
  }
  return std::nullopt;
}

bool has_negative_range(Family family) {
  return family != Family::linear_attn && family != Family::rwkv6 && family != Family::hgrn2 &&
         family != Family::hgrn && family != Family::comba;
}

std::string_view why_not_made(std::string_view text) {
  if (text == "pd") return "PD-SSM does every language";
  for (const std::string_view other : {"mamba3", "retnet"}) {
    if (text == other) return "its matrices rotate, so that the theorems' hypothesis never holds; see docs/families.md";
  }
  for (const std::string_view other : {"precond", "precond_gated_deltanet"}) {
    if (text == other) return "a token's matrix depends on all tokens before it; see docs/families.md";
  }
  if (text == "mesa_net") return "its matrices are those of mamba2";
  return "";
}

FamilyModel make_family_model(const FamilyOptions& options) {
  std::vector<std::string> problems;
  const auto expect = [&](std::size_t value, std::size_t most, const std::string& name) {
    if (value < 1 || value > most) {
      problems.push_back(name + ": expected 1 to " + std::to_string(most) + ", got " + std::to_string(value));
    }
  };
  expect(options.layers, 6, "layers");
  expect(options.size, 64, "size");
  expect(options.householder, 8, "householder");
  if (options.negative && !has_negative_range(options.family)) {
    problems.push_back("range: expected 0,1 for " + std::string(family_name(options.family)) +
                       (options.family == Family::linear_attn ? ", whose one eigenvalue is 1" : "") + ", got -1,1");
  }
  if (!problems.empty()) throw InputError(std::move(problems));
  return Maker(options).make();
}

const std::vector<BoundaryExample>& boundary_examples() {
  static const std::vector<BoundaryExample> examples = [] {
    std::vector<BoundaryExample> list;
    {
      // On 1^k the second element alternates between these two, the upper one at even k. Score 1 is exactly 0 there
      // and 2^-24 at odd k, against a constant 2^-25.
      constexpr float upper = 0x1.5b4004p-1F;
      SlotReadout readout{{{}, {{1, -1.0F}}}, {0x1p-25F, upper}};
      list.push_back({"parity-cycle",
                      "one factor, eigenvalues 1 and 0.113: two states one unit in the last place apart take turns", 2,
                      "fp32-separate-v1",
                      limit_cycle_model({{{0, 0x1.17393ep-2F}, {1, 0x1.ec9906p-1F}}, 0x1.c62744p-1F, {}},
                                        {{0, 0x1.e51f9cp-3F}, {1, 0x1.abeb86p-1F}}, {0x1.32d616p+0F, upper},
                                        std::move(readout), {0, 1, 0, 1}, 0)});
    }
    {
      // The second element takes the values middle, middle - 2^-24, middle + 2^-24 in turn.
      constexpr float middle = 0x1.cdeb4ep-1F;
      SlotReadout readout{{{}, {{1, 1.0F}}, {{1, -1.0F}}}, {0x1p-25F, -middle, middle}};
      list.push_back({"mod3-cycle",
                      "one factor, eigenvalues 1 and 0.105: three states one unit in the last place apart take turns",
                      3, "fp32-separate-v1",
                      limit_cycle_model({{{0, 0x1.796146p-1F}, {1, -0x1.5a0492p-1F}}, 0x1.ca0592p-1F, {}},
                                        {{0, -0x1.97ebd4p-1F}, {1, 0x1.76055ep-1F}}, {-0x1.9fd132p-1F, middle},
                                        std::move(readout), {1, 0, 0, 1, 0, 0}, 1)});
    }
    return list;
  }();
  return examples;
}

}  // namespace krohn
