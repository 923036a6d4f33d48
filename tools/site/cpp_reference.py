#!/usr/bin/env python3
"""The C++ reference as Markdown: of each installed header its opening comment, and each declaration with its own.

usage: cpp_reference.py > reference.md

A declaration is what follows a comment of lines `///`, up to `;` or the `{` of a body; members of a struct or class whose
comment precedes it are listed below it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

# What cmake --install leaves out, and where people begin.
LEFT_OUT = {
    "kernels", "engine/chunked_form.hpp", "engine/compiled/dense_rows.hpp", "engine/compiled/flat_model.hpp",
    "engine/learned_program.hpp", "verify/compare_forms.hpp",
}  # fmt: skip
MODULES = ["", "automata", "compile", "model", "architectures", "engine", "verify", "io", "text", "digest", "numeric"]


def opening(lines: list[str]) -> str:
    """The comment at the top of a header, code in it indented as it is."""
    text = []
    for line in lines:
        if not line.startswith("//"):
            break
        text.append(line[3:] if line.startswith("// ") else line[2:])
    return "\n".join(text)


def declarations(lines: list[str]) -> list[tuple[str, str]]:
    """Pairs of declaration and comment, in the order of the header; those within a body come with four spaces before."""
    found = []
    at = 0
    while at < len(lines):
        if not lines[at].lstrip().startswith("///") or lines[at].lstrip().startswith("///<"):
            at += 1
            continue
        indent = len(lines[at]) - len(lines[at].lstrip())
        comment = []
        while at < len(lines) and lines[at].lstrip().startswith("///"):
            comment.append(lines[at].lstrip()[3:].removeprefix(" "))
            at += 1
        code: list[str] = []
        depth = 0
        while at < len(lines):
            line = re.sub(r"\s*//.*$", "", lines[at][min(indent, len(lines[at]) - len(lines[at].lstrip())) :])
            code.append(line)
            depth += line.count("(") - line.count(")")
            at += 1
            if depth <= 0 and (line.rstrip().endswith((";", "{", "}")) or not line.strip()):
                break
        text = "\n".join(code).strip()
        text = re.sub(r"\s*\{[^{}]*\}?$", "", text) if not text.startswith("enum") else text
        if text.startswith("enum") and not text.endswith("};"):
            while at < len(lines) and not text.endswith("};"):
                text += "\n" + lines[at][indent:]
                at += 1
        found.append((("    " if indent else "") + text.rstrip("{ ").rstrip(), "\n".join(comment)))
    return found


def prose(comment: str) -> str:
    """A comment as Markdown: one paragraph, nothing of it taken for markup but what stands in backticks."""
    pieces = re.split(r"(`[^`]*`)", re.sub(r"\s+", " ", comment))
    return "".join(piece if piece.startswith("`") else re.sub(r"([*_<>\[\]])", r"\\\1", piece) for piece in pieces)


def module_of(header: Path, root: Path) -> str:
    parts = header.relative_to(root).parts
    return parts[0] if len(parts) > 1 else ""


def markdown(root: Path) -> str:
    """All of it."""
    parts = [
        "Include `<krohn/krohn.hpp>` and link `krohn::krohn`; the headers below are what it includes, and what lies beside. "
        "Made from the headers themselves."
    ]
    for module in MODULES:
        headers = sorted(h for h in root.rglob("*.hpp") if module_of(h, root) == module)
        headers = [h for h in headers if str(h.relative_to(root)) not in LEFT_OUT and module_of(h, root) not in LEFT_OUT]
        if not headers:
            continue
        parts.append(f"## {module or 'krohn'}")
        for header in headers:
            lines = header.read_text(encoding="utf-8").splitlines()
            parts.append(f"### krohn/{header.relative_to(root)}")
            parts.append("```text\n" + opening(lines) + "\n```")
            for code, comment in declarations(lines):
                parts.append(f"```cpp\n{code}\n```")
                parts.append(prose(comment))
    return "\n\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(markdown(Path(__file__).resolve().parents[2] / "include" / "krohn") + "\n")
