// Safetensors, read with the suspicion that a file from the net deserves: nothing in the header is used before it is
// shown to be consistent with the size of the file, so that no view can leave the buffer. Linear in the file, plus
// sorting the tensors.
#include "krohn/checkpoints/safetensors.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <utility>

#include "krohn/automata/alphabet.hpp"
#include "krohn/error.hpp"
#include "krohn/text/json_document.hpp"
#include "krohn/text/source_text.hpp"

namespace krohn {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian and values are copied");

constexpr std::size_t max_header_bytes = 100'000'000;
constexpr std::uint64_t max_data_bytes = std::uint64_t{1} << 63U;

struct DTypeRow {
  DType dtype;
  std::string_view name;
  std::size_t size;
};
constexpr std::array<DTypeRow, 13> dtypes = {{{DType::f64, "F64", 8},
                                              {DType::f32, "F32", 4},
                                              {DType::f16, "F16", 2},
                                              {DType::bf16, "BF16", 2},
                                              {DType::i64, "I64", 8},
                                              {DType::i32, "I32", 4},
                                              {DType::i16, "I16", 2},
                                              {DType::i8, "I8", 1},
                                              {DType::u64, "U64", 8},
                                              {DType::u32, "U32", 4},
                                              {DType::u16, "U16", 2},
                                              {DType::u8, "U8", 1},
                                              {DType::boolean, "BOOL", 1}}};

const DTypeRow& row_of(DType dtype) { return dtypes[static_cast<std::size_t>(dtype)]; }

// The bytes of an array of this shape; nothing where they exceed 63 bits.
std::optional<std::uint64_t> byte_count(DType dtype, const std::vector<std::uint64_t>& shape) {
  if (std::find(shape.begin(), shape.end(), 0U) != shape.end()) return 0;
  std::uint64_t count = dtype_size(dtype);
  for (const std::uint64_t extent : shape) {
    if (extent > (max_data_bytes - 1) / count) return std::nullopt;
    count *= extent;
  }
  return count;
}

std::string type_text(DType dtype, const std::vector<std::uint64_t>& shape) {
  std::string text = std::string(dtype_name(dtype)) + " [";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

// One tensor of the header; begin and end count from the start of the data.
struct HeaderEntry {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

std::string named(const HeaderEntry& entry) { return "tensor " + shown(entry.name); }

std::string dtype_list() {
  std::string text;
  for (const DTypeRow& row : dtypes) text += (text.empty() ? "" : ", ") + std::string(row.name);
  return text;
}

// Rules 4 and 5 for one member of the header.
std::optional<HeaderEntry> read_entry(const std::string& name, const JsonField& field, JsonProblems& problems,
                                      const std::string& source) {
  const bool sound_before = problems.empty();
  HeaderEntry entry;
  entry.name = name;
  field.only({"dtype", "shape", "data_offsets"});
  const JsonField dtype_field = field.at("dtype");
  const std::optional<std::string> dtype = dtype_field.string();
  if (dtype) {
    const std::optional<DType> known = parse_dtype(*dtype);
    if (!known) {
      dtype_field.report("one of " + dtype_list());
      return std::nullopt;
    }
    entry.dtype = *known;
  }
  const JsonField shape = field.at("shape");
  const std::vector<JsonField> extents = shape.elements();
  for (const JsonField& extent : extents) {
    if (const std::optional<std::uint64_t> value = extent.natural()) entry.shape.push_back(*value);
  }
  const JsonField offsets_field = field.at("data_offsets");
  const std::vector<JsonField> offsets = offsets_field.elements();
  if (offsets_field.exists() && offsets_field.value()->array() != nullptr && offsets.size() != 2) {
    offsets_field.report("the two numbers begin and end");
    return std::nullopt;
  }
  if (offsets.size() != 2) return std::nullopt;
  const std::optional<std::uint64_t> begin = offsets[0].natural();
  const std::optional<std::uint64_t> end = offsets[1].natural();
  const bool complete = dtype && shape.exists() && entry.shape.size() == extents.size() && begin && end;
  if (!complete || (sound_before && !problems.empty())) return std::nullopt;
  entry.begin = *begin;
  entry.end = *end;
  const std::string where = source + ": " + named(entry) + ": ";
  const std::optional<std::uint64_t> bytes = byte_count(entry.dtype, entry.shape);
  if (!bytes) {
    problems.add(where + "expected a size below 2^63 bytes, got " + type_text(entry.dtype, entry.shape));
    return std::nullopt;
  }
  if (entry.begin > entry.end || entry.end - entry.begin != *bytes) {
    problems.add(where + "expected " + std::to_string(*bytes) + " bytes for " + type_text(entry.dtype, entry.shape) +
                 ", got the offsets " + std::to_string(entry.begin) + " to " + std::to_string(entry.end));
    return std::nullopt;
  }
  return entry;
}

// Rule 6, on entries that satisfy rule 5. Sorted by offset, each must begin where the one before ends.
void check_layout(std::vector<HeaderEntry>& entries, std::uint64_t data_size, const std::string& source,
                  JsonProblems& problems) {
  std::sort(entries.begin(), entries.end(), [](const HeaderEntry& a, const HeaderEntry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t reached = 0;
  const HeaderEntry* before = nullptr;
  for (const HeaderEntry& entry : entries) {
    if (entry.begin != reached) {
      const std::string previous = before == nullptr ? "the start of the data" : "the end of " + named(*before);
      problems.add(source + ": " + named(entry) + ": expected to begin at offset " + std::to_string(reached) + ", " +
                   previous + ", got " + std::to_string(entry.begin) +
                   (entry.begin < reached ? " (an overlap)" : " (a hole)"));
    }
    if (entry.end > data_size) {
      problems.add(source + ": " + named(entry) + ": expected offsets up to " + std::to_string(data_size) +
                   ", the end of the file, got " + std::to_string(entry.end));
    }
    reached = std::max(reached, entry.end);
    before = &entry;
  }
  if (problems.empty() && reached != data_size) {
    problems.add(source + ": expected " + std::to_string(reached) + " bytes of data, the end of the last tensor, got " +
                 std::to_string(data_size));
  }
}

template <typename T>
T element(const TensorView& tensor, std::size_t index) {
  T value;
  std::memcpy(&value, tensor.bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

float from_bf16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16U); }

float from_f16(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000U) << 16U;
  const std::uint32_t exponent = (bits >> 10U) & 0x1FU;
  const std::uint32_t fraction = bits & 0x3FFU;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000U | (fraction << 13U));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112U) << 23U) | (fraction << 13U));
  // A subnormal is fraction * 2^-24, exact in fp32.
  const float magnitude = std::ldexp(static_cast<float>(fraction), -24);
  return sign != 0 ? -magnitude : magnitude;
}

