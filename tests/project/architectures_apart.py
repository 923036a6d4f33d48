#!/usr/bin/env python3
"""Checks that an architecture is known in its own source alone: outside of src/architectures no code of src, include,
kernels and tools/krohn names one. The independent checkers and what writes files of other programs are the exception, and comments may.

Exit 0 when it holds, 1 with one line a violation.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The theorems' families of random models, and the recurrences of compiled ones, have names of their own, some of them the
# same.
FAMILIES = {"include/krohn/model/model_family.hpp", "src/model/model_family.cpp", "include/krohn/compile/option_names.hpp"}

# The writers of checkpoints, and of kits, whose operators have the names of architectures.
WRITERS = {"src/export/fla.cpp", "src/export/kit.cpp"}

# The writers of checkpoints, and of kits, whose operators have the names of architectures.
WRITERS = {"src/export/fla.cpp", "src/export/kit.cpp"}


def code_of(text):
    """The text without comments, line by line."""
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.S)
    return [line.split("//")[0] for line in text.splitlines()]


def main() -> int:
    names = sorted(path.stem for path in (ROOT / "src/architectures").glob("*.cpp"))
    if len(names) < 10:
        print("fewer than ten architectures were found: the check looks in the wrong place")
        return 1
    # As a string, as what a layer is called, or in an identifier.
    layers = {"mlstm", "slstm"}
    quoted = re.compile(r'"(%s)"' % "|".join(names + sorted(layers)))
    asked = re.compile(r"\barchitecture\(\)\s*(==|!=|\.(starts_with|find|compare|ends_with))")
    violations = []
    seen = 0
    for folder in ("src", "include", "kernels", "tools/krohn"):
        for path in sorted((ROOT / folder).rglob("*")):
            name = str(path.relative_to(ROOT))
            if path.suffix not in (".hpp", ".cpp", ".cu", ".cuh") or "architectures" in path.parts or name in FAMILIES | WRITERS:
                continue
            seen += 1
            for number, line in enumerate(code_of(path.read_text()), 1):
                if "parse_family" not in line and (quoted.search(line) or asked.search(line)):
                    violations.append("%s:%d: names an architecture: %s" % (name, number, line.strip()))
    print("\n".join(violations))
    if seen == 0:
        print("no source was found: the check looks in the wrong place")
        return 1
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
