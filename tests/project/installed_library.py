#!/usr/bin/env python3
"""Installs krohn into an empty prefix, and builds and runs examples/ against it as an outside project would: a copy of
the folder, find_package(krohn) and nothing of the checkout. Also checks what was installed: every header's includes are
there, none is a kernel's, and no warning option is exported.

Exit 0 when it holds, 1 with what does not.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "tests/data/models/parity_delta_net_neg_noconv_1layer"


def run(*command, cwd=None):
    done = subprocess.run([str(c) for c in command], cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.exit("%s: exit %d\n%s" % (" ".join(map(str, command)), done.returncode, done.stdout))
    return done.stdout


def header_problems(include):
    problems = []
    headers = sorted(include.rglob("*.hpp"))
    if len(headers) < 50:
        problems.append("fewer than 50 headers were installed")
    for header in headers:
        for name in re.findall(r'^\s*#\s*include\s*["<](krohn/[^">]+)', header.read_text(), re.M):
            if not (include / name).is_file():
                problems.append("%s includes %s, which is not installed" % (header.relative_to(include), name))
        if "kernels" in header.parts:
            problems.append("%s: a kernel's header is installed" % header.relative_to(include))
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cmake", default="cmake")
    parser.add_argument("--generator", default="Ninja")
    parser.add_argument("--build", default=str(ROOT / "build/cpu"), help="a build of krohn")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        prefix = folder / "prefix"
        run(arguments.cmake, "--install", arguments.build, "--prefix", prefix)
        problems = header_problems(prefix / "include")
        targets = next(prefix.rglob("krohn_targets.cmake")).read_text()
        for word in ("-W", "nlohmann", "Eigen", "Boost", "doctest", "CLI11", str(ROOT)):
            if word in targets:
                problems.append("krohn_targets.cmake exports %s" % word)
        shutil.copytree(ROOT / "examples", folder / "project")
        build = folder / "build"
        run(arguments.cmake, "-S", folder / "project", "-B", build, "-G", arguments.generator,
            "-DCMAKE_PREFIX_PATH=%s" % prefix, "-DCMAKE_CXX_FLAGS=-O1")
        run(arguments.cmake, "--build", build)
        proved = run(build / "compile_and_check", "re:(aaa)*(bb)*")
        if not proved.endswith("aaaaa: 0\ns PROVED\n"):
            problems.append("compile_and_check: expected aaaaa: 0 and s PROVED, got:\n" + proved)
        rows = run(build / "four_languages").splitlines()[1:]
        if len(rows) != 4 or not all(row.endswith(" PROVED") for row in rows):
            problems.append("four_languages: expected four rows PROVED, got:\n" + "\n".join(rows))
        refuted = run(build / "refute_checkpoint", MODEL)
        if "s REFUTED 1111" not in refuted:
            problems.append("refute_checkpoint: expected s REFUTED 1111.., got:\n" + refuted)
        written = run(build / "write_certificate", "parity", folder / "model", folder / "proof")
        if not written.startswith("PROVED: "):
            problems.append("write_certificate: expected PROVED, got:\n" + written)
        # What the example wrote is a certificate for those who share nothing with it.
        run(prefix / "bin/krohn", "verify", folder / "proof")
        run(sys.executable, ROOT / "tools/check_certificate", folder / "proof", folder / "model",
            folder / "model/automaton.json")
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
