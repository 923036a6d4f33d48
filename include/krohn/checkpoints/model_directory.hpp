// The directory of a compiled model.
//
//  1. config.json, model.safetensors, and where known hint.safetensors and automaton.json; nothing else belongs to it.
//  2. config.json is one object (text/json_document.hpp) with the members
//       "model_type": "krohn-lrnn";  "format_version": 1;
//       "alphabet", "label_names": arrays of strings;  "initial_label": an index into label_names, or -1 (undefined);
//       "num_layers": a count;  "semantics": the default, as in model/semantics.hpp;
//     and, information that only people and reports rely on:
//       "exact": true, false or null (not known), "horizon": a length or null: what compile claims;
//       "layers": one object a layer with its sizes;  "report": an object, what compile reported.
//     Unknown members are refused.
//  3. model.safetensors (safetensors.hpp) holds exactly the arrays of model/fingerprint.hpp, for layers 0 to
//     num_layers - 1, with the dtypes and ranks given there. What the indices in them must satisfy is checked by the
//     constructors of TokenTable and LrnnModel.
//  4. hint.safetensors holds an InvariantHint, trusted by nobody: U32 slot_readout [layers], node_layer [nodes],
//     child_offset [nodes + 1], node_state [nodes], root [1], I32 child_node [children], and for each layer i
//     U32 row_context.i [input rows, 3] with the columns symbol, old node, new node.
//  5. automaton.json is the minimal automaton that was compiled (languages/format_json.hpp), for people and later
//  checks.
//  6. Unknown and missing tensors, other dtypes and shapes, and values out of range are all reported at once, by name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "krohn/automata/dfa.hpp"
#include "krohn/model/hint.hpp"
#include "krohn/model/lrnn_model.hpp"
#include "krohn/model/semantics.hpp"

namespace krohn {

struct ModelDirectory {
  LrnnModel model;
  /// Untrusted.
  std::optional<InvariantHint> hint = std::nullopt;
  Semantics semantics = Semantics::fp32_fma_v1;
  /// Claims of compile about fp32-fma-v1: every length is answered right; or every word up to the horizon.
  std::optional<bool> exact = std::nullopt;
  std::optional<std::uint64_t> horizon = std::nullopt;
  /// A JSON object, or empty.
  std::string report = "";
  std::optional<Dfa> automaton = std::nullopt;
};

/// Writes the directory aside and renames it. An existing path is refused unless `force` is true and it is an empty
/// directory or holds a compiled model and nothing else. Throws InputError or ResourceError; nothing half-written
/// stays.
void write_model(const std::filesystem::path& path, const ModelDirectory& directory, bool force = false);

/// For commands that work for long before they write: throws now what write_model would throw of `path` itself, and
/// leaves everything as it was.
void require_writable_model(const std::filesystem::path& path, bool force = false);

/// Throws InputError with every problem of the directory.
ModelDirectory read_model(const std::filesystem::path& path);

/// The "model_type" of a directory's config.json or, for a checkpoint, config.yaml. Throws InputError.
std::string read_model_type(const std::filesystem::path& path);

}  // namespace krohn
