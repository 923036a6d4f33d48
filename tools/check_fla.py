#!/usr/bin/env python3
"""Runs krohn's exports and exactness kits in flash-linear-attention, on a GPU.

    krohn export word:S5 --to fla -o s5
    tools/check_fla.py s5 .. --length 100000            every label of random words, and every hidden state at the end
    krohn kit delta-rule -o kit
    KROHN_FLA_FORM=chunk python3 kit/run_kit.py tools/check_fla.py --type bf16       an operator alone

An export runs in chunks and token by token, in bf16 and fp32, where the library takes these: labels are compared at every
position with the automaton of task.json, hidden states at the end with the values that export.json says they have, and
with each other. One line a run; exit status 0 if all that ran are right. docs/fla.md has the results.
"""
import argparse
import json
import os
import pathlib
import sys
import time


def use_first_configurations():
    """Autotuned kernels try dozens of schedules of one computation; this takes the first, and saves minutes."""
    import triton
    whole = triton.autotune
    triton.autotune = lambda configs, **keywords: whole(configs[:1], **keywords)


if os.environ.get("KROHN_FLA_FIRST_CONFIGURATION"):
    use_first_configurations()


# ---- one operator, for run_kit.py ---------------------------------------------------------------------------------------

def kernel(x):
    """One call of the library's operator on one head, in the form KROHN_FLA_FORM (chunk or recurrent)."""
    import torch
    form = os.environ.get("KROHN_FLA_FORM", "chunk")
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[x["type"]]
    length, steps = x["q"].shape[0], x["k"].shape[1]
    if length == 0:
        raise NotImplementedError("no tokens: not asked of the library")
    tensor = lambda a, kind=dtype: torch.tensor(a, device="cuda").to(kind)
    q = tensor(x["q"]).view(1, length, 1, -1)
    k = tensor(x["k"]).reshape(1, length * steps, 1, -1)
    v = tensor(x["v"]).reshape(1, length * steps, 1, -1)
    beta = tensor(x["beta"]).reshape(1, length * steps, 1)
    g = None if x["g"] is None else tensor(x["g"], torch.float32)
    options = dict(scale=1.0, output_final_state=True,
                   initial_state=None if x["initial"] is None else tensor(x["initial"], torch.float32).unsqueeze(1))
    ends = None if x["cu_seqlens"] is None else torch.tensor(x["cu_seqlens"], device="cuda", dtype=torch.long)
    options["cu_seqlens"] = ends
    op = x["operator"]
    if op == "delta-rule":
        from fla.ops.delta_rule import chunk_delta_rule, fused_recurrent_delta_rule
        o, s = (chunk_delta_rule if form == "chunk" else fused_recurrent_delta_rule)(q, k, v, beta=beta, **options)
    elif op == "gated-delta-rule":
        from fla.ops.gated_delta_rule import chunk_gated_delta_rule, fused_recurrent_gated_delta_rule
        call = chunk_gated_delta_rule if form == "chunk" else fused_recurrent_gated_delta_rule
        o, s = call(q, k, v, g=g.view(1, length, 1), beta=beta, **options)
    elif op == "delta-product":
        g = g.view(1, length, 1)
        if form == "chunk":
            from fla.ops.gated_delta_product import chunk_gated_delta_product
            o, s = chunk_gated_delta_product(q, k, v, g=g, beta=beta, num_householder=steps, **options)
        else:
            from fla.ops.gated_delta_rule import fused_recurrent_gated_delta_rule
            spread = lambda a, at: torch.stack([a if j == at else torch.zeros_like(a) for j in range(steps)], 2).flatten(1, 2)
            options["cu_seqlens"] = None if ends is None else ends * steps
            o, s = fused_recurrent_gated_delta_rule(spread(q, steps - 1), k, v, g=spread(g, 0), beta=beta, **options)
            o = o[:, steps - 1::steps]
    elif op == "kda":
        from fla.ops.kda import chunk_kda, fused_recurrent_kda
        o, s = (chunk_kda if form == "chunk" else fused_recurrent_kda)(q, k, v, g=g.view(1, length, 1, -1), beta=beta, **options)
    elif op == "gla":
        from fla.ops.gla import chunk_gla, fused_recurrent_gla
        v = v * beta.unsqueeze(-1)
        g = g.view(1, length, 1, -1)
        o, s = chunk_gla(q, k, v, g=g, **options) if form == "chunk" else fused_recurrent_gla(q, k, v, gk=g, **options)
    elif op == "mamba2":
        # The library has the scan as simple GLA: v = dt x, g = dt A.
        from fla.ops.simple_gla import chunk_simple_gla, fused_recurrent_simple_gla
        v = v * beta.unsqueeze(-1)
        o, s = (chunk_simple_gla if form == "chunk" else fused_recurrent_simple_gla)(q, k, v, g=g.view(1, length, 1), **options)
    return o.float().view(length, -1).cpu().numpy(), s.float().reshape(-1, *s.shape[-2:]).cpu().numpy()


