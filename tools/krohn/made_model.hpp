// The random models that krohn refute and krohn cycles make: the options for them, and theirs for the theorem.
#pragma once

#include <string>

#include "command.hpp"
#include "krohn/model/model_family.hpp"
#include "krohn/verify/layered_lasso.hpp"

namespace krohn::cli {

struct MadeModelArguments {
  /// Empty: the command's default.
  std::string family;
  std::string range = "0,1";
  FamilyOptions made;
};

/// Adds --family, --range, --layers, --size, --householder and --seed.
void add_made_model_options(const Command& command, MadeModelArguments& arguments, const std::string& default_family);

/// Adds --theorem: parity or modular:m.
Option add_theorem_option(const Command& command, std::string& theorem);

/// Adds --format and --semantics, which here know the arithmetics of docs/semantics.md that only theorems are about.
void add_arithmetic_option(const Command& command, std::string& arithmetic, const std::string& by_default);

/// Throws InputError for an arithmetic that triangular models do not have.
void require_arithmetic(const MadeModelArguments& arguments, const std::string& arithmetic);

/// The format in which a made model's parameters are drawn.
ParameterFormat parameters_of(NumberFormat format);

}  // namespace krohn::cli
