// The safetensors format: named arrays with a JSON header.
//
// 1. Bytes 0-7: n, the length of the header, unsigned, little-endian; 2 <= n <= 100,000,000 and n <= file size - 8.
// 2. Bytes 8 .. 8+n: the header, one JSON object in UTF-8 that starts with '{' and may end in spaces. No key twice.
// 3. Its member "__metadata__", if present, is an object whose values are strings.
// 4. Every other member is a tensor: {"dtype": DTYPE, "shape": [d0, d1, ..], "data_offsets": [begin, end]}, nothing
//    else. DTYPE is one of F64 F32 F16 BF16 I64 I32 I16 I8 U64 U32 U16 U8 BOOL. A shape of [] is one element.
// 5. Bytes 8+n .. end: the data. Offsets count from its start; end - begin is the size of the dtype times the product
//    of the shape, and the product times the size fits 63 bits.
// 6. The tensors cover the data without overlap and without a hole; row-major, little-endian.
// 7. krohn writes tensors in descending size of their dtype, then by name, in the data and in the header (after
//    __metadata__, whose keys ascend), without white space, and pads the header with spaces to a multiple of 8: equal
//    values give equal bytes, and every array is aligned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace krohn {

enum class DType : std::uint8_t { f64, f32, f16, bf16, i64, i32, i16, i8, u64, u32, u16, u8, boolean };

/// "F64", .., "BOOL".
std::string_view dtype_name(DType dtype);
std::optional<DType> parse_dtype(std::string_view name);
/// Bytes of an element.
std::size_t dtype_size(DType dtype);

/// A named array that lives elsewhere: `bytes` holds dtype_size times the product of `shape`, of any alignment.
struct TensorView {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::uint64_t> shape;
  std::span<const std::byte> bytes;

  std::size_t num_elements() const noexcept { return bytes.size() / dtype_size(dtype); }
  /// "F32 [3, 4]".
  std::string type() const;
};

/// A checked file in memory. Copies share the bytes, and every view lives as long as one of them.
class Safetensors {
 public:
  /// Checks rules 1-6. Throws InputError naming the source and each tensor that breaks one.
  static Safetensors parse(std::string bytes, std::string source);
  /// Reads the whole file.
  static Safetensors read(const std::filesystem::path& path);
  /// Of bytes that `owner` keeps.
  static Safetensors parse(std::string_view bytes, std::string source, std::shared_ptr<const void> owner);

  const std::string& source() const noexcept { return source_; }
  /// Sorted by name.
  const std::vector<TensorView>& tensors() const noexcept { return tensors_; }
  /// nullptr where there is none. Logarithmic.
  const TensorView* find(std::string_view name) const noexcept;
  const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }

 private:
  Safetensors() = default;
  std::string source_;
  std::shared_ptr<const void> owner_;
  std::vector<TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// The values of a floating-point tensor: F32, F16 and BF16 exactly, F64 rounded to nearest. Throws InputError for
/// other dtypes.
std::vector<float> to_float(const TensorView& tensor);
/// The values of a floating-point tensor, exactly. Throws InputError for other dtypes.
std::vector<double> to_double(const TensorView& tensor);
/// The values of an integer or BOOL tensor. Throws InputError for other dtypes, and for values of 2^63 and above.
std::vector<std::int64_t> to_int64(const TensorView& tensor);

/// An array to be written.
struct Tensor {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::uint64_t> shape;
  std::string bytes;

  TensorView view() const { return {name, dtype, shape, std::as_bytes(std::span(bytes))}; }
};

/// Tensors of the dtype that fits the C++ type; an empty `shape` argument means the one dimension values.size().
Tensor make_tensor(std::string name, std::span<const double> values, std::vector<std::uint64_t> shape = {});
Tensor make_tensor(std::string name, std::span<const float> values, std::vector<std::uint64_t> shape = {});
Tensor make_tensor(std::string name, std::span<const std::int64_t> values, std::vector<std::uint64_t> shape = {});
Tensor make_tensor(std::string name, std::span<const std::int32_t> values, std::vector<std::uint64_t> shape = {});
Tensor make_tensor(std::string name, std::span<const std::uint32_t> values, std::vector<std::uint64_t> shape = {});
Tensor make_tensor(std::string name, std::span<const std::uint8_t> values, std::vector<std::uint64_t> shape = {});

/// The bytes of a file (rule 7). Throws InputError for a name that is doubled, empty, "__metadata__" or not UTF-8,
/// and for bytes that do not fit dtype and shape.
std::string format_safetensors(std::span<const Tensor> tensors,
                               const std::map<std::string, std::string>& metadata = {});

}  // namespace krohn
