// Regular languages as checkpoints of delta-rule language models that flash-linear-attention and transformers load and
// run as they are: exact by construction, in every order of operations, in fp32 and in bf16.
//
//     const FlaExport model = export_to_fla(read_language("word:S5").dfa);
//     write_fla_export("s5", model);          // krohn check s5: s PROVED
//
// The residual stream holds named blocks of features that are 0 or one power of two m: a row of the stage that the next
// layer runs (the token's, at first), what each head read (a column or *absent*), the time, a slot. Every block has
// exactly one feature at every norm, so that an RMSNorm multiplies by one power of two. A layer's mixer is the stage's
// heads (compile's levels in doubled dyadic keys, see src/export/stages.hpp); its SwiGLU is the table that replaces the
// row: unit u has the gate 256 (tests met - tests + 1/2), which silu makes 128 or exactly 0, and writes m and -m. The
// first token, before every word, writes the initial states. Every number of a run is a small dyadic one, or is
// multiplied by an exact 0 right away.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "krohn/automata/cascade.hpp"
#include "krohn/automata/language.hpp"
#include "krohn/checkpoints/safetensors.hpp"

namespace krohn {

enum class FlaArchitecture { delta_net, gated_deltanet, gated_deltaproduct, kda };

inline constexpr std::array fla_architectures = {FlaArchitecture::delta_net, FlaArchitecture::gated_deltanet,
                                                 FlaArchitecture::gated_deltaproduct, FlaArchitecture::kda};

/// The model_type of its config.json.
const char* model_type_of(FlaArchitecture architecture);

struct FlaOptions {
  /// The first of delta_net, gated_deltanet and gated_deltaproduct that can run the language's stages, if empty.
  std::optional<FlaArchitecture> architecture;
  std::uint64_t max_parameters = 100'000'000;
  CascadeOptions cascade;
};

/// A layer, for reports.
struct FlaLayer {
  std::string name;
  std::size_t rows = 0;
  std::size_t heads = 0;
  std::size_t num_householder = 0;
  std::size_t units = 0;
  /// Hidden states hold 0 and plus and minus this, and nothing else, at every position.
  double magnitude = 0.0;
  /// How far a unit's tested features may be off, as a share of m, while units that are off stay exactly 0 in binary32:
  /// (1/2 - 104/256) / tests.
  double tolerance = 0.0;
};

struct FlaExport {
  FlaArchitecture architecture = FlaArchitecture::gated_deltaproduct;
  std::size_t parameters = 0;
  std::size_t hidden_size = 0;
  std::size_t intermediate_size = 0;
  std::size_t heads = 0;
  std::size_t key_size = 0;
  std::size_t value_size = 0;
  std::size_t num_householder = 1;
  bool gated = false;
  std::vector<FlaLayer> layers;
  /// The files of the directory, by name.
  std::vector<std::pair<std::string, std::string>> files;
};

/// `name` is what the files call the language. Throws InputError where the architecture cannot run it a level a layer,
/// with the theorem, ResourceError past max_parameters (with the size), a key size of 256, or a cap of the cascade.
FlaExport export_to_fla(const Language& language, const std::string& name, const FlaOptions& options = {});

/// Writes the directory aside and renames it. An existing one is refused unless `force` is true and it is empty or
/// holds an export. Throws as PendingDirectory.
void write_fla_export(const std::filesystem::path& path, const FlaExport& model, bool force = false);

}  // namespace krohn
