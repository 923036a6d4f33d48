// Every reader of bytes of unknown origin as a function of its bytes, for libFuzzer (fuzz_main.cpp) and for the replay
// of the seeds (seeds_test.cpp). A reader may refuse (InputError) or give up (ResourceError); everything else that it
// throws is a fault. What a target does not name is not linked into it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../../src/checkpoints/yaml_document.hpp"
#include "krohn/automata/regex.hpp"
#include "krohn/checkpoints/safetensors.hpp"
#include "krohn/checkpoints/task.hpp"
#include "krohn/checkpoints/torch_file.hpp"
#include "krohn/digest/sha256.hpp"
#include "krohn/error.hpp"
#include "krohn/languages/format_att.hpp"
#include "krohn/languages/format_aut.hpp"
#include "krohn/languages/format_ba.hpp"
#include "krohn/languages/format_dot.hpp"
#include "krohn/languages/format_hoa.hpp"
#include "krohn/languages/format_jff.hpp"
#include "krohn/languages/format_json.hpp"
#include "krohn/languages/format_mata.hpp"
#include "krohn/languages/format_mona.hpp"
#include "krohn/model/program_builder.hpp"
#include "krohn/results/certificate_file.hpp"
#include "krohn/results/search_part.hpp"
#include "krohn/text/json_document.hpp"

namespace krohn::fuzz {

/// The first line up to its end is an alphabet, where it begins with "alphabet ".
struct WithAlphabet {
  std::optional<Alphabet> alphabet;
  std::string_view rest;

  explicit WithAlphabet(std::string_view bytes) : rest(bytes) {
    constexpr std::string_view key = "alphabet ";
    if (!bytes.starts_with(key)) return;
    const std::size_t end = bytes.find('\n');
    alphabet =
        Alphabet::of_characters(bytes.substr(key.size(), end == std::string_view::npos ? end : end - key.size()));
    rest = end == std::string_view::npos ? std::string_view() : bytes.substr(end + 1);
  }
};

template <LanguageSource (*parse)(std::string_view, const std::string&, const std::optional<Alphabet>&)>
void read_format(std::string_view bytes) {
  const WithAlphabet input(bytes);
  static_cast<void>(parse(input.rest, "f", input.alphabet));
}

/// Behind a line "table" follows the symbol table.
inline void att(std::string_view bytes) {
  const WithAlphabet input(bytes);
  const std::size_t at = input.rest.find("\ntable\n");
  std::optional<AttSymbolTable> table;
  if (at != std::string_view::npos) table = AttSymbolTable{"t", std::string(input.rest.substr(at + 7))};
  static_cast<void>(parse_format_att(input.rest.substr(0, at), "f", input.alphabet, table));
}

inline void mata(std::string_view bytes) { read_format<parse_format_mata>(bytes); }
inline void jff(std::string_view bytes) { read_format<parse_format_jff>(bytes); }
/// More than 4 propositions are passed over: n of them are 2^n letters.
inline void hoa(std::string_view bytes) {
  const auto is_digit = [&](std::size_t at) { return at < bytes.size() && bytes[at] >= '0' && bytes[at] <= '9'; };
  if (const std::size_t key = bytes.find("AP:"); key != std::string_view::npos) {
    const std::size_t number = bytes.find_first_not_of(" \t\r\n0", key + 3);
    if (number != std::string_view::npos && is_digit(number) && (bytes[number] > '4' || is_digit(number + 1))) return;
  }
  read_format<parse_format_hoa>(bytes);
}
inline void dot(std::string_view bytes) { read_format<parse_format_dot>(bytes); }
inline void mona(std::string_view bytes) { read_format<parse_format_mona>(bytes); }
inline void aut(std::string_view bytes) { read_format<parse_format_aut>(bytes); }
inline void ba(std::string_view bytes) { read_format<parse_format_ba>(bytes); }
inline void automaton(std::string_view bytes) { static_cast<void>(parse_format_json(bytes, "f")); }

/// Expressions that repeat more than 16 times in all, or 4 times with a complement, or have more than 16 dots, are
/// passed over: they may ask for 2^n states, and then for seconds, up to the caps of determinize.
inline void regex(std::string_view bytes) {
  const WithAlphabet input(bytes);
  if (std::count(input.rest.begin(), input.rest.end(), '.') > 16) return;
  const std::size_t most_repeats = input.rest.find('~') == std::string_view::npos ? 16 : 4;
  std::size_t repeats = 1;
  for (std::size_t at = input.rest.find('{'); at != std::string_view::npos; at = input.rest.find('{', at + 1)) {
    std::size_t most = 1;
    std::size_t number = 0;
    for (std::size_t i = at + 1; i < input.rest.size() && input.rest[i] != '}' && most <= 16; ++i) {
      const char c = input.rest[i];
      number = c >= '0' && c <= '9' ? number * 10 + static_cast<std::size_t>(c - '0') : 0;
      most = std::max(most, number);
    }
    repeats *= most;
    if (repeats > most_repeats) return;
  }
  static_cast<void>(parse_regex(input.rest, input.alphabet));
}

inline void json(std::string_view bytes) { static_cast<void>(parse_json(bytes, "f")); }
inline void yaml(std::string_view bytes) { static_cast<void>(parse_yaml(std::string(bytes), "f")); }

inline void safetensors(std::string_view bytes) {
  const Safetensors file = Safetensors::parse(std::string(bytes), "f");
  for (const TensorView& tensor : file.tensors()) {
    try {
      static_cast<void>(to_double(tensor));
    } catch (const InputError&) {
      static_cast<void>(to_int64(tensor));
    }
  }
}

inline void torch(std::string_view bytes) { static_cast<void>(parse_torch_file(bytes, "f")); }

/// Against a model of eight tokens and eight logits.
inline void task(std::string_view bytes) {
  static const Program model = [] {
    ProgramBuilder net("bare");
    const std::uint32_t table = net.add({"embedding", {8, 2}, true, std::vector<float>(16, 1.0F)});
    const std::uint32_t head = net.add({"head", {8, 2}, true, std::vector<float>(16, 1.0F)});
    net.product(head, net.embedding(table));
    return net.finish();
  }();
  static_cast<void>(parse_task(bytes, "f", model));
}

/// The digest at the end is made to fit, or nothing behind it would be read.
inline void certificate(std::string_view bytes) {
  std::string sealed(bytes);
  if (sealed.size() >= 32) {
    sealed.resize(sealed.size() - 32);
    const auto digest = sha256(sealed);
    sealed.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  }
  static_cast<void>(parse_certificate(sealed, "f"));
}

inline void search_part(std::string_view bytes) { static_cast<void>(parse_search_part(bytes, "f")); }

/// True if `read` took the bytes; false if it refused them or gave up.
inline bool accepts(void (*read)(std::string_view), std::string_view bytes) {
  try {
    read(bytes);
    return true;
  } catch (const InputError&) {
    return false;
  } catch (const ResourceError&) {
    return false;
  }
}

}  // namespace krohn::fuzz
