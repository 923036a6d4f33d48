// Every word of a learned model on CUDA devices.
#pragma once

#include <memory>

#include "krohn/engine/device_team.hpp"
#include "krohn/engine/learned/learned_machine.hpp"
#include "search.hpp"

namespace krohn {

/// A walk on the devices. Model and task must outlive it.
WalkPlan prefix_tree_plan(const Program& model, const LearnedTask& task, std::shared_ptr<DeviceTeam> team);

}  // namespace krohn
