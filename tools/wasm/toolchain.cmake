# WebAssembly with WASI's system interface, C++ exceptions and one thread. The compiler, the C library and the sources of
# the C++ library come with the wheel ziglang; the C++ library is compiled here (CMakeLists.txt beside this file), because
# zig's own has no exceptions for this target.
set(CMAKE_SYSTEM_NAME WASI)
set(CMAKE_SYSTEM_PROCESSOR wasm32)
set(KROHN_ZIG ${CMAKE_CURRENT_LIST_DIR}/../../build/wasm-tools/ziglang)
cmake_path(NORMAL_PATH KROHN_ZIG)
if(NOT EXISTS ${KROHN_ZIG}/zig)
  message(FATAL_ERROR "expected the WebAssembly compiler in build/wasm-tools, got none: run tools/wasm/setup")
endif()
set(CMAKE_C_COMPILER ${CMAKE_CURRENT_LIST_DIR}/clang)
set(CMAKE_CXX_COMPILER ${CMAKE_CURRENT_LIST_DIR}/clang++)
set(CMAKE_ASM_COMPILER ${CMAKE_CURRENT_LIST_DIR}/clang)
set(CMAKE_C_COMPILER_TARGET wasm32-wasip1)
set(CMAKE_CXX_COMPILER_TARGET wasm32-wasip1)
set(CMAKE_ASM_COMPILER_TARGET wasm32-wasip1)
# Programs are linked by zig, which adds its C library; archives are all that CMake's own checks can make.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_AR ${CMAKE_CURRENT_LIST_DIR}/ar CACHE FILEPATH "" FORCE)
set(CMAKE_RANLIB ${CMAKE_CURRENT_LIST_DIR}/ranlib CACHE FILEPATH "" FORCE)
list(APPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)

# What every source is compiled with. Features that browsers have had since 2021 (Safari: 2023).
set(machine "-fwasm-exceptions -mbulk-memory -msign-ext -mnontrapping-fptoint -msimd128")
set(emulated "-D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_MMAN -D_WASI_EMULATED_PROCESS_CLOCKS -D_WASI_EMULATED_GETPID")
set(c_headers "-isystem ${KROHN_ZIG}/lib/include -isystem ${KROHN_ZIG}/lib/libc/include/wasm-wasi-musl")
string(APPEND c_headers " -isystem ${KROHN_ZIG}/lib/libc/include/generic-musl")
set(cxx_headers "-isystem ${KROHN_ZIG}/lib/libcxx/include -isystem ${KROHN_ZIG}/lib/libcxxabi/include")
# What libc++'s own build would write into its __config_site. Threads are there by name only: wasi-libc's locks do nothing
# and its pthread_create fails, so that std::thread throws and std::thread::hardware_concurrency() is 1.
set(cxx_configuration "-D_LIBCPP_ABI_VERSION=1 -D_LIBCPP_ABI_NAMESPACE=__1")
foreach(one THREADS THREAD_API_PTHREAD MONOTONIC_CLOCK FILESYSTEM RANDOM_DEVICE LOCALIZATION UNICODE WIDE_CHARACTERS MUSL_LIBC)
  string(APPEND cxx_configuration " -D_LIBCPP_HAS_${one}=1")
endforeach()
foreach(none THREAD_API_C11 THREAD_API_EXTERNAL THREAD_API_WIN32 TERMINAL VENDOR_AVAILABILITY_ANNOTATIONS TIME_ZONE_DATABASE)
  string(APPEND cxx_configuration " -D_LIBCPP_HAS_${none}=0")
endforeach()
string(APPEND cxx_configuration " -D_LIBCPP_INSTRUMENTED_WITH_ASAN=0 -D_LIBCPP_PSTL_BACKEND_SERIAL -D_LIBCPP_LIBC_NEWLIB=0"
  " -D_LIBCPP_HARDENING_MODE_DEFAULT=2 -D_LIBCPP_ASSERTION_SEMANTIC_DEFAULT=2")
# Boost 1.74 derives from what C++17 took away.
string(APPEND cxx_configuration " -D_LIBCPP_ENABLE_CXX17_REMOVED_UNARY_BINARY_FUNCTION")
# Sizes of 32 bits that overflow end the program (checked_sizes.txt, checked_sizes.cpp).
set(checks "-fsanitize=unsigned-integer-overflow,implicit-unsigned-integer-truncation -fsanitize-minimal-runtime")
string(APPEND checks " -fsanitize-undefined-ignore-overflow-pattern=all"
  " -fsanitize-ignorelist=${CMAKE_CURRENT_LIST_DIR}/checked_sizes.txt -Wno-c++11-narrowing")
set(CMAKE_C_FLAGS_INIT "-nostdinc ${machine} ${emulated} ${c_headers}")
set(CMAKE_CXX_FLAGS_INIT "-nostdinc ${machine} ${emulated} ${cxx_headers} ${c_headers} ${cxx_configuration} ${checks}")
set(CMAKE_ASM_FLAGS_INIT "-fwasm-exceptions")
