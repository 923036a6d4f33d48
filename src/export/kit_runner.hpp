// run_kit.py of an exactness kit.
#pragma once

namespace krohn {

inline constexpr const char* kit_runner = R"PY(#!/usr/bin/env python3
"""Runs a kernel of a linear recurrence over a kit of exact cases: which rows are exact, by how much not, and where first.

    python3 run_kit.py KERNEL.py [--type bf16] [--case NAME]

KERNEL.py defines kernel(x) for one call of the operator on one head. x is a dict of float32 arrays, whose values are
exact in the type x["type"] ("bf16", "fp16", "fp32") that the kernel is to be given:
    q [T, K], k [T, n, K], v [T, n, V], beta [T, n], g [T, 1] or [T, K] (log decays; or None), initial [N, K, V] or None,
    cu_seqlens (a list of N + 1 ends, or None: one sequence), operator, num_householder, A (of mamba2; beta is dt).
It returns the outputs [T, V], without a scale, and the final states [N, K, V]. An exception means: not supported.
Needs NumPy. Exit status 0 if all rows that ran are right, 1 if not.
"""
import argparse
import importlib.util
import json
import pathlib
import struct
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "U8": "u1"}
EPSILON = {"bf16": 2.0 ** -8, "fp16": 2.0 ** -11, "fp32": 2.0 ** -24}
LONGEST_SIMULATED = 20000


