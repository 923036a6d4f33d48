// libFuzzer's entry for one reader, named by KROHN_FUZZ_READER when this is compiled. Bytes that the reader refuses are
// as good as others; an exception of another kind, a sanitizer's report, a time-out or too much memory is a finding.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuzz/readers.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const krohn::fuzz::Reader* const reader = [] {
    for (const krohn::fuzz::Reader& each : krohn::fuzz::readers()) {
      if (std::string_view(each.name) == KROHN_FUZZ_READER) return &each;
    }
    __builtin_trap();
  }();
  krohn::fuzz::accepts(*reader, {reinterpret_cast<const char*>(data), size});
  return 0;
}
