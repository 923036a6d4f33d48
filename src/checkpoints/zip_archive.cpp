// Tested by tests/checkpoints/torch_file_test.cpp.
#include "zip_archive.hpp"

#include <zip.h>

#include <cstdint>
#include <utility>

#include "krohn/error.hpp"
#include "krohn/text/source_text.hpp"

namespace krohn {
namespace {

struct Discard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

std::unique_ptr<zip_t, Discard> open(std::string_view bytes, const std::string& source) {
  zip_error_t error;
  zip_error_init(&error);
  std::unique_ptr<zip_t, Discard> archive;
  if (zip_source_t* const buffer = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error)) {
    archive.reset(zip_open_from_source(buffer, ZIP_RDONLY, &error));
    if (!archive) zip_source_free(buffer);
  }
  const std::string problem = zip_error_strerror(&error);
  zip_error_fini(&error);
  if (!archive) throw InputError(source + ": expected a whole zip archive, got (truncated?): " + problem);
  return archive;
}

std::string read(zip_t* archive, zip_uint64_t index, std::uint64_t size, const std::string& name,
                 const std::string& source) {
  const std::unique_ptr<zip_file_t, Discard> file(zip_fopen_index(archive, index, 0));
  if (!file) {
    throw InputError(source + ": " + shown(name) +
                     ": expected an entry that can be read, got: " + zip_error_strerror(zip_get_error(archive)));
  }
  std::string content(size, '\0');
  std::uint64_t got = 0;
  while (got < size) {
    const zip_int64_t more = zip_fread(file.get(), content.data() + got, size - got);
    if (more <= 0) break;
    got += static_cast<std::uint64_t>(more);
  }
  // The checksum is compared when the end is seen.
  char beyond = 0;
  if (got != size || zip_fread(file.get(), &beyond, 1) != 0) {
    throw InputError(
        source + ": " + shown(name) + ": expected " + std::to_string(size) +
        " bytes with the checksum of the zip directory, got: " + zip_error_strerror(zip_file_get_error(file.get())));
  }
  return content;
}

}  // namespace

std::map<std::string, std::shared_ptr<const std::string>, std::less<>> read_zip(std::string_view bytes,
                                                                                const std::string& source) {
  const auto archive = open(bytes, source);
  std::map<std::string, std::shared_ptr<const std::string>, std::less<>> entries;
  std::uint64_t total = 0;
  const auto count = static_cast<zip_uint64_t>(zip_get_num_entries(archive.get(), 0));
  for (zip_uint64_t i = 0; i < count; ++i) {
    zip_stat_t entry;
    zip_stat_init(&entry);
    constexpr zip_uint64_t all = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    if (zip_stat_index(archive.get(), i, ZIP_FL_ENC_RAW, &entry) != 0 || (entry.valid & all) != all) {
      throw InputError(source +
                       ": zip directory: expected an entry, got: " + zip_error_strerror(zip_get_error(archive.get())));
    }
    const std::string name = entry.name;
    const auto fail = [&](const std::string& problem) {
      throw InputError(source + ": " + shown(name) + ": " + problem);
    };
    if ((entry.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && entry.encryption_method != ZIP_EM_NONE) {
      fail("expected an entry that is not encrypted");
    }
    if (entry.comp_method != ZIP_CM_STORE || entry.comp_size != entry.size) {
      fail("expected a stored (uncompressed) entry");
    }
    if (entry.size > bytes.size() || (total += entry.size) > bytes.size()) {
      fail("expected entries that do not overlap, got more bytes in them than in the file");
    }
    if (entries.contains(name)) fail("expected once, got twice");
    entries.emplace(name, std::make_shared<const std::string>(read(archive.get(), i, entry.size, name, source)));
  }
  return entries;
}

}  // namespace krohn
