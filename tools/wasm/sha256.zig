//! SHA-256 of zig's standard library behind the few functions of OpenSSL that src/digest/sha256.cpp calls, so that the
//! library is the same source in every build. Tested by tests/digest/sha256_test.cpp, which the WebAssembly build runs too.
const std = @import("std");
const Sha256 = std.crypto.hash.sha2.Sha256;
const allocator = std.heap.c_allocator;

export fn EVP_MD_CTX_new() ?*Sha256 {
    return allocator.create(Sha256) catch null;
}

export fn EVP_MD_CTX_free(context: ?*Sha256) void {
    if (context) |given| allocator.destroy(given);
}

export fn EVP_DigestInit_ex(context: *Sha256, _: ?*const anyopaque, _: ?*anyopaque) c_int {
    context.* = Sha256.init(.{});
    return 1;
}

export fn EVP_DigestUpdate(context: *Sha256, data: ?[*]const u8, size: usize) c_int {
    if (size != 0) context.update(data.?[0..size]);
    return 1;
}

export fn EVP_DigestFinal_ex(context: *Sha256, digest: *[32]u8, size: ?*c_uint) c_int {
    context.final(digest);
    if (size) |given| given.* = digest.len;
    return 1;
}

export fn EVP_sha256() ?*const anyopaque {
    return null;
}
