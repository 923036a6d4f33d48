// label: quick
// The seeds of the fuzz targets, replayed: every reader has some that it takes, and takes or refuses each of them, each
// cut short, and each with bytes changed, without another exception. What fuzzing found stays among the seeds.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "fuzz/readers.hpp"
#include "krohn/text/source_text.hpp"

namespace krohn {
namespace {

struct Reader {
  const char* name;
  void (*read)(std::string_view bytes);
};

constexpr Reader readers[] = {{"att", fuzz::att},
                              {"mata", fuzz::mata},
                              {"jff", fuzz::jff},
                              {"hoa", fuzz::hoa},
                              {"dot", fuzz::dot},
                              {"mona", fuzz::mona},
                              {"aut", fuzz::aut},
                              {"ba", fuzz::ba},
                              {"automaton", fuzz::automaton},
                              {"regex", fuzz::regex},
                              {"json", fuzz::json},
                              {"yaml", fuzz::yaml},
                              {"safetensors", fuzz::safetensors},
                              {"torch", fuzz::torch},
                              {"task", fuzz::task},
                              {"certificate", fuzz::certificate},
                              {"search_part", fuzz::search_part}};

TEST_CASE("every reader takes or refuses its seeds and their neighbours") {
  std::mt19937 random(41);
  for (const Reader& reader : readers) {
    CAPTURE(reader.name);
    std::vector<std::filesystem::path> files;
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(KROHN_TEST_DATA) / "fuzz" / reader.name)) {
      files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    std::size_t accepted = 0;
    for (const std::filesystem::path& file : files) {
      CAPTURE(file.filename().string());
      const std::string seed = read_file(file);
      accepted += fuzz::accepts(reader.read, seed) ? 1 : 0;
      for (int round = 0; round < 20; ++round) {
        std::string changed = seed;
        for (std::size_t i = 1 + random() % 3; i > 0 && !changed.empty(); --i) {
          const std::size_t at = random() % changed.size();
          switch (random() % 4) {
            case 0:
              changed[at] = static_cast<char>(static_cast<unsigned char>(random() % 256));
              break;
            case 1:
              changed.erase(at, 1 + random() % 8);
              break;
            case 2:
              changed.insert(at, changed.substr(random() % changed.size(), random() % 20));
              break;
            default:
              changed.resize(at);
          }
        }
        CAPTURE(changed);
        CHECK_NOTHROW(fuzz::accepts(reader.read, changed));
      }
    }
    CHECK(accepted > 0);
  }
}

}  // namespace
}  // namespace krohn
