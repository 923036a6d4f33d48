// The names of a model's tensors in a file of a program that wrapped the model. torch.compile (_orig_mod), Lightning
// Fabric (_forward_module), FSDP (_fsdp_wrapped_module) and checkpointed activations (_checkpoint_wrapped_module) put a
// part of their own into names, before all of them or, where a layer was wrapped by itself, within; DataParallel and
// DeepSpeed (module), Lightning modules and users' own classes (model, net) put one before all names. Any sequence of
// them is met.
//
// A prefix `model` may be the model's own: it is where layers lie right below it and no head does.
#pragma once

#include <string>
#include <vector>

namespace krohn {

struct UnwrappedNames {
  /// In the order of those given.
  std::vector<std::string> names;
  /// What was left out, for a reader; empty where nothing was.
  std::string note;
};

UnwrappedNames without_wrappers(const std::vector<std::string>& names);

}  // namespace krohn
