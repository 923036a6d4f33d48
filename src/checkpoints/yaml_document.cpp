// The events of yaml-cpp's parser build the values on a stack of open containers. Aliases are refused, so a value is
// never larger than its text. Tested by tests/checkpoints/checkpoint_config_test.cpp.
#include "yaml_document.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <charconv>
#include <limits>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "krohn/error.hpp"
#include "krohn/text/source_text.hpp"

namespace krohn {
namespace {

constexpr std::size_t max_yaml_bytes = std::size_t{1} << 20U;
constexpr std::size_t max_yaml_depth = 64;

std::optional<double> special_float(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == ".inf" || text == ".Inf" || text == ".INF") {
    return negative ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
  }
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return std::numeric_limits<double>::quiet_NaN();
  return std::nullopt;
}

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

decltype(JsonValue::data) plain_scalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (const auto value = special_float(text)) return *value;
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  // from_chars also reads "inf" and "nan", which are strings here.
  if (digits.find_first_of("0123456789") == std::string_view::npos || digits.starts_with('+')) return text;
  if (const auto value = number<std::int64_t>(digits)) return *value;
  if (const auto value = number<double>(digits)) return *value;
  return text;
}

class Builder : public YAML::EventHandler {
 public:
  explicit Builder(std::string source) { document_.source = std::move(source); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnAnchor(const YAML::Mark&, const std::string&) override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { add(mark, nullptr, ""); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { fail(mark, "a value", "an alias"); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, const std::string& text) override {
    if (tag == "?" || tag.empty()) {
      add(mark, plain_scalar(text), text);
    } else {
      require_no_tag(mark, tag, "!");
      add(mark, text, text);
    }
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    require_no_tag(mark, tag, "?");
    open(mark, JsonValue::Array{});
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, YAML::EmitterStyle::value) override {
    require_no_tag(mark, tag, "?");
    open(mark, JsonValue::Object{});
  }
  void OnMapEnd() override { close(); }

  JsonDocument take() { return std::move(document_); }

 private:
  /// A container that is not complete; in a mapping the key that waits for its value.
  struct Open {
    JsonValue value;
    std::optional<std::string> key;
  };

  [[noreturn]] void fail(const YAML::Mark& mark, const std::string& expected, const std::string& got) const {
    throw InputError(document_.source + ":" + std::to_string(mark.line + 1) + ": expected " + expected + ", got " +
                     got);
  }
  void require_no_tag(const YAML::Mark& mark, const std::string& tag, std::string_view neutral) const {
    if (tag != neutral && !tag.empty()) fail(mark, "a value without a tag", shown(tag));
  }
  static std::uint32_t line(const YAML::Mark& mark) { return static_cast<std::uint32_t>(mark.line + 1); }

  /// `text` is the scalar as written, which is what a key is.
  void add(const YAML::Mark& mark, decltype(JsonValue::data) data, const std::string& text) {
    if (!stack_.empty() && stack_.back().value.object() != nullptr && !stack_.back().key) {
      if (stack_.back().value.find(text) != nullptr) fail(mark, "every key once", shown(text) + " again");
      stack_.back().key = text;
      return;
    }
    place({std::move(data), line(mark)});
  }
  void place(JsonValue value) {
    if (stack_.empty()) {
      document_.root = std::move(value);
      return;
    }
    Open& parent = stack_.back();
    if (auto* object = std::get_if<JsonValue::Object>(&parent.value.data)) {
      object->push_back({std::move(*parent.key), std::move(value)});
      parent.key.reset();
    } else {
      std::get<JsonValue::Array>(parent.value.data).push_back(std::move(value));
    }
  }
  void open(const YAML::Mark& mark, decltype(JsonValue::data) data) {
    if (!stack_.empty() && stack_.back().value.object() != nullptr && !stack_.back().key) {
      fail(mark, "a scalar as a key", "a container");
    }
    if (stack_.size() == max_yaml_depth) {
      fail(mark, "at most " + std::to_string(max_yaml_depth) + " nested containers", "one more");
    }
    stack_.push_back({{std::move(data), line(mark)}, std::nullopt});
  }
  void close() {
    JsonValue value = std::move(stack_.back().value);
    stack_.pop_back();
    place(std::move(value));
  }

  JsonDocument document_;
  std::vector<Open> stack_;
};

}  // namespace

JsonDocument parse_yaml(const std::string& text, std::string source) {
  Builder builder(source);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) throw InputError(source + ": expected a YAML document, got none");
    Builder rest(source);
    if (parser.HandleNextDocument(rest)) throw InputError(source + ": expected one YAML document, got several");
  } catch (const YAML::Exception& error) {
    throw InputError(source + ":" + std::to_string(error.mark.line + 1) + ": expected YAML: " + error.msg);
  }
  return builder.take();
}

JsonDocument read_yaml(const std::filesystem::path& path) {
  return parse_yaml(read_file(path, max_yaml_bytes), path.string());
}

}  // namespace krohn
