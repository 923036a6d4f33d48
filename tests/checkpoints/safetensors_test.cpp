// label: quick
// Files that break any rule of the format are refused by name; what krohn writes is read back bit for bit.
#include "krohn/checkpoints/safetensors.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "krohn/error.hpp"
#include "krohn/text/atomic_file.hpp"
#include "temporary_directory.hpp"

namespace krohn {
namespace {

std::string with_header(const std::string& header, const std::string& data) {
  const std::uint64_t size = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &size, 8);
  return file + header + data;
}

std::string error_of(std::string bytes) {
  try {
    Safetensors::parse(std::move(bytes), "f");
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

std::string header_of(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"x":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

TEST_CASE("the bytes of a small file are those that the format prescribes") {
  const std::vector<Tensor> tensors = {make_tensor("b", std::vector<std::uint8_t>{7}, {1, 1}),
                                       make_tensor("a", std::vector<float>{1.0F, -2.0F})};
  const std::string header = R"({"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                             R"("b":{"dtype":"U8","shape":[1,1],"data_offsets":[8,9]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  const std::string data("\x00\x00\x80\x3F\x00\x00\x00\xC0\x07", 9);
  CHECK(format_safetensors(tensors, {{"k", "v"}}) == with_header(padded, data));
}

TEST_CASE("every dtype is read with its value") {
  struct Case {
    const char* dtype;
    std::string bytes;
    double value;
  };
  using S = std::string;
  for (const Case& c : std::vector<Case>{{"F64", S("\0\0\0\0\0\0\xF8\x3F", 8), 1.5},
                                         {"F32", S("\0\0\xC0\xBF", 4), -1.5},
                                         {"F16", S("\0\xBE", 2), -1.5},
                                         {"BF16", S("\xC0\x3F", 2), 1.5}}) {
    const std::string bytes =
        with_header(header_of(c.dtype, "[]", "[0," + std::to_string(c.bytes.size()) + "]"), c.bytes);
    const Safetensors file = Safetensors::parse(bytes, "f");
    REQUIRE(file.find("x") != nullptr);
    CHECK(file.find("x")->num_elements() == 1);
    CHECK(to_double(*file.find("x")) == std::vector<double>{c.value});
    CHECK(to_float(*file.find("x")) == std::vector<float>{static_cast<float>(c.value)});
    CHECK_THROWS_AS(to_int64(*file.find("x")), InputError);
  }
  struct IntegerCase {
    const char* dtype;
    std::string bytes;
    std::int64_t value;
  };
  for (const IntegerCase& c : std::vector<IntegerCase>{{"I64", S("\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 8), -2},
                                                       {"I32", S("\xFE\xFF\xFF\xFF", 4), -2},
                                                       {"I16", S("\xFE\xFF", 2), -2},
                                                       {"I8", S("\xFE", 1), -2},
                                                       {"U64", S("\xFE\0\0\0\0\0\0\0", 8), 254},
                                                       {"U32", S("\xFE\xFF\xFF\xFF", 4), 4294967294},
                                                       {"U16", S("\xFE\xFF", 2), 65534},
                                                       {"U8", S("\xFE", 1), 254},
                                                       {"BOOL", S("\x01", 1), 1}}) {
    const std::string bytes =
        with_header(header_of(c.dtype, "[1]", "[0," + std::to_string(c.bytes.size()) + "]"), c.bytes);
    const Safetensors file = Safetensors::parse(bytes, "f");
    CHECK(to_int64(*file.find("x")) == std::vector<std::int64_t>{c.value});
    CHECK_THROWS_AS(to_float(*file.find("x")), InputError);
    CHECK_THROWS_AS(to_double(*file.find("x")), InputError);
  }
  const Safetensors large =
      Safetensors::parse(with_header(header_of("U64", "[1]", "[0,8]"), std::string(8, '\xFF')), "f");
  CHECK_THROWS_AS(to_int64(*large.find("x")), InputError);
}

TEST_CASE("all 65536 half floats have the value that the definition gives") {
  std::string data;
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    data += static_cast<char>(bits & 0xFFU);
    data += static_cast<char>(bits >> 8U);
  }
  const Safetensors file = Safetensors::parse(with_header(header_of("F16", "[65536]", "[0,131072]"), data), "f");
  const std::vector<double> values = to_double(*file.find("x"));
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const double sign = (bits & 0x8000U) != 0 ? -1.0 : 1.0;
    const int exponent = static_cast<int>((bits >> 10U) & 31U);
    const int fraction = static_cast<int>(bits & 1023U);
    if (exponent == 31) {
      CHECK(
          (fraction == 0 ? values[bits] == sign * std::numeric_limits<double>::infinity() : std::isnan(values[bits])));
      continue;
    }
    const double expected =
        sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25));
    CHECK(std::bit_cast<std::uint64_t>(values[bits]) == std::bit_cast<std::uint64_t>(expected));
  }
}

TEST_CASE("arrays survive writing and reading, in any order of addition, and equal values give equal bytes") {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<Tensor> tensors;
    const std::size_t count = random() % 8;
    for (std::size_t i = 0; i < count; ++i) {
      const auto dtype = static_cast<DType>(random() % 13);
      std::vector<std::uint64_t> shape(random() % 4);
      std::size_t elements = 1;
      for (std::uint64_t& extent : shape) elements *= extent = random() % 4;
      std::string bytes(elements * dtype_size(dtype), '\0');
      for (char& byte : bytes) byte = static_cast<char>(random() & 0xFFU);
      tensors.push_back({"t\xCE\xB1\"/" + std::to_string(i), dtype, shape, bytes});
    }
    const std::string bytes = format_safetensors(tensors, {{"a", "\n"}, {"", ""}});
    const Safetensors file = Safetensors::parse(bytes, "f");
    CHECK(file.metadata() == std::map<std::string, std::string>{{"", ""}, {"a", "\n"}});
    REQUIRE(file.tensors().size() == count);
    for (const Tensor& tensor : tensors) {
      const TensorView* view = file.find(tensor.name);
      REQUIRE(view != nullptr);
      CHECK(view->dtype == tensor.dtype);
      CHECK(view->shape == tensor.shape);
      CHECK(std::string(reinterpret_cast<const char*>(view->bytes.data()), view->bytes.size()) == tensor.bytes);
    }
    std::shuffle(tensors.begin(), tensors.end(), random);
    CHECK(format_safetensors(tensors, {{"", ""}, {"a", "\n"}}) == bytes);
  }
}

TEST_CASE("lying headers are refused, and the message names the tensor, what was expected and what came") {
  const std::string eight(8, '\0');
  CHECK(error_of(with_header(header_of("F32", "[2]", "[0,8]"), eight)) == "");
  CHECK(error_of("") == "f: expected at least the 8 bytes of the header's length, got 0");
  CHECK(error_of(std::string(7, '\0')) != "");
  CHECK(error_of(std::string("\x03\0\0\0\0\0\0\0{}", 10)) ==
        "f: header length: expected at most 2, the rest of the file, got 3");
  CHECK(error_of(std::string(8, '\xFF') + "{}") ==
        "f: header length: expected at most 100000000, got 18446744073709551615");
  CHECK(error_of(with_header("", "")) != "");
  CHECK(error_of(with_header(" {}", "")) != "");
  CHECK(error_of(with_header("[]", "")) != "");
  CHECK(error_of(with_header("{} ", "")) == "");
  CHECK(error_of(with_header("{} x", "")) != "");
  CHECK(error_of(with_header("{}", "x")) == "f: expected 0 bytes of data, the end of the last tensor, got 1");
  CHECK(error_of(with_header(header_of("F32", "[2]", "[0,8]"), eight + "x")) != "");
  CHECK(error_of(with_header(header_of("F32", "[2]", "[0,8]"), "1234567")) ==
        "f: tensor 'x': expected offsets up to 7, the end of the file, got 8");
  CHECK(error_of(with_header(header_of("F32", "[2]", "[0,4]"), eight)) ==
        "f: tensor 'x': expected 8 bytes for F32 [2], got the offsets 0 to 4");
  CHECK(error_of(with_header(header_of("F32", "[2]", "[8,0]"), eight)) != "");
  CHECK(error_of(with_header(header_of("F32", "[1]", "[4,8]"), eight)) ==
        "f: tensor 'x': expected to begin at offset 0, the start of the data, got 4 (a hole)");
  CHECK(error_of(with_header(header_of("F8", "[2]", "[0,8]"), eight)).find("/x/dtype: expected one of F64, F32") !=
        std::string::npos);
  CHECK(error_of(with_header(header_of("F32", "[4294967296,4294967296]", "[0,0]"), "")) ==
        "f: tensor 'x': expected a size below 2^63 bytes, got F32 [4294967296, 4294967296]");
  CHECK(error_of(with_header(header_of("F32", "[2305843009213693952]", "[0,0]"), "")) != "");
  CHECK(error_of(with_header(header_of("F32", "[-1]", "[0,8]"), eight)) != "");
  CHECK(error_of(with_header(header_of("F32", "[2.0]", "[0,8]"), eight)) != "");
  CHECK(error_of(with_header(header_of("F32", "2", "[0,8]"), eight)) != "");
  CHECK(error_of(with_header(header_of("F32", "[2]", "[0]"), eight)) != "");
  CHECK(error_of(with_header(header_of("F32", "[2]", "[0,8,9]"), eight)) != "");
  CHECK(error_of(with_header(header_of("F32", "[2]", "[0,18446744073709551616]"), eight)) != "");
  CHECK(error_of(with_header(header_of("F32", "[0,18446744073709551615]", "[0,0]"), "")) == "");
  CHECK(error_of(with_header(R"({"x":5})", "")) != "");
  CHECK(error_of(with_header(R"({"x":{"dtype":"F32","shape":[0]}})", "")) ==
        "f: header:1: /x: expected the member 'data_offsets', got none");
  CHECK(error_of(with_header(R"({"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0],"more":1}})", "")) != "");
  CHECK(error_of(with_header(R"({"__metadata__":{"a":1}})", "")) != "");
  CHECK(error_of(with_header(R"({"__metadata__":[]})", "")) != "");
  const std::string one = R"({"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  const std::string two = R"({"dtype":"U8","shape":[4],"data_offsets":[3,7]})";
  CHECK(error_of(with_header("{\"a\":" + one + ",\"a\":" + one + "}", "1234")) ==
        "f: header:1: /a: expected distinct keys, got 'a' twice");
  CHECK(error_of(with_header("{\"a\":" + one + ",\"b\":" + two + "}", "1234567")) ==
        "f: tensor 'b': expected to begin at offset 4, the end of tensor 'a', got 3 (an overlap)");
}

