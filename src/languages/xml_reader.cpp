// See the header. One scan without recursion; texts are views of the file where they hold no references.
// Tested by tests/languages/format_jff_test.cpp.
#include "xml_reader.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>

#include "krohn/automata/utf8.hpp"
#include "krohn/error.hpp"
#include "krohn/text/source_text.hpp"

namespace krohn {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

constexpr bool is_name_byte(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '.' || c == ':' || c >= 0x80;
}

}  // namespace

XmlReader::XmlReader(std::string_view text, const std::string& source, std::size_t max_depth)
    : text_(text), source_(source), max_depth_(max_depth) {
  check_bytes();
  if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
}

std::size_t XmlReader::line_of(std::size_t place) {
  if (place < counted_to_) {
    counted_to_ = 0;
    counted_lines_ = 1;
  }
  const auto* begin = text_.data();
  counted_lines_ += static_cast<std::size_t>(std::count(begin + counted_to_, begin + place, '\n'));
  counted_to_ = place;
  return counted_lines_;
}

void XmlReader::fail(const std::string& expected, const std::string& got) {
  throw InputError(source_ + ":" + std::to_string(line_of(std::min(at_, text_.size()))) + ": expected " + expected +
                   ", got " + got);
}

// UTF-8 without zero bytes. Eight bytes of ASCII at a time: files are large, and mostly that.
void XmlReader::check_bytes() {
  if (const std::size_t zero = text_.find('\0'); zero != std::string_view::npos) {
    at_ = zero;
    fail("text", "a zero byte");
  }
  for (std::size_t at = 0; at < text_.size();) {
    std::uint64_t eight = 0;
    if (at + sizeof eight <= text_.size()) {
      std::memcpy(&eight, text_.data() + at, sizeof eight);
      if ((eight & 0x8080808080808080ULL) == 0) {
        at += sizeof eight;
        continue;
      }
    }
    const std::size_t length = utf8_length(text_.substr(at));
    if (length == 0) {
      throw InputError(source_ + ": byte " + std::to_string(at) + ": expected UTF-8 text, got other bytes");
    }
    at += length;
  }
}

bool XmlReader::enter() {
  if (empty_) {
    empty_ = false;
    open_.pop_back();
    return false;
  }
  while (true) {
    const std::size_t next = std::min(text_.find('<', at_), text_.size());
    if (sink_ != nullptr) {
      append_resolved(*sink_, text_.substr(at_, next - at_));
    } else if (open_.empty()) {
      while (at_ < next && is_space(text_[at_])) ++at_;
      if (at_ < next) fail(seen_root_ ? "one root element" : "an XML element", shown(text_.substr(at_, 20)));
    }
    at_ = next;
    if (at_ == text_.size()) {
      if (!open_.empty()) fail("a closing tag of <" + std::string(open_.back()) + ">", "the end");
      if (!seen_root_) fail("an XML element", "none");
      return false;
    }
    const char c = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    if (c == '/') {
      read_end();
      return false;
    }
    if (c != '!' && c != '?') {
      read_start();
      return true;
    }
    const std::string_view rest = text_.substr(at_);
    if (c == '?') {
      read_instruction();
    } else if (rest.starts_with("<!--")) {
      at_ += 4;
      skip_past("-->", "a comment that ends");
    } else if (rest.starts_with("<![CDATA[") && !open_.empty()) {
      at_ += 9;
      const std::size_t start = at_;
      skip_past("]]>", "a character section that ends");
      if (sink_ != nullptr) sink_->append(text_.substr(start, at_ - 3 - start));
    } else {
      fail("no document type", shown(text_.substr(at_, 20)));
    }
  }
}

void XmlReader::leave() {
  for (std::size_t depth = 1; depth > 0;) {
    if (enter()) {
      ++depth;
    } else {
      --depth;
    }
  }
}

std::string_view XmlReader::text_within() {
  if (empty_) {
    enter();
    return {};
  }
  const std::size_t end = std::min(text_.find_first_of("<&", at_), text_.size());
  if (end + 1 < text_.size() && text_[end] == '<' && text_[end + 1] == '/') {
    const std::string_view text = text_.substr(at_, end - at_);
    at_ = end;
    read_end();
    return text;
  }
  std::string& text = storage_.emplace_back();
  sink_ = &text;
  while (enter()) {
    sink_ = nullptr;
    leave();
    sink_ = &text;
  }
  sink_ = nullptr;
  return text;
}

void XmlReader::finish() {
  if (enter()) {
    at_ = where_;
    fail("one root element", "<" + std::string(name_) + ">");
  }
}

std::optional<std::string_view> XmlReader::attribute(std::string_view name) {
  std::optional<std::string_view> value;
  for (const Attribute& each : attributes_) {
    if (each.name == name) value = each.value;
  }
  if (value && value->find('&') != std::string_view::npos) {
    std::string& resolved = storage_.emplace_back();
    append_resolved(resolved, *value);
    value = resolved;
  }
  return value;
}

void XmlReader::skip_past(std::string_view end, const std::string& expected) {
  const std::size_t found = text_.find(end, at_);
  if (found == std::string_view::npos) fail(expected, "the end of the file");
  at_ = found + end.size();
}

