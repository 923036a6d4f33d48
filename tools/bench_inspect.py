#!/usr/bin/env python3
"""Times `krohn inspect --stability` on a DeltaNet of random weights: writes it in shards of bfloat16, runs, deletes it.

  tools/bench_inspect.py [--krohn build/cpu/krohn] [--size 1024] [--layers 24] [--keep FOLDER]

Sizes: 1024 with 24 layers has 374 million parameters, 2048 with 24 layers 1.35 billion.
"""
import argparse
import json
import os
import pathlib
import random
import resource
import struct
import subprocess
import tempfile
import time

VOCABULARY = 32000
POOL = 1 << 22


def pool(size, seed):
    """Bytes of normal numbers of standard deviation 1 / sqrt(size) in bfloat16."""
    numbers = random.Random(seed)
    scale = size ** -0.5
    values = [numbers.gauss(0.0, scale) for _ in range(1 << 16)]
    halves = b"".join(struct.pack("<f", v)[2:] for v in values)
    blocks = [halves[2 * i:] + halves[:2 * i] for i in (numbers.randrange(1 << 16) for _ in range(POOL >> 16))]
    return b"".join(blocks)


def tensors(size, layers, heads, inner):
    yield "model.embeddings.weight", [VOCABULARY, size]
    for i in range(layers):
        p = "model.layers.%d." % i
        yield p + "attn_norm.weight", [size]
        yield p + "attn.b_proj.weight", [heads, size]
        for name in ("q", "k", "v"):
            yield p + "attn.%s_proj.weight" % name, [size, size]
            yield p + "attn.%s_conv1d.weight" % name, [size, 1, 4]
        yield p + "attn.o_norm.weight", [size // heads]
        yield p + "attn.o_proj.weight", [size, size]
        yield p + "mlp_norm.weight", [size]
        yield p + "mlp.gate_proj.weight", [inner, size]
        yield p + "mlp.up_proj.weight", [inner, size]
        yield p + "mlp.down_proj.weight", [size, inner]
    yield "model.norm.weight", [size]
    yield "lm_head.weight", [VOCABULARY, size]


def write(folder, size, layers, shards=4):
    heads = size // 128
    inner = (int(size * 4 * 2 / 3) + 255) // 256 * 256
    config = {"model_type": "delta_net", "hidden_size": size, "num_hidden_layers": layers, "num_heads": heads,
              "vocab_size": VOCABULARY, "intermediate_size": inner, "allow_neg_eigval": True, "qk_activation": "silu",
              "qk_norm": "l2", "use_beta": True, "use_gate": False, "use_output_norm": True, "use_short_conv": True,
              "conv_size": 4, "tie_word_embeddings": False, "norm_eps": 1e-6}
    (folder / "config.json").write_text(json.dumps(config))
    names = list(tensors(size, layers, heads, inner))
    numbers = pool(size, 1)
    parts = [names[len(names) * s // shards:len(names) * (s + 1) // shards] for s in range(shards)]
    weight_map = {}
    total = 0
    for s, part in enumerate(parts):
        file_name = "model-%05d-of-%05d.safetensors" % (s + 1, shards)
        header, at = {}, 0
        for name, shape in part:
            count = 1
            for extent in shape:
                count *= extent
            header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + 2 * count]}
            at += 2 * count
            total += count
            weight_map[name] = file_name
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(folder / file_name, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for k, (name, shape) in enumerate(part):
                left = header[name]["data_offsets"][1] - header[name]["data_offsets"][0]
                first = 2 * ((s * 1000 + k) * 7919 % (POOL // 2))
                if name.endswith("norm.weight"):
                    file.write(struct.pack("<f", 1.0)[2:] * (left // 2))
                    continue
                while left > 0:
                    piece = numbers[first:first + left]
                    file.write(piece)
                    left -= len(piece)
                    first = 0
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--krohn", default="build/cpu/krohn")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--keep")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(arguments.keep or temporary)
        os.makedirs(folder, exist_ok=True)
        total = write(folder, arguments.size, arguments.layers)
        print("%d parameters" % total, flush=True)
        start = time.time()
        done = subprocess.run([arguments.krohn, "inspect", str(folder), "--stability", "--json"], capture_output=True,
                              text=True)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print("exit %d, %.1f s, %.1f s of processors, %.2f GiB at most" %
              (done.returncode, time.time() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 2 ** 20))
        print(done.stderr, end="")


if __name__ == "__main__":
    main()
