// Reading files whole, and quoting bytes of unknown origin: a message must stay one line of valid UTF-8 whatever the
// file holds. Tested by tests/text/json_document_test.cpp.
#include "krohn/text/source_text.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "krohn/automata/utf8.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

class OpenFile {
 public:
  explicit OpenFile(const std::filesystem::path& path) : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~OpenFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int descriptor() const noexcept { return descriptor_; }

 private:
  int descriptor_;
};

[[noreturn]] void raise(const std::filesystem::path& path, const char* expected, int error) {
  const std::string text = path.string() + ": expected " + expected + ", got: " + std::strerror(error);
  if (error == EMFILE || error == ENFILE || error == ENOMEM || error == EIO) throw ResourceError(text);
  throw InputError(text);
}

// The byte as \xHH.
std::string escaped(unsigned char byte) {
  constexpr std::string_view digits = "0123456789abcdef";
  return {'\\', 'x', digits[byte >> 4U], digits[byte & 0x0FU]};
}

// Calls `each` with the text of every scalar, everything unprintable escaped; bytes that are not UTF-8 are escaped one
// by one.
template <typename Each>
void for_each_printable(std::string_view text, Each&& each) {
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const std::size_t length = utf8_length(text.substr(at));
    // C1 controls (U+0080..U+009F) are escaped as bytes.
    const bool control =
        byte < 0x20 || byte == 0x7F || (length == 2 && byte == 0xC2 && static_cast<unsigned char>(text[at + 1]) < 0xA0);
    if (byte == '\\') {
      each(std::string_view("\\\\"));
    } else if (length == 0 || control) {
      each(std::string_view(escaped(byte)));
    } else {
      each(text.substr(at, length));
    }
    at += length == 0 || control ? 1 : length;
  }
}

}  // namespace

std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const OpenFile file(path);
  if (file.descriptor() < 0) raise(path, "a readable file", errno);
  struct stat status {};
  if (::fstat(file.descriptor(), &status) != 0) raise(path, "a readable file", errno);
  if (S_ISDIR(status.st_mode)) throw InputError(path.string() + ": expected a file, got a directory");
  const auto too_large = [&] {
    throw InputError(path.string() + ": expected at most " + std::to_string(max_bytes) + " bytes, got more");
  };
  std::string bytes;
  if (S_ISREG(status.st_mode)) {
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (size > max_bytes) too_large();
    if (size > bytes.max_size()) {
      throw ResourceError(path.string() + ": " + std::to_string(size) + " bytes are too many for this machine");
    }
    bytes.reserve(static_cast<std::size_t>(size));
  }
  std::array<char, 1U << 16U> buffer;
  while (true) {
    const ssize_t count = ::read(file.descriptor(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) raise(path, "a readable file", errno);
    if (count == 0) return bytes;
    if (bytes.size() + static_cast<std::size_t>(count) > max_bytes) too_large();
    bytes.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

std::string shown(std::string_view text, std::size_t most) {
  const std::size_t kept = most / 2 - 4;
  // Each scalar has at most four bytes, so the ends of a long text are decided on a bounded part of it.
  const bool cut = text.size() > 4 * most;
  std::string head = "'";
  std::size_t head_end = 0;  // of the scalars that are kept in front
  std::size_t count = 0;
  for_each_printable(cut ? text.substr(0, 4 * most) : text, [&](std::string_view piece) {
    head += piece;
    if (++count == kept) head_end = head.size();
  });
  if (!cut && count <= most) return head + "'";
  head.resize(head_end);
  std::string tail;
  std::vector<std::size_t> starts;
  for_each_printable(cut ? text.substr(text.size() - 4 * most) : text, [&](std::string_view piece) {
    starts.push_back(tail.size());
    tail += piece;
  });
  return head + "[...]" + tail.substr(starts[starts.size() - kept]) + "'";
}

}  // namespace krohn
