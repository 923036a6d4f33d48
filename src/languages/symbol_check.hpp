// Whether the names that a file uses may be symbols, each decided once.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "krohn/automata/alphabet.hpp"
#include "krohn/error.hpp"
#include "name_table.hpp"

namespace krohn {

class SymbolCheck {
 public:
  /// With an alphabet the symbols are its own, else every name that an alphabet takes. `given` must outlive the check.
  explicit SymbolCheck(const std::optional<Alphabet>& given) : given_(given) {}

  bool is_good(std::string_view name) {
    if (good_.find(name)) return true;
    if (given_ ? !given_->find(name) : !is_name(name)) return false;
    good_.find_or_add(name);
    return true;
  }

  /// For messages about a name that is not good.
  std::string expected() const {
    return given_ ? "a symbol of the given alphabet" : "a symbol in UTF-8 without white space and control characters";
  }

 private:
  static bool is_name(std::string_view name) {
    try {
      static_cast<void>(Alphabet({std::string(name)}));
      return true;
    } catch (const InputError&) {
      return false;
    }
  }

  const std::optional<Alphabet>& given_;
  NameTable good_;
};

}  // namespace krohn
