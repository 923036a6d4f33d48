#!/usr/bin/env python3
"""Checks that every C++ source has a test of its stem, or says in its opening comment by which test it is tested.

An architecture is tested by its recorded cases, which one test finds; commands are tested from outside, by the folder
tests/tools. Exit 0 when it holds, 1 with one line a source for which it does not.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = {
    "src/architectures": "tests/checkpoints/checkpoint_golden_test.cpp",
    "tools/krohn": "tests/tools",
}


def opening(text):
    """The comment that a source opens with, on one line."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("//"):
            break
        lines.append(line.lstrip("/ "))
    return " ".join(lines)


def problem(path, stems):
    name = path.relative_to(ROOT).as_posix()
    if path.stem in stems:
        return None
    for folder, test in FOLDERS.items():
        if name.startswith(folder + "/"):
            return None if (ROOT / test).exists() else f"{test} does not exist"
    named = re.findall(r"[Tt]ested (?:with [^.]* )?by ((?:tests|python/tests)[\w/.]*\w)", opening(path.read_text()))
    if not named:
        return f"expected tests/**/{path.stem}_test.cpp, or 'Tested by tests/..' in the opening comment"
    missing = [test for test in named if not (ROOT / test).exists()]
    return f"it names {', '.join(missing)}, which does not exist" if missing else None


def main() -> int:
    stems = {path.stem.removesuffix("_test") for path in (ROOT / "tests").rglob("*_test.cpp")}
    sources = [path for folder in ("automata", "src", "tools/krohn")
               for path in sorted((ROOT / folder).rglob("*.cpp"))]
    if len(sources) < 100:
        print("fewer than a hundred sources were found: the check looks in the wrong place")
        return 1
    problems = [(path, problem(path, stems)) for path in sources]
    for path, text in problems:
        if text is not None:
            print(f"{path.relative_to(ROOT)}: {text}")
    return 1 if any(text is not None for _, text in problems) else 0


if __name__ == "__main__":
    sys.exit(main())
