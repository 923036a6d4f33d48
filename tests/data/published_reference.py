#!/usr/bin/env python3
"""Writes the recorded cases of published file forms: tests/data/variants/published_NAME with config.json,
model.safetensors and golden.safetensors (input_ids, logits and last states in float64).

NumPy alone, one token after the other in float64, from the definitions; nothing of krohn is read. Weights are random and
rounded to binary32 before they are used.

For the hybrids, whose config.json and model.safetensors in tests/data/hybrids are as save_pretrained of transformers 5.24
wrote them (with random weights), it writes golden.safetensors: inputs of the layers, the order in which they are read, and
what each linear layer gives.

    python3 tests/data/published_reference.py [NAME ..]
"""
import functools
import json
import pathlib
import struct
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
WORDS, LENGTH, VOCABULARY, SIZE = 2, 24, 5, 8


def write_tensors(path, tensors):
    header, body = {}, b""
    for name, array in tensors.items():
        kind = {"float16": "F16", "float32": "F32", "float64": "F64", "int64": "I64"}[str(array.dtype)]
        data = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


def softplus(x):
    return np.logaddexp(0, x)


def rms(x, weight, epsilon):
    return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + epsilon) * weight


def layer_norm(x, weight, bias, epsilon):
    y = x - x.mean(-1, keepdims=True)
    return y / np.sqrt(np.mean(y * y, -1, keepdims=True) + epsilon) * weight + bias


def unit(x):
    return x / np.sqrt(np.sum(x * x, -1, keepdims=True) + 1e-6)


def convolution(x, weight, bias=None):
    """x [T, C], weight [C, 1, W]: the last entry of the weight meets the newest input."""
    width = weight.shape[-1]
    padded = np.concatenate([np.zeros((width - 1, x.shape[1]), x.dtype), x])
    y = sum(padded[j : j + len(x)] * weight[:, 0, j] for j in range(width))
    return y if bias is None else y + bias


def random_tensors(shapes, seed):
    draw = np.random.default_rng(seed)
    tensors = {}
    for name, shape in shapes.items():
        scale = 0.7 if len(shape) > 1 else 0.3
        value = draw.normal(size=shape) * scale
        if "norm" in name and name.endswith("weight"):
            value = 1 + value
        tensors[name] = value.astype(np.float32)
    return tensors


# ---- flash-linear-attention's shell ---------------------------------------------------------------------------------


def fla_shapes(config, mixer):
    inner = config["intermediate_size"]
    shapes = {"model.embeddings.weight": (VOCABULARY, SIZE)}
    for i in range(config["num_hidden_layers"]):
        layer = "model.layers.%d." % i
        shapes[layer + "attn_norm.weight"] = (SIZE,)
        shapes.update({layer + "attn." + name: shape for name, shape in mixer.items()})
        shapes[layer + "mlp_norm.weight"] = (SIZE,)
        shapes[layer + "mlp.gate_proj.weight"] = shapes[layer + "mlp.up_proj.weight"] = (inner, SIZE)
        shapes[layer + "mlp.down_proj.weight"] = (SIZE, inner)
    shapes["model.norm.weight"] = (SIZE,)
    shapes["lm_head.weight"] = (VOCABULARY, SIZE)
    return shapes


def fla_forward(config, t, ids, mixer):
    epsilon = config.get("norm_eps", config.get("rms_norm_eps", 1e-6))
    x = t["model.embeddings.weight"][ids]
    states = []
    for i in range(config["num_hidden_layers"]):
        layer = "model.layers.%d." % i
        weights = {name[len(layer) + 5 :]: value for name, value in t.items() if name.startswith(layer + "attn.")}
        y, state = mixer(config, weights, rms(x, t[layer + "attn_norm.weight"], epsilon), epsilon)
        x = x + y
        h = rms(x, t[layer + "mlp_norm.weight"], epsilon)
        gate, up, down = (t[layer + "mlp.%s_proj.weight" % name] for name in ("gate", "up", "down"))
        x = x + (silu(h @ gate.T) * (h @ up.T)) @ down.T
        states.append(state)
    return rms(x, t["model.norm.weight"], epsilon) @ t["lm_head.weight"].T, states


