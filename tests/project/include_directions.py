#!/usr/bin/env python3
"""Checks that every #include of our own headers follows the direction between modules.

An arrow "may include" of the design; nothing else may. Exit 0 when all hold, 1 with one line a violation.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Module -> modules it may include, itself always. "numeric" and krohn/error.hpp are for all.
MAY_INCLUDE = {
    "numeric": set(),
    "digest": set(),
    "automata": {"digest"},
    "model": {"digest"},  # and automata/alphabet.hpp
    "text": set(),  # and automata/utf8.hpp
    "architectures": {"model", "text"},
    "compile": {"automata", "model"},
    "kernels": set(),
    "engine": {"model", "kernels"},  # and what EXTRA lists
    "verify": {"engine", "automata", "model"},
    "languages": {"automata", "text"},
    "checkpoints": {"languages", "engine", "architectures", "automata", "model", "digest", "text"},
    "results": {
        "export", "checkpoints", "languages", "verify", "engine", "compile", "architectures", "automata", "model", "digest", "text",
    },
    "export": {"checkpoints", "languages", "compile", "architectures", "automata", "model", "text"},
    "tools": {
        "export", "results", "checkpoints", "languages", "verify", "engine", "compile", "architectures", "automata", "model", "kernels", "text",
    },
}
EXTRA = {
    "model": {"krohn/automata/alphabet.hpp"},
    "text": {"krohn/automata/utf8.hpp"},
    "engine": {"krohn/automata/alphabet.hpp", "krohn/automata/dfa.hpp", "krohn/automata/group_action.hpp"},
}
FOLDERS = {
    "automata": ["automata", "include/krohn/automata"],
    "kernels": ["kernels", "include/krohn/kernels"],
    "numeric": ["include/krohn/numeric"],
    "tools": ["tools"],
}
for name in ("digest", "model", "text", "architectures", "compile", "engine", "verify", "languages", "checkpoints",
             "results", "export"):
    FOLDERS[name] = [f"src/{name}", f"include/krohn/{name}"]

INCLUDE = re.compile(r'^\s*#\s*include\s*"(krohn/[^"]+)"')


def main() -> int:
    violations = []
    seen = 0
    for module, folders in FOLDERS.items():
        for folder in folders:
            for path in sorted((ROOT / folder).rglob("*")):
                if path.suffix not in (".hpp", ".cpp", ".cu", ".cuh"):
                    continue
                for number, line in enumerate(path.read_text().splitlines(), 1):
                    match = INCLUDE.match(line)
                    if not match:
                        continue
                    seen += 1
                    header = match.group(1)
                    target = header.split("/")[1]
                    allowed = MAY_INCLUDE[module] | {module, "numeric", "error.hpp"}
                    if target not in allowed and header not in EXTRA.get(module, set()):
                        violations.append(f"{path.relative_to(ROOT)}:{number}: {module} must not include {header}")
                    if not (ROOT / "include" / header).is_file():
                        violations.append(f"{path.relative_to(ROOT)}:{number}: {header} does not exist")
    print("\n".join(violations))
    if seen == 0:
        print("no include of our own was found: the check looks in the wrong place")
        return 1
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
