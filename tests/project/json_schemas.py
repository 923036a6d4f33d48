#!/usr/bin/env python3
"""Runs every command that has --json and validates what it prints against docs/schemas/v1/COMMAND.json.

Every member that the program prints must be in the schema (additionalProperties is false there), and every command with
--json must have a schema and be run here. Needs jsonschema (Debian: python3-jsonschema).
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import jsonschema
except ImportError:
    # Debian's package belongs to Debian's Python, which need not be the first one on PATH.
    if sys.executable == "/usr/bin/python3" or not os.path.exists("/usr/bin/python3"):
        raise
    os.execv("/usr/bin/python3", ["/usr/bin/python3"] + sys.argv)

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "docs/schemas/v1"
MODELS = ROOT / "tests/data/models"
NEG = MODELS / "parity_delta_net_neg_noconv_1layer"
S3 = MODELS / "s3_gated_deltaproduct_n2_neg"
ZOO = ROOT / "tests/data/zoo"

# Folders: m (parity), a ((aaa)*(bb)*), b ((ab)*), w (inexact).
PREPARE = ["compile parity -o m", "compile re:(aaa)*(bb)* -o a", "compile re:(ab)* -o b", "compile mod:101 -o w --representation rotation",
           "check m parity --certificate proof", "check w mod:101 --time-limit 1 --certificate statement",
           "search m parity --up-to 7 --shard 1/2 --report r1", "search m parity --up-to 7 --shard 2/2 --report r2",
           "search m mod:2 --up-to 7 --report wrong"]
RUNS = ["check m parity", "check m mod:2", "check w mod:101 --up-to 50", "check w mod:101 --time-limit 2",
        "check %s" % NEG, "check %s --up-to 3" % S3,
        "extract m", "extract m --compare mod:2", "extract a --compare re:(aaa)*(bb)*", "extract %s --up-to 4 --time-limit 5" % NEG,
        "extract %s --time-limit 3 --compare parity" % NEG, "extract %s --up-to 3 --time-limit 3" % S3,
        "extract w --time-limit 2 --max-states 20", "harden %s -o h1 --time-limit 3" % (ZOO / "gdn_2l__tomita4"), "harden %s -o h2 --time-limit 3" % (ZOO / "dn11_1l__s3"),
        "harden %s -o h3 --time-limit 3" % (ZOO / "mamba_1l__flipnop"), "harden w -o h4", "harden m -o h5", "inspect h4",
        "accuracy m parity --lengths 4,8 --words 16", "accuracy %s --lengths 8..64 --words 16" % S3,
        "accuracy m re:(01)* --lengths 3 --words 4",
        "search m parity --up-to 7", "search m mod:2 --up-to 7", "search m parity --up-to 40 --time-limit 0.1",
        "search m parity --up-to 7 --shard 1/2 --report r1",
        "merge r1 r2", "merge wrong",
        "verify proof", "verify proof m mod:2", "verify statement",
        "refute", "refute b --theorem parity --symbol b", "refute %s --theorem modular:3 --budget 1000" % NEG,
        "refute --example parity-cycle", "refute --list-examples", "refute --budget 50",
        "refute %s --theorem parity" % (MODELS / "flipflop_delta_net_pos") + " --symbol 1 --budget 1000",
        "cycles --count 2 --family gla --size 2", "cycles --count 1 --family triangular --format fp32",
        "explain S3", "explain Z:6", "explain A:5",
        "report parity -o page.html", "run m", "run m --all-positions", "convert parity -o parity.att2.json",
        "classify --list", "classify parity", "classify word:A5", "classify random:400,2,1 --max-monoid 1000",
        "classify re:(ab)*", "classify parity re:(ab)* word:S4",
        "classify --corpus %s" % (ROOT / "tests/data/corpus/languages.json"), "inspect parity", "inspect m", "inspect a", "inspect w", "inspect %s --words 2 --length 8" % NEG,
        "inspect %s --words 2 --length 8" % S3, "inspect %s --compare-forms --words 2 --length 40" % NEG,
        "inspect %s --stability --words 2 --length 8" % NEG,
        "export re:(ab)* --to fla -o e1", "export word:S3 --to fla -o e2", "export parity --to dense -o e3",
        "export a --to torch -o e4", "kit kda -o k1 --longest 300",
        "compile parity -o x1", "compile re:(a|b)*abb -o x2", "compile mod:4 -o x4 --family kda",
        "compile re:(ab)* -o x5 --family gated_deltaproduct",
        "compile re:(ab)* -o x6 --family pd --semantics int8-wrap", "check x6 re:(ab)*", "refute --family gdn2 --format bf16", "compile mod:7 -o x3 --representation rotation"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--krohn", default=str(ROOT / "build/cpu/krohn"))
    krohn = pathlib.Path(parser.parse_args().krohn).resolve()
    problems = []
    seen = set()
    with tempfile.TemporaryDirectory() as folder:
        def run(line):
            return subprocess.run([str(krohn)] + line.split(), cwd=folder, text=True, input="01\n1\n", capture_output=True,
                                  timeout=300)

        for line in PREPARE:
            run(line)
        for line in RUNS:
            command = line.split()[0]
            done = run(line + " --json")
            try:
                value = json.loads(done.stdout)
            except ValueError:
                problems.append("%s: no JSON (exit %d): %s" % (line, done.returncode, done.stderr))
                continue
            seen.add(command)
            path = SCHEMAS / (command + ".json")
            if not path.is_file():
                problems.append("%s: no schema docs/schemas/v1/%s.json" % (line, command))
                continue
            schema = json.loads(path.read_text())
            jsonschema.Draft202012Validator.check_schema(schema)
            for error in jsonschema.Draft202012Validator(schema).iter_errors(value):
                problems.append("%s: %s: %s" % (line, error.json_path, error.message))
        for line in run("--help").stdout.splitlines():
            words = line.split()
            if line.startswith("  ") and words and "--json" in run(words[0] + " --help").stdout and words[0] not in seen:
                problems.append("%s has --json, and is not run here" % words[0])
    print("\n".join(problems))
    return 1 if problems or len(seen) < 10 else 0


if __name__ == "__main__":
    sys.exit(main())
