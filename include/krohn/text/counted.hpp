// Numbers of things in sentences.
#pragma once

#include <cstdint>
#include <string>

namespace krohn {

/// "1 state", "3 states"; `plural` where it is not the noun with an s.
inline std::string counted(std::uint64_t count, const std::string& noun, const std::string& plural = "") {
  return std::to_string(count) + " " + (count == 1 ? noun : plural.empty() ? noun + "s" : plural);
}

}  // namespace krohn
