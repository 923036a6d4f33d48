// What the page calls, while the program asks it for the time, to end the work as Ctrl-C does
// (site/playground/wasi.js).
#include "work.hpp"

extern "C" [[clang::export_name("interrupt")]] void interrupt() { krohn::cli::Work::interrupt(); }
