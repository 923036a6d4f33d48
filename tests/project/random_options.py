#!/usr/bin/env python3
"""Random options of every newer architecture against a float64 reference: what a configuration says is what krohn runs.

Options are drawn at random, those that change the function and those that no layer reads, and left out where they have the
library's default; weights are random, in binary32 or binary16. The reference is NumPy, one token after the other, from the
definitions of the architectures; nothing of krohn is read. Two comparisons for every model:

1. krohn's formulas in double (tests/checkpoints/checkpoint_golden_test.cpp on the folder that is written here): the logits
   are within 1e-9. Both sides round a few thousand times at 2^-53; the same formulas in NumPy's binary32 round at 2^-24,
   and models where that moves a logit by more than 0.1 are drawn again, so that double is within 0.1 2^-29 = 2e-10.
2. `krohn run`, in its canonical binary32: within 1e-4, or, of models that magnify what is rounded, within ten times the
   larger of what NumPy's binary32 is off and what the logits move by when every weight moves by half a unit in its last
   place: a weight is rounded once there, and a path from it to the logits rounds some ten times on the way. Labels are equal
   wherever the largest logit leads by twice that.

    tests/project/random_options.py --krohn build/cpu/krohn --golden build/cpu/tests/checkpoint_golden_test \\
        [--models N] [--seed N] [--of NAME ..] [--keep FOLDER]

Exit code 0 if all agree. Needs NumPy (Debian: python3-numpy).
"""
import argparse
import collections
import json
import math
import os
import pathlib
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

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "data"))
from published_reference import convolution, layer_norm, read_tensors, rms, sigmoid, silu, softplus, unit, write_tensors

WORDS, LENGTH = 2, 24


def norm(x, weight, epsilon):
    return rms(x, 1.0 if weight is None else weight, epsilon)


def powlu(x):
    positive = np.where(x > 0, x, 1)
    return np.where(x > 0, positive ** (3 / (np.sqrt(positive) + 1)) * sigmoid(x), silu(x))


def gelu_tanh(x):
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi).astype(x.dtype) * (x + 0.044715 * x**3)))


def gelu_erf(x):
    return x / 2 * (1 + np.vectorize(math.erf, otypes=[x.dtype])(x / math.sqrt(2)))


# flash-linear-attention's table (RWKV-6) and transformers' (RetNet) have another gelu under one name.
FLA_TABLE = {"relu": lambda x: np.maximum(x, 0), "silu": silu, "swish": silu, "sigmoid": sigmoid, "gelu": gelu_tanh,
             "sqrelu": lambda x: np.maximum(x, 0) ** 2, "logsigmoid": lambda x: -softplus(-x)}
TRANSFORMERS_TABLE = {"relu": FLA_TABLE["relu"], "silu": silu, "sigmoid": sigmoid, "tanh": np.tanh,
                      "relu2": FLA_TABLE["sqrelu"], "gelu": gelu_erf}


def shifted(x):
    return np.concatenate([np.zeros_like(x[:1]), x[:-1]])


def recur(steps, state, step):
    """The outputs of all steps, one after the other."""
    out = []
    for t in range(steps):
        state, y = step(state, t)
        out.append(y)
    return np.array(out)


def read(state, query):
    return np.einsum("hkv,hk->hv", state, query)


def outer(key, value):
    return key[:, :, None] * value[:, None, :]


class Draw:
    """Options and sizes drawn at random; the configuration as a file has it; the tensors that it asks for."""

    def __init__(self, random, model_type):
        self.random = random
        self.config = {"model_type": model_type}
        self.shapes = {}
        self.size = self.always("hidden_size", int(random.choice([8, 12])))
        self.layers = self.always("num_hidden_layers", int(random.integers(1, 4)))
        self.vocabulary = self.always("vocab_size", int(random.integers(4, 10)))

    def always(self, key, value):
        self.config[key] = value
        return value

    def option(self, key, default, *choices):
        """One of the choices; a key that says the default is there or left out."""
        value = choices[self.random.integers(len(choices))]
        if value != default or type(value) is not type(default) or self.random.random() < 0.5:
            self.config[key] = value
        return value

    def flag(self, key, default):
        return self.option(key, default, True, False)

    def unread(self, key, default, *choices):
        """Of no effect, whatever it says."""
        self.option(key, default, default, *choices)

    def matrix(self, name, *shape):
        self.shapes[name] = shape


