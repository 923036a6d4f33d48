// SHA-256 (FIPS 180-4), by OpenSSL: of bytes at hand, or of bytes as they come.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

// OpenSSL's EVP_MD_CTX, whose header stays out of here.
struct evp_md_ctx_st;

namespace krohn {

using Sha256Digest = std::array<unsigned char, 32>;

/// The digest of a message that is added piece by piece; the pieces leave no trace of where they met. Throws
/// InternalError where OpenSSL refuses.
class Sha256 {
 public:
  Sha256();

  void add(std::string_view bytes);

  /// Ends the message: nothing may be added, and no digest taken, after it.
  Sha256Digest digest();

 private:
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};

Sha256Digest sha256(std::string_view bytes);

/// 64 hexadecimal digits in lower case.
std::string hexadecimal(const Sha256Digest& digest);

}  // namespace krohn
