# The tag under which C++ exceptions are thrown; LLVM keeps its definition in compiler-rt, which zig does not ship.
    .tagtype __cpp_exception i32
    .globl __cpp_exception
__cpp_exception:
