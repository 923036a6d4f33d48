// Threads over independent blocks of work.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "krohn/engine/threads.hpp"

namespace krohn {

/// Calls work(block) for every block below `blocks`, each once, on up to `threads` threads; blocks are handed out in
/// ascending order. If calls throw, the exception of the lowest block that threw is rethrown: the same one for every
/// number of threads, because every block below it was run.
template <class Work>
void parallel_blocks(std::size_t blocks, unsigned threads, const Work& work) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::size_t failed_block = blocks;
  std::exception_ptr failure;
  const auto loop = [&] {
    for (;;) {
      const std::size_t block = next.fetch_add(1);
      if (block >= blocks) return;
      try {
        work(block);
      } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex);
        if (block < failed_block) {
          failed_block = block;
          failure = std::current_exception();
        }
        next.store(blocks);
        return;
      }
    }
  };
  const std::size_t count = std::min<std::size_t>(threads, blocks);
  std::vector<std::thread> others;
  for (std::size_t i = 1; i < count; ++i) others.emplace_back(loop);
  loop();
  for (std::thread& thread : others) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace krohn
