// label: quick
// Files of torch.save are read without executing anything: both forms give the tensors that were saved, views and
// transposes included; a pickle that calls something is refused by that thing's name; every truncation and a sweep of
// single-byte changes gives the tensors or an InputError.
#include "krohn/checkpoints/torch_file.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <map>

#include "krohn/checkpoints/weights.hpp"
#include "krohn/error.hpp"
#include "krohn/text/source_text.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

std::string bytes_of(const std::string& name) { return read_file(fs::path(KROHN_TEST_DATA) / "torch" / name); }

std::string problem_of(const std::string& name) {
  try {
    parse_torch_file(bytes_of(name), name);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

std::vector<float> ramp(float first, std::size_t count, float step = 1.0F) {
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i) values.push_back(first + step * static_cast<float>(i));
  return values;
}

TEST_CASE("both forms hold the tensors that were saved") {
  for (const std::string name : {"tensors.pth", "tensors_legacy.pth"}) {
    CAPTURE(name);
    REQUIRE(is_torch_file(bytes_of(name)));
    const TorchFile file = parse_torch_file(bytes_of(name), name);
    std::map<std::string, TensorView> tensors;
    for (const TensorView& tensor : file.tensors) tensors.emplace(tensor.name, tensor);
    REQUIRE(tensors.size() == 10);
    CHECK(tensors.at("plain").type() == "F32 [4, 6]");
    CHECK(to_float(tensors.at("plain")) == ramp(0, 24));
    CHECK(tensors.at("transposed").type() == "F32 [6, 4]");
    std::vector<float> transposed;
    for (int i = 0; i < 6; ++i) {
      for (int j = 0; j < 4; ++j) transposed.push_back(static_cast<float>(6 * j + i));
    }
    CHECK(to_float(tensors.at("transposed")) == transposed);
    CHECK(to_float(tensors.at("rows")) == ramp(6, 12));
    CHECK(to_float(tensors.at("column")) == ramp(2, 4, 6));
    CHECK(tensors.at("half").dtype == DType::f16);
    CHECK(to_float(tensors.at("half")) == ramp(0, 24));
    CHECK(tensors.at("bfloat").dtype == DType::bf16);
    CHECK(to_float(tensors.at("bfloat")) == ramp(0, 24));
    CHECK(to_int64(tensors.at("long")) == std::vector<std::int64_t>{0, 1, 2});
    CHECK(tensors.at("scalar").shape.empty());
    CHECK(to_float(tensors.at("scalar")) == std::vector<float>{2.5F});
    CHECK(to_float(tensors.at("parameter")) == ramp(1, 24));
    CHECK(tensors.at("empty").shape == std::vector<std::uint64_t>{0, 3});
  }
}

TEST_CASE("a state dict is found among other entries, and in a module's own form") {
  const TorchFile wrapped = parse_torch_file(bytes_of("wrapped.pth"), "wrapped.pth");
  REQUIRE(wrapped.tensors.size() == 1);
  CHECK(wrapped.tensors[0].name == "w");
  const TorchFile module = parse_torch_file(bytes_of("module.pth"), "module.pth");
  REQUIRE(module.tensors.size() == 2);
  CHECK(module.tensors[0].type() == "F32 [3, 2]");
}

TEST_CASE("what would execute something is refused by name and leaves no trace") {
  const fs::path trace = "/tmp/krohn_was_here";
  fs::remove(trace);
  for (const char* name : {"executes.pth", "executes_plain.pth"}) {
    CAPTURE(name);
    CHECK(problem_of(name).find("posix.system") != std::string::npos);
    CHECK_FALSE(fs::exists(trace));
  }
  CHECK(problem_of("whole_module.pth").find("torch.nn.modules.linear.Linear") != std::string::npos);
  CHECK(problem_of("other_value.pth").find("'note': expected a tensor") != std::string::npos);
}

// A file of the older form around a pickled object and its storage "0" of four floats.
std::string legacy_file(const std::string& object) {
  using namespace std::string_literals;
  return "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."s + "\x80\x02M\xe9\x03."s + "\x80\x02}."s +
         "\x80\x02"s + object + "." + "\x80\x02(U\x01"s + "0l." + "\x04\0\0\0\0\0\0\0"s + std::string(16, '\0');
}

TEST_CASE("a small file cannot ask for much memory or time") {
  using namespace std::string_literals;
  const std::string storage = "(U\x07storagectorch\nFloatStorage\nU\x01"s + "0U\x03"s + "cpuK\x04tQ";
  const auto tensor = [&](const std::string& shape, const std::string& strides) {
    return "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + "K\0("s + shape + "t(" + strides +
           "t\x89"
           "ccollections\nOrderedDict\n)RtR";
  };
  const auto problem = [](const std::string& bytes) -> std::string {
    try {
      return "read " + std::to_string(parse_torch_file(bytes, "file").tensors.size());
    } catch (const InputError& error) {
      return error.what();
    }
  };
  const auto contains = [](const std::string& text, const std::string& part) {
    CAPTURE(text);
    CHECK(text.find(part) != std::string::npos);
  };
  const std::string two = "K\x02K\x02";
  const std::string transposed = tensor(two, "K\x01K\x02") + "q\x05";
  CHECK(problem(legacy_file("}(U\x01"s + "a" + transposed + "u")) == "read 1");
  // One tensor under many names: each would be laid out anew.
  std::string names = "}(U\x01"s + "a" + transposed;
  for (int i = 0; i < 63; ++i)
    names += "U\x02"s + static_cast<char>('a' + i / 26) + static_cast<char>('a' + i % 26) + "h\x05";
  CHECK(problem(legacy_file(names + "u")) == "read 64");
  contains(problem(legacy_file(names + "U\x01"s + "zh\x05u")), "'z': expected tensors of at most 64 times the bytes");
  // A shape that is copied for each tensor.
  std::string ones;
  for (int i = 0; i < 9; ++i) ones += "K\x01";
  contains(problem(legacy_file("}(U\x01"s + "a" + tensor(ones, ones) + "u")), "expected at most 8 dimensions, got 9");
  // So is a storage's key.
  std::string key = storage;
  key.replace(key.find("U\x01"s + "0"), 3, "X\0\x01\0\0"s + std::string(256, 'k'));
  contains(problem(legacy_file(key)), "expected a storage key of at most 255 bytes");
  // A directory that names one entry twice under two names.
  const std::string archive = bytes_of("tensors.pth");
  const std::size_t directory = archive.find("PK\x01\x02");
  const std::size_t end = archive.find("PK\x05\x06");
  const auto number = [&](std::size_t at, std::size_t size) {
    std::size_t value = 0;
    for (std::size_t i = size; i-- > 0;) value = value * 256 + static_cast<unsigned char>(archive[at + i]);
    return value;
  };
  const std::size_t name = number(directory + 28, 2);
  const std::string entry = archive.substr(directory, 46 + name);
  REQUIRE(number(directory + 30, 2) + number(directory + 32, 2) == 0);
  const auto little = [](std::size_t value, std::size_t size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i));
    return bytes;
  };
  std::string entries;
  const std::size_t copies = archive.size() / number(directory + 24, 4) + 2;
  for (std::size_t i = 0; i < copies; ++i) {
    std::string renamed = entry;
    renamed.replace(46, 4, little(0x41414141 + i, 4));
    entries += renamed;
  }
  contains(problem(archive.substr(0, directory) + entries + archive.substr(end, 8) + little(copies, 2) +
                   little(copies, 2) + little(entries.size(), 4) + little(directory, 4) + little(0, 2)),
           "expected entries that do not overlap");
}

TEST_CASE("truncated and altered files end in the tensors or in an InputError") {
  for (const std::string name : {"tensors.pth", "tensors_legacy.pth", "wrapped.pth"}) {
    CAPTURE(name);
    const std::string whole = bytes_of(name);
    std::size_t refused = 0;
    std::size_t tried = 0;
    const auto attempt = [&](const std::string& bytes) {
      tried += 1;
      try {
        for (const TensorView& tensor : parse_torch_file(bytes, name).tensors) {
          CHECK(tensor.bytes.size() == tensor.num_elements() * dtype_size(tensor.dtype));
        }
      } catch (const InputError&) {
        refused += 1;
      }
    };
    for (std::size_t size = 3; size < whole.size(); size += 7) attempt(whole.substr(0, size));
    // Nothing but the last bytes of an archive's comment could be spared.
    CHECK(refused == tried);
    for (std::size_t at = 0; at < whole.size(); at += 3) {
      for (const char byte : {'\x00', '\xff', 'R'}) {
        std::string altered = whole;
        altered[at] = byte;
        if (is_torch_file(altered)) attempt(altered);
      }
    }
    CHECK(refused < tried);
  }
}

}  // namespace
}  // namespace krohn
