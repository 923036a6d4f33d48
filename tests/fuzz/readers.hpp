// Every reader of bytes of unknown origin as a function of its bytes, for libFuzzer (fuzz_main.cpp) and for the replay
// of the seeds (seeds_test.cpp). A reader may refuse (InputError) or give up (ResourceError); everything else that it
// throws is a fault.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "../../src/checkpoints/yaml_document.hpp"
#include "krohn/automata/regex.hpp"
#include "krohn/checkpoints/checkpoint.hpp"
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
#include "krohn/results/certificate_file.hpp"
#include "krohn/results/search_part.hpp"
#include "krohn/text/json_document.hpp"

namespace krohn::fuzz {

struct Reader {
  const char* name;
  void (*read)(std::string_view bytes);
};

/// A file in memory, for readers that take a path.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes) : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    if (descriptor_ < 0 || ::write(descriptor_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
      throw std::runtime_error("no file in memory");
    }
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

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

inline const std::vector<Reader>& readers() {
  static const std::vector<Reader> all = {
      {"att",
       [](std::string_view bytes) {
         // Behind a line "table" follows the symbol table.
         const WithAlphabet input(bytes);
         const std::size_t at = input.rest.find("\ntable\n");
         std::optional<AttSymbolTable> table;
         if (at != std::string_view::npos) table = AttSymbolTable{"t", std::string(input.rest.substr(at + 7))};
         static_cast<void>(parse_format_att(input.rest.substr(0, at), "f", input.alphabet, table));
       }},
      {"mata", read_format<parse_format_mata>},
      {"jff", read_format<parse_format_jff>},
      {"hoa", read_format<parse_format_hoa>},
      {"dot", read_format<parse_format_dot>},
      {"mona", read_format<parse_format_mona>},
      {"aut", read_format<parse_format_aut>},
      {"ba", read_format<parse_format_ba>},
      {"automaton", [](std::string_view bytes) { static_cast<void>(parse_format_json(bytes, "f")); }},
      {"regex",
       [](std::string_view bytes) {
         const WithAlphabet input(bytes);
         static_cast<void>(parse_regex(input.rest, input.alphabet));
       }},
      {"json", [](std::string_view bytes) { static_cast<void>(parse_json(bytes, "f")); }},
      {"yaml", [](std::string_view bytes) { static_cast<void>(parse_yaml(std::string(bytes), "f")); }},
      {"safetensors",
       [](std::string_view bytes) {
         const Safetensors file = Safetensors::parse(std::string(bytes), "f");
         for (const TensorView& tensor : file.tensors()) {
           try {
             static_cast<void>(to_double(tensor));
           } catch (const InputError&) {
             static_cast<void>(to_int64(tensor));
           }
         }
       }},
      {"torch", [](std::string_view bytes) { static_cast<void>(parse_torch_file(std::string(bytes), "f")); }},
      {"task",
       [](std::string_view bytes) {
         static const Checkpoint checkpoint =
             read_checkpoint(std::filesystem::path(KROHN_TEST_DATA) / "golden" / "delta_net_neg");
         static_cast<void>(parse_task(bytes, "f", checkpoint.model));
       }},
      {"certificate",
       [](std::string_view bytes) {
         // The digest at the end is made to fit, or nothing behind it would be read.
         std::string sealed(bytes);
         if (sealed.size() >= 32) {
           sealed.resize(sealed.size() - 32);
           const auto digest = sha256(sealed);
           sealed.append(reinterpret_cast<const char*>(digest.data()), digest.size());
         }
         static_cast<void>(parse_certificate(sealed, "f"));
       }},
      {"search_part", [](std::string_view bytes) { static_cast<void>(read_search_part(MemoryFile(bytes).path())); }},
  };
  return all;
}

/// True if the reader took the bytes; false if it refused them or gave up.
inline bool accepts(const Reader& reader, std::string_view bytes) {
  try {
    reader.read(bytes);
    return true;
  } catch (const InputError&) {
    return false;
  } catch (const ResourceError&) {
    return false;
  }
}

}  // namespace krohn::fuzz