# ---- whole models -------------------------------------------------------------------------------------------------------

class Export:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        task = json.loads((self.folder / "task.json").read_text())
        automaton = task["automaton"]
        self.tokens = list(task["symbols"].values())
        self.first = task["bos"]
        self.report = json.loads((self.folder / "export.json").read_text())
        number = {label: int(logit) for logit, label in task["outputs"].items()}
        if "labels" in automaton:
            self.answers = [None if label is None else number[label] for label in automaton["labels"]]
        else:
            self.answers = [number["1" if q in automaton["accepting"] else "0"] for q in range(len(automaton["transitions"]))]
        self.transitions, self.start = automaton["transitions"], automaton["start"]

    def words(self, count, length, seed):
        """Token sequences [count, 1 + length], and the right answers: -1 where none is asked for. The last word repeats one
        symbol."""
        import numpy as np
        random = np.random.default_rng(seed)
        symbols = random.integers(len(self.tokens), size=(count, length))
        symbols[-1] = random.integers(len(self.tokens))
        answers = np.empty((count, 1 + length), np.int64)
        for word, answer in zip(symbols.tolist(), answers):
            q = self.start
            states = [q]
            for a in word:
                q = self.transitions[q][a]
                states.append(q)
            answer[:] = [-1 if self.answers[s] is None else self.answers[s] for s in states]
        tokens = np.concatenate([np.full((count, 1), self.first), np.array(self.tokens)[symbols]], axis=1)
        return tokens, answers


def states_of(cache, layers):
    """[layer] of the recurrent states, as float32 on the CPU."""
    result = []
    for i in range(layers):
        entry = cache[i]
        state = entry["recurrent_state"] if isinstance(entry, dict) else entry.state["recurrent_state"]
        result.append(state.float().cpu())
    return result


def run(export, form, kind, tokens, answers):
    """(result text, right?, states or None)"""
    import torch
    from transformers import AutoModelForCausalLM
    dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}[kind]
    model = AutoModelForCausalLM.from_pretrained(export.folder, dtype=dtype).cuda().eval()
    for layer in model.model.layers:
        layer.attn.mode = {"chunk": "chunk", "recurrent": "fused_recurrent"}[form]
    ids = torch.tensor(tokens, device="cuda")
    begin = time.time()
    try:
        with torch.no_grad():
            out = model(input_ids=ids, use_cache=True)
            said = out.logits.argmax(-1).cpu().numpy()
    except AssertionError as problem:
        return "refused: " + (str(problem).strip().splitlines() or ["an assertion"])[0][:70], True, None
    seconds = time.time() - begin
    wrong = (said != answers) & (answers >= 0)
    if out.logits.isnan().any():
        return "NaN", False, None
    text = "%d of %d labels wrong" % (wrong.sum(), (answers >= 0).sum())
    if wrong.any():
        text += ", first at position %d" % wrong.any(axis=0).nonzero()[0][0]
    states = states_of(out.past_key_values, len(export.report["layers"]))
    off = 0.0
    for state, layer in zip(states, export.report["layers"]):
        values = torch.tensor(layer["hidden_values"])
        off = max(off, (state.unsqueeze(-1) - values).abs().amin(-1).max().item())
    return text + ", states off by %g, %.1f s" % (off, seconds), not wrong.any() and off == 0.0, states


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", help="exports of krohn export --to fla")
    parser.add_argument("--length", type=int, default=10000, help="symbols of a word")
    parser.add_argument("--words", type=int, default=4, help="words at once")
    parser.add_argument("--form", choices=["chunk", "recurrent"], action="append", help="both by default")
    parser.add_argument("--type", choices=["bf16", "fp32"], action="append", help="both by default")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    import fla
    import torch
    import transformers
    print("# fla %s, torch %s, transformers %s, %s" % (fla.__version__, torch.__version__, transformers.__version__,
                                                      torch.cuda.get_device_name()), flush=True)
    bad = 0
    for folder in arguments.folders:
        export = Export(folder)
        tokens, answers = export.words(arguments.words, arguments.length, arguments.seed)
        first = None
        for kind in arguments.type or ["bf16", "fp32"]:
            for form in arguments.form or ["chunk", "recurrent"]:
                try:
                    text, right, states = run(export, form, kind, tokens, answers)
                except Exception as problem:
                    text, right, states = "failed: " + repr(problem)[:150], False, None
                if states is not None and first is not None and any((a != b).any() for a, b in zip(states, first)):
                    text, right = text + ", states differ from the first run's", False
                first = first or states
                bad += not right
                print("%-28s %-18s %-5s %-9s %7d  %s" % (export.folder.name, export.report["architecture"], kind, form,
                                                       arguments.length, text), flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