def read_safetensors(path):
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    arrays = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        arrays[name] = np.frombuffer(data[8 + size + begin:8 + size + end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return arrays


def rounded(x, kind):
    """To the nearest number of the type, ties to even, as float32."""
    x = np.asarray(x, np.float32)
    if kind == "fp16":
        return x.astype(np.float16).astype(np.float32)
    if kind == "bf16":
        bits = x.view(np.uint32).astype(np.uint64)
        bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
        return bits.astype(np.uint32).view(np.float32)
    return x


# ---- planted faults: what a row would give, were the kernel wrong in this one way ---------------------------------------

FAULTS = {"none": {}}
FAULTS.update({"state rounded to %s after every token" % t: {"state": t} for t in ("bf16", "fp16")})
FAULTS["beta rounded through bf16"] = {"beta": "bf16"}
FAULTS["decay rounded to bf16"] = {"decay": "bf16"}
FAULTS.update({"last token of every chunk of %d dropped" % c: {"drop": c} for c in (16, 32, 64, 128, 256)})
FAULTS.update({"initial state ignored": {"ignore": True}, "initial state transposed": {"transpose": True},
               "output read before the update": {"early": True}, "decay applied after the update": {"late": True},
               "updates of a token in reverse order": {"reverse": True}, "beta left out of the written value": {"bare": True},
               "packed sequences share one state": {"shared": True}})


def simulate(kit, x, fault):
    """The recurrence token by token in float32."""
    length = len(x["q"])
    ends = x["cu_seqlens"] or [0, length]
    outputs, states, state = np.zeros((length, kit["value_size"]), np.float32), [], None
    beta = rounded(x["beta"], fault.get("beta", "fp32"))
    for n, (begin, end) in enumerate(zip(ends, ends[1:])):
        if state is None or not fault.get("shared"):
            state = np.zeros((kit["key_size"], kit["value_size"]), np.float32)
            if x["initial"] is not None and not fault.get("ignore"):
                state = x["initial"][n].T.copy() if fault.get("transpose") else x["initial"][n].copy()
        for t in range(begin, end):
            early = state
            decay = 1.0 if x["g"] is None else rounded(np.exp(x["g"][t]), fault.get("decay", "fp32"))[:, None]
            if not fault.get("late"):
                state = decay * state
            updates = range(kit["num_householder"])
            for j in reversed(updates) if fault.get("reverse") else updates:
                if fault.get("drop") and (t - begin) % fault["drop"] == fault["drop"] - 1:
                    continue
                k, v, b = x["k"][t, j], x["v"][t, j], beta[t, j]
                if kit["delta"]:
                    change = (v if fault.get("bare") else b * v) - b * (k @ state)
                else:
                    change = v if fault.get("bare") else b * v
                state = state + np.outer(k, change)
            if fault.get("late"):
                state = decay * state
            state = rounded(state, fault.get("state", "fp32"))
            outputs[t] = x["q"][t] @ (early if fault.get("early") else state)
        states.append(state)
    return outputs, np.stack(states)


# ---- running ------------------------------------------------------------------------------------------------------------

def inputs_of(kit, arrays, case, kind):
    get = lambda name: arrays[case["prefix"] + name]
    index = get("index")
    x = {name: get(name)[index] for name in ("q", "k", "v", "beta", "g")}
    if kit["gate"] == "none":
        x["g"] = None
    initial = arrays.get(case["prefix"] + "initial")
    x["initial"] = None if initial is None else initial.astype(np.float32)[None]
    x.update(type=kind, operator=kit["operator"], num_householder=kit["num_householder"], A=kit.get("A"), cu_seqlens=None)
    return x


def run_case(case, segments, x, kernel):
    """Outputs of all positions, and the final state of every segment."""
    if case["mode"] == "packed":
        return kernel(dict(x, cu_seqlens=[0] + np.cumsum(segments).tolist(), initial=None))
    outputs, states, begin, initial = [], [], 0, x["initial"]
    for length in segments:
        part = {name: None if x[name] is None else x[name][begin:begin + length] for name in ("q", "k", "v", "beta", "g")}
        o, state = kernel(dict(x, **part, initial=initial))
        state = np.asarray(state, np.float32)
        outputs.append(np.asarray(o, np.float32).reshape(length, -1) if length else np.zeros((0, x["v"].shape[-1])))
        states.append(state[0])
        begin, initial = begin + length, state
    return np.concatenate(outputs), np.stack(states)


def judge(case, kind, positions, outputs, states, got):
    """(the first position that is off or None, the largest error)"""
    o, s = np.asarray(got[0], np.float64)[positions] if len(positions) else np.zeros(outputs.shape), np.asarray(got[1], np.float64)
    if case["exact"]:
        expected = rounded(outputs, kind).astype(np.float64)
        wrong, allowed = o != expected, 0.0
        wrong_states = s != states
    else:
        expected, allowed = outputs, case["relative_bound"]
        wrong = ~(np.abs(o - outputs) <= (allowed + EPSILON[kind]) * np.abs(outputs))
        wrong_states = ~(np.abs(s - states) <= allowed * np.abs(states))
    errors = np.concatenate([np.abs(o - expected).ravel(), np.abs(s - states).ravel(), [0.0]])
    error = float("nan") if np.isnan(errors).any() else float(errors.max())
    rows = np.nonzero(wrong.any(axis=1))[0]
    if len(rows):
        return "output at %d" % positions[rows[0]], error
    segments = np.nonzero(wrong_states.reshape(len(s), -1).any(axis=1))[0]
    return ("state after segment %d" % segments[0] if len(segments) else None), error


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kernel", help="a Python file that defines kernel(x)")
    parser.add_argument("--type", choices=list(EPSILON), action="append", help="the types of inputs to try; all by default")
    parser.add_argument("--case", help="the one case to try")
    parser.add_argument("--longest", type=int, default=1 << 62, help="leave out cases of more tokens")
    arguments = parser.parse_args()
    spec = importlib.util.spec_from_file_location("tested_kernel", arguments.kernel)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kit = json.loads((HERE / "kit.json").read_text())
    arrays = read_safetensors(HERE / "kit.safetensors")
    counts = {"exact": 0, "within": 0, "OFF": 0, "refused": 0}
    candidates = {name: False for name in FAULTS}  # name -> whether it showed in a row
    print("%-24s %-5s %9s  result" % ("case", "type", "length"))
    for case in kit["cases"]:
        for kind in arguments.type or EPSILON:
            if kind not in case["types"] or (arguments.case and case["name"] != arguments.case) or case["length"] > arguments.longest:
                continue
            x = inputs_of(kit, arrays, case, kind)
            segments, positions, outputs, states = (arrays[case["prefix"] + name] for name in
                                                    ("segments", "positions", "outputs", "states"))
            line = "%-24s %-5s %9d  " % (case["name"], kind, case["length"])
            try:
                got = run_case(case, segments.tolist(), x, module.kernel)
            except Exception as problem:  # whatever the kernel raises: it does not take this row
                counts["refused"] += 1
                print(line + "refused: %s" % (str(problem).strip().splitlines() or [type(problem).__name__])[0][:80], flush=True)
                continue
            first, error = judge(case, kind, positions, outputs, states, got)
            result = "OFF" if first else "exact" if case["exact"] else "within"
            counts[result] += 1
            print(line + ("OFF by %.3g, first the %s" % (error, first) if first else
                          "exact" if case["exact"] else "within %.3g (bound %.3g)" % (error, case["relative_bound"])), flush=True)
            if case["length"] <= LONGEST_SIMULATED:
                for name in list(candidates):
                    o, s = run_case(case, segments.tolist(), x, lambda part: simulate(kit, part, FAULTS[name]))
                    o, got_o = rounded(o, kind)[positions], np.asarray(got[0], np.float32)[positions]
                    if case["exact"]:
                        same = np.array_equal(o, got_o) and np.array_equal(s, got[1])
                    else:
                        # Decays multiply up roundings, which differ: alike to a quarter of what the fault does.
                        away = np.abs(o - outputs).max()
                        bound = max(case["relative_bound"] + EPSILON[kind], away / 4)
                        same = bool(np.all(np.abs(o - got_o) <= bound))
                    if not same:
                        del candidates[name]
                    elif first:
                        candidates[name] = True
    print("%d exact, %d within their bounds, %d off, %d refused" % tuple(counts.values()))
    if counts["OFF"]:
        named = [name for name, showed in candidates.items() if showed]
        for name in named:
            print("every row that was simulated is what this fault gives: " + name)
        if not named:
            print("no single fault that this runner knows gives these rows")
    return 1 if counts["OFF"] or not counts["exact"] else 0


if __name__ == "__main__":
    sys.exit(main())
)PY";

}  // namespace krohn