TEST_CASE("a file cut at any byte is refused") {
  const std::string whole = format_safetensors(std::vector<Tensor>{make_tensor("a", std::vector<float>{1.0F, 2.0F}),
                                                                   make_tensor("b", std::vector<std::uint32_t>{3})});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(error_of(whole.substr(0, size)) != "");
  }
}

TEST_CASE("mutated files parse or throw InputError, and no view leaves the buffer") {
  const std::string whole =
      format_safetensors(std::vector<Tensor>{make_tensor("a", std::vector<float>{1.0F, 2.0F}),
                                             make_tensor("b", std::vector<std::uint32_t>{3}, {1, 1}),
                                             make_tensor("c", std::vector<double>{})},
                         {{"k", "v"}});
  std::mt19937 random(11);
  std::size_t accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = whole;
    for (std::size_t edit = 0; edit < 1 + random() % 3; ++edit) {
      const std::size_t at = random() % bytes.size();
      if (random() % 2 == 0) {
        bytes[at] = "0123456789{}[],:\"FIU\xFF"[random() % 21];
      } else {
        bytes[at] = static_cast<char>(bytes[at] ^ (1U << (random() % 8)));
      }
    }
    try {
      const Safetensors file = Safetensors::parse(bytes, "f");
      ++accepted;
      std::size_t sum = 0;
      for (const TensorView& tensor : file.tensors()) {
        sum += tensor.bytes.size();
        for (const std::byte byte : tensor.bytes) sum += static_cast<std::size_t>(byte) & 0U;
      }
      CHECK(sum == 12);
    } catch (const InputError& error) {
      CHECK(!error.problems().empty());
    }
  }
  CHECK(accepted > 100);
}