void XmlReader::read_instruction() {
  const std::size_t start = at_;
  skip_past("?>", "an instruction that ends");
  const std::string_view instruction = text_.substr(start, at_ - start);
  const std::size_t encoding = instruction.find("encoding=");
  if (!instruction.starts_with("<?xml ") || encoding == std::string_view::npos) return;
  std::string name;
  for (std::size_t i = encoding + 10; i < instruction.size() && instruction[i] != '"' && instruction[i] != '\''; ++i) {
    name += static_cast<char>(instruction[i] >= 'A' && instruction[i] <= 'Z' ? instruction[i] + 32 : instruction[i]);
  }
  if (name != "utf-8" && name != "us-ascii") {
    at_ = start;
    fail("the encoding UTF-8", shown(name));
  }
}

void XmlReader::read_start() {
  where_ = at_;
  const auto byte = [this](std::size_t i) { return i < text_.size() ? text_[i] : '\0'; };
  const auto name_at = [this](std::size_t start) {
    std::size_t end = start;
    while (end < text_.size() && is_name_byte(static_cast<unsigned char>(text_[end]))) ++end;
    return text_.substr(start, end - start);
  };
  name_ = name_at(at_ + 1);
  if (name_.empty()) fail("an element's name after '<'", shown(text_.substr(at_, 20)));
  if (open_.empty() && seen_root_) fail("one root element", "<" + std::string(name_) + ">");
  const auto unended = [&] { fail("a '>' that ends <" + std::string(name_) + "..", "none"); };
  std::size_t i = at_ + 1 + name_.size();
  attributes_.clear();
  while (byte(i) != '>') {
    const std::size_t before = i;
    while (is_space(byte(i))) ++i;
    if (byte(i) == '>') break;
    if (byte(i) == '/' && byte(i + 1) == '>') {
      empty_ = true;
      ++i;
      break;
    }
    if (i >= text_.size() || byte(i) == '<') unended();
    const std::string_view name = name_at(i);
    if (name.empty() || i == before) {
      fail("attributes name=\"value\" in <" + std::string(name_) + ">", shown(text_.substr(before, 20)));
    }
    const std::size_t start = i;
    i += name.size();
    while (is_space(byte(i))) ++i;
    const bool assigned = byte(i) == '=';
    if (assigned) ++i;
    while (is_space(byte(i))) ++i;
    const char quote = byte(i);
    if (!assigned || (quote != '"' && quote != '\'')) {
      fail("attributes name=\"value\" in <" + std::string(name_) + ">", shown(text_.substr(start, 20)));
    }
    const std::size_t end = text_.find(quote, i + 1);
    if (end == std::string_view::npos) unended();
    for (const Attribute& each : attributes_) {
      if (each.name == name) fail("each attribute once in <" + std::string(name_) + ">", shown(name) + " twice");
    }
    attributes_.push_back({name, text_.substr(i + 1, end - i - 1)});
    i = end + 1;
  }
  seen_root_ = true;
  open_.push_back(name_);
  if (open_.size() > max_depth_) fail("elements nested at most " + std::to_string(max_depth_) + " deep", "more");
  at_ = i + 1;
}

void XmlReader::read_end() {
  const std::string_view rest = text_.substr(at_ + 2);
  const auto named = [](std::string_view tag) {
    const auto end =
        std::find_if(tag.begin(), tag.end(), [](char c) { return !is_name_byte(static_cast<unsigned char>(c)); });
    return std::string(tag.begin(), end);
  };
  if (open_.empty()) fail("no closing tag", "</" + named(rest) + ">");
  const std::string_view name = open_.back();
  std::size_t i = name.size();
  if (!rest.starts_with(name) || (i < rest.size() && is_name_byte(static_cast<unsigned char>(rest[i])))) {
    fail("</" + std::string(name) + ">", "</" + named(rest) + ">");
  }
  while (i < rest.size() && is_space(rest[i])) ++i;
  if (i == rest.size() || rest[i] != '>') fail("a '>' that ends </" + std::string(name) + "..", "none");
  open_.pop_back();
  at_ += 2 + i + 1;
}

void XmlReader::append_resolved(std::string& sink, std::string_view raw) {
  static constexpr struct {
    std::string_view name;
    char character;
  } named[] = {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"apos", '\''}, {"quot", '"'}};
  for (std::size_t at = 0; at < raw.size();) {
    const std::size_t mark = std::min(raw.find('&', at), raw.size());
    sink.append(raw.substr(at, mark - at));
    at = mark;
    if (mark == raw.size()) return;
    const std::size_t end = raw.find(';', mark);
    std::string_view reference = raw.substr(mark + 1, end == std::string_view::npos ? 0 : end - mark - 1);
    const auto refuse = [&] {
      fail("'&' to begin a reference that XML defines (&amp; writes it)", shown(raw.substr(mark, 20)));
    };
    if (reference.starts_with('#')) {
      const bool hexadecimal = reference.starts_with("#x");
      reference.remove_prefix(hexadecimal ? 2 : 1);
      std::uint32_t value = 0;
      const char* last = reference.data() + reference.size();
      const auto [stopped, error] = std::from_chars(reference.data(), last, value, hexadecimal ? 16 : 10);
      if (error != std::errc{} || stopped != last || !append_utf8(sink, value)) refuse();
    } else {
      const auto* found =
          std::find_if(std::begin(named), std::end(named), [&](const auto& each) { return each.name == reference; });
      if (found == std::end(named)) refuse();
      sink += found->character;
    }
    at = end + 1;
  }
}

}  // namespace krohn
