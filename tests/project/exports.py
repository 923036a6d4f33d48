#!/usr/bin/env python3
"""Runs what krohn exports, with programs that are not krohn.

The NumPy code of docs/dense.md, tables and networks, against `krohn run`; the PyTorch module, where torch can be imported;
the exactness kits with NumPy kernels: a right one is exact in every row, and each planted fault is found by its name.
Needs NumPy (Debian: python3-numpy).
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    # Debian's package belongs to Debian's Python, which need not be the first one on PATH.
    if sys.executable == "/usr/bin/python3" or not os.path.exists("/usr/bin/python3"):
        raise
    os.execv("/usr/bin/python3", ["/usr/bin/python3"] + sys.argv)

ROOT = pathlib.Path(__file__).resolve().parents[2]
LANGUAGES = ["parity", "flipflop", "re:(a|b)*abb", "re:(aaa)*(bb)*", "modarith:3", "word:S4", "cycle:6", "tomita:3", "re:~(.*)"]
# A kernel of one head, with room for a fault.
KERNEL = '''
import numpy as np
def bf16(x):
    bits = np.atleast_1d(np.asarray(x, np.float32)).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32).reshape(np.shape(x))
def out(x, kind):
    return bf16(x) if kind == "bf16" else x.astype(np.float16).astype(np.float32) if kind == "fp16" else x
def kernel(x):
    ends = x["cu_seqlens"] or [0, len(x["q"])]
    o, states = np.zeros((len(x["q"]), x["v"].shape[-1]), np.float32), []
    for n, (begin, end) in enumerate(zip(ends, ends[1:])):
        S = np.zeros((x["q"].shape[-1], x["v"].shape[-1]), np.float32) if x["initial"] is None else x["initial"][n].copy()
        for t in range(begin, end):
            if x["g"] is not None:
                S = np.exp(x["g"][t])[:, None] * S
            for k, v, beta in zip(x["k"][t], x["v"][t], x["beta"][t]):
                SKIP
                beta = BETA
                S = S + np.outer(k, beta * (v - (k @ S if x["operator"] not in ("gla", "mamba2") else 0)))
            S = STATE
            o[t] = x["q"][t] @ S
        states.append(S)
    return out(o, x["type"]), np.stack(states)
'''
FAULTS = {"state rounded to bf16 after every token": {"STATE": "bf16(S)"},
          "beta rounded through bf16": {"BETA": "bf16(beta)"},
          "last token of every chunk of 64 dropped": {"SKIP": "if (t - begin) % 64 == 63: continue"}}
RIGHT = {"SKIP": "pass", "BETA": "beta", "STATE": "S"}


def read_safetensors(path):
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    metadata = header.pop("__metadata__")
    kinds = {"F32": "<f4", "I64": "<i8"}
    return metadata, {name: np.frombuffer(data[8 + size + e["data_offsets"][0]:8 + size + e["data_offsets"][1]],
                                          kinds[e["dtype"]]).reshape(e["shape"]) for name, e in header.items()}


def check_dense(krohn, folder, language, problems):
    code = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", (ROOT / "docs/dense.md").read_text(), re.S)), code)
    alphabet = ["--alphabet", "ab"] if language.startswith("re:") else []
    run = lambda *words, **more: subprocess.run([krohn, *words], text=True, capture_output=True, cwd=folder, check=True, **more)
    for keys in ("dyadic", "integer"):
        run("export", language, "--to", "dense", "-o", "dense", "--keys", keys, *alphabet)
        metadata, m = read_safetensors(folder / "dense")
        symbols, names = json.loads(metadata["symbols"]), json.loads(metadata["labels"])
        random = np.random.default_rng(0)
        words = [random.integers(len(symbols), size=n).tolist() for n in (1, 2, 3, 5, 8, 13, 40)]
        run("compile", language, "-o", "m", "--force", *alphabet)
        between = " " if any(len(symbol) > 1 for symbol in symbols) else ""
        text = "".join(between.join(symbols[a] for a in word) + "\n" for word in words)
        expected = run("run", "m", "--device", "cpu", "--json", "--all-positions", input=text).stdout
        expected = json.loads(expected)["labels"]
        for word, right in zip(words, expected):
            got = [names[i] for i in code["labels"](m, metadata, word)]
            if got != right[-len(got):]:
                problems.append("%s (%s): docs/dense.md says %s, krohn run %s" % (language, keys, got, right))
        for i in range(int(metadata["num_layers"])):
            if "layers.%d.network.out" % i not in m:
                problems.append("%s: layer %d has no network" % (language, i))
                continue
            rows = len(m["layers.%d.row_action" % i])
            # Every row on the initial state, and on what random actions make of it.
            H = m["layers.%d.initial_hidden" % i].copy()
            for _ in range(30):
                row = int(random.integers(rows))
                p = m["layers.%d.row_readout" % i][row]
                scores = m["layers.%d.readout_weight" % i][p] @ H.ravel() + m["layers.%d.readout_bias" % i][p]
                right = m["layers.%d.next" % i][row, np.argmax(scores)]
                said = code["next_by_network"](m, i, H, row)
                tie = np.sum(scores == scores.max()) > 1
                if right >= 0 and not tie and not np.array_equal(said, np.eye(len(said))[right]):
                    problems.append("%s: layer %d, row %d: the network says %s, the table %d" % (language, i, row, said, right))
                a = m["layers.%d.row_action" % i][row]
                H = m["layers.%d.gate" % i][a][:, None] * H
                for f in range(m["layers.%d.beta" % i].shape[1]):
                    k, v = m["layers.%d.key" % i][a, f], m["layers.%d.value" % i][a, f]
                    H = H + np.outer(k, m["layers.%d.beta" % i][a, f] * (v - k @ H))
                H = H + m["layers.%d.write" % i][a]
    return words, symbols, expected


def check_torch(krohn, folder, language, words, symbols, expected, problems):
    subprocess.run([krohn, "export", language, "--to", "torch", "-o", "t", "--force"] +
                   (["--alphabet", "ab"] if language.startswith("re:") else []), cwd=folder, check=True, capture_output=True)
    lines = len((folder / "t/model.py").read_text().splitlines())
    if lines >= 100:
        problems.append("model.py has %d lines" % lines)
    sys.path.insert(0, str(folder / "t"))
    import model
    got = model.Recogniser(folder / "t/model.safetensors").labels([[symbols[a] for a in word] for word in words])
    if any(g != right[-len(g):] for g, right in zip(got, expected)):
        problems.append("%s: the PyTorch module says %s, krohn run %s" % (language, got, expected))


def check_kit(krohn, folder, op, problems):
    subprocess.run([krohn, "kit", op, "-o", "kit", "--longest", "2000", "--force"], cwd=folder, check=True, capture_output=True)

    def run(parts):
        text = KERNEL
        for name, part in parts.items():
            text = text.replace(name, part)
        (folder / "kernel.py").write_text(text)
        return subprocess.run([sys.executable, "kit/run_kit.py", "kernel.py"], cwd=folder, text=True, capture_output=True)

    done = run(RIGHT)
    if done.returncode != 0 or "OFF" in done.stdout or "refused:" in done.stdout:
        problems.append("kit %s: a right kernel gets\n%s%s" % (op, done.stdout, done.stderr))
    for name, part in FAULTS.items():
        # Its step is the only strength of mamba2's, and of gla's it has none: 0 and 1 are bf16 numbers.
        if name.startswith("beta") and op in ("gla", "mamba2"):
            continue
        done = run({**RIGHT, **part})
        named = [line.split(": ", 1)[1] for line in done.stdout.splitlines() if line.startswith("every row that was simulated")]
        if done.returncode != 1 or named != [name]:
            problems.append("kit %s: the fault '%s' is called %s\n%s%s" % (op, name, named, done.stdout, done.stderr))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--krohn", default=str(ROOT / "build/cpu/krohn"))
    krohn = str(pathlib.Path(parser.parse_args().krohn).resolve())
    try:
        import torch  # noqa: F401
        torch_found = True
    except ImportError:
        torch_found = False
        print("torch cannot be imported: the PyTorch module was not run")
    problems = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for language in LANGUAGES:
            words, symbols, expected = check_dense(krohn, folder, language, problems)
            if torch_found:
                check_torch(krohn, folder, language, words, symbols, expected, problems)
        for op in ("delta-rule", "gated-delta-rule", "delta-product", "kda", "gla", "mamba2"):
            check_kit(krohn, folder, op, problems)
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
