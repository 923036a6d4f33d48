#!/usr/bin/env python3
"""Kernels of krohn's learned models beside those of flash-linear-attention, on the same tensors in one run: the chunked
ones, and the bit-exact recurrence in fp32 beside fused_recurrent.

    cmake --preset cuda -DKROHN_BENCH=ON && cmake --build --preset cuda --target krohn_kernels_shared
    PYTHONPATH=/path/to/fla tools/bench_chunked.py [--json FILE]

Needs PyTorch and a CUDA device; without fla only krohn's rows are filled. Times are medians of launches between device
events, queued while the device waits; errors are |o - reference| / |reference| (2-norms over all outputs of the sequences
looked at) and the largest difference, against the recurrence in float64 on the same rounded inputs. --check runs many
small shapes and prints errors only.
"""
import argparse
import ctypes
import json
import math
import statistics
import sys
from pathlib import Path

import torch

RULES = {"delta": 0, "linear": 1, "keywise": 2, "keywise_delta": 3, "rank_one": 4, "elementwise": 5}
DELTA = ("delta", "keywise_delta")
BY_KEY = ("keywise", "keywise_delta", "rank_one")
MAMBA_STATE = 16


def pointer(t):
    return ctypes.c_void_p(None if t is None else t.data_ptr())


class Library:
    def __init__(self, path):
        self.c = ctypes.CDLL(str(path))
        self.c.krohn_chunked_make.restype = ctypes.c_char_p
        self.c.krohn_chunked_run.restype = ctypes.c_char_p
        self.c.krohn_recurrence_run.restype = ctypes.c_char_p
        self.c.krohn_chunked_segments.restype = ctypes.c_size_t
        self.c.krohn_chunked_segments.argtypes = [ctypes.c_void_p]
        self.c.krohn_chunked_free.argtypes = [ctypes.c_void_p]

    def make(self, rule, x, scale, n):
        batch, length, key_heads, key_size = x["q"].shape
        heads, value_size = x["v"].shape[2:]
        out = ctypes.c_void_p()
        size = ctypes.c_size_t
        error = self.c.krohn_chunked_make(
            RULES[rule], int(x["q"].dtype == torch.float32), size(batch), size(length), size(heads), size(key_heads),
            size(key_size), size(value_size), ctypes.c_uint(n), ctypes.c_float(scale),
            ctypes.byref(out))
        if error:
            raise RuntimeError(error.decode())
        return out

    def run(self, handle, x, output, final_state=None, initial=None):
        error = self.c.krohn_chunked_run(handle, pointer(x["q"]), pointer(x["k"]), pointer(x["v"]), pointer(x.get("beta")),
                                         pointer(x.get("g")), pointer(initial), pointer(output), pointer(final_state),
                                         pointer(x.get("read")), pointer(x.get("write")), pointer(x.get("rates")))
        if error:
            raise RuntimeError(error.decode())

    def recurrence(self, x, decay, output, final_state):
        batch, length, heads, key_size = x["q"].shape
        size = ctypes.c_size_t
        error = self.c.krohn_recurrence_run(
            size(batch), size(length), size(heads), size(key_size), size(x["v"].shape[-1]), pointer(x["q"]),
            pointer(x["k"]), pointer(x["v"]), pointer(x["beta"]), pointer(decay), pointer(output), pointer(final_state))
        if error:
            raise RuntimeError(error.decode())


