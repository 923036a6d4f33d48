// Tested by tests/checkpoints/torch_file_test.cpp.
#include "wrapped_names.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace krohn {
namespace {

using Parts = std::vector<std::string_view>;

// No layer is called so.
constexpr std::array<std::string_view, 4> anywhere = {"_orig_mod", "_forward_module", "_fsdp_wrapped_module",
                                                      "_checkpoint_wrapped_module"};
constexpr std::array<std::string_view, 3> in_front = {"module", "model", "net"};

template <class List>
bool among(const List& list, std::string_view part) {
  return std::find(list.begin(), list.end(), part) != list.end();
}

Parts split(std::string_view name) {
  Parts parts;
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t end = std::min(name.find('.', at), name.size());
    parts.push_back(name.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

std::string joined(const Parts& parts) {
  std::string name;
  for (const std::string_view part : parts) name += (name.empty() ? "" : ".") + std::string(part);
  return name;
}

/// Whether all names begin with one part, which a wrapper put there.
bool wrapped(const std::vector<Parts>& names) {
  if (names.empty() || !among(in_front, names[0][0])) return false;
  const std::string_view first = names[0][0];
  const auto begins = [&](const Parts& parts) { return parts.size() > 1 && parts[0] == first; };
  if (!std::all_of(names.begin(), names.end(), begins)) return false;
  const auto below = [&](std::string_view part) {
    return std::any_of(names.begin(), names.end(), [&](const Parts& parts) { return parts[1] == part; });
  };
  return first != "model" || !below("layers") || below("lm_head");
}

}  // namespace

UnwrappedNames without_wrappers(const std::vector<std::string>& names) {
  std::vector<Parts> parts;
  for (const std::string& name : names) {
    Parts own = split(name);
    std::erase_if(own, [&](std::string_view part) { return own.size() > 1 && among(anywhere, part); });
    parts.push_back(std::move(own));
  }
  while (wrapped(parts)) {
    for (Parts& own : parts) own.erase(own.begin());
  }
  UnwrappedNames result;
  std::string prefix;
  std::string within;
  std::size_t inside = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    result.names.push_back(joined(parts[i]));
    // What stands before the first part that is kept, and what was taken out behind it.
    const Parts original = split(names[i]);
    const auto kept = std::find_if(original.begin(), original.end(), [&](std::string_view part) {
      return !parts[i].empty() && part.data() == parts[i][0].data();
    });
    if (i == 0) {
      for (auto part = original.begin(); part != kept; ++part) prefix += std::string(*part) + ".";
    }
    const auto found = std::find_if(kept, original.end(), [](std::string_view part) { return among(anywhere, part); });
    if (found == original.end()) continue;
    if (within.empty()) within = *found;
    ++inside;
  }
  std::string left_out = prefix.empty() ? "" : "'" + prefix + "' before all of them";
  if (inside != 0) {
    left_out += (left_out.empty() ? "'" : ", '") + within + ".' within " + std::to_string(inside) + " of them";
  }
  if (!left_out.empty()) result.note = "names of tensors: left out what wrappers of the model put there, " + left_out;
  return result;
}

}  // namespace krohn
