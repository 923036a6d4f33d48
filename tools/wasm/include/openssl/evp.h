// What the WebAssembly build has of OpenSSL's <openssl/evp.h>: SHA-256 alone, by tools/wasm/sha256.zig.
#pragma once

#include <cstddef>

extern "C" {
struct evp_md_ctx_st;
struct evp_md_st;
struct engine_st;
evp_md_ctx_st* EVP_MD_CTX_new();
void EVP_MD_CTX_free(evp_md_ctx_st* context);
const evp_md_st* EVP_sha256();
int EVP_DigestInit_ex(evp_md_ctx_st* context, const evp_md_st* digest, engine_st* engine);
int EVP_DigestUpdate(evp_md_ctx_st* context, const void* data, std::size_t size);
int EVP_DigestFinal_ex(evp_md_ctx_st* context, unsigned char* digest, unsigned int* size);
}
