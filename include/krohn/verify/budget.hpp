// How long and in how much memory a search may run, and how it is interrupted.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

namespace krohn {

/// 4 GiB, or on a machine with fewer addresses a quarter of them.
inline constexpr std::uint64_t default_memory =
    std::min(std::uint64_t{4} << 30U, std::uint64_t{std::numeric_limits<std::size_t>::max() / 4} + 1);

/// Limits of one search. A search that meets one ends with what it has established; it never throws for it.
struct Budget {
  /// Bytes that the search may hold at once.
  std::uint64_t memory = default_memory;
  std::optional<std::chrono::steady_clock::time_point> deadline = std::nullopt;
  /// Set from outside (another thread or a signal handler) to end the search; null for none.
  const std::atomic<bool>* stop = nullptr;

  /// The same budget with only this part of the time that is left.
  Budget share(double part) const {
    Budget result = *this;
    if (deadline) {
      const auto now = std::chrono::steady_clock::now();
      const auto left = std::chrono::duration_cast<std::chrono::duration<double>>(*deadline - now) * part;
      result.deadline = now + std::chrono::duration_cast<std::chrono::steady_clock::duration>(left);
    }
    return result;
  }

  bool interrupted() const noexcept { return stop != nullptr && stop->load(std::memory_order_relaxed); }
  bool out_of_time() const noexcept { return deadline && std::chrono::steady_clock::now() >= *deadline; }
};

/// Which limit ended a search.
enum class Limit { none, memory, time, interrupt, steps };

}  // namespace krohn