[[noreturn]] void refuse_dtype(const TensorView& tensor, const std::string& expected) {
  throw InputError("tensor " + shown(tensor.name) + ": expected " + expected + ", got " + tensor.type());
}

template <typename Out>
std::vector<Out> floating_values(const TensorView& tensor) {
  std::vector<Out> values(tensor.num_elements());
  for (std::size_t i = 0; i < values.size(); ++i) {
    switch (tensor.dtype) {
      case DType::f64:
        values[i] = static_cast<Out>(element<double>(tensor, i));
        break;
      case DType::f32:
        values[i] = static_cast<Out>(element<float>(tensor, i));
        break;
      case DType::f16:
        values[i] = static_cast<Out>(from_f16(element<std::uint16_t>(tensor, i)));
        break;
      case DType::bf16:
        values[i] = static_cast<Out>(from_bf16(element<std::uint16_t>(tensor, i)));
        break;
      default:
        break;
    }
  }
  return values;
}

bool is_floating(DType dtype) {
  return dtype == DType::f64 || dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16;
}

template <typename T>
Tensor tensor_of(std::string name, DType dtype, std::span<const T> values, std::vector<std::uint64_t> shape) {
  Tensor tensor{std::move(name), dtype, std::move(shape), std::string(values.size_bytes(), '\0')};
  if (tensor.shape.empty()) tensor.shape = {values.size()};
  if (!values.empty()) std::memcpy(tensor.bytes.data(), values.data(), values.size_bytes());
  return tensor;
}

}  // namespace

std::string_view dtype_name(DType dtype) { return row_of(dtype).name; }

