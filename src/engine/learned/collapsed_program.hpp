// The states of a learned model by layers.
#pragma once

#include <memory>

#include "krohn/engine/collapsed_states.hpp"
#include "krohn/engine/learned.hpp"
#include "krohn/engine/learned/learned_machine.hpp"

namespace krohn {

/// Null where fewer than two layers carry something, where two layers share a state part, and of programs with codes,
/// whose states are small anyway. Program and task must outlive it.
std::shared_ptr<CollapsedStates> collapsed_states(const Program& program, const LearnedTask& task);

}  // namespace krohn
