// KROHN_HOST_DEVICE marks a function that host and device code share; it is empty outside nvcc.
#pragma once

#if defined(__CUDACC__)
#define KROHN_HOST_DEVICE __host__ __device__
#else
#define KROHN_HOST_DEVICE
#endif
