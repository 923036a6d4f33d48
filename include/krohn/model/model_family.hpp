// Random models of the families that the theorems are about, and the named boundary cases.
//
// Alphabet 0, 1; labels 0, 1. Every layer has `size` key dimensions, two rows for each of its inputs' values, and a
// random linear readout with two slots; what layer l + 1 reads is the pair (symbol, slots of layers 1..l), which is a
// deterministic nonlinear function of the lower layers' readouts. All parameters are representable in the format.
//
//   mamba         A = diag(exp(-dt (j + 1))), dt log-uniform in [1e-6, 0.1], H [size, 1]
//
//   gla           A = diag(sigmoid(z_j)^(1/16)), z normal; writes k v^T, H [size, 2]
//
//   mlstm         A = sigmoid(z) I, z normal with mean 3; writes k v^T, H [size, 2]
//
//   linear_attn   A = I; writes k v^T, H [size, 2]
//
//   deltanet      A = I - beta k k^T, beta = sigmoid(2 z), k a unit vector before rounding; H [size, 2], written as
//                 the delta rule does
//
//   deltaproduct  a product of `householder` such factors
//
//   kda           such a factor after the gates of gla
//
//   mamba2, gated_deltanet    a scalar gate exp(-dt), dt as in mamba, then a write k v^T, or a factor as in deltanet
//
//   rwkv6, hgrn2, hgrn        A = diag(sigmoid(z_j)), z normal with mean 3; writes k v^T; (1 - a) v^T, H [size, 2]; or
//                 numbers of their own, H [size, 1]
//
//   comba         A = a I - beta k k^T, a = sigmoid(z), z normal with mean 3, beta = a sigmoid(2 z) / 2
//
//   gdn2          A = (I - k (b k)^T) diag(a): k as in deltanet, b_j = sigmoid(2 z), a as in gla
//
//   rwkv7         A = (I - k (b k)^T) diag(w), w_j = exp(-0.606.. sigmoid(z)), b_j = sigmoid(2 z) / w_j, so that the
//   factor
//                 reads the state before the decay; writes v k^T. In [-1, 1] it is widened: w = 1, b_j = 2 sigmoid(2 z)
//
//   triangular    A lower triangular: diagonal uniform, below it uniform in (-1/2, 1/2); H [size, 1]
//
// In the range [-1, 1] a gate a becomes 2 a - 1 (not so in gdn2 and gated_deltanet) and beta, b become 2 beta, 2 b;
// rwkv6, hgrn, hgrn2 and comba have no such range. "Normal" is the sum of twelve uniform numbers less six; numbers come
// from the SplitMix64 sequence of the seed, so that a seed means one model everywhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "krohn/model/lrnn_model.hpp"
#include "krohn/model/triangular_model.hpp"

namespace krohn {

enum class Family {
  mamba,
  gla,
  mlstm,
  linear_attn,
  deltanet,
  deltaproduct,
  kda,
  triangular,
  mamba2,
  gated_deltanet,
  rwkv6,
  hgrn2,
  hgrn,
  comba,
  gdn2,
  rwkv7
};
inline constexpr Family all_families[] = {
    Family::mamba, Family::mamba2, Family::gla,      Family::mlstm,          Family::linear_attn,  Family::rwkv6,
    Family::hgrn2, Family::hgrn,   Family::deltanet, Family::gated_deltanet, Family::deltaproduct, Family::kda,
    Family::comba, Family::gdn2,   Family::rwkv7,    Family::triangular};
std::string_view family_name(Family family);
std::optional<Family> parse_family(std::string_view text);
/// Whether models in the range [-1, 1] are made.
bool has_negative_range(Family family);
/// Of families of which no models are made, the reason; else empty.
std::string_view why_not_made(std::string_view text);

/// To how many bits the parameters are rounded: fp32 24, fp16 11 (and its exponents), bf16 8.
enum class ParameterFormat { fp32, fp16, bf16 };

struct FamilyOptions {
  Family family = Family::mamba;
  /// Eigenvalues in [-1, 1] instead of [0, 1].
  bool negative = false;
  std::size_t layers = 1;
  std::size_t size = 4;
  /// Factors a row, for deltaproduct.
  std::size_t householder = 2;
  ParameterFormat format = ParameterFormat::fp32;
  std::uint64_t seed = 1;
};

/// A made model: a table model, or a triangular one.
using FamilyModel = std::variant<LrnnModel, TriangularModel>;

/// Makes the model of the seed. Throws InputError for layers outside 1..6, a size outside 1..64, householder outside
/// 1..8, and for families without one the range [-1, 1].
FamilyModel make_family_model(const FamilyOptions& options);

/// A model with strictly nonnegative spectrum that recognises its language for ever in one arithmetic.
struct BoundaryExample {
  std::string name;
  std::string description;
  /// 2 for parity, else the modulus.
  unsigned modulus = 2;
  /// In this semantics it recognises the language.
  std::string semantics;
  LrnnModel model;
};

/// "parity-cycle": eigenvalues 1 and 0.113, period 2; "mod3-cycle": period 3. Token 0 is the identity. Both recognise
/// their language in fp32-separate-v1, through limit cycles of the rounding that vanish in fp32-fma-v1.
const std::vector<BoundaryExample>& boundary_examples();

}  // namespace krohn
