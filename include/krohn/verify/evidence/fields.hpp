// How a kind of evidence lists its fields, once for writing and reading (docs/certificates.md, 3): members of the
// header, and lists of 32-bit words in the payload.
//
//     void WordEvidence::list(EvidenceFields& fields) {
//       fields.text("expected", expected);
//       const std::uint64_t symbols = fields.size("symbols", word.size());  // the word's, or what the file announces
//       fields.words(word, symbols);
//     }
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "krohn/error.hpp"

namespace krohn {

/// A writer or a reader of the fields. Members and lists are written, and expected, in the order in which they are
/// listed.
class EvidenceFields {
 public:
  virtual ~EvidenceFields() = default;

  virtual void text(std::string_view name, std::string& value) = 0;
  /// A number of 64 bits.
  virtual void natural(std::string_view name, std::uint64_t& value) = 0;
  /// A number below 2^32.
  virtual void number(std::string_view name, std::uint32_t& value) = 0;
  /// The size of a list, below 2^32: `own` where fields are written; what the file announces where they are read.
  virtual std::uint64_t size(std::string_view name, std::uint64_t own) = 0;
  /// An array of objects, each with fields of its own; returns their number. `own` as in size().
  virtual std::uint64_t objects(std::string_view name, std::uint64_t own,
                                const std::function<void(std::size_t, EvidenceFields&)>& object) = 0;
  /// The symbols of the model.
  virtual std::uint64_t num_symbols() const = 0;
  /// Where fields are read: the file is refused unless this holds.
  virtual void require(bool holds) = 0;

  /// rows * columns entries, both below 2^32. A file that has fewer is refused, and the list left empty.
  template <typename T>
  void words(std::vector<T>& values, std::uint64_t rows, std::uint64_t columns = 1) {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(std::uint32_t) == 0);
    if (writing()) {
      if (values.size() != rows * columns) throw InternalError("evidence: a list of another size than announced");
      write(std::as_bytes(std::span(values)));
      return;
    }
    const std::span<const std::byte> bytes = read(rows * columns, sizeof(T));
    values.resize(bytes.size() / sizeof(T));
    if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  }

 protected:
  virtual bool writing() const = 0;
  virtual void write(std::span<const std::byte> bytes) = 0;
  /// The next `count` entries of so many bytes each, or nothing, and the file is refused, if there are not so many.
  virtual std::span<const std::byte> read(std::uint64_t count, std::size_t entry_size) = 0;
};

}  // namespace krohn
