// Every word of a learned model on the CUDA device.
#pragma once

#include "krohn/engine/learned/learned_machine.hpp"
#include "krohn/kernels/device.hpp"
#include "search.hpp"

namespace krohn {

/// A walk on the device. Model and task must outlive it.
WalkPlan prefix_tree_plan(const Program& model, const LearnedTask& task, const CudaDevice& device);

}  // namespace krohn
