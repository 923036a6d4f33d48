// Random models of the theorems' families (krohn/model/model_family.hpp has the distributions) and the boundary cases.
//
// Everything is computed in double precision with the project's own exp and sigmoid and then rounded once to the
// parameter format, so that a seed is the same model on every machine. GH factors whose rounded eigenvalue
// 1 - beta |k|^2 leaves the range are drawn again. Cost: linear in the number of parameters; the rows of layer l are
// 2^l. Refuses sizes beyond the header's.
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
    return options_.family == Family::mamba || options_.family == Family::triangular ? 1 : 2;
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
        std::vector<double> value(value_size());
        for (double& v : value) v = numbers_.normal();
        for (std::size_t j = 0; j < d; ++j) {
          const double k = numbers_.normal();
          for (std::size_t m = 0; m < value.size(); ++m) {
            add(row.write, j * value.size() + m, to_format(k * value[m], options_.format));
          }
        }
        return row;
      }
      case Family::kda:
        row.gate = key_gates();
        row.factors.push_back(factor());
        return row;
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

std::string_view why_not_made(std::string_view text) {
  if (text == "pd") return "PD-SSM does every language";
  for (const std::string_view other : {"gdn2", "rwkv7", "precond", "comba", "mamba3", "retnet"}) {
    if (text == other) return "docs/families.md says what is known of it";
  }
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
  if (options.family == Family::linear_attn && options.negative) {
    problems.push_back("range: expected 0,1 for linear_attn, whose one eigenvalue is 1, got -1,1");
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