TEST_CASE("the writer refuses what the format cannot hold") {
  const Tensor tensor = make_tensor("a", std::vector<float>{1.0F});
  const auto write = [](std::vector<Tensor> tensors) { return format_safetensors(tensors); };
  CHECK_THROWS_AS(write({tensor, tensor}), InputError);
  Tensor wrong = tensor;
  wrong.shape = {2};
  CHECK_THROWS_AS(write({wrong}), InputError);
  wrong = tensor;
  wrong.name = "__metadata__";
  CHECK_THROWS_AS(write({wrong}), InputError);
  wrong.name = "\xFF";
  CHECK_THROWS_AS(write({wrong}), InputError);
  CHECK_THROWS_AS(format_safetensors(std::vector<Tensor>{}, {{"k", "\xFF"}}), InputError);
}

TEST_CASE("files are read from the disk and named in messages") {
  const TemporaryDirectory directory;
  write_file(directory / "m.safetensors",
             format_safetensors(std::vector<Tensor>{make_tensor("a", std::vector<float>{1.0F})}));
  CHECK(Safetensors::read(directory / "m.safetensors").tensors().size() == 1);
  write_file(directory / "m.safetensors", "short");
  CHECK_THROWS_WITH_AS(Safetensors::read(directory / "m.safetensors"),
                       doctest::Contains("m.safetensors: expected at least the 8 bytes"), InputError);
  CHECK_THROWS_AS(Safetensors::read(directory / "missing.safetensors"), InputError);
}

}  // namespace
}  // namespace krohn