def inputs(rule, batch, heads, length, key_size, value_size, dtype, n=1, gated=True, seed=0, key_heads=None, mode="usual"):
    """Keys of unit length, betas in (0, 2), decays as models have them."""
    generator = torch.Generator(device="cuda").manual_seed(seed)
    key_heads = key_heads or heads

    def normal(*shape):
        return torch.randn(*shape, device="cuda", generator=generator)
    x = {"q": normal(batch, length, key_heads, key_size), "k": normal(batch, length * n, key_heads, key_size),
         "v": normal(batch, length * n, heads, value_size)}
    if rule in DELTA:
        x["q"] = torch.nn.functional.normalize(x["q"], dim=-1)
        x["k"] = torch.nn.functional.normalize(x["k"], dim=-1)
        x["beta"] = torch.rand(batch, length * n, heads, device="cuda", generator=generator) * 2
        if mode == "edges":
            choice = torch.randint(0, 4, x["beta"].shape, device="cuda", generator=generator)
            x["beta"] = torch.where(choice == 3, 1 + x["beta"] / 2, choice.float())
    if rule == "rank_one":
        # RWKV-7's: a unit vector that is read, and the same times rates in (0, 1) that is erased.
        x["read"] = torch.nn.functional.normalize(normal(batch, length, key_heads, key_size), dim=-1)
        x["write"] = x["read"] * torch.sigmoid(normal(batch, length, key_heads, key_size))
        x["k"] = x["k"] * key_size ** -0.5
    for name in ("q", "k", "v", "read", "write"):
        if name in x:
            x[name] = x[name].to(dtype).contiguous()
    if rule == "keywise":
        strength = 16.0 if mode == "edges" else 1.0
        x["g"] = (torch.nn.functional.logsigmoid(normal(batch, length, key_heads, key_size)) * strength / 16).to(dtype)
        if mode == "edges":
            x["g"] = (x["g"].float() * 10).to(dtype)
    elif rule == "keywise_delta":
        # As Kimi's layers begin: -A softplus(input + bias) with A in [1, 16] and softplus(bias) in [0.001, 0.1].
        strength = torch.rand(heads, 1, device="cuda", generator=generator) * 15 + 1
        step = torch.exp(torch.rand(heads, key_size, device="cuda", generator=generator) * math.log(100) + math.log(0.001))
        bias = step + torch.log(-torch.expm1(-step))
        x["g"] = -strength * torch.nn.functional.softplus(normal(batch, length, heads, key_size) + bias)
        x["g"] = (x["g"] * 30 if mode == "edges" else x["g"].clamp(min=-5)).to(dtype)
    elif rule == "rank_one":
        x["g"] = -math.exp(-0.5) * torch.sigmoid(normal(batch, length, heads, key_size))
        x["g"] = (x["g"] * 60 if mode == "edges" else x["g"]).to(dtype)
    elif rule == "elementwise":
        # As Mamba begins: rates -1, -2, .. by key, steps from 0.001 to 0.1.
        spread = torch.rand(batch, length, heads, value_size, device="cuda", generator=generator)
        x["g"] = torch.exp(spread * math.log(100) + math.log(0.001)) * (30 if mode == "edges" else 1)
        x["rates"] = -torch.arange(1.0, key_size + 1, device="cuda").unsqueeze(-1).expand(-1, value_size).contiguous()
    elif gated:
        x["g"] = torch.nn.functional.logsigmoid(normal(batch, length, heads) + 2)
    return x


