// The CUDA form of enumerate.
#pragma once

#include "krohn/engine/enumerate.hpp"
#include "krohn/kernels/device.hpp"

namespace krohn {

/// As enumerate(), on the device given.
EnumerateResult enumerate_on_device(const LrnnModel& model, Semantics semantics, const LabelledAutomaton& automaton,
                                    const EnumerateOptions& options, const CudaDevice& device);

}  // namespace krohn
