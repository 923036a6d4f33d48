// The chunked forms of linear recurrences on the CUDA device: 64 steps at a time as matrix products on tensor cores,
// or, where every entry of a state decays by itself, stretches of time side by side. They are another function than the
// canonical recurrence (docs/semantics.md, 9): they search, no verdict rests on them. Every function throws DeviceError
// where there is no device, or a call to it fails.
//
// With a state S [key_size, value_size], a log decay g and n = `householder` keys, values and betas a token:
//     delta:    S = e^g S;  n times  S = S + k (beta (v - S^T k))^T;   o = scale S^T q
//     linear:   S = e^g S + k v^T;                                      o = scale S^T q
//     keywise:  S = diag(e^g) S + k v^T;                                o = scale S^T q
//     keywise_delta:  S = diag(e^g) S;  S = S + k (beta (v - S^T k))^T; o = scale S^T q
//     rank_one:       S = diag(e^g) S - w (S^T r)^T + k v^T,            o = scale S^T q,   S^T r of the S before
//     elementwise:    S = A * S + k v^T,  entry by entry;               o = scale S^T q
// (DeltaNet, Gated DeltaNet, DeltaProduct; Mamba-2 and mLSTM; GLA; KDA; RWKV-7; Mamba, HGRN.) Log decays are finite and
// at most 0; a decay of 0 is any that e^g rounds to 0 (-200, say). A of `elementwise` is given itself, or made of steps
// x [value_size] and rates r [key_size, value_size]: A_kv = e^(x_v r_kv), or 2 e^(x_v r_kv) - 1 for signed rates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace krohn {

enum class ChunkedRule : std::uint32_t { delta, linear, keywise, keywise_delta, rank_one, elementwise };

/// How queries, keys, values, outputs and decays by key are stored. Products of bf16 inputs take one product of bf16
/// operands; of fp32 inputs three, of each operand's leading and trailing 8 bits. elementwise computes in fp32.
enum class ChunkedFormat : std::uint32_t { bf16, fp32 };

/// Log decays below this are zero after one step in fp32, and stay finite in sums.
inline constexpr float least_log_decay = -200.0F;

/// A key or value size filled up to what ChunkedArrays ask for.
constexpr std::uint32_t chunked_size(std::uint32_t size) { return (size + 7) / 8 * 8; }

struct ChunkedShape {
  std::size_t batch = 1;
  std::size_t length = 0;  // tokens
  std::size_t heads = 1;
  /// Heads of queries and keys; divides `heads`. Head h reads key head h / (heads / key_heads).
  std::size_t key_heads = 1;
  std::size_t key_size = 0;    // at most 128
  std::size_t value_size = 0;  // any
  /// Updates a token, 1 to 4; 1 unless the rule is delta.
  std::uint32_t householder = 1;
};

/// Pointers into device memory; key_size and value_size are multiples of 8 and arrays aligned to 16 bytes. elementwise
/// takes any sizes and any alignment.
struct ChunkedArrays {
  const void* query = nullptr;  // [batch, length, key_heads, key_size]
  const void* key = nullptr;    // [batch, length * householder, key_heads, key_size]
  const void* value = nullptr;  // [batch, length * householder, heads, value_size]
  /// [batch, length * householder, heads], fp32; delta and keywise_delta only.
  const float* beta = nullptr;
  /// nullptr: no decay. delta and linear: [batch, length, heads], fp32; keywise: [batch, length, key_heads, key_size];
  /// keywise_delta and rank_one: [batch, length, heads, key_size]; elementwise, not logarithms, fp32: x [batch, length,
  /// heads, value_size] with rates, else A [batch, length, heads, key_size, value_size].
  const void* decay = nullptr;
  /// [batch, heads, key_size, value_size]; nullptr: zero.
  const float* initial_state = nullptr;
  void* output = nullptr;  // [batch, length, heads, value_size]
  /// As initial_state; nullptr: not wanted.
  float* final_state = nullptr;
  /// rank_one only: r and w, as key.
  const void* read = nullptr;
  const void* write = nullptr;
  /// elementwise only: [key_size, value_size], of all heads.
  const float* rates = nullptr;
  bool signed_rates = false;
};

/// The launches for one shape; owns the memory that long single sequences need between their parts (delta in bf16 with
/// keys of more than 32: 6 KiB for every 64 updates).
class ChunkedRecurrence {
 public:
  /// Throws InputError for a shape outside the limits above.
  ChunkedRecurrence(ChunkedRule rule, ChunkedFormat format, const ChunkedShape& shape, float scale);
  ~ChunkedRecurrence();
  ChunkedRecurrence(ChunkedRecurrence&&) noexcept;
  ChunkedRecurrence& operator=(ChunkedRecurrence&&) noexcept;

  /// Launches on the default stream and returns at once.
  void run(const ChunkedArrays& arrays);
  /// Into how many parts, run side by side, every sequence is cut (1: it is not).
  std::size_t segments() const noexcept;

  struct Plan;

 private:
  std::unique_ptr<Plan> plan_;
};

/// The same from and to host memory, in floats (rounded to bf16 for ChunkedFormat::bf16) and for any key and value
/// size; empty spans for what is absent. Returns the device's milliseconds.
struct ChunkedHostArrays {
  std::span<const float> query, key, value, beta, decay, initial_state;
  std::span<float> output, final_state;
  std::span<const float> read = {}, write = {}, rates = {};
  bool signed_rates = false;
};
double run_chunked(ChunkedRule rule, ChunkedFormat format, const ChunkedShape& shape, float scale,
                   const ChunkedHostArrays& arrays);

}  // namespace krohn
