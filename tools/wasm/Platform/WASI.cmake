# How programs for WASI are named and linked: by zig, which adds its C library and compiler-rt.
set(CMAKE_EXECUTABLE_SUFFIX .wasm)
# 8 MiB of stack, as on Linux; 2 GiB of memory in all, so that what is too large fails as such and not by an index that wraps.
set(CMAKE_CXX_LINK_EXECUTABLE
  "${KROHN_ZIG}/zig cc -target wasm32-wasi -O2 -s -Wl,-z,stack-size=8388608 -Wl,--max-memory=2147483648 <LINK_FLAGS> <OBJECTS> -o <TARGET> <LINK_LIBRARIES> -lwasi-emulated-signal -lwasi-emulated-mman -lwasi-emulated-process-clocks -lwasi-emulated-getpid")
