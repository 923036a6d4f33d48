// label: quick
// The reader accepts JSON and nothing else, knows every line, and reports all problems of a document at once.
#include "krohn/text/json_document.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <random>

#include "krohn/text/source_text.hpp"

namespace krohn {
namespace {

std::string error_of(std::string_view text, const JsonOptions& options = {}) {
  try {
    parse_json(text, "f.json", options);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("every kind of value is read, integers exactly") {
  const JsonDocument document = parse_json(
      R"({"a": [null, true, -3, 9223372036854775807, 18446744073709551615, 0.5], "b": {"c/d~": "\u03b1"}})", "f");
  const JsonValue::Array& a = *document.root.find("a")->array();
  CHECK(a[0].is_null());
  CHECK(std::get<bool>(a[1].data));
  CHECK(std::get<std::int64_t>(a[2].data) == -3);
  CHECK(std::get<std::int64_t>(a[3].data) == std::numeric_limits<std::int64_t>::max());
  CHECK(std::get<std::uint64_t>(a[4].data) == std::numeric_limits<std::uint64_t>::max());
  CHECK(std::get<double>(a[5].data) == 0.5);
  const JsonValue& c = *document.root.find("b")->find("c/d~");
  CHECK(*c.string() == "\xCE\xB1");
  CHECK(document.pointer(c) == "/b/c~1d~0");
  CHECK(document.pointer(a[2]) == "/a/2");
  CHECK(document.pointer(document.root) == "/");
}

TEST_CASE("each value knows its line") {
  const JsonDocument document = parse_json("\n{\"a\": 1\n,\n\"b\":\n[2\n,3,\n\"x\"]\r\n}\n", "f");
  CHECK(document.root.line == 2);
  CHECK(document.root.find("a")->line == 2);
  const JsonValue& b = *document.root.find("b");
  CHECK(b.line == 5);
  CHECK((*b.array())[0].line == 5);
  CHECK((*b.array())[1].line == 6);
  CHECK((*b.array())[2].line == 7);
}

TEST_CASE("what is not JSON is refused with its line") {
  for (const char* text : {"",     " ",       "{",        "[1,]",    "{\"a\":1,}",  "[1] 2",        "01",
                           "+1",   "1.",      ".5",       "'a'",     "\"a",         "\"\n\"",       "{a:1}",
                           "nul",  "NaN",     "Infinity", "[1e999]", "\"\\ud800\"", "\"\xC0\x80\"", "\"\xFF\"",
                           "\xFF", "// c\n1", "[1] x",    "\"\\x\"", "--1",         "[-]"}) {
    CAPTURE(text);
    CHECK(error_of(text).rfind("f.json:", 0) == 0);
  }
  CHECK(error_of("{\"a\": 1,\n \"b\": tru}").rfind("f.json:2: column ", 0) == 0);
  CHECK(error_of(std::string("[1\0]", 4)) != "");
}

TEST_CASE("duplicate keys are refused, all of them, with their pointers") {
  CHECK(error_of("{\"x\": [0, {\"a\": 1, \"a\": 2,\n \"b\": {}, \"b\": 3}]}") ==
        "f.json:1: /x/1/a: expected distinct keys, got 'a' twice\n"
        "f.json:2: /x/1/b: expected distinct keys, got 'b' twice");
}

TEST_CASE("depth and the number of values are capped") {
  JsonOptions options;
  options.max_depth = 3;
  CHECK(error_of("[[[1]]]", options) == "");
  CHECK(error_of("[[[[1]]]]", options) == "f.json:1: /0/0/0: expected at most 3 levels of nesting, got more");
  CHECK(error_of(std::string(1'000'000, '[')) != "");
  CHECK(error_of(std::string(1'000'000, '{')) != "");
  options = {};
  options.max_values = 4;
  CHECK(error_of("[1,2,3]", options) == "");
  CHECK(error_of("[1,2,3,4]", options) != "");
}

TEST_CASE("Infinity and NaN are numbers where they are accepted, and only as whole tokens") {
  JsonOptions options;
  options.non_finite = true;
  const JsonDocument document = parse_json(
      "{\"Infinity\": Infinity, \"s\": \"\\\", NaN, \", \"a\": [-Infinity,NaN ,0,\nNaN], \"z\": 0}", "f", options);
  CHECK(std::get<double>(document.root.find("Infinity")->data) == std::numeric_limits<double>::infinity());
  CHECK(*document.root.find("s")->string() == "\", NaN, ");
  const JsonValue::Array& a = *document.root.find("a")->array();
  CHECK(std::get<double>(a[0].data) == -std::numeric_limits<double>::infinity());
  CHECK(std::isnan(std::get<double>(a[1].data)));
  CHECK(std::get<std::int64_t>(a[2].data) == 0);
  CHECK(std::isnan(std::get<double>(a[3].data)));
  CHECK(a[3].line == 2);
  CHECK(std::get<std::int64_t>(document.root.find("z")->data) == 0);
  CHECK(std::isnan(std::get<double>(parse_json("NaN", "f", options).root.data)));
  for (const char* text : {"-NaN", "+Infinity", "1NaN", "NaNNaN", "Infinity5", "Infinit", "{NaN: 1}", "[--Infinity]"}) {
    CAPTURE(text);
    CHECK(error_of(text, options) != "");
  }
}

TEST_CASE("fields report every problem once, with line and pointer") {
  const JsonDocument document =
      parse_json("{\"start\": -1,\n\"names\": [\"a\", 5, null],\n\"flag\": 1,\n\"extra\": {}\n}", "f.json");
  JsonProblems problems(document);
  const JsonField root = problems.root();
  CHECK(!root.at("start").integer(0, 7));
  CHECK(root.at("names").strings() == std::vector<std::string>{"a"});
  CHECK(!root.at("flag").boolean());
  CHECK(!root.at("missing").at("deeper").integer());
  CHECK(!root.find("absent").exists());
  CHECK(!root.at("flag").find("x").exists());
  root.only({"start", "names", "flag"});
  try {
    problems.raise_if_any();
    FAIL("expected an InputError");
  } catch (const InputError& error) {
    CHECK(error.problems() ==
          std::vector<std::string>{
              "f.json:1: /start: expected an integer from 0 to 7, got -1",
              "f.json:2: /names/1: expected a string, got 5", "f.json:2: /names/2: expected a string, got null",
              "f.json:3: /flag: expected true or false, got 1", "f.json:1: /: expected the member 'missing', got none",
              "f.json:3: /flag: expected an object, got 1",
              "f.json:4: /extra: expected only the members start, names, flag, got 'extra'"});
  }
}

TEST_CASE("beyond fifty problems only their number is kept") {
  std::string text = "[0";
  for (int i = 1; i < 120; ++i) text += ",0";
  const JsonDocument document = parse_json(text + "]", "f");
  JsonProblems problems(document);
  CHECK(problems.root().strings().empty());
  try {
    problems.raise_if_any();
    FAIL("expected an InputError");
  } catch (const InputError& error) {
    CHECK(error.problems().size() == 51);
    CHECK(error.problems().back() == "f: and 70 more problems");
  }
}

TEST_CASE("hostile bytes parse or throw InputError") {
  const std::string seed = "{\"a\": [1, -2.5e3, NaN, \"x\\u00e9\\n\", {}, [[]], true, null], \"b\": {\"c\": Infinity}}";
  const std::string bytes = "{}[]\",:\\0123456789.-+eEuNIa \n\t\x80\xC3\xFF";
  std::mt19937 random(7);
  JsonOptions options;
  options.non_finite = true;
  std::size_t accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = seed;
    const std::size_t edits = 1 + random() % 4;
    for (std::size_t edit = 0; edit < edits; ++edit) {
      const std::size_t at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = bytes[random() % bytes.size()];
          break;
        case 1:
          text.insert(at, 1, bytes[random() % bytes.size()]);
          break;
        default:
          text.erase(at, 1 + random() % 3);
      }
      if (text.empty()) text = "0";
    }
    try {
      parse_json(text, "f", options);
      ++accepted;
    } catch (const InputError& error) {
      CHECK(!error.problems().empty());
    }
  }
  CHECK(accepted > 100);
}

TEST_CASE("bytes in messages stay printable and short") {
  CHECK(shown("a b") == "'a b'");
  CHECK(shown("\xCE\xB1\xFF\n\\") == "'\xCE\xB1\\xff\\x0a\\\\'");
  CHECK(shown("\xC2\x85") == "'\\xc2\\x85'");
  CHECK(shown(std::string(100000, 'x')) == "'" + std::string(36, 'x') + "[...]" + std::string(36, 'x') + "'");
  CHECK(shown("\xF0\x9F\x98") == "'\\xf0\\x9f\\x98'");
}

TEST_CASE("files that cannot be read are bad input") {
  CHECK_THROWS_AS(read_file("/nonexistent/file"), InputError);
  CHECK_THROWS_AS(read_file("/"), InputError);
  CHECK_THROWS_AS(read_file("/dev/zero", 1000), InputError);
  CHECK(read_file("/dev/null").empty());
}

}  // namespace
}  // namespace krohn
