// label: quick
// The messages of FIPS 180-2, appendix B, whole and in pieces of every size.
#include "krohn/digest/sha256.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

namespace krohn {
namespace {

TEST_CASE("the published digests, however the message is cut") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {std::string(1'000'000, 'a'), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
  };
  for (const auto& [message, expected] : cases) {
    CHECK(hexadecimal(sha256(message)) == expected);
    for (const std::size_t piece : {std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{65}}) {
      Sha256 hash;
      for (std::size_t at = 0; at < message.size(); at += piece) hash.add(std::string_view(message).substr(at, piece));
      CHECK(hexadecimal(hash.digest()) == expected);
    }
  }
}

}  // namespace
}  // namespace krohn