def delta_rule(q, k, v, beta, decay=None):
    """q, k [T, H, d_k], v [T, H, d_v], beta [T, H]: S = a S; S = S + k (beta (v - S^T k))^T; S^T q / sqrt(d_k)."""
    state = np.zeros((k.shape[1], k.shape[2], v.shape[2]))
    out = []
    for step in range(len(q)):
        if decay is not None:
            state = state * decay[step][:, None, None]
        error = beta[step][:, None] * (v[step] - np.einsum("hkv,hk->hv", state, k[step]))
        state = state + k[step][:, :, None] * error[:, None, :]
        out.append(np.einsum("hkv,hk->hv", state, q[step]) / np.sqrt(k.shape[2]))
    return np.array(out), state


def delta_net(config, w, h, epsilon, before_0_6=False):
    heads = config["num_heads"]
    if config.get("share_conv_kernel"):
        h = convolution(h, w["h_conv1d.weight"])
        q, k, v = (h @ w[name + "_proj.weight"].T for name in "qkv")
        if config["qk_activation"] == "relu":
            q, k = np.maximum(q, 0), np.maximum(k, 0)
    else:
        q, k, v = (silu(h @ w[name + "_proj.weight"].T) for name in "qkv")
    q, k, v = (x.reshape(len(x), heads, -1) for x in (q, k, v))
    if config["qk_norm"] == "l2":
        q, k = unit(q), unit(k)
    elif before_0_6:
        q, k = (x / x.sum(-1, keepdims=True) for x in (q, k))
    else:
        q, k = (x / np.maximum(np.abs(x).sum(-1, keepdims=True), 1e-6) for x in (q, k))
    o, state = delta_rule(q, k, v, sigmoid(h @ w["b_proj.weight"].T))
    o = rms(o, w["o_norm.weight"], epsilon)
    if config["use_gate"]:
        o = o * silu((h @ w["g_proj.weight"].T).reshape(o.shape))
    return o.reshape(len(o), -1) @ w["o_proj.weight"].T, state


