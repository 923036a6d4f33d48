// Exactness kits for kernels of linear recurrences: inputs in bf16, fp16 and fp32, and what comes of them without any
// rounding, planted where implementations err. docs/kernel-testing.md explains how to use one.
//
// The recurrence of all kits, per token, on S [key_size, value_size]:
//     S <- exp(g) S  (g one number a token, one a key row, or none);
//     for each of num_householder updates:  S <- S + k (beta (v - S^T k))^T  (delta rules), or  S <- S + beta k v^T;
//     o = S^T q.
// A case is a table of rows (q, k, v, beta, g) and a sequence of their numbers, so that a million tokens are small.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace krohn {

enum class KitOperator { delta_rule, gated_delta_rule, delta_product, kda, gla, mamba2 };

inline constexpr std::array kit_operators = {KitOperator::delta_rule,    KitOperator::gated_delta_rule,
                                             KitOperator::delta_product, KitOperator::kda,
                                             KitOperator::gla,           KitOperator::mamba2};

const char* operator_name(KitOperator op);

struct Kit {
  std::size_t cases = 0;
  /// Of all cases.
  std::uint64_t tokens = 0;
  /// kit.json, kit.safetensors, run_kit.py.
  std::vector<std::pair<std::string, std::string>> files;
};

/// `longest` is the length of the longest case, at least 300. Throws InternalError where a step would round.
Kit make_kit(KitOperator op, std::uint64_t longest = 1'000'000, std::uint64_t seed = 0);

/// Writes the directory aside and renames it; as write_fla_export.
void write_kit(const std::filesystem::path& path, const Kit& kit, bool force = false);

}  // namespace krohn
