// KROHN_HOST_DEVICE marks a function that host and device code share, and is empty outside nvcc; KROHN_ALWAYS_INLINE a
// function of the host that is always inlined; KROHN_INLINE_DEVICE is both.
#pragma once

#if defined(__CUDACC__)
#define KROHN_HOST_DEVICE __host__ __device__
#define KROHN_ALWAYS_INLINE __forceinline__
#else
#define KROHN_HOST_DEVICE
#define KROHN_ALWAYS_INLINE [[gnu::always_inline]] inline
#endif
#define KROHN_INLINE_DEVICE KROHN_HOST_DEVICE KROHN_ALWAYS_INLINE
