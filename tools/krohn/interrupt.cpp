#include "interrupt.hpp"

#include <csignal>

namespace krohn::cli {
namespace {

std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may store to lock-free atomics only");

extern "C" void note_interrupt(int signal) {
  interrupted.store(true, std::memory_order_relaxed);
  std::signal(signal, SIG_DFL);
}

}  // namespace

const std::atomic<bool>& interrupt_flag() {
  static const bool installed = [] {
    std::signal(SIGINT, note_interrupt);
    std::signal(SIGTERM, note_interrupt);
    return true;
  }();
  static_cast<void>(installed);
  return interrupted;
}

}  // namespace krohn::cli
