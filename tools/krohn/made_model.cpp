#include "made_model.hpp"

#include "krohn/error.hpp"

namespace krohn::cli {

void add_made_model_options(const Command& command, MadeModelArguments& arguments, const std::string& default_family) {
  std::string names;
  for (const Family known : all_families) names += (names.empty() ? "" : ", ") + std::string(family_name(known));
  const Rule family{[names](std::string& text) {
                      if (parse_family(text)) return std::string();
                      const std::string_view why = why_not_made(text);
                      if (!why.empty()) return "no models of '" + text + "' are made: " + std::string(why);
                      return "expected one of " + names + ", got '" + text + "'";
                    },
                    "FAMILY"};
  command.add_option("--family", arguments.family, names + " (default " + default_family + ")").check(family);
  const Rule range{[](std::string& text) {
                     return text == "0,1" || text == "-1,1" ? std::string()
                                                            : "expected 0,1 or -1,1, got '" + text + "'";
                   },
                   "RANGE"};
  command.add_option("--range", arguments.range, "eigenvalues in 0,1 (default) or -1,1").check(range);
  command.add_option("--layers", arguments.made.layers, "layers of a made model, 1 to 6 (default 1)")
      .check(natural_number(1, 6));
  command.add_option("--size", arguments.made.size, "key size of a made model (default 4)")
      .check(natural_number(1, 64));
  command.add_option("--householder", arguments.made.householder, "factors a row, for deltaproduct (default 2)")
      .check(natural_number(1, 8));
  command.add_option("--seed", arguments.made.seed, "of a made model (default 1)")
      .check(natural_number(0, std::uint64_t{1} << 63U));
}

Option add_theorem_option(const Command& command, std::string& theorem) {
  return command.add_option("--theorem", theorem, "parity (default) or modular:m (modular: 3)");
}

void add_arithmetic_option(const Command& command, std::string& arithmetic, const std::string& by_default) {
  const Rule known{[](std::string& text) {
                     return parse_arithmetic(text)
                                ? std::string()
                                : "expected fp32, fp16, bf16, FORMAT-separate-v1 or a semantics id, got '" + text + "'";
                   },
                   "SEMANTICS"};
  command
      .add_option("--format,--semantics", arithmetic,
                  "fp32, fp16, bf16, FORMAT-separate-v1 or an id (docs/semantics.md); default: " + by_default)
      .check(known);
}

void require_arithmetic(const MadeModelArguments& arguments, const std::string& arithmetic) {
  if (arguments.family == "triangular" && !arithmetic.empty() && parse_arithmetic(arithmetic)->separate) {
    throw InputError("--semantics: expected fp32, fp16 or bf16 for --family triangular, got '" + arithmetic + "'");
  }
}

ParameterFormat parameters_of(NumberFormat format) {
  switch (format) {
    case NumberFormat::fp16:
      return ParameterFormat::fp16;
    case NumberFormat::bf16:
      return ParameterFormat::bf16;
    case NumberFormat::fp32:
      break;
  }
  return ParameterFormat::fp32;
}

}  // namespace krohn::cli
