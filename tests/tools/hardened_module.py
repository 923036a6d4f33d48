#!/usr/bin/env python3
"""examples/hardened.py against krohn: logits after every token of random words, on hardened models of every kind.

The module rounds in another order than krohn does. From equal codes one token's rounding moves a logit by far less than
2^-13 of the largest one (a few hundred roundings of 2^-24 each), and since codes are equal again after every token the
bound does not grow with the word. Exit code 77, which ctest takes as skipped, without PyTorch.
"""
import argparse
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

try:
    import torch
except ImportError:
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples"))
import hardened  # noqa: E402

MODELS = ["zoo/dn01_1l__abb", "zoo/dn01_1lc__flipnop", "zoo/dn11_2l__parity", "zoo/gdn_2l__tomita4", "zoo/gla_1l__flipnop",
          "zoo/mamba_1l__flipnop", "models/parity_delta_net_neg_noconv_1layer"]
TOKENS = 2000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--krohn", required=True)
    krohn = parser.parse_args().krohn
    torch.set_num_threads(1)
    for name in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            directory = str(folder / "hardened")
            subprocess.run([krohn, "harden", str(ROOT / "tests/data" / name), "-o", directory], check=True,
                           stdout=subprocess.DEVNULL)
            task = json.loads((folder / "hardened/task.json").read_text())
            symbols = list(task["symbols"].values()) if "symbols" in task else task["alphabet"]
            draw = random.Random(1)
            tokens = [draw.choice(symbols) for _ in range(TOKENS)]
            if task.get("bos") is not None:
                tokens.insert(0, task["bos"])
            data = struct.pack("<%dq" % len(tokens), *tokens)
            entry = {"dtype": "I64", "shape": [1, len(tokens)], "data_offsets": [0, len(data)]}
            header = json.dumps({"input_ids": entry}).encode()
            header += b" " * (-len(header) % 8)
            (folder / "in").write_bytes(struct.pack("<Q", len(header)) + header + data)
            subprocess.run([krohn, "run", directory, "--tokens", str(folder / "in"), "--logits", str(folder / "out")],
                           check=True, stdout=subprocess.DEVNULL)
            expected = next(iter(hardened.load(folder / "out").values())).reshape(len(tokens), -1)
            model = hardened.Hardened(directory)
            got = torch.stack([model.step(token) for token in tokens])
            error = float((got - expected).abs().max() / expected.abs().max())
            print("%s: %.2g of the largest logit" % (name, error))
            if not error <= 2.0**-13:
                sys.exit("%s: the module's logits are %g of the largest logit away from krohn's" % (name, error))
    print("%d passed, 0 failed" % len(MODELS))


main()