def reference(rule, x, scale, sequences, initial=None):
    """The recurrence in float64 for the given (batch, head) pairs: outputs [sequences, length, value_size]."""
    length = x["q"].shape[1]
    n = x["k"].shape[1] // max(length, 1)
    group = x["v"].shape[2] // x["q"].shape[2]
    b = torch.tensor([s[0] for s in sequences], device="cuda")
    h = torch.tensor([s[1] for s in sequences], device="cuda")
    q = x["q"][b, :, h // group].double()
    k = x["k"][b, :, h // group].double()
    v = x["v"][b, :, h].double()
    beta = x["beta"][b, :, h].double() if rule in DELTA else None
    g = None
    if "g" in x and rule != "elementwise":
        g = x["g"][b, :, h // group] if rule == "keywise" else x["g"][b, :, h]
        g = (g if rule in BY_KEY else g.unsqueeze(-1)).double().exp()
    state = torch.zeros(len(sequences), k.shape[-1], v.shape[-1], device="cuda", dtype=torch.float64)
    if initial is not None:
        state = initial[b, h].double()
    out = torch.empty(len(sequences), length, v.shape[-1], device="cuda", dtype=torch.float64)
    if rule == "rank_one":
        read, write = (x[name][b, :, h // group].double() for name in ("read", "write"))
    for t in range(length):
        if rule == "rank_one":
            erased = torch.einsum("skv,sk->sv", state, read[:, t])
        if rule == "elementwise":
            state = state * (x["g"][b, t, h].double().unsqueeze(1) * x["rates"].double()).exp()
        if g is not None:
            state = state * g[:, t].unsqueeze(-1)
        if rule == "rank_one":
            state = state - write[:, t].unsqueeze(-1) * erased.unsqueeze(-2)
        for j in range(n):
            u = t * n + j
            value = v[:, u]
            if beta is not None:
                value = beta[:, u, None] * (value - torch.einsum("skv,sk->sv", state, k[:, u]))
            state = state + k[:, u].unsqueeze(-1) * value.unsqueeze(-2)
        out[:, t] = scale * torch.einsum("skv,sk->sv", state, q[:, t])
    return out, state


def errors(output, expected, sequences):
    got = torch.stack([output[b, :, h].double() for b, h in sequences])
    difference = got - expected
    return {"relative": (difference.norm() / expected.norm()).item(), "largest": difference.abs().max().item()}


def median_ms(f, repetitions=15, warm=3):
    for _ in range(warm):
        f()
    torch.cuda.synchronize()
    times = []
    for _ in range(repetitions):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda._sleep(10_000_000)  # 5 ms in which the host queues all launches
        begin.record()
        f()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times)


def fla_call(rule, x, scale, gated):
    """fla's chunked kernel for the rule, or None with the reason."""
    if rule == "elementwise":
        return None, "has no kernel of it"
    try:
        from fla.ops.delta_rule import chunk_delta_rule
        from fla.ops.gated_delta_product import chunk_gated_delta_product
        from fla.ops.gated_delta_rule import chunk_gated_delta_rule
        from fla.ops.gla import chunk_gla
        from fla.ops.kda import chunk_kda
        from fla.ops.rwkv7 import chunk_rwkv7
        from fla.ops.simple_gla import chunk_simple_gla
    except ImportError as error:
        return None, str(error)
    n = x["k"].shape[1] // x["q"].shape[1]
    if rule == "delta":
        beta = x["beta"].to(x["q"].dtype)
        if n > 1:
            return lambda: chunk_gated_delta_product(x["q"], x["k"], x["v"], x.get("g"), beta, num_householder=n,
                                                     scale=scale), None
        if gated:
            return lambda: chunk_gated_delta_rule(x["q"], x["k"], x["v"], g=x["g"], beta=beta, scale=scale), None
        return lambda: chunk_delta_rule(x["q"], x["k"], x["v"], beta, scale=scale), None
    if rule == "keywise_delta":
        # safe_gate, for log decays in [-5, 0), is fla's faster way.
        return lambda: chunk_kda(x["q"], x["k"], x["v"], x["g"], x["beta"].to(x["q"].dtype), scale=scale,
                                 safe_gate=True), None
    if rule == "rank_one":
        negative = -x["read"]
        return lambda: chunk_rwkv7(x["q"], x["g"], x["k"], x["v"], negative, x["write"], scale=scale), None
    if rule == "linear":
        return lambda: chunk_simple_gla(x["q"], x["k"], x["v"], g=x.get("g"), scale=scale), None
    return lambda: chunk_gla(x["q"], x["k"], x["v"], x["g"], scale=scale), None


SHAPES = [(64, 4, 4096, 64, torch.bfloat16), (8, 16, 8192, 128, torch.bfloat16), (1024, 1, 1024, 16, torch.bfloat16),
          (1, 1, 1 << 20, 64, torch.bfloat16), (64, 4, 4096, 64, torch.float32), (1, 96, 8192, 128, torch.bfloat16)]
OPERATORS = [("delta rule", "delta", 1, False), ("gated delta rule", "delta", 1, True),
             ("delta product, n=2", "delta", 2, False), ("delta product, n=4", "delta", 4, False),
             ("GLA", "keywise", 1, True), ("simple GLA (Mamba-2)", "linear", 1, True), ("KDA", "keywise_delta", 1, True),
             ("RWKV-7", "rank_one", 1, True), ("Mamba", "elementwise", 1, True)]


def fla_recurrent_call(x, gated):
    """fla's step-by-step kernel, scale 1, or None with the reason."""
    try:
        from fla.ops.delta_rule import fused_recurrent_delta_rule
        from fla.ops.gated_delta_rule import fused_recurrent_gated_delta_rule
    except ImportError as error:
        return None, str(error)
    if gated:
        return lambda: fused_recurrent_gated_delta_rule(x["q"], x["k"], x["v"], g=x["g"], beta=x["beta"], scale=1.0), None
    return lambda: fused_recurrent_delta_rule(x["q"], x["k"], x["v"], x["beta"], scale=1.0), None


# The shapes of SHAPES in fp32 that fill a device step by step.
RECURRENT_SHAPES = [(64, 4, 4096, 64), (8, 16, 8192, 128), (1024, 1, 1024, 16)]
RECURRENT = [("recurrence, delta rule", False), ("recurrence, gated delta rule", True)]


def bench_recurrence(library, args, rows):
    for name, gated in RECURRENT:
        if args.only and name not in args.only:
            continue
        for batch, heads, length, size in RECURRENT_SHAPES:
            x = inputs("delta", batch, heads, length, size, size, torch.float32, gated=gated)
            sequences = [(0, 0), (batch - 1, heads - 1)]
            looked_at = min(length, 1024)
            expected, _ = reference("delta", {key: t[:, :looked_at] for key, t in x.items()}, 1.0, sequences)
            decay = x["g"].exp() if gated else None
            output = torch.full_like(x["v"], float("nan"))
            state = torch.empty(batch, heads, size, size, device="cuda")
            library.recurrence(x, decay, output, state)
            row = {"operator": name, "shape": [batch, heads, length, size], "format": "float32"}
            row["krohn_error"] = errors(output[:, :looked_at], expected, sequences)
            row["krohn_ms"] = median_ms(lambda: library.recurrence(x, decay, output, state))
            call, reason = (None, None) if args.alone else fla_recurrent_call(x, gated)
            add_row(rows, args, row, call, reason, x, lambda out: errors(out[:, :looked_at], expected, sequences))
            del x, output, state
            torch.cuda.empty_cache()


def add_row(rows, args, row, call, reason, x, errors_of):
    """Times fla's call, completes the row, prints it and writes all rows."""
    batch, heads, length, size = row["shape"]
    if call is not None:
        try:
            row["fla_error"] = errors_of(call()[0])
            row["fla_ms"] = median_ms(call)
        except Exception as error:  # an operator may refuse a format
            reason = f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"
    if reason:
        row["fla_refused"] = reason
    row["bytes"] = (sum(t.numel() * t.element_size() for t in x.values()) +
                    batch * heads * length * size * x["q"].element_size())
    row["floor_ms"] = row["bytes"] / args.bandwidth * 1e3
    rows.append(row)
    if args.json:
        args.json.write_text(json.dumps({"device": torch.cuda.get_device_name(), "rows": rows}, indent=1) + "\n")
    rate = batch * length / 1e6
    fla_text = row.get("fla_refused", "")[:60]
    if "fla_ms" in row:
        fla_text = (f"{rate / row['fla_ms'] * 1e3:9.1f} Mtok/s  err {row['fla_error']['relative']:.1e}  ratio "
                    f"{row['fla_ms'] / row['krohn_ms']:5.1f}")
    print(f"{row['operator']:28s} {str(row['shape']):24s} {row['format']:9s} krohn {row['krohn_ms']:7.3f} ms "
          f"{rate / row['krohn_ms'] * 1e3:9.1f} Mtok/s  err {row['krohn_error']['relative']:.1e} floor "
          f"{row['floor_ms'] / row['krohn_ms']:4.0%} | fla {fla_text}", flush=True)


def bench(library, args):
    rows = []
    bench_recurrence(library, args, rows)
    for name, rule, n, gated in OPERATORS:
        if args.only and name not in args.only:
            continue
        for batch, heads, length, size, dtype in (SHAPES[i] for i in args.shapes):
            # Mamba: as many channels as the others have values, in one head with a state of 16 each.
            one_head = rule == "elementwise"
            x = inputs(rule, batch, 1 if one_head else heads, length, MAMBA_STATE if one_head else size,
                       heads * size if one_head else size, dtype, n=n, gated=gated)
            if rule in DELTA:  # fla takes betas in the inputs' format
                x["beta"] = x["beta"].to(dtype).float()
            scale = size ** -0.5
            sequences = [(0, 0), (batch - 1, x["v"].shape[2] - 1)][:max(1, min(2, batch * heads))]
            # The reference walks every token: of the longest sequence, a beginning.
            looked_at = min(length, 1024)
            short = {key: t if key == "rates" else t[:, :looked_at * (t.shape[1] // length)] for key, t in x.items()}
            expected, _ = reference(rule, short, scale, sequences)
            row = {"operator": name, "shape": [batch, heads, length, size], "format": str(dtype).split(".")[1]}
            output = torch.full_like(x["v"][:, :length], float("nan"))
            handle = library.make(rule, x, scale, n)
            library.run(handle, x, output)
            row["segments"] = library.c.krohn_chunked_segments(handle)
            row["krohn_error"] = errors(output[:, :looked_at], expected, sequences)
            row["krohn_ms"] = median_ms(lambda: library.run(handle, x, output))
            library.c.krohn_chunked_free(handle)
            call, reason = (None, None) if args.alone else fla_call(rule, x, scale, gated)
            add_row(rows, args, row, call, reason, x, lambda out: errors(out[:, :looked_at], expected, sequences))
            del x, output, expected, short
            torch.cuda.empty_cache()
    return rows


def check(library):
    """Edge lengths and shapes; the states too. Prints the largest errors."""
    worst = {}
    bad = 0
    for dtype in (torch.bfloat16, torch.float32):
        for rule in RULES:
            for n in ((1, 2, 3, 4) if rule == "delta" else (1,)):
                for index, (length, key_size, value_size, heads, key_heads) in enumerate(
                        [(1, 16, 16, 1, 1), (63, 32, 32, 2, 2), (64, 64, 64, 2, 1), (65, 64, 128, 2, 2), (130, 128, 64, 2, 2),
                         (257, 128, 128, 4, 2), (4097, 64, 64, 1, 1), (4097, 128, 128, 1, 1), (700, 24, 40, 16, 16),
                         (0, 16, 16, 1, 1)]):
                    for gated in (True, False):
                        if (rule in BY_KEY or rule == "elementwise") and not gated:
                            continue
                        x = inputs(rule, 2, heads, length, key_size, value_size, dtype, n=n, gated=gated, seed=index,
                                   key_heads=key_heads, mode="edges" if index % 2 else "usual")
                        initial = torch.randn(2, heads, key_size, value_size, device="cuda")
                        handle = library.make(rule, x, 0.25, n)
                        output = torch.full((2, length, heads, value_size), float("nan"), device="cuda", dtype=dtype)
                        final = torch.full((2, heads, key_size, value_size), float("nan"), device="cuda")
                        library.run(handle, x, output, final, initial)
                        torch.cuda.synchronize()
                        segments = library.c.krohn_chunked_segments(handle)
                        library.c.krohn_chunked_free(handle)
                        sequences = [(b, h) for b in range(2) for h in range(heads)]
                        expected, state = reference(rule, x, 0.25, sequences, initial)
                        got = torch.stack([final[b, h].double() for b, h in sequences])
                        state_error = ((got - state).norm() / state.norm()).item()
                        error = errors(output, expected, sequences)["relative"] if length else 0.0
                        limit = 2e-2 if dtype == torch.bfloat16 else 2e-4
                        if not (error < limit and state_error < limit):
                            bad += 1
                            print("BAD", dtype, rule, "n", n, "T", length, "K", key_size, "V", value_size, "H", heads,
                                  key_heads, "gated", gated, "segments", segments, f"{error:.2e} {state_error:.2e}")
                        key = (str(dtype)[6:], rule, n)
                        worst[key] = max(worst.get(key, 0.0), error if error == error else math.inf,
                                         state_error if state_error == state_error else math.inf)
    for key, error in worst.items():
        print("worst", *key, f"{error:.2e}")
    print("bad:", bad)
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, default=Path("build/cuda/tools/bench/libkrohn_kernels_shared.so"))
    parser.add_argument("--json", type=Path, help="write all numbers here")
    parser.add_argument("--check", action="store_true", help="errors of many small shapes only; exit 1 if one is large")
    parser.add_argument("--only", action="append", choices=[o[0] for o in OPERATORS + RECURRENT], help="this operator; may be repeated")
    parser.add_argument("--shapes", type=int, nargs="+", choices=range(len(SHAPES)), default=range(len(SHAPES)),
                        help="numbers of: " + ", ".join(f"{i} = {s[:4]} {str(s[4])[6:]}" for i, s in enumerate(SHAPES)))
    parser.add_argument("--alone", action="store_true", help="without fla, whose kernels take minutes to compile")
    parser.add_argument("--bandwidth", type=float, default=3.0e12, help="bytes a second of the floor (default: %(default)s)")
    args = parser.parse_args()
    library = Library(args.library)
    if args.check:
        sys.exit(1 if check(library) else 0)
    print("device:", torch.cuda.get_device_name(), "torch", torch.__version__)
    bench(library, args)


if __name__ == "__main__":
    main()
