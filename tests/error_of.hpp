// What an action is refused with.
#pragma once

#include <functional>
#include <string>

#include "krohn/error.hpp"

namespace krohn {

/// The message of the InputError that `action` throws, empty where it throws none.
inline std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

}  // namespace krohn
