// Which instructions the machine has. KROHN_TARGET_AVX2 marks a function compiled for AVX2, FMA and F16C, in which
// `__builtin_fmaf` is one instruction; it is called only where has_avx2_fma() holds. Elsewhere `__builtin_fmaf` is the
// C library's fmaf, correctly rounded and so the same bits. Clang, which builds the fuzz targets only, takes that form.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define KROHN_HAVE_AVX2_TARGET 1
#define KROHN_TARGET_AVX2 __attribute__((target("avx2,fma,f16c")))
#else
#define KROHN_TARGET_AVX2
#endif

namespace krohn {

inline bool has_avx2_fma() noexcept {
#if defined(KROHN_HAVE_AVX2_TARGET)
  static const bool present =
      __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 && __builtin_cpu_supports("f16c") != 0;
  return present;
#else
  return false;
#endif
}

/// F, BW, DQ and VL, beside AVX2 and FMA.
inline bool has_avx512() noexcept {
#if defined(KROHN_HAVE_AVX2_TARGET)
  static const bool present = has_avx2_fma() && __builtin_cpu_supports("avx512f") != 0 &&
                              __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
                              __builtin_cpu_supports("avx512vl") != 0;
  return present;
#else
  return false;
#endif
}

}  // namespace krohn
