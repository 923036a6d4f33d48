// What happens where a size does not fit 32 bits: the checks that checked_sizes.txt asks the compiler for call these. A
// difference below zero wraps, as everywhere (loops count down past it); the library itself guards those that matter,
// with 64 bits as with 32. Everything else ends the program.
#include <cstdio>
#include <cstdlib>

namespace {

// The command line's exit code of resources.
constexpr int exit_resource = 3;

[[noreturn]] void too_large() {
  std::fputs("krohn: a size does not fit the 32 bits of WebAssembly; the native program has 64 bits\n", stderr);
  std::_Exit(exit_resource);
}

}  // namespace

extern "C" {
void __ubsan_handle_add_overflow_minimal() { too_large(); }
void __ubsan_handle_mul_overflow_minimal() { too_large(); }
void __ubsan_handle_implicit_conversion_minimal() { too_large(); }
void __ubsan_handle_sub_overflow_minimal() {}
void __ubsan_handle_negate_overflow_minimal() {}
}
