// libFuzzer's entry for one reader, named by KROHN_FUZZ_READER when this is compiled. Bytes that the reader refuses are
// as good as others; an exception of another kind, a sanitizer's report, a time-out or too much memory is a finding.
#include <cstddef>
#include <cstdint>

#include "fuzz/readers.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  krohn::fuzz::accepts(krohn::fuzz::KROHN_FUZZ_READER, {reinterpret_cast<const char*>(data), size});
  return 0;
}
