#!/usr/bin/env python3
"""Runs flash-linear-attention's kernels on the recurrences that krohn compiles, and prints tokens a second of both.

    compare_fla.py [BENCH.json]

BENCH.json is what `bench_engine --json BENCH.json` wrote on the same machine; without it only fla's numbers are shown.
The recurrences: parity (one reflection a token) and the word problem of S_5 over all 120 symbols (four swaps a token, as
keys (1/2, 1/2, -1/2, -1/2) in doubled coordinates, exact in every format). Keys are padded to 16, fla's least size. Each
rate is the median of 20 calls; each final state is compared with the automaton's, and the largest error printed.
Needs torch with a CUDA device, and fla.
"""

import itertools
import json
import statistics
import sys

import torch

SIZE = 16
BATCH, LENGTH = 4096, 1024


def reflections_of(permutation):
    """Swaps (i, j) whose product, first swap first, carries point x to permutation[x]."""
    swaps, image = [], list(range(len(permutation)))
    for x in range(len(permutation)):
        at = image.index(permutation[x])
        if at != x:
            image[x], image[at] = image[at], image[x]
            swaps.append((x, at))
    return swaps


def subject(name, device):
    """Keys [symbols, n_h, SIZE] and betas [symbols, n_h] of every symbol, and the first hidden column [SIZE]."""
    start = torch.zeros(SIZE)
    if name == "parity":
        keys = torch.zeros(2, 1, SIZE)
        keys[1, 0, 0] = 1.0
        betas = torch.tensor([[0.0], [2.0]])
        start[0] = 1.0
    else:
        permutations = list(itertools.permutations(range(5)))
        keys = torch.zeros(len(permutations), 4, SIZE)
        betas = torch.zeros(len(permutations), 4)
        for a, permutation in enumerate(permutations):
            for f, (i, j) in enumerate(reflections_of(permutation)):
                keys[a, f, [2 * i, 2 * i + 1]] = 0.5
                keys[a, f, [2 * j, 2 * j + 1]] = -0.5
                betas[a, f] = 2.0
        for i in range(5):
            start[[2 * i, 2 * i + 1]] = float(i + 1)
    return keys.to(device), betas.to(device), start.to(device)


def expected_state(keys, betas, start, symbols):
    """The recurrence of the first words, step by step in float64."""
    h = start.double().repeat(symbols.shape[0], 1)
    for t in range(symbols.shape[1]):
        for f in range(keys.shape[1]):
            k = keys[symbols[:, t], f].double()
            b = betas[symbols[:, t], f].double()
            h = h - (b * (k * h).sum(1)).unsqueeze(1) * k
    return h


def milliseconds(call):
    for _ in range(3):
        call()
    times = []
    for _ in range(20):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        call()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times)


def operators():
    found = {}
    try:
        from fla.ops.delta_rule import chunk_delta_rule, fused_recurrent_delta_rule

        found["chunk_delta_rule"] = chunk_delta_rule
        found["fused_recurrent_delta_rule"] = fused_recurrent_delta_rule
    except ImportError as error:
        print(f"fla's delta rule is missing: {error}", file=sys.stderr)
    return found


def main():
    ours = {}
    if len(sys.argv) > 1:
        with open(sys.argv[1], encoding="utf-8") as file:
            for row in json.load(file)["rows"]:
                if row["what"] == "batch":
                    ours[row["model"]] = row["rate"]
    device = torch.device("cuda")
    print(f"device: {torch.cuda.get_device_name()}; torch {torch.__version__}; {BATCH} words of {LENGTH} symbols")
    torch.manual_seed(0)
    for name in ("parity", "word:S5"):
        keys, betas, start = subject(name, device)
        factors = keys.shape[1]
        symbols = torch.randint(keys.shape[0], (BATCH, LENGTH), device=device)
        k = keys[symbols].reshape(BATCH, LENGTH * factors, 1, SIZE)
        beta = betas[symbols].reshape(BATCH, LENGTH * factors, 1)
        expected = expected_state(keys, betas, start, symbols[:64])
        if name in ours:
            print(f"{name:8s} krohn, table of states                    {ours[name]:.3g} tokens/s")
        for operator_name, operator in operators().items():
            for dtype in (torch.bfloat16, torch.float32):
                state = torch.zeros(BATCH, 1, SIZE, SIZE, device=device)
                state[:, 0, :, 0] = start
                kk, bb = k.to(dtype), beta.to(dtype)
                zero = torch.zeros_like(kk)

                def call():
                    return operator(kk, kk, zero, bb, initial_state=state, output_final_state=True)[1]

                try:
                    final = call()[:64, 0, :, 0].double()
                    time = milliseconds(call)
                except Exception as error:  # an operator may refuse a format
                    print(f"{name:8s} {operator_name:28s} {str(dtype):15s} refused: {str(error).splitlines()[0][:60]}")
                    continue
                rate = BATCH * LENGTH / time * 1000.0
                wrong = (final - expected).abs().max().item()
                ratio = f", krohn is {ours[name] / rate:.0f} times as fast" if name in ours else ""
                print(f"{name:8s} {operator_name:28s} {str(dtype):15s} {rate:.3g} tokens/s, error {wrong:.2g}{ratio}")


if __name__ == "__main__":
    main()
