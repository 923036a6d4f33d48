// Ctrl-C as a flag that long searches look at.
#pragma once

#include <atomic>

namespace krohn::cli {

/// Installs a handler for SIGINT and SIGTERM (the first call does) and returns the flag that it sets. A second signal
/// ends the program at once.
const std::atomic<bool>& interrupt_flag();

}  // namespace krohn::cli
