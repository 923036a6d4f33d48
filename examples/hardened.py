#!/usr/bin/env python3
"""Runs a hardened checkpoint token by token in plain PyTorch: after every token, each state is the nearest of its codes.

    python3 hardened.py DIR TOKEN TOKEN ..        prints the index of the largest logit after every token

DIR is what `krohn harden` writes for a DeltaNet, Gated DeltaNet, (gated) DeltaProduct, GLA or Mamba of
flash-linear-attention. Errors of a token do not outlive it: single precision in any order of operations answers as krohn
does, unless the gap that `krohn harden` prints is tiny.
"""
import json
import math
import pathlib
import sys

import torch
from torch.nn.functional import linear, logsigmoid, silu, softplus


def load(path):
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header, kinds = json.loads(raw[8 : 8 + size]), {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    return {name: torch.frombuffer(bytearray(raw[8 + size + t["data_offsets"][0] : 8 + size + t["data_offsets"][1]]),
                                   dtype=kinds[t["dtype"]]).reshape(t["shape"]).float()
            for name, t in header.items() if name != "__metadata__"}


class Hardened:
    def __init__(self, directory):
        self.c = c = json.loads((pathlib.Path(directory) / "config.json").read_text())
        self.w, self.codes = (load(pathlib.Path(directory) / file) for file in ("model.safetensors", "codes.safetensors"))
        self.kind, self.carried = c["model_type"], {}
        self.root, self.last = ("backbone.", "norm_f") if self.kind == "mamba" else ("model.", "norm")
        if (self.kind not in ("delta_net", "gated_deltanet", "gated_deltaproduct", "gla", "mamba") or c.get("feature_map")
                or c.get("qk_activation", "silu") not in ("silu", "relu") or c.get("use_rope") or c.get("attn")
                or c.get("share_conv_kernel") or c.get("positive_and_negative") or c.get("qk_norm", "l2") != "l2"):
            raise ValueError("%s: an architecture or option that is not covered here" % directory)

    def norm(self, x, name):
        x = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.c["norm_eps"])
        return x * self.w[name] if name in self.w else x

    def convolve(self, x, name):
        """Of the last tokens' inputs, each channel by itself; x where the model has no such convolution."""
        if name + ".weight" not in self.w:
            return x
        kernel = self.w[name + ".weight"][:, 0]
        window = torch.cat([self.carried.get(name, torch.zeros(len(x), kernel.shape[1] - 1)), x[:, None]], 1)
        self.carried[name] = window[:, 1:]
        return (kernel * window).sum(1) + self.w.get(name + ".bias", 0)

    def snap(self, layer, states):
        """[units, keys, values]: each becomes the nearest of its codes, the first of equals."""
        codes = [self.codes["codes.%d.hidden.%d" % (layer, unit)] for unit in range(len(states))]
        nearest = [book[(book - state).flatten(1).norm(dim=1).argmin()] for book, state in zip(codes, states)]
        self.carried[layer] = torch.stack(nearest)
        return self.carried[layer]

    def attention(self, h, layer, p):
        c, w, n, heads = self.c, self.w, self.c.get("num_householder", 1), self.c["num_heads"]
        q, k, v = (self.convolve(linear(h, w[p + x + "_proj.weight"]), p + x + "_conv1d") for x in "qkv")
        if self.kind != "gla" or c.get("use_short_conv"):
            q, k = (torch.relu(x) if c.get("qk_activation") == "relu" else silu(x) for x in (q, k))
            v = silu(v)
        values = c.get("num_v_heads") or heads
        if self.kind == "gla":
            shared = c.get("num_kv_heads") or heads
            gate = linear(linear(h, w[p + "gk_proj.0.weight"]), w[p + "gk_proj.1.weight"], w[p + "gk_proj.1.bias"])
            least = -math.inf if c.get("clamp_min") is None else c["clamp_min"]
            q, gate = q.view(heads, -1), torch.exp((logsigmoid(gate) / 16).clamp(min=least))
            k, v, gate = (x.view(shared, -1).repeat_interleave(heads // shared, 0) for x in (k, v, gate))
            state = gate[:, :, None] * self.carried.get(layer, 0) + k[:, :, None] * v[:, None]
        else:
            q, k, v = q.view(heads, -1), k.view(n, heads, -1), v.view(n, values, 1, -1)
            q, k = (x * torch.rsqrt(x.square().sum(-1, keepdim=True) + 1e-6) for x in (q, k))
            q, k = q.repeat_interleave(values // heads, 0), k.repeat_interleave(values // heads, 1)[..., None]
            beta = torch.sigmoid(linear(h, w[p + "b_proj.weight"])) if c.get("use_beta", True) else torch.ones(n * values)
            beta = beta.view(n, values, 1, 1) * (2 if c.get("allow_neg_eigval") else 1)
            state = self.carried.get(layer, torch.zeros(values, k.shape[2], v.shape[3]))
            if p + "a_proj.weight" in w:
                rate = softplus(linear(h, w[p + "a_proj.weight"]) + w[p + "dt_bias"])
                state = torch.exp(-w[p + "A_log"].exp() * rate)[:, None, None] * state
            for j in range(n):
                state = state + beta[j] * k[j] * (v[j] - (k[j] * state).sum(1, keepdim=True))
        out = (q[:, :, None] * self.snap(layer, state)).sum(1) / math.sqrt(q.shape[-1])
        names = [p + x + ".weight" for x in ("o_norm", "g_norm_swish_gate", "g_norm") if p + x + ".weight" in w]
        out = self.norm(out, names[0] if names else "").flatten()
        return linear(out * silu(linear(h, w[p + "g_proj.weight"])) if p + "g_proj.weight" in w else out,
                      w[p + "o_proj.weight"])

    def selection(self, h, layer, p):
        w, get = self.w, self.w.get
        x, z = linear(h, w[p + "in_proj.weight"], get(p + "in_proj.bias")).chunk(2)
        u = silu(self.convolve(x, p + "conv1d"))
        rank, size = w[p + "dt_proj.weight"].shape[1], w[p + "A_log"].shape[1]
        dt, write, read = linear(u, w[p + "x_proj.weight"]).split([rank, size, size])
        dt = softplus(linear(dt, w[p + "dt_proj.weight"], w[p + "dt_proj.bias"]))
        decay = torch.exp(dt * -w[p + "A_log"].exp().T)
        state = self.snap(layer, (decay * self.carried.get(layer, 0) + write[:, None] * dt * u).view(1, size, -1))[0]
        y = ((read[:, None] * state).sum(0) + w[p + "D"] * u) * silu(z)
        return linear(y, w[p + "out_proj.weight"], get(p + "out_proj.bias"))

    def step(self, token):
        """The logits after one more token."""
        w, embeddings = self.w, [self.w[x] for x in self.w if x.startswith(self.root + "embedding")][0]
        x = embeddings[token]
        for layer in range(self.c["num_hidden_layers"]):
            p = "%slayers.%d." % (self.root, layer)
            if self.kind == "mamba":
                x = x + self.selection(self.norm(x, p + "norm.weight"), layer, p + "mixer.")
                continue
            x = x + self.attention(self.norm(x, p + "attn_norm.weight"), layer, p + "attn.")
            h = self.norm(x, p + "mlp_norm.weight")
            inner = silu(linear(h, w[p + "mlp.gate_proj.weight"])) * linear(h, w[p + "mlp.up_proj.weight"])
            x = x + linear(inner, w[p + "mlp.down_proj.weight"])
        return linear(self.norm(x, self.root + self.last + ".weight"), w.get("lm_head.weight", embeddings))


if __name__ == "__main__":
    model = Hardened(sys.argv[1])
    print(*(int(model.step(int(token)).argmax()) for token in sys.argv[2:]))
