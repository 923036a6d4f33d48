// label: quick
// A write either leaves the whole new content or changes nothing, and never leaves a partial file beside it.
#include "krohn/text/atomic_file.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

#include "krohn/error.hpp"
#include "krohn/text/source_text.hpp"
#include "temporary_directory.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

TEST_CASE("a file is written, replaced, and nothing else appears") {
  const TemporaryDirectory directory;
  const fs::path path = directory / "a.txt";
  write_file(path, std::string("x\0y", 3));
  CHECK(read_file(path) == std::string("x\0y", 3));
  write_file(path, "");
  CHECK(read_file(path).empty());
  CHECK(directory.names() == Names{"a.txt"});
}

TEST_CASE("a symbolic link stays and the file that it names is replaced") {
  const TemporaryDirectory directory;
  write_file(directory / "a.txt", "old");
  fs::create_symlink("a.txt", directory / "link");
  write_file(directory / "link", "new");
  CHECK(fs::is_symlink(directory / "link"));
  CHECK(read_file(directory / "a.txt") == "new");
}

TEST_CASE("a full disk is a ResourceError and a device is not replaced") {
  CHECK_THROWS_AS(write_file("/dev/full", "x"), ResourceError);
  CHECK(fs::is_character_file("/dev/full"));
  write_file("/dev/null", "x");
  CHECK(fs::is_character_file("/dev/null"));
}

TEST_CASE("paths that cannot be written are InputErrors and leave nothing") {
  const TemporaryDirectory directory;
  CHECK_THROWS_AS(write_file(directory / "missing/a.txt", "x"), InputError);
  CHECK_THROWS_AS(write_file(directory.path(), "x"), InputError);
  CHECK_THROWS_AS(write_file(directory / "", "x"), InputError);
  CHECK_THROWS_AS(write_file("", "x"), InputError);
  write_file(directory / "file", "x");
  CHECK_THROWS_AS(write_file(directory / "file/a.txt", "x"), InputError);
  CHECK_THROWS_AS(write_file(directory / std::string(300, 'n'), "x"), InputError);
  CHECK(directory.names() == Names{"file"});
  if (::geteuid() != 0) {
    fs::permissions(directory.path(), fs::perms::owner_read | fs::perms::owner_exec);
    CHECK_THROWS_AS(write_file(directory / "b", "x"), InputError);
    fs::permissions(directory.path(), fs::perms::owner_all);
  }
}

TEST_CASE("whether a path can be written is said beforehand as write_file says it, and nothing is touched") {
  const TemporaryDirectory directory;
  write_file(directory / "file", "x");
  const auto message = [](const auto& work) {
    try {
      work();
    } catch (const InputError& error) {
      return error.problems().front();
    }
    return std::string("none");
  };
  for (const fs::path& path : {directory / "missing/a.txt", directory.path(), directory / "file/a.txt", fs::path()}) {
    CAPTURE(path);
    const std::string said = message([&] { require_writable(path); });
    CHECK(said != "none");
    CHECK(said == message([&] { write_file(path, "y"); }));
  }
  for (const fs::path& path : {directory / "new", directory / "file", fs::path("/dev/full")}) require_writable(path);
  CHECK(directory.names() == Names{"file"});
  CHECK(read_file(directory / "file") == "x");
}

TEST_CASE("a file larger than the limit of the process is a ResourceError and leaves nothing") {
  // The limit stands in for a file system without room: the write fails half way.
  const TemporaryDirectory directory;
  write_file(directory / "kept", "old");
  struct rlimit limit {};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = limit;
  small.rlim_cur = 1000;
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string large(100000, 'x');
  CHECK_THROWS_AS(write_file(directory / "new", large), ResourceError);
  CHECK_THROWS_AS(write_file(directory / "kept", large), ResourceError);
  {
    PendingDirectory pending(directory / "m", false);
    CHECK_THROWS_AS(pending.write("a", large), ResourceError);
  }
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  std::signal(SIGXFSZ, old_handler);
  CHECK(directory.names() == Names{"kept"});
  CHECK(read_file(directory / "kept") == "old");
}

TEST_CASE("a directory appears whole, and not at all without commit") {
  const TemporaryDirectory directory;
  {
    PendingDirectory pending(directory / "m", false);
    pending.write("a", "1");
    CHECK(!fs::exists(directory / "m"));
  }
  CHECK(directory.names().empty());
  {
    PendingDirectory pending(directory / "m/", false);
    pending.write("a", "1");
    pending.write("b", "2");
    pending.commit();
  }
  CHECK(directory.names() == Names{"m"});
  CHECK(read_file(directory / "m/a") == "1");
  CHECK(read_file(directory / "m/b") == "2");
}

TEST_CASE("an existing directory is refused, or replaced with everything in it") {
  const TemporaryDirectory directory;
  fs::create_directory(directory / "m");
  write_file(directory / "m/old", "1");
  CHECK_THROWS_AS(PendingDirectory(directory / "m", false), InputError);
  CHECK_THROWS_AS(PendingDirectory(directory / "m/.", true), InputError);
  CHECK_THROWS_AS(PendingDirectory(directory / "m/old", true), InputError);
  CHECK_THROWS_AS(PendingDirectory(directory / "missing/m", true), InputError);
  CHECK_THROWS_AS(PendingDirectory("/", true), InputError);
  CHECK_THROWS_AS(PendingDirectory("", true), InputError);
  {
    PendingDirectory pending(directory / "m", true);
    pending.write("new", "2");
    CHECK(read_file(directory / "m/old") == "1");
    pending.commit();
  }
  CHECK(directory.names() == Names{"m"});
  CHECK(!fs::exists(directory / "m/old"));
  CHECK(read_file(directory / "m/new") == "2");
  fs::create_directory_symlink("m", directory / "link");
  {
    PendingDirectory pending(directory / "link", true);
    pending.write("newer", "3");
    pending.commit();
  }
  CHECK(directory.names() == Names{"link", "m"});
  CHECK(read_file(directory / "m/newer") == "3");
}

TEST_CASE("a directory that appears meanwhile is not overwritten") {
  const TemporaryDirectory directory;
  PendingDirectory pending(directory / "m", false);
  pending.write("a", "1");
  fs::create_directory(directory / "m");
  write_file(directory / "m/theirs", "2");
  CHECK_THROWS_AS(pending.commit(), InputError);
  CHECK(read_file(directory / "m/theirs") == "2");
}

}  // namespace
}  // namespace krohn
