#!/usr/bin/env python3
"""Runs every ```console block of the Markdown files given (README.md by default) and compares what it prints.

In a block, a line that starts with "$ " is a command for bash; the lines up to the next command are what it prints
(standard output and standard error together), compared exactly, except that a line of "..." stands for any number of
lines, and "..." within a line for any text. "# exit N" as the last line names the exit code, else it is 0. The blocks
of one file run in order in one empty folder, with the checkout's programs first on PATH. Every block of language "sh"
must be one of the set-up commands, which continuous integration runs on its own.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SETUP_COMMANDS = {"tools/demo", "tools/test"}


def blocks(text, language):
    return re.findall(r"^```" + language + r"\n(.*?)^```", text, re.M | re.S)


def steps(block):
    """[(command, expected output, expected exit code)]"""
    result = []
    for line in block.splitlines():
        if line.startswith("$ "):
            result.append([line[2:], [], 0])
        elif not result:
            raise SystemExit(f"a console block must start with '$ ', got: {line}")
        elif line.startswith("> ") and not result[-1][1]:
            result[-1][0] += "\n" + line[2:]
        elif re.fullmatch(r"# exit \d+", line):
            result[-1][2] = int(line.split()[-1])
        else:
            result[-1][1].append(line)
    return result


def matches(expected, got):
    pattern = []
    for line in expected:
        if line.strip() == "...":
            pattern.append(r"(?:.*\n)*?")
        else:
            pattern.append(".*?".join(re.escape(part) for part in line.rstrip().split("...")) + r"[ \t]*\n")
    if got and not got.endswith("\n"):
        got += "\n"
    return re.fullmatch("".join(pattern), got) is not None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", default=["README.md"])
    parser.add_argument("--krohn", default="build/cpu/krohn", help="the program that the examples run")
    arguments = parser.parse_args()
    binary = (ROOT / arguments.krohn).resolve()
    if not binary.is_file():
        raise SystemExit(f"{binary}: expected the krohn program, got no file")
    environment = dict(os.environ)
    environment["PATH"] = os.pathsep.join([str(binary.parent), str(ROOT / "tools"), environment["PATH"]])
    failed = ran = 0
    for name in arguments.files:
        text = (ROOT / name).read_text()
        for block in blocks(text, "sh"):
            for line in block.split("\n"):
                command = line.split("#")[0].strip()
                if command and command not in SETUP_COMMANDS and not command.startswith("git clone"):
                    print(f"{name}: '{command}' is no set-up command; examples belong into console blocks")
                    failed += 1
        with tempfile.TemporaryDirectory() as folder:
            # Examples name files of the repository as seen from its root.
            pathlib.Path(folder, "tests").symlink_to(ROOT / "tests")
            for block in blocks(text, "console"):
                for command, expected, code in steps(block):
                    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, text=True,
                                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                          stderr=subprocess.STDOUT, timeout=600)
                    ran += 1
                    if done.returncode != code or not matches(expected, done.stdout):
                        failed += 1
                        print(f"{name}: $ {command}\nexpected (exit {code}):\n" + "\n".join(expected) +
                              f"\ngot (exit {done.returncode}):\n{done.stdout}")
    print(f"README examples: {ran - failed} passed, {failed} failed")
    return 1 if failed or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
