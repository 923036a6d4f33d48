// krohn run --sequence FILE: the label of one long word, streamed from a file.
#pragma once

#include <string>

#include "krohn/engine/scan.hpp"
#include "krohn/model/lrnn_model.hpp"

namespace krohn::cli {

/// Scans the file's bytes, each a symbol of one character; line feeds and carriage returns are skipped, so that a
/// sequence may be broken into lines. Throws InputError for another byte (with its offset), an alphabet that is not of
/// single bytes, a model that cannot be scanned exactly, or a file that cannot be read.
ScanResult scan_file(const Machine& machine, const std::string& path, const ScanOptions& options);

}  // namespace krohn::cli