std::optional<DType> parse_dtype(std::string_view name) {
  for (const DTypeRow& row : dtypes) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

std::size_t dtype_size(DType dtype) { return row_of(dtype).size; }

std::string TensorView::type() const { return type_text(dtype, shape); }

Safetensors Safetensors::parse(std::string bytes, std::string source) {
  const auto owner = std::make_shared<const std::string>(std::move(bytes));
  return parse(*owner, std::move(source), owner);
}

Safetensors Safetensors::parse(std::string_view bytes, std::string source, std::shared_ptr<const void> owner) {
  if (bytes.size() < 8) {
    throw InputError(source + ": expected at least the 8 bytes of the header's length, got " +
                     std::to_string(bytes.size()));
  }
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), sizeof header_size);
  if (header_size > max_header_bytes) {
    throw InputError(source + ": header length: expected at most " + std::to_string(max_header_bytes) + ", got " +
                     std::to_string(header_size));
  }
  if (header_size > bytes.size() - 8) {
    throw InputError(source + ": header length: expected at most " + std::to_string(bytes.size() - 8) +
                     ", the rest of the file, got " + std::to_string(header_size));
  }
  Safetensors file;
  file.source_ = std::move(source);
  file.owner_ = std::move(owner);
  const std::string_view header = bytes.substr(8, header_size);
  const std::string_view data = bytes.substr(8 + header_size);
  if (header.empty() || header.front() != '{') {
    throw InputError(file.source_ + ": header: expected a JSON object that starts with '{', got " + shown(header));
  }
  JsonOptions options;
  options.max_depth = 3;
  const JsonDocument document = parse_json(header, file.source_ + ": header", options);
  JsonProblems problems(document);
  std::vector<HeaderEntry> entries;
  for (const auto& [name, field] : problems.root().members()) {
    if (name == "__metadata__") {
      for (const auto& [key, value] : field.members()) {
        if (std::optional<std::string> text = value.string()) file.metadata_.emplace(key, std::move(*text));
      }
    } else if (std::optional<HeaderEntry> entry = read_entry(name, field, problems, file.source_)) {
      entries.push_back(std::move(*entry));
    }
  }
  // Without every entry the layout would be reported as holes that are none.
  if (problems.empty()) check_layout(entries, data.size(), file.source_, problems);
  problems.raise_if_any();
  for (HeaderEntry& entry : entries) {
    const std::string_view part = data.substr(entry.begin, entry.end - entry.begin);
    file.tensors_.push_back(
        {std::move(entry.name), entry.dtype, std::move(entry.shape), std::as_bytes(std::span(part))});
  }
  std::sort(file.tensors_.begin(), file.tensors_.end(),
            [](const TensorView& a, const TensorView& b) { return a.name < b.name; });
  return file;
}

Safetensors Safetensors::read(const std::filesystem::path& path) {
  return parse(read_file(path, std::numeric_limits<std::uint64_t>::max()), path.string());
}

const TensorView* Safetensors::find(std::string_view name) const noexcept {
  const auto found = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                                      [](const TensorView& tensor, std::string_view key) { return tensor.name < key; });
  return found != tensors_.end() && found->name == name ? &*found : nullptr;
}

std::vector<float> to_float(const TensorView& tensor) {
  if (!is_floating(tensor.dtype)) refuse_dtype(tensor, "F64, F32, F16 or BF16");
  return floating_values<float>(tensor);
}

std::vector<double> to_double(const TensorView& tensor) {
  if (!is_floating(tensor.dtype)) refuse_dtype(tensor, "F64, F32, F16 or BF16");
  return floating_values<double>(tensor);
}

std::vector<std::int64_t> to_int64(const TensorView& tensor) {
  std::vector<std::int64_t> values(tensor.num_elements());
  for (std::size_t i = 0; i < values.size(); ++i) {
    switch (tensor.dtype) {
      case DType::i64:
        values[i] = element<std::int64_t>(tensor, i);
        break;
      case DType::i32:
        values[i] = element<std::int32_t>(tensor, i);
        break;
      case DType::i16:
        values[i] = element<std::int16_t>(tensor, i);
        break;
      case DType::i8:
        values[i] = element<std::int8_t>(tensor, i);
        break;
      case DType::u64: {
        const auto value = element<std::uint64_t>(tensor, i);
        if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
          throw InputError("tensor " + shown(tensor.name) + ": expected values below 2^63, got " +
                           std::to_string(value));
        }
        values[i] = static_cast<std::int64_t>(value);
        break;
      }
      case DType::u32:
        values[i] = element<std::uint32_t>(tensor, i);
        break;
      case DType::u16:
        values[i] = element<std::uint16_t>(tensor, i);
        break;
      case DType::u8:
      case DType::boolean:
        values[i] = element<std::uint8_t>(tensor, i);
        break;
      default:
        refuse_dtype(tensor, "an integer dtype");
    }
  }
  if (is_floating(tensor.dtype)) refuse_dtype(tensor, "an integer dtype");
  return values;
}

