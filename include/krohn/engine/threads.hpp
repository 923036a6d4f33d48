// How many threads work is spread over. WebAssembly has one: there all work is done by the thread that asks for it.
// Tested by tests/engine/learned_test.cpp, whose bits do not depend on the number.
#pragma once

#include <algorithm>
#include <future>
#include <thread>

namespace krohn {

#if defined(__wasm__)
inline constexpr bool machine_has_threads = false;
#else
inline constexpr bool machine_has_threads = true;
#endif

/// How work is launched that another thread may do meanwhile; without threads it is done when its result is asked for.
inline constexpr std::launch meanwhile = machine_has_threads ? std::launch::async : std::launch::deferred;

/// So many as are asked for, for 0 one a core; 1 where the machine has no threads.
inline unsigned threads_to_use(unsigned asked) {
  if (!machine_has_threads) return 1;
  return asked != 0 ? asked : std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace krohn