def shell(draw, architecture, mixer_shapes, powlu_too=True, attnres=True, ratio=4, hidden_act="swish"):
    """flash-linear-attention's model around a mixer: what `forward` needs."""
    c = draw
    size = c.size
    eps = c.option("norm_eps", 1e-6, 1e-6, 1e-5, 1e-3)
    act = c.option("hidden_act", "swish", *(["swish", "powlu"] if powlu_too else [hidden_act]))
    block = c.option("attnres_block_size", None, *([None, None, 1, 2, 4] if attnres else [None]))
    tied = c.flag("tie_word_embeddings", False)
    c.unread("use_cache", True, False)
    c.unread("fuse_cross_entropy", True, False)
    c.unread("initializer_range", 0.02, 0.006)
    c.unread("attn", None)
    if c.random.random() < 0.15:
        hidden_ratio = c.option("hidden_ratio", ratio, ratio, 3)
        inner = 256 * -(-int(size * hidden_ratio * 2 / 3) // 256)
        c.option("intermediate_size", None, None)
    else:
        inner = c.always("intermediate_size", int(c.random.integers(3, 15)))
        c.unread("hidden_ratio", ratio, 3)
    c.matrix("model.embeddings.weight", c.vocabulary, size)
    for i in range(c.layers):
        layer = "model.layers.%d." % i
        c.matrix(layer + "attn_norm.weight", size)
        c.matrix(layer + "mlp_norm.weight", size)
        for name, shape in mixer_shapes.items():
            c.matrix(layer + "attn." + name, *shape)
        c.matrix(layer + "mlp.gate_proj.weight", inner, size)
        c.matrix(layer + "mlp.up_proj.weight", inner, size)
        c.matrix(layer + "mlp.down_proj.weight", size, inner)
        if block is not None:
            for part in ("attn", "mlp"):
                c.matrix(layer + part + "_res_proj.weight", 1, size)
                c.matrix(layer + part + "_res_norm.weight", size)
    if block is not None:
        c.matrix("model.res_proj.weight", 1, size)
        c.matrix("model.res_norm.weight", size)
    c.matrix("model.norm.weight", size)
    if not tied:
        c.matrix("lm_head.weight", c.vocabulary, size)

    def forward(t, ids):
        x = t["model.embeddings.weight"][ids]

        def of(i, prefix):
            start = "model.layers.%d.%s" % (i, prefix)
            return {name[len(start):]: value for name, value in t.items() if name.startswith(start)}

        def part(i, kind, h):
            if kind == "attn":
                return architecture(of(i, "attn."), h, eps, i, t)
            w = of(i, "mlp.")
            gate = (powlu if act == "powlu" else silu)(h @ w["gate_proj.weight"].T)
            return (gate * (h @ w["up_proj.weight"].T)) @ w["down_proj.weight"].T

        head = t.get("lm_head.weight", t["model.embeddings.weight"])
        if block is None:
            for i in range(c.layers):
                for kind in ("attn", "mlp"):
                    x = x + part(i, kind, norm(x, of(i, "")[kind + "_norm.weight"], eps))
            return norm(x, t["model.norm.weight"], eps) @ head.T

        def mix(sources, query, w, w_out):
            scores = np.array([norm(s, w, eps) @ query[0] for s in sources])
            p = np.exp(scores - scores.max(0))
            p = p / p.sum(0)
            return norm(sum(share[:, None] * s for share, s in zip(p, sources)), w_out, eps)

        done, run = [], x
        for j in range(2 * c.layers):
            i, kind = j // 2, ("attn", "mlp")[j % 2]
            w = of(i, "")
            own = w[kind + "_norm.weight"]
            sources = done + [run]
            if j == 0:
                h = norm(run, own, eps)
            else:
                h = mix(sources, w[kind + "_res_proj.weight"], w[kind + "_res_norm.weight"], own)
            if j % block == 0:
                done, run = sources, None
            y = part(i, kind, h)
            run = y if run is None else run + y
        return mix(done + [run], t["model.res_proj.weight"], t["model.res_norm.weight"],
                   t["model.norm.weight"]) @ head.T

    return forward


def projected(w, h, name, conv, activation, without):
    y = h @ w[name + "_proj.weight"].T
    if conv:
        return activation(convolution(y, w[name + "_conv1d.weight"]))
    return without(y)


def same(x):
    return x


class DeltaHeads:
    """Sizes and projections that the delta rules share."""

    def __init__(self, c, grouped, head_dim, num_heads):
        self.heads = c.option("num_heads", num_heads, 1, 2, 3)
        self.values = self.heads
        more = c.option("num_v_heads", None, *([None, self.heads, 2 * self.heads] if grouped else [None, self.heads]))
        if more is not None:
            self.values = more
        self.key = c.option("head_dim", head_dim, 2, 4, 6)
        expand = c.option("expand_v", 1.0 if head_dim == 128 else 2.0, 1.0, 1.5, 2.0)
        self.value = int(self.key * expand)
        self.conv = c.flag("use_short_conv", True)
        width = c.option("conv_size", 4, 2, 3, 4)
        size = c.size
        self.shapes = {}
        for name, rows in (("q", self.heads * self.key), ("k", self.heads * self.key), ("v", self.values * self.value)):
            self.shapes[name + "_proj.weight"] = (rows, size)
            if self.conv:
                self.shapes[name + "_conv1d.weight"] = (rows, 1, width)
        self.shapes["b_proj.weight"] = (self.values, size)
        self.shapes["o_norm.weight"] = (self.value,)
        self.shapes["o_proj.weight"] = (size, self.values * self.value)

    def read(self, w, h):
        q, k, v = (projected(w, h, name, self.conv, silu, silu) for name in "qkv")
        return (q.reshape(len(h), self.heads, self.key), k.reshape(len(h), self.heads, self.key),
                v.reshape(len(h), self.values, self.value))

    def spread(self, x):
        return np.repeat(x, self.values // self.heads, -2)

    def out(self, w, o, epsilon, gate):
        o = norm(o, w["o_norm.weight"], epsilon)
        if gate is not None:
            o = o * gate.reshape(o.shape)
        return o.reshape(len(o), -1) @ w["o_proj.weight"].T


def scalar_decay(w, h, which=""):
    return np.exp(-np.exp(w["A_log" + which]) * softplus(h @ w["a%s_proj.weight" % which].T + w["dt_bias" + which]))


def delta(q, k, v, beta, decay, write=None):
    """S = decay S; S = S + write (beta (v - S^T k))^T; S^T q / sqrt(d_k). decay [T, H, d_k or 1]; `write` is k."""
    write = k if write is None else write

    def step(state, t):
        state = state * decay[t][:, :, None]
        state = state + outer(write[t], beta[t][:, None] * (v[t] - read(state, k[t])))
        return state, read(state, q[t])

    return recur(len(q), np.zeros((*k.shape[1:], v.shape[2]), q.dtype), step) / np.sqrt(k.shape[2]).astype(q.dtype)


def kda(c):
    s = DeltaHeads(c, True, 128, 16)
    twice = 2 if c.flag("allow_neg_eigval", False) else 1
    bound = c.option("lower_bound", None, None, -5.0, -0.7)
    c.unread("safe_gate", False, True)
    gates = s.values * s.key
    shapes = dict(s.shapes, **{"f_proj.0.weight": (s.value, c.size), "f_proj.1.weight": (gates, s.value),
                               "A_log": (s.values,), "dt_bias": (gates,), "g_proj.0.weight": (s.value, c.size),
                               "g_proj.1.weight": (s.values * s.value, s.value),
                               "g_proj.1.bias": (s.values * s.value,)})

    def mixer(w, h, epsilon, _, __):
        q, k, v = s.read(w, h)
        f = (h @ w["f_proj.0.weight"].T @ w["f_proj.1.weight"].T + w["dt_bias"]).reshape(len(h), s.values, s.key)
        rate = np.exp(w["A_log"])[:, None]
        g = -rate * softplus(f) if bound is None else bound * sigmoid(rate * f)
        beta = twice * sigmoid(h @ w["b_proj.weight"].T)
        o = delta(s.spread(unit(q)), s.spread(unit(k)), v, beta, np.exp(g))
        gate = sigmoid(h @ w["g_proj.0.weight"].T @ w["g_proj.1.weight"].T + w["g_proj.1.bias"])
        return s.out(w, o, epsilon, gate)

    return shell(c, mixer, shapes)


def gated_deltanet(c):
    s = DeltaHeads(c, True, 256, 6)
    twice = 2 if c.flag("allow_neg_eigval", False) else 1
    use_gate = c.flag("use_gate", True)
    gate = c.option("output_gate_activation", "swish", "swish", "silu", "sigmoid")
    shapes = dict(s.shapes, **{"a_proj.weight": (s.values, c.size), "A_log": (s.values,), "dt_bias": (s.values,)})
    if use_gate:
        shapes["g_proj.weight"] = (s.values * s.value, c.size)

    def mixer(w, h, epsilon, _, __):
        q, k, v = s.read(w, h)
        o = delta(s.spread(unit(q)), s.spread(unit(k)), v, twice * sigmoid(h @ w["b_proj.weight"].T),
                  scalar_decay(w, h)[:, :, None])
        return s.out(w, o, epsilon, FLA_TABLE[gate](h @ w["g_proj.weight"].T) if use_gate else None)

    return shell(c, mixer, shapes)


def precond_gated_deltanet(c):
    s = DeltaHeads(c, True, 256, 6)
    twice = 2 if c.flag("allow_neg_eigval", False) else 1
    use_gate = c.flag("use_gate", True)
    squash = c.option("squash_x", 1.5, 1.5, 1.2, 2.0)
    small = c.option("squash_eps", 1e-6, 1e-6, 1e-3)
    c.unread("log_atk_scale_init", 0.0, 1.0)
    c.unread("a_log_init_lower", 0.0, 0.5)
    shapes = dict(s.shapes, **{"a_proj.weight": (s.values, c.size), "A_log": (s.values,), "dt_bias": (s.values,),
                               "a_atk_proj.weight": (s.heads, c.size), "b_atk_proj.weight": (s.heads, c.size),
                               "A_log_atk": (s.heads,), "dt_bias_atk": (s.heads,), "log_atk_scale": (s.heads,)})
    if use_gate:
        shapes["g_proj.weight"] = (s.values * s.value, c.size)

    def mixer(w, h, epsilon, _, __):
        q, k, v = s.read(w, h)
        q, k = unit(q), unit(k)
        decay = np.exp(-np.exp(w["A_log_atk"]) * softplus(h @ w["a_atk_proj.weight"].T + w["dt_bias_atk"]))
        added = sigmoid(h @ w["b_atk_proj.weight"].T)

        def step(n, t):
            n = decay[t][:, None] * n + added[t][:, None] * k[t] ** 2
            r = np.log(n + small) - w["log_atk_scale"][:, None]
            return n, np.exp(-np.log(squash).astype(h.dtype) * r / (1 + np.abs(r)))

        m = recur(len(h), np.zeros(k.shape[1:], h.dtype), step)
        o = delta(s.spread(q), s.spread(k), v, twice * sigmoid(h @ w["b_proj.weight"].T), scalar_decay(w, h)[:, :, None],
                  s.spread(m * k))
        return s.out(w, o, epsilon, silu(h @ w["g_proj.weight"].T) if use_gate else None)

    return shell(c, mixer, shapes, attnres=False)


def comba(c):
    s = DeltaHeads(c, False, 256, 6)
    use_gate = c.flag("use_output_gate", True)
    c.unread("use_inner_decay", True, False)
    c.unread("use_output_correction", True, False)
    c.unread("correction_factor", 1.0, 0.02)
    shapes = dict(s.shapes, **{"a_proj.weight": (s.heads, c.size)})
    for name in ("A_log", "dt_bias", "decay", "D"):
        shapes[name] = (s.heads,)
    if use_gate:
        shapes["g_proj.weight"] = (s.values * s.value, c.size)

    def mixer(w, h, epsilon, _, __):
        q, k, v = s.read(w, h)
        p = k * sigmoid(w["decay"])[:, None]
        q, k, p = unit(q - w["D"][:, None] * p), unit(k), unit(p)
        beta, a = sigmoid(h @ w["b_proj.weight"].T), scalar_decay(w, h)

        def step(state, t):
            error = beta[t][:, None] * (v[t] - read(state, p[t]))
            state = a[t][:, None, None] * state + outer(k[t], error)
            return state, read(state, q[t])

        o = recur(len(h), np.zeros((s.heads, s.key, s.value), h.dtype), step) / np.sqrt(s.key).astype(h.dtype)
        return s.out(w, o, epsilon, sigmoid(h @ w["g_proj.weight"].T) if use_gate else None)

    return shell(c, mixer, shapes)


def turned(x, angle, neighbours):
    """x [.., N] turned by angle [.., A]: pairs (2j, 2j+1), or (j, j + N/2); pairs from A on stay."""
    size, angles = x.shape[-1], angle.shape[-1]
    pairs = x.reshape(*x.shape[:-1], size // 2, 2) if neighbours else np.stack(
        [x[..., : size // 2], x[..., size // 2 :]], -1)
    first, second = pairs[..., :angles, 0], pairs[..., :angles, 1]
    cosine, sine = np.cos(angle), np.sin(angle)
    moved = np.stack([first * cosine - second * sine, first * sine + second * cosine], -1)
    pairs = np.concatenate([moved, pairs[..., angles:, :]], -2)
    return pairs.reshape(x.shape) if neighbours else np.concatenate([pairs[..., 0], pairs[..., 1]], -1)


def mamba3(c):
    size = c.size
    states = c.option("state_size", 128, 4, 6, 8)
    expand = c.option("expand", 2, 1, 2)
    head = c.option("head_dim", 64, 2, 4)
    inner = expand * size
    heads = inner // head
    groups = c.option("n_groups", 1, *(g for g in (1, 2) if heads % g == 0))
    fraction = c.option("rope_fraction", 0.5, 0.5, 1.0)
    angles = int(states * fraction) // 2
    floor = c.option("A_floor", 1e-4, 1e-4, 0.2)
    outnorm = c.flag("is_outproj_norm", False)
    mimo = c.flag("is_mimo", False)
    rank = c.option("mimo_rank", 4, 1, 2, 4)
    rank = rank if mimo else 1
    bias = c.flag("use_bias", False)
    eps = c.option("norm_eps", 1e-5, 1e-5, 1e-3)
    if c.random.random() < 0.5:
        c.always("num_heads", heads)
    c.unread("hidden_act", "silu", "gelu")
    c.unread("fuse_norm", True, False)
    c.unread("residual_in_fp32", False, True)
    c.unread("chunk_size", 64, 16)
    rows = [inner, inner, states * groups * rank, states * groups * rank, heads, heads, heads, angles]
    shapes = {"in_proj.weight": (sum(rows), size), "dt_bias": (heads,), "D": (heads,), "B_norm.weight": (states,),
              "C_norm.weight": (states,), "B_bias": (heads, rank, states), "C_bias": (heads, rank, states),
              "out_proj.weight": (size, inner)}
    if bias:
        shapes.update({"in_proj.bias": (sum(rows),), "out_proj.bias": (size,)})
    if outnorm:
        shapes["norm.weight"] = (inner,)
    if mimo:
        shapes.update({name: (heads, rank, head) for name in ("mimo_x", "mimo_z", "mimo_o")})
    c.matrix("backbone.embeddings.weight", c.vocabulary, size)
    for i in range(c.layers):
        c.matrix("backbone.layers.%d.norm.weight" % i, size)
        for name, shape in shapes.items():
            c.matrix("backbone.layers.%d.mixer.%s" % (i, name), *shape)
    c.matrix("backbone.norm_f.weight", size)
    c.matrix("lm_head.weight", c.vocabulary, size)

    def mixer(w, h):
        parts = np.split(h @ w["in_proj.weight"].T + w.get("in_proj.bias", 0), np.cumsum(rows)[:-1], -1)
        z, u, b, k_c, dt, da, trap, angle = parts
        z, u = z.reshape(-1, heads, 1, head), u.reshape(-1, heads, 1, head)

        def keys(x, name):
            x = norm(x.reshape(-1, rank, groups, states), w[name + "_norm.weight"], eps)
            return np.repeat(x, heads // groups, 2).transpose(0, 2, 1, 3) + w[name + "_bias"]

        k, q = keys(b, "B"), keys(k_c, "C")
        dt = softplus(dt + w["dt_bias"])
        decay = np.exp(dt * np.minimum(-softplus(da), -floor))
        share = sigmoid(trap)
        theta = np.cumsum(np.pi * np.tanh(angle)[:, None, :] * dt[:, :, None], 0, dtype=h.dtype)[:, :, None, :]
        k, q = turned(k, theta, not mimo), turned(q, theta, not mimo)
        v = u * w["mimo_x"] if mimo else u

        def step(carried, t):
            state, k_old, v_old = carried
            before = ((1 - share[t]) * dt[t])[:, None, None] * np.einsum("hrk,hrv->hkv", k_old, v_old)
            now = (share[t] * dt[t])[:, None, None] * np.einsum("hrk,hrv->hkv", k[t], v[t])
            state = decay[t][:, None, None] * (state + before) + now
            y = np.einsum("hkv,hrk->hrv", state, q[t]) + w["D"][:, None, None] * v[t]
            return (state, k[t], v[t]), y

        start = (np.zeros((heads, states, head), h.dtype), np.zeros_like(k[0]), np.zeros_like(v[0]))
        y = recur(len(h), start, step)
        if outnorm:
            y = norm(y, w["norm.weight"].reshape(heads, 1, head), eps)
        y = y * silu(z * w["mimo_z"] if mimo else z)
        y = (y * w["mimo_o"]).sum(2) if mimo else y[:, :, 0]
        return y.reshape(len(h), -1) @ w["out_proj.weight"].T + w.get("out_proj.bias", 0)

    def forward(t, ids):
        x = t["backbone.embeddings.weight"][ids]
        for i in range(c.layers):
            start = "backbone.layers.%d." % i
            w = {n[len(start) + 6 :]: v for n, v in t.items() if n.startswith(start + "mixer.")}
            x = x + mixer(w, norm(x, t[start + "norm.weight"], eps))
        return norm(x, t["backbone.norm_f.weight"], eps) @ t["lm_head.weight"].T

    return forward


def rwkv6(c):
    size = c.size
    heads = c.option("num_heads", 4, 1, 2, *([4] if size % 8 == 0 else []))
    keys = int(size * c.option("expand_k", 0.5, 0.5, 1.0))
    values = int(size * c.option("expand_v", 1.0, 0.5, 1.0))
    rank = c.option("proj_low_rank_dim", 32, 2, 3)
    rank_w = c.option("gate_low_rank_dim", 64, 2, 5)
    act = c.option("hidden_act", "sqrelu", *FLA_TABLE)
    first = c.flag("norm_first", True)
    biased = c.flag("norm_bias", True)
    eps = c.option("norm_eps", 1e-5, 1e-5, 1e-3)
    tied = c.flag("tie_word_embeddings", False)
    c.unread("fuse_norm", True, False)
    if c.random.random() < 0.4:
        ratio = c.option("hidden_ratio", 3.5, 3.5, 2.0)
        inner = 32 * -(-int(size * ratio) // 32)
    else:
        inner = c.always("intermediate_size", int(c.random.integers(3, 15)))

    def norms(name):
        c.matrix(name + ".weight", size)
        if biased:
            c.matrix(name + ".bias", size)

    c.matrix("model.embeddings.weight", c.vocabulary, size)
    for i in range(c.layers):
        layer = "model.layers.%d." % i
        if i == 0 and first:
            norms(layer + "pre_norm")
        norms(layer + "attn_norm")
        norms(layer + "ffn_norm")
        a, f = layer + "attn.", layer + "ffn."
        for name, shape in {"x_proj.0.linear.weight": (5 * rank, size), "x_proj.0.mu": (size,),
                            "x_proj.2.weight": (size, 5 * rank), "x_bias": (5, size),
                            "r_proj.linear.weight": (keys, size), "k_proj.linear.weight": (keys, size),
                            "v_proj.linear.weight": (values, size), "g_proj.linear.weight": (values, size),
                            "w_proj.linear.lora.0.weight": (rank_w, size), "w_proj.linear.lora.2.weight": (keys, rank_w),
                            "w_proj.linear.lora.2.bias": (keys,), "bonus": (heads, keys // heads),
                            "g_norm.weight": (values,), "g_norm.bias": (values,),
                            "o_proj.weight": (size, values)}.items():
            c.matrix(a + name, *shape)
        for name, shape in {"key.linear.weight": (inner, size), "key.mu": (size,),
                            "receptance.linear.weight": (size, size), "receptance.mu": (size,),
                            "value.weight": (size, inner)}.items():
            c.matrix(f + name, *shape)
    norms("model.norm")
    if not tied:
        c.matrix("lm_head.weight", c.vocabulary, size)

    def normed(t, name, x):
        return layer_norm(x, t[name + ".weight"], t.get(name + ".bias", 0), eps)

    def attention(w, u):
        dx = shifted(u) - u
        z = np.tanh((u + dx * w["x_proj.0.mu"]) @ w["x_proj.0.linear.weight"].T).reshape(-1, 5, rank)
        maps = w["x_proj.2.weight"].reshape(size, 5, rank)
        mixed = [u + dx * (z[:, n] @ maps[:, n].T + w["x_bias"][n]) for n in range(5)]
        r, k, v, g = (mixed[n] @ w[name + "_proj.linear.weight"].T for name, n in zip("rkvg", (0, 2, 3, 4)))
        lora = "w_proj.linear.lora."
        d = np.tanh(mixed[1] @ w[lora + "0.weight"].T) @ w[lora + "2.weight"].T + w[lora + "2.bias"]
        r, k, v, d = (x.reshape(len(u), heads, -1) for x in (r, k, v, np.exp(-np.exp(d))))

        def step(state, t):
            kv = outer(k[t], v[t])
            return d[t][:, :, None] * state + kv, read(state + w["bonus"][:, :, None] * kv, r[t])

        o = recur(len(u), np.zeros((heads, keys // heads, values // heads), u.dtype), step)
        o = layer_norm(o, 1.0, 0.0, eps).reshape(len(u), -1) * w["g_norm.weight"] + w["g_norm.bias"]
        return (o * silu(g)) @ w["o_proj.weight"].T

    def feed_forward(w, u):
        dx = shifted(u) - u
        k = FLA_TABLE[act]((u + dx * w["key.mu"]) @ w["key.linear.weight"].T)
        return sigmoid((u + dx * w["receptance.mu"]) @ w["receptance.linear.weight"].T) * (k @ w["value.weight"].T)

    def forward(t, ids):
        x = t["model.embeddings.weight"][ids]
        for i in range(c.layers):
            layer = "model.layers.%d." % i
            part = {p: {n[len(layer + p) :]: v for n, v in t.items() if n.startswith(layer + p)}
                    for p in ("attn.", "ffn.")}
            if i == 0 and first:
                x = normed(t, layer + "pre_norm", x)
            x = x + attention(part["attn."], normed(t, layer + "attn_norm", x))
            x = x + feed_forward(part["ffn."], normed(t, layer + "ffn_norm", x))
        return normed(t, "model.norm", x) @ t.get("lm_head.weight", t["model.embeddings.weight"]).T

    return forward


def lower_bound(t, i):
    """Nothing in layer 0, else the sum of the shares of layers 1 .. i."""
    if i == 0 or "model.lower_bounds" not in t:
        return 0
    b = t["model.lower_bounds"]
    p = np.exp(b - b.max(0))
    return (p / p.sum(0))[1 : i + 1].sum(0)


def raised(f, bound):
    return bound + (1 - bound) * sigmoid(f)


def hgrn2(c):
    size = c.size
    bounds = c.flag("use_lower_bound", True)
    ratio = c.option("expand_ratio", 128, None, 2, 4)
    if ratio is None:
        heads = c.always("num_heads", int(c.random.choice([1, 2, 4])))
    else:
        heads = size // ratio
        c.unread("num_heads", None, 1, heads)
    affine = c.flag("elementwise_affine", True)
    conv = c.flag("use_short_conv", False)
    width = c.option("conv_size", 4, 2, 4)
    shapes = {name + "_proj.weight": (size, size) for name in "qfio"}
    if conv:
        shapes.update({name + "_conv1d.weight": (size, 1, width) for name in "qfi"})
    if affine:
        shapes["g_norm.weight"] = (size,)
    if bounds:
        c.matrix("model.lower_bounds", c.layers, size)

    def mixer(w, h, _, i, t):
        q, f, v = (projected(w, h, name, conv, same, same) for name in "qfi")
        f = raised(f, lower_bound(t, i))
        q, f, v = (x.reshape(len(h), heads, -1) for x in (silu(q), f, v))

        def step(state, n):
            state = f[n][:, :, None] * state + outer(1 - f[n], v[n])
            return state, read(state, q[n])

        o = recur(len(h), np.zeros((heads, size // heads, size // heads), h.dtype), step)
        o = (o / np.sqrt(size // heads).astype(h.dtype)).reshape(len(h), -1)
        return norm(o, w.get("g_norm.weight"), 1e-5) @ w["o_proj.weight"].T

    return shell(c, mixer, shapes)


def hgrn(c):
    bounds = c.flag("use_lower_bound", True)
    ratio = c.option("expand_ratio", 1, *([1] if bounds else [1, 2]))
    inner = int(c.size * ratio)
    affine = c.flag("elementwise_affine", True)
    conv = c.flag("use_short_conv", False)
    width = c.option("conv_size", 4, 2, 4)
    shapes = {name + "_proj.weight": (inner, c.size) for name in "ifg"}
    shapes["o_proj.weight"] = (c.size, inner)
    if conv:
        shapes.update({name + "_conv1d.weight": (inner, 1, width) for name in "if"})
    if affine:
        shapes["g_norm.weight"] = (inner,)
    if bounds:
        c.matrix("model.lower_bounds", c.layers, c.size)

    def mixer(w, h, epsilon, i, t):
        v, f = (projected(w, h, name, conv, same, same) for name in "if")
        f = raised(f, lower_bound(t, i))
        v = silu(v) * (1 - f)

        def step(state, n):
            state = f[n] * state + v[n]
            return state, state

        o = recur(len(h), np.zeros(inner, h.dtype), step)
        return (norm(o, w.get("g_norm.weight"), epsilon) * silu(h @ w["g_proj.weight"].T)) @ w["o_proj.weight"].T

    return shell(c, mixer, shapes)


def retnet(c):
    size = c.size
    heads = c.option("num_heads", 8, 1, 2, 4)
    shared = c.option("num_kv_heads", None, None, *(g for g in (1, 2) if heads % g == 0))
    shared = heads if shared is None else shared
    # Halves of a head turn together: its size is even.
    keys = int(size * c.option("expand_k", 1.0, *((1.0, 2.0) if size // heads % 2 == 0 else (2.0,))))
    values = int(size * c.option("expand_v", 2.0, 1.0, 2.0))
    feature = c.option("feature_map", None, None, *TRANSFORMERS_TABLE)
    use_gate = c.flag("use_output_gate", True)
    affine = c.flag("elementwise_affine", True)
    fused = c.flag("fuse_norm", True)
    c.unread("use_short_conv", False, True)
    c.unread("conv_size", 4, 3)
    shapes = {"q_proj.weight": (keys, size), "k_proj.weight": (keys // heads * shared, size),
              "v_proj.weight": (values // heads * shared, size), "o_proj.weight": (size, values)}
    if use_gate:
        shapes["g_proj.weight"] = (values, size)
    name = "g_norm_swish_gate.weight" if use_gate and fused else "g_norm.weight"
    if affine:
        shapes[name] = (values // heads,)

    def mixer(w, h, epsilon, _, __):
        q, k, v = (h @ w[n + "_proj.weight"].T for n in "qkv")
        q, k, v = q.reshape(len(h), heads, -1), k.reshape(len(h), shared, -1), v.reshape(len(h), shared, -1)
        if feature is not None:
            q, k = TRANSFORMERS_TABLE[feature](q), TRANSFORMERS_TABLE[feature](k)
        d = keys // heads
        angle = np.arange(len(h))[:, None] * 10000.0 ** (-2 * np.arange(d // 2) / d)
        angle = angle.astype(h.dtype)[:, None, :]
        q, k = turned(q, angle, False), turned(k, angle, False)
        k, v = (np.repeat(x, heads // shared, 1) for x in (k, v))
        gamma = (1 - 2.0 ** (-5 - np.arange(heads))).astype(h.dtype)

        def step(state, t):
            state = gamma[:, None, None] * state + outer(k[t], v[t])
            return state, read(state, q[t])

        o = recur(len(h), np.zeros((heads, d, values // heads), h.dtype), step) / np.sqrt(d).astype(h.dtype)
        o = norm(o, w.get(name), epsilon)
        if use_gate:
            o = o * silu(h @ w["g_proj.weight"].T).reshape(o.shape)
        return o.reshape(len(h), -1) @ w["o_proj.weight"].T

    return shell(c, mixer, shapes, powlu_too=False, ratio=2)


def linear_attn(c):
    size = c.size
    heads = c.option("num_heads", 4, 1, 2, 4)
    shared = c.option("num_kv_heads", None, None, *(g for g in (1, 2) if heads % g == 0))
    shared = heads if shared is None else shared
    keys = int(size * c.option("expand_k", 1.0, *([0.5, 1.0] if size % (2 * heads) == 0 else [1.0]))) // heads
    values = int(size * c.option("expand_v", 1.0, 1.0, 2.0)) // heads
    feature = c.option("feature_map", "elementwise_product", "elementwise_product", "hedgehog", "t2r", "relu", "identity",
                       "elu", "dpfp")
    maps = {"elementwise_product": ("layer1", "layer2"), "hedgehog": ("layer",), "t2r": ("layer",)}.get(feature, ())
    tie = c.flag("tie_feature_map_qk", False)
    # Of two keys and fewer dpfp's features sum to zero, whatever the weights: the norms divide by what rounding leaves.
    norms = feature != "dpfp" or keys > 2
    norm_q, norm_k = (c.flag(name, False) if norms else c.option(name, False, False) for name in ("norm_q", "norm_k"))
    norm_map = c.option("norm_feature_map", False, *([True, False] if norms else [False]))
    affine = c.flag("elementwise_affine", True)
    shapes = {"q_proj.weight": (keys * heads, size), "k_proj.weight": (keys * shared, size),
              "v_proj.weight": (values * shared, size), "o_proj.weight": (size, values * heads)}
    if affine:
        shapes["norm.weight"] = (values,)
    # One map under two names, of which a file has one or both.
    named = ("q", "k") if not tie else (("q", "k"), ("q",), ("k",))[c.random.integers(3)]
    for which in named:
        for layer in maps:
            shapes["feature_map_%s.%s.weight" % (which, layer)] = (keys, keys)
            if feature != "t2r":
                shapes["feature_map_%s.%s.bias" % (which, layer)] = (keys,)

    def phi(w, which, x):
        which = which if not tie else named[0]

        def layer(name):
            prefix = "feature_map_%s.%s." % (which, name)
            return x @ w[prefix + "weight"].T + w.get(prefix + "bias", 0)

        if feature == "elementwise_product":
            return layer("layer1") * layer("layer2")
        if feature == "hedgehog":
            y = 2 * layer("layer")
            y = np.concatenate([y, -y], -1)
            y = np.exp(y - y.max(-1, keepdims=True))
            return y / y.sum(-1, keepdims=True)
        if feature == "t2r":
            return np.maximum(layer("layer"), 0)
        if feature == "dpfp":
            y = np.concatenate([np.maximum(x, 0), -np.maximum(x, 0)], -1)
            return np.concatenate([y * np.roll(y, s, -1) for s in (1, 2, 3, 4)], -1)
        if feature == "elu":
            return np.where(x > 0, x, np.expm1(np.minimum(x, 0))) + 1
        return np.maximum(x, 0) if feature == "relu" else x

    def mixer(w, h, epsilon, _, __):
        q, k, v = (h @ w[n + "_proj.weight"].T for n in "qkv")
        q, k, v = q.reshape(len(h), heads, -1), k.reshape(len(h), shared, -1), v.reshape(len(h), shared, -1)
        k, v = (np.repeat(x, heads // shared, 1) for x in (k, v))
        q, k = phi(w, "q", q), phi(w, "k", k)
        if norm_q:
            q = q / (q.sum(-1, keepdims=True) + 1e-4)
        if norm_k:
            k = k / (k.sum(-1, keepdims=True) + 1e-4)
        q = q / np.sqrt(q.shape[-1]).astype(h.dtype)

        def step(carried, t):
            state, total = carried
            state, total = state + outer(k[t], v[t]), total + k[t]
            y = read(state, q[t])
            if norm_map:
                y = y / ((q[t] * total).sum(-1, keepdims=True) + 1e-10)
            return (state, total), y

        o = recur(len(h), (np.zeros((heads, k.shape[2], values), h.dtype), np.zeros(k.shape[1:], h.dtype)), step)
        return norm(o, w.get("norm.weight"), epsilon).reshape(len(h), -1) @ w["o_proj.weight"].T

    def tensors_alike(t):
        """Where both names are there, they hold the same."""
        if tie and len(named) == 2:
            for name in list(t):
                if "feature_map_k." in name:
                    t[name] = t[name.replace("feature_map_k.", "feature_map_q.")]
        return t

    c.finish = tensors_alike
    return shell(c, mixer, shapes)


def mesa_net(c):
    heads = c.option("num_heads", 16, 1, 2)
    d = c.option("head_dim", 128, 2, 4)
    use_gate = c.flag("use_output_gate", False)
    width = c.option("conv_size", 4, 2, 4)
    least = c.option("lambda_lower_bound", 0.25, 0.25, 0.5)
    steps = c.option("max_cg_step_training", 30, 30, 2, 5)
    c.unread("max_cg_step_decoding", 30, 3)
    c.unread("use_short_conv", True, False)
    shapes = {name + "_proj.weight": (heads * d, c.size) for name in "qkv"}
    shapes.update({name + "_conv1d.weight": (heads * d, 1, width) for name in "qk"})
    for name in "ab":
        shapes[name + "_proj.weight"], shapes[name + "_proj.bias"] = (heads, c.size), (heads,)
    shapes.update({"lambda_params": (heads * d,), "o_norm.weight": (d,), "o_proj.weight": (c.size, heads * d)})
    if use_gate:
        shapes["g_proj.weight"] = (heads * d, c.size)

    def mixer(w, h, epsilon, _, __):
        q, k = (unit(silu(convolution(h @ w[n + "_proj.weight"].T, w[n + "_conv1d.weight"])).reshape(len(h), heads, d))
                for n in "qk")
        v = (h @ w["v_proj.weight"].T).reshape(len(h), heads, d)
        beta, a = (sigmoid(h @ w[n + "_proj.weight"].T + w[n + "_proj.bias"]) for n in "ba")
        diagonal = (softplus(w["lambda_params"]) + least).reshape(heads, d)

        def solved(m, b):
            x, r, p = np.zeros_like(b), b, b
            square = (r * r).sum(-1, keepdims=True)
            for _ in range(steps):
                mp = read(m, p) + diagonal * p
                step_size = square / ((p * mp).sum(-1, keepdims=True) + 1e-5)
                x, r = x + step_size * p, r - step_size * mp
                after = (r * r).sum(-1, keepdims=True)
                p, square = r + after / (square + 1e-5) * p, after
            return x

        def step(carried, t):
            m, state = carried
            m = a[t][:, None, None] * m + outer(beta[t][:, None] * k[t], k[t])
            state = a[t][:, None, None] * state + outer(beta[t][:, None] * k[t], v[t])
            return (m, state), read(state, solved(m, q[t]))

        o = recur(len(h), (np.zeros((heads, d, d), h.dtype), np.zeros((heads, d, d), h.dtype)), step)
        o = norm(o, w["o_norm.weight"], epsilon)
        if use_gate:
            o = o * silu(h @ w["g_proj.weight"].T).reshape(o.shape)
        return o.reshape(len(h), -1) @ w["o_proj.weight"].T

    return shell(c, mixer, shapes)


ARCHITECTURES = {f.__name__: f for f in (kda, comba, mamba3, gated_deltanet, rwkv6, hgrn2, hgrn, retnet, linear_attn,
                                         precond_gated_deltanet, mesa_net)}


def tensors_of(random, shapes):
    kind = np.float16 if random.random() < 0.2 else np.float32
    tensors = {}
    for name, shape in shapes.items():
        value = random.normal(size=shape) * (0.7 if len(shape) > 1 else 0.3)
        if "norm" in name and name.endswith("weight") and len(shape) == 1:
            value = 1 + value
        tensors[name] = value.astype(kind)
    return tensors


def draw_model(name, random):
    """A configuration, its tensors, words, and logits in double and in single precision; draws until it is tame."""
    dropped = 0
    while True:
        c = Draw(random, name)
        forward = ARCHITECTURES[name](c)
        tensors = getattr(c, "finish", same)(tensors_of(random, c.shapes))
        ids = random.integers(0, c.vocabulary, size=(WORDS, LENGTH))
        logits = {}
        with np.errstate(all="ignore"):
            for kind in (np.float64, np.float32):
                own = {key: value.astype(kind) for key, value in tensors.items()}
                rows = [forward(own, word) for word in ids]
                if any(row.dtype != kind for row in rows):
                    raise TypeError("%s: a reference in %s gave %s" % (name, kind.__name__, rows[0].dtype))
                logits[kind] = np.array(rows, dtype=np.float64)
            off = np.abs(logits[np.float64] - logits[np.float32]).max()
            for _ in range(3):
                own = {key: value * (1 + 2.0**-24 * random.choice([-1, 1], size=value.shape))
                       for key, value in sorted(tensors.items())}
                moved = np.array([forward(getattr(c, "finish", same)(own), word) for word in ids])
                off = max(off, np.abs(logits[np.float64] - moved).max())
        if np.isfinite(off) and off <= 0.1:
            return c.config, tensors, ids, logits[np.float64], off, dropped
        dropped += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--krohn", required=True)
    parser.add_argument("--golden", required=True)
    parser.add_argument("--models", type=int, default=6, help="of every architecture")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--of", nargs="*", choices=ARCHITECTURES, default=list(ARCHITECTURES))
    parser.add_argument("--keep", type=pathlib.Path, help="leave the models in this folder")
    arguments = parser.parse_args()
    failed = []
    with tempfile.TemporaryDirectory() as temporary:
        cases = arguments.keep or pathlib.Path(temporary)
        said = {name: collections.Counter() for name in arguments.of}
        for name in arguments.of:
            worst = ratio = 0.0
            beyond = dropped_all = 0
            for number in range(arguments.models):
                random = np.random.default_rng([arguments.seed, sorted(ARCHITECTURES).index(name), number])
                config, tensors, ids, logits, single, dropped = draw_model(name, random)
                dropped_all += dropped
                said[name].update("%s = %s" % (key, json.dumps(value)) for key, value in config.items())
                folder = cases / ("%s_%05d" % (name, number))
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
                write_tensors(folder / "model.safetensors", tensors)
                write_tensors(folder / "golden.safetensors", {"input_ids": ids.astype(np.int64), "logits": logits})
                out = cases / "out.safetensors"
                done = subprocess.run([arguments.krohn, "run", str(folder), "--tokens", str(folder / "golden.safetensors"),
                                       "--logits", str(out), "--device", "cpu"], capture_output=True, text=True)
                if done.returncode != 0:
                    failed.append("%s: %s" % (folder.name, done.stderr.strip()))
                    continue
                ours = read_tensors(out)["logits"]
                out.unlink()
                off = np.abs(ours - logits).max()
                worst = max(worst, off)
                ratio = max(ratio, off / max(single, 2.0**-24))
                beyond += off > 1e-4
                bound = max(1e-4, 10 * single)
                two = np.sort(logits, -1)[..., -2:]
                differ = (ours.argmax(-1) != logits.argmax(-1)) & (two[..., 1] - two[..., 0] > 2 * bound)
                if off > bound or differ.any():
                    failed.append("%s: krohn run is off by %.2g, the yardstick by %.2g, and %d labels differ" %
                                  (folder.name, off, single, differ.sum()))
            print("%-24s %d models, fp32 within %.2g (%d beyond 1e-4; at most %.1f times the yardstick), %d drawn again" %
                  (name, arguments.models, worst, beyond, ratio, dropped_all), flush=True)
        environment = dict(os.environ, KROHN_RECORDED_CASES=str(cases))
        done = subprocess.run([arguments.golden, "-tc=the double form*"], env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            blocks = [block for block in done.stdout.split("\n\n") if "ERROR" in block]
            failed.append("in double:\n" + "\n\n".join(blocks)[:4000])
        elif arguments.models * len(arguments.of) > 0 and "%s_00000" % arguments.of[0] not in done.stdout:
            failed.append("in double: the models were not looked at")
    for text in failed:
        print(text, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