Tensor make_tensor(std::string name, std::span<const double> values, std::vector<std::uint64_t> shape) {
  return tensor_of(std::move(name), DType::f64, values, std::move(shape));
}
Tensor make_tensor(std::string name, std::span<const float> values, std::vector<std::uint64_t> shape) {
  return tensor_of(std::move(name), DType::f32, values, std::move(shape));
}
Tensor make_tensor(std::string name, std::span<const std::int64_t> values, std::vector<std::uint64_t> shape) {
  return tensor_of(std::move(name), DType::i64, values, std::move(shape));
}
Tensor make_tensor(std::string name, std::span<const std::int32_t> values, std::vector<std::uint64_t> shape) {
  return tensor_of(std::move(name), DType::i32, values, std::move(shape));
}
Tensor make_tensor(std::string name, std::span<const std::uint32_t> values, std::vector<std::uint64_t> shape) {
  return tensor_of(std::move(name), DType::u32, values, std::move(shape));
}
Tensor make_tensor(std::string name, std::span<const std::uint8_t> values, std::vector<std::uint64_t> shape) {
  return tensor_of(std::move(name), DType::u8, values, std::move(shape));
}

std::string format_safetensors(std::span<const Tensor> tensors, const std::map<std::string, std::string>& metadata) {
  std::vector<const Tensor*> order;
  std::vector<std::string> problems;
  std::set<std::string_view> names;
  for (const Tensor& tensor : tensors) {
    const std::string where = "tensor " + shown(tensor.name) + ": ";
    utf8_scalars(tensor.name);
    if (tensor.name.empty() || tensor.name == "__metadata__") problems.push_back(where + "expected a tensor's name");
    if (!names.insert(tensor.name).second) problems.push_back(where + "expected distinct names, got one twice");
    const std::optional<std::uint64_t> bytes = byte_count(tensor.dtype, tensor.shape);
    if (!bytes || *bytes != tensor.bytes.size()) {
      problems.push_back(where + "expected the bytes of " + type_text(tensor.dtype, tensor.shape) + ", got " +
                         std::to_string(tensor.bytes.size()) + " bytes");
    }
    order.push_back(&tensor);
  }
  if (!problems.empty()) throw InputError(std::move(problems));
  std::sort(order.begin(), order.end(), [](const Tensor* a, const Tensor* b) {
    const std::size_t a_size = dtype_size(a->dtype);
    const std::size_t b_size = dtype_size(b->dtype);
    return a_size != b_size ? a_size > b_size : a->name < b->name;
  });
  std::string header = "{";
  if (!metadata.empty()) {
    std::string members;
    for (const auto& [key, value] : metadata) {
      utf8_scalars(key);
      utf8_scalars(value);
      members += (members.empty() ? "" : ",") + json_quoted(key) + ":" + json_quoted(value);
    }
    header += "\"__metadata__\":{" + members + "}";
  }
  std::uint64_t offset = 0;
  for (const Tensor* tensor : order) {
    if (header.size() > 1) header += ',';
    header += json_quoted(tensor->name) + ":{\"dtype\":\"" + std::string(dtype_name(tensor->dtype)) + "\",\"shape\":[";
    for (std::size_t i = 0; i < tensor->shape.size(); ++i) {
      header += (i == 0 ? "" : ",") + std::to_string(tensor->shape[i]);
    }
    header +=
        "],\"data_offsets\":[" + std::to_string(offset) + "," + std::to_string(offset + tensor->bytes.size()) + "]}";
    offset += tensor->bytes.size();
  }
  header += '}';
  header.append((8 - header.size() % 8) % 8, ' ');
  if (header.size() > max_header_bytes) {
    throw ResourceError("safetensors header: expected at most " + std::to_string(max_header_bytes) + " bytes, got " +
                        std::to_string(header.size()));
  }
  const std::uint64_t header_size = header.size();
  std::string file(sizeof header_size, '\0');
  std::memcpy(file.data(), &header_size, sizeof header_size);
  file += header;
  file.reserve(file.size() + offset);
  for (const Tensor* tensor : order) file += tensor->bytes;
  return file;
}

}  // namespace krohn