def gated_deltanet(config, w, h, epsilon):
    heads, value_heads = config["num_heads"], config["num_v_heads"]
    q, k, v = (silu(h @ w[name + "_proj.weight"].T) for name in "qkv")
    q, k = (np.repeat(unit(x.reshape(len(x), heads, -1)), value_heads // heads, 1) for x in (q, k))
    v = v.reshape(len(v), value_heads, -1)
    decay = np.exp(-np.exp(w["A_log"]) * softplus(h @ w["a_proj.weight"].T + w["dt_bias"]))
    o, state = delta_rule(q, k, v, sigmoid(h @ w["b_proj.weight"].T), decay)
    gate = sigmoid if config.get("output_gate_activation") == "sigmoid" else silu
    o = rms(o, w["o_norm.weight"], epsilon) * gate((h @ w["g_proj.weight"].T).reshape(o.shape))
    return o.reshape(len(o), -1) @ w["o_proj.weight"].T, state


def gla(config, w, h, epsilon):
    heads = config["num_heads"]
    if config.get("share_conv_kernel") and config["use_short_conv"]:
        h = silu(convolution(h, w["h_conv1d.weight"]))
    q, k, v = (h @ w[name + "_proj.weight"].T for name in "qkv")
    gates = h @ w["gk_proj.0.weight"].T @ w["gk_proj.1.weight"].T + w["gk_proj.1.bias"]
    q, k, v, gates = (x.reshape(len(x), heads, -1) for x in (q, k, v, gates))
    decay = np.exp(-softplus(-gates) / 16)
    state = np.zeros((heads, k.shape[2], v.shape[2]))
    out = []
    for step in range(len(q)):
        state = state * decay[step][:, :, None] + k[step][:, :, None] * v[step][:, None, :]
        out.append(np.einsum("hkv,hk->hv", state, q[step]) / np.sqrt(k.shape[2]))
    o = rms(np.array(out), w["g_norm_swish_gate.weight"], epsilon)
    o = o * silu((h @ w["g_proj.weight"].T).reshape(o.shape))
    return o.reshape(len(o), -1) @ w["o_proj.weight"].T, state


FLA = dict(hidden_size=SIZE, intermediate_size=10, num_hidden_layers=2, vocab_size=VOCABULARY, hidden_act="swish",
           tie_word_embeddings=False)


def fla_case(model_type, mixer, shapes, extra=None, **options):
    config = dict(FLA, model_type=model_type, **options)
    tensors = fla_shapes(config, dict(shapes, **(extra or {})))
    return config, random_tensors(tensors, len(str(sorted(config.items())))), lambda t, ids: fla_forward(
        config, t, ids, mixer)


def delta_shapes(heads, size, **more):
    width = heads * size
    shapes = {name + "_proj.weight": (width, SIZE) for name in "qkv"}
    shapes.update({"b_proj.weight": (heads, SIZE), "o_norm.weight": (size,), "o_proj.weight": (SIZE, width)})
    return dict(shapes, **more)


GATED = {"q_proj.weight": (6, SIZE), "k_proj.weight": (6, SIZE), "v_proj.weight": (24, SIZE),
         "a_proj.weight": (4, SIZE), "b_proj.weight": (4, SIZE), "A_log": (4,), "dt_bias": (4,), "D": (4,),
         "g_proj.weight": (24, SIZE), "o_norm.weight": (6,), "o_proj.weight": (SIZE, 24)}
GLA = {"q_proj.weight": (4, SIZE), "k_proj.weight": (4, SIZE), "v_proj.weight": (8, SIZE),
       "gk_proj.0.weight": (3, SIZE), "gk_proj.1.weight": (4, 3), "gk_proj.1.bias": (4,),
       "g_proj.weight": (8, SIZE), "g_norm_swish_gate.weight": (4,), "o_proj.weight": (SIZE, 8)}


# ---- mamba_ssm ------------------------------------------------------------------------------------------------------


def mamba(w, h, _):
    inner, states = w["A_log"].shape
    rank = w["dt_proj.weight"].shape[1]
    u, z = np.split(h @ w["in_proj.weight"].T, 2, -1)
    u = silu(convolution(u, w["conv1d.weight"], w["conv1d.bias"]))
    selection = u @ w["x_proj.weight"].T
    dt = softplus(selection[:, :rank] @ w["dt_proj.weight"].T + w["dt_proj.bias"])
    state = np.zeros((inner, states))
    out = []
    for step in range(len(u)):
        b, c = selection[step, rank : rank + states], selection[step, rank + states :]
        state = np.exp(-dt[step][:, None] * np.exp(w["A_log"])) * state + np.outer(dt[step] * u[step], b)
        out.append(state @ c + w["D"] * u[step])
    return (np.array(out) * silu(z)) @ w["out_proj.weight"].T, state


def mamba2(w, h, options):
    inner, groups, states, size = 2 * SIZE, options["ngroups"], options["d_state"], options["headdim"]
    heads = inner // size
    z, xbc, dt = np.split(h @ w["in_proj.weight"].T, [inner, 2 * inner + 2 * groups * states], -1)
    xbc = silu(convolution(xbc, w["conv1d.weight"], w["conv1d.bias"]))
    u, b, c = np.split(xbc, [inner, inner + groups * states], -1)
    least, most = options.get("dt_limit", (0.0, np.inf))
    dt = np.clip(softplus(dt + w["dt_bias"]), least, most)
    u = u.reshape(-1, heads, size)
    b, c = (np.repeat(x.reshape(-1, groups, states), heads // groups, 1) for x in (b, c))
    state = np.zeros((heads, size, states))
    out = []
    for step in range(len(u)):
        decay = np.exp(-dt[step] * np.exp(w["A_log"]))
        state = decay[:, None, None] * state + (dt[step][:, None] * u[step])[:, :, None] * b[step][:, None, :]
        out.append(np.einsum("hpn,hn->hp", state, c[step]) + w["D"][:, None] * u[step])
    y = np.array(out).reshape(-1, inner) * silu(z)
    y = y.reshape(-1, groups, inner // groups)
    y = (y / np.sqrt(np.mean(y * y, -1, keepdims=True) + 1e-5)).reshape(-1, inner) * w["norm.weight"]
    return y @ w["out_proj.weight"].T, state


def mamba_ssm_case(mixer, shapes, **config):
    layers = 2
    config = dict(dict(d_model=SIZE, n_layer=layers, vocab_size=3, pad_vocab_size_multiple=5, rms_norm=True,
                       residual_in_fp32=True, fused_add_norm=True), **config)
    names = {"backbone.embedding.weight": (VOCABULARY, SIZE)}
    for i in range(layers):
        layer = "backbone.layers.%d." % i
        names[layer + "norm.weight"] = (SIZE,)
        names.update({layer + "mixer." + name: shape for name, shape in shapes.items()})
    names["backbone.norm_f.weight"] = (SIZE,)
    if not config["rms_norm"]:
        names.update({name[:-6] + "bias": (SIZE,) for name in list(names) if name.endswith((".norm.weight", "f.weight"))
                      and "mixer" not in name})
    tied = config.get("tie_embeddings", True)
    if not tied:
        names["lm_head.weight"] = (VOCABULARY, SIZE)
    tensors = random_tensors(names, len(str(sorted(config.items()))))
    if tied:
        tensors["lm_head.weight"] = tensors["backbone.embedding.weight"]

    def norm(t, name, x):
        if config["rms_norm"]:
            return rms(x, t[name + ".weight"], 1e-5)
        return layer_norm(x, t[name + ".weight"], t[name + ".bias"], 1e-5)

    def forward(t, ids):
        x = t["backbone.embedding.weight"][ids]
        states = []
        for i in range(layers):
            layer = "backbone.layers.%d." % i
            weights = {name[len(layer) + 6 :]: v for name, v in t.items() if name.startswith(layer + "mixer.")}
            y, state = mixer(weights, norm(t, layer + "norm", x), config.get("ssm_cfg", {}))
            x = x + y
            states.append(state)
        return norm(t, "backbone.norm_f", x) @ t["lm_head.weight"].T, states

    return config, tensors, forward


MAMBA = {"in_proj.weight": (32, SIZE), "conv1d.weight": (16, 1, 3), "conv1d.bias": (16,), "x_proj.weight": (7, 16),
         "dt_proj.weight": (16, 1), "dt_proj.bias": (16,), "A_log": (16, 3), "D": (16,), "out_proj.weight": (SIZE, 16)}
MAMBA2 = {"in_proj.weight": (16 + 16 + 12 + 4, SIZE), "conv1d.weight": (28, 1, 4), "conv1d.bias": (28,),
          "dt_bias": (4,), "A_log": (4,), "D": (4,), "norm.weight": (16,), "out_proj.weight": (SIZE, 16)}

def transformers_case(mixer, shapes, options, **config):
    """What save_pretrained writes, and the keys that the published files have beside it."""
    _, tensors, forward = mamba_ssm_case(mixer, shapes, ssm_cfg=options, d_model=SIZE, n_layer=2)
    tensors.pop("lm_head.weight")
    tensors["backbone.embeddings.weight"] = tensors.pop("backbone.embedding.weight")

    def renamed(t, ids):
        head = t["backbone.embeddings.weight"]
        return forward(dict(t, **{"backbone.embedding.weight": head, "lm_head.weight": head}), ids)

    common = dict(hidden_size=SIZE, num_hidden_layers=2, vocab_size=VOCABULARY, layer_norm_epsilon=1e-5, expand=2,
                  use_bias=False, use_conv_bias=True, hidden_act="silu", residual_in_fp32=True, initializer_range=0.1,
                  time_step_min=0.001, time_step_max=0.1, time_step_floor=0.0001, rescale_prenorm_residual=False,
                  use_cache=True, tie_word_embeddings=True, bos_token_id=0, eos_token_id=0, pad_token_id=0,
                  rms_norm=True, fused_add_norm=True, pad_vocab_size_multiple=8, d_model=SIZE, n_layer=2)
    return dict(common, **config), tensors, renamed


CASES = {
    # flash-linear-attention 0.6.0: another gate, another meaning of qk_norm.
    "gated_deltanet_sigmoid_gate": lambda: fla_case(
        "gated_deltanet", gated_deltanet, {name: shape for name, shape in GATED.items() if name != "D"}, num_heads=2, num_v_heads=4, head_dim=3, expand_v=2,
        use_short_conv=False, use_gate=True, output_gate_activation="sigmoid"),
    "delta_net_absolute_sum": lambda: fla_case(
        "delta_net", delta_net, delta_shapes(2, 4), num_heads=2, use_gate=False, use_short_conv=False,
        qk_activation="silu", qk_norm="sum"),
    "transformers_mamba": lambda: transformers_case(
        mamba, MAMBA, {}, model_type="mamba", architectures=["MambaForCausalLM"], state_size=3, conv_kernel=3,
        time_step_rank=1, time_step_scale=1.0, time_step_init_scheme="random", intermediate_size=16, d_inner=16,
        use_mambapy=False, use_associative_scan=True, ssm_cfg={}),
    "transformers_mamba2": lambda: transformers_case(
        mamba2, MAMBA2, {"d_state": 3, "headdim": 4, "ngroups": 2, "dt_limit": [0.3, 2.0]}, model_type="mamba2",
        architectures=["Mamba2ForCausalLM"], state_size=3, conv_kernel=4, n_groups=2, num_heads=4, head_dim=4,
        chunk_size=8, time_step_rank=1, time_step_limit=[0.3, 2.0], ssm_cfg={"layer": "Mamba2", "ngroups": 2}),
    # A parameter D that nothing reads, of before March 2025.
    "gated_deltanet_unused_tensor": lambda: fla_case(
        "gated_deltanet", gated_deltanet, GATED, num_heads=2, num_v_heads=4, head_dim=3, expand_v=2,
        use_short_conv=False, use_gate=True, norm_first=False),
    # One convolution of the layer's input, before the projections.
    "delta_net_shared_convolution": lambda: fla_case(
        "delta_net", delta_net, delta_shapes(2, 4), {"h_conv1d.weight": (SIZE, 1, 3), "g_proj.weight": (8, SIZE)},
        num_heads=2, use_gate=True, use_short_conv=True, conv_size=3, share_conv_kernel=True, use_rope=False,
        qk_activation="silu", qk_norm="l2", norm_first=False),
    "gla_shared_convolution": lambda: fla_case(
        "gla", gla, GLA, {"h_conv1d.weight": (SIZE, 1, 4)}, num_heads=2, use_short_conv=True, conv_size=4,
        share_conv_kernel=True),
    # GLA's first published files: another name of the epsilon, and a convolution's option without one.
    "gla_rms_norm_eps": lambda: fla_case("gla", gla, GLA, num_heads=2, use_short_conv=False, share_conv_kernel=True,
                                         rms_norm_eps=1e-2),
    # Layer norms with biases, sizes that no option says.
    "mamba_ssm_layer_norm": lambda: mamba_ssm_case(mamba, MAMBA, rms_norm=False, ssm_cfg={}),
    "mamba_ssm_mamba2": lambda: mamba_ssm_case(
        mamba2, MAMBA2, tie_embeddings=False, d_intermediate=0, attn_layer_idx=[], attn_cfg={},
        ssm_cfg={"layer": "Mamba2", "d_state": 3, "headdim": 4, "ngroups": 2, "dt_limit": [0.4, 1.1],
                 "chunk_size": 8, "use_mem_eff_path": True}),
}


# ---- the linear layers of hybrids -----------------------------------------------------------------------------------


def read_tensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name == "__metadata__":
            continue
        first, last = entry["data_offsets"]
        numbers = np.frombuffer(data[8 + size + first : 8 + size + last], "<f4")
        tensors[name] = numbers.reshape(entry["shape"]).astype(np.float64)
    return tensors


def hybrid_parts(w, h, sizes):
    """Through the convolution, which is one whatever the file cuts it into; queries and keys of unit length."""
    key_heads, key_size, value_heads, value_size, projected = sizes
    kernel = w["conv1d.weight"] if "conv1d.weight" in w else np.concatenate(
        [w[name + "_conv1d.weight"] for name in "qkv"])
    mixed = silu(convolution(np.concatenate(projected, -1), kernel))
    q, k, v = np.split(mixed, [key_heads * key_size, 2 * key_heads * key_size], -1)
    share = value_heads // key_heads
    q, k = (np.repeat(unit(x.reshape(len(x), key_heads, key_size)), share, 1) for x in (q, k))
    return q, k, v.reshape(len(v), value_heads, value_size)


def gated_layer(w, h, heads, q, k, v, beta, a, gate, norm, out, epsilon):
    decay = np.exp(-np.exp(w["A_log"]) * softplus(a + w["dt_bias"]))
    o, _ = delta_rule(q, k, v, beta, decay)
    o = rms(o, norm, epsilon) * silu(gate.reshape(o.shape))
    return o.reshape(len(o), -1) @ out.T


def olmo_hybrid(c, t, w, x, layer):
    h = rms(x, t[layer + "attention_layer_norm.weight"], c["rms_norm_eps"])
    heads, key, value = c["linear_num_value_heads"], c["linear_key_head_dim"], c["linear_value_head_dim"]
    projected = [h @ w[name + "_proj.weight"].T for name in "qkv"]
    q, k, v = hybrid_parts(w, h, (c["linear_num_key_heads"], key, heads, value, projected))
    beta = 2 * sigmoid(h @ w["b_proj.weight"].T)
    return gated_layer(w, h, heads, q, k, v, beta, h @ w["a_proj.weight"].T, h @ w["g_proj.weight"].T,
                       w["o_norm.weight"], w["o_proj.weight"], 1e-5)


def qwen3_next(c, t, w, x, layer):
    h = rms(x, 1 + t[layer + "input_layernorm.weight"], c["rms_norm_eps"])
    groups, heads = c["linear_num_key_heads"], c["linear_num_value_heads"]
    key, value, share = c["linear_key_head_dim"], c["linear_value_head_dim"], heads // groups
    qkvz = (h @ w["in_proj_qkvz.weight"].T).reshape(len(h), groups, -1)
    parts = np.split(qkvz, [key, 2 * key, 2 * key + share * value], -1)
    q, k, v, z = (part.reshape(len(h), -1) for part in parts)
    b, a = (part.reshape(len(h), -1) for part in np.split((h @ w["in_proj_ba.weight"].T).reshape(len(h), groups, -1), 2,
                                                           -1))
    q, k, v = hybrid_parts(w, h, (groups, key, heads, value, [q, k, v]))
    return gated_layer(w, h, heads, q, k, v, sigmoid(b), a, z, w["norm.weight"], w["out_proj.weight"],
                       c["rms_norm_eps"])


def kimi_linear(c, t, w, x, layer):
    h = rms(x, t[layer + "input_layernorm.weight"], c["rms_norm_eps"])
    heads, size = c["linear_num_heads"], c["linear_head_dim"]
    projected = [h @ w[name + "_proj.weight"].T for name in "qkv"]
    q, k, v = hybrid_parts(w, h, (heads, size, heads, size, projected))
    f = h @ w["f_a_proj.weight"].T @ w["f_b_proj.weight"].T + w["dt_bias"]
    decay = np.exp(-np.exp(w["A_log"]).reshape(heads, 1) * softplus(f.reshape(len(h), heads, size)))
    beta = sigmoid(h @ w["b_proj.weight"].T)
    state = np.zeros((heads, size, size))
    out = []
    for step in range(len(h)):
        state = state * decay[step][:, :, None]
        error = beta[step][:, None] * (v[step] - np.einsum("hkv,hk->hv", state, k[step]))
        state = state + k[step][:, :, None] * error[:, None, :]
        out.append(np.einsum("hkv,hk->hv", state, q[step]) / np.sqrt(size))
    gate = sigmoid(h @ w["g_a_proj.weight"].T @ w["g_b_proj.weight"].T)
    o = rms(np.array(out), w["o_norm.weight"], c["rms_norm_eps"]) * gate.reshape(len(h), heads, size)
    return o.reshape(len(h), -1) @ w["o_proj.weight"].T


HYBRIDS = {"olmo_hybrid": (olmo_hybrid, "linear_attn"), "qwen3_next": (qwen3_next, "linear_attn"),
           "kimi_linear": (kimi_linear, "self_attn")}


def write_hybrid(name):
    function, mixer = HYBRIDS[name]
    folder = HERE / "hybrids" / name
    config = json.loads((folder / "config.json").read_text())
    tensors = read_tensors(folder / "model.safetensors")
    draw = np.random.default_rng(11)
    inputs = draw.normal(size=(6, config["hidden_size"])).astype(np.float32)
    order = draw.integers(0, len(inputs), size=(1, LENGTH))
    golden = {"inputs": inputs, "input_ids": order.astype(np.int64)}
    for i, kind in enumerate(config["layer_types"]):
        if kind != "linear_attention":
            continue
        layer = "model.layers.%d." % i
        prefix = layer + mixer + "."
        w = {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}
        x = inputs.astype(np.float64)[order[0]]
        golden["outputs.%d" % i] = x + function(config, tensors, w, x, layer)
    write_tensors(folder / "golden.safetensors", golden)


def main(names):
    for name in names or HYBRIDS:
        if name in HYBRIDS:
            write_hybrid(name)
    for name in names or CASES:
        if name in HYBRIDS:
            continue
        config, tensors, forward = CASES[name]()
        exact = {key: value.astype(np.float64) for key, value in tensors.items()}
        ids = np.random.default_rng(7).integers(0, VOCABULARY, size=(WORDS, LENGTH))
        runs = [forward(exact, word) for word in ids]
        folder = HERE / "variants" / ("published_" + name)
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
        write_tensors(folder / "model.safetensors", tensors)
        golden = {"input_ids": ids.astype(np.int64), "logits": np.array([logits for logits, _ in runs])}
        if name == "delta_net_absolute_sum":
            # The same file as flash-linear-attention read it before 0.6.0.
            earlier = functools.partial(delta_net, before_0_6=True)
            golden["logits_before_0_6"] = np.array([fla_forward(config, exact, word, earlier)[0] for word in ids])
        for i in range(len(runs[0][1])):
            golden["S.%d" % i] = np.array([states[i] for _, states in runs])
        write_tensors(folder / "golden.safetensors", golden)


if __name__ == "__main__":
    main(sys.argv[1:])
