"""The models: shapes and first values of their weights, and forward passes over whole sequences.

An ensemble of M models of one shape (other seeds) is trained as one: every weight is [M, ...], every activation
[M, B, T, ...]. Tensors have the names that `krohn` reads (docs/checkpoints.md), so a member's weights are a checkpoint.

Token mixers run in parallel over the sequence where a form for that exists: the delta rule in chunks, by one triangular
solve each (Yang et al. 2024); mLSTM as decayed attention. Mamba and sLSTM step through the tokens. `rounding` makes
the delta rule and Mamba step too, with the state rounded to multiples of it after every token and gradients passed through.
"""

import math

import torch
import torch.nn.functional as F

DELTA = ("delta_net", "gated_deltanet", "gated_deltaproduct", "kda")


# ---- configurations -----------------------------------------------------------------------------------------------------


def configuration(model_type, vocab_size, **options):
    """A config.json that krohn reads, with every option that matters spelled out."""
    if model_type in DELTA:
        c = dict(
            hidden_size=64,
            num_heads=4,
            num_hidden_layers=2,
            intermediate_size=128,
            norm_eps=1e-6,
            allow_neg_eigval=False,
            use_short_conv=True,
            conv_size=4,
            hidden_act="swish",
            tie_word_embeddings=False,
        )
        if model_type == "delta_net":
            c.update(expand_k=1.0, expand_v=1.0, use_beta=True, use_gate=False, qk_activation="silu", qk_norm="l2")
        else:
            c.update(head_dim=16, expand_v=1.0)
        if model_type == "gated_deltanet":
            c.update(use_gate=False)
        if model_type == "gated_deltaproduct":
            c.update(num_householder=2, use_forget_gate=False, use_output_gate=False)
        if model_type == "kda":
            c.update(lower_bound=-5.0)
    elif model_type == "paper_mamba_lm":
        c = dict(
            d_model=64,
            n_layers=2,
            d_state=16,
            d_conv=1,
            expand_factor=2,
            positive_and_negative=False,
            rms_norm_eps=1e-5,
        )
    elif model_type == "xlstm_lm":
        c = dict(
            num_blocks=2,
            embedding_dim=64,
            num_heads=4,
            slstm_at=[],
            slstm_conv1d_kernel_size=0,
            slstm_backend="vanilla",
            mlstm_conv1d_kernel_size=4,
            qkv_proj_blocksize=4,
            mlstm_proj_factor=2.0,
            ffn_proj_factor=1.3,
            round_proj_up_to_multiple_of=64,
        )
    elif model_type == "layer_stack":  # Mamba's layers and DeltaProduct's in one shell
        c = dict(
            hidden_size=64,
            layer_types=["mamba", "gated_deltaproduct"],
            intermediate_size=128,
            norm_eps=1e-6,
            hidden_act="swish",
            tie_word_embeddings=False,
        )
        mamba = dict(state_size=16, expand=2, conv_kernel=1, positive_and_negative=False)
        product = dict(
            num_householder=1,
            num_heads=4,
            head_dim=16,
            expand_v=1.0,
            use_short_conv=True,
            conv_size=4,
            allow_neg_eigval=False,
            use_forget_gate=False,
            use_output_gate=False,
        )
        layers = options.get("layer_types", c["layer_types"])
        c.update({**(mamba if "mamba" in layers else {}), **(product if "gated_deltaproduct" in layers else {})})
    else:
        raise ValueError(
            "model_type: expected one of %s, paper_mamba_lm, xlstm_lm, layer_stack; got %s"
            % (", ".join(DELTA), model_type)
        )
    unknown = set(options) - set(c)
    if unknown:
        raise ValueError("options that %s does not have: %s" % (model_type, ", ".join(sorted(unknown))))
    c.update(options)
    if model_type == "paper_mamba_lm":
        c["dt_rank"] = math.ceil(c["d_model"] / 16)
    return {"model_type": model_type, "vocab_size": vocab_size, **c}


def _rounded_up(factor, size, multiple):
    return math.ceil(factor * size / multiple) * multiple


def _delta_shapes(kind, c, prefix):
    D, H = c["hidden_size"], c["num_heads"]
    n = c["num_householder"] if kind == "gated_deltaproduct" else 1
    d_k = D // H if kind == "delta_net" else c["head_dim"]
    d_v = d_k if kind == "delta_net" else int(d_k * c["expand_v"])
    keys, values = H * d_k, H * d_v
    s = {
        "q_proj.weight": ((keys, D), "linear"),
        "k_proj.weight": ((n * keys, D), "linear"),
        "v_proj.weight": ((n * values, D), "linear"),
        "b_proj.weight": ((n * H, D), "linear"),
        "o_proj.weight": ((D, values), "output"),
        "o_norm.weight": ((d_v,), "one"),
    }
    if c["use_short_conv"]:
        for name, width in (("q", keys), ("k", n * keys), ("v", n * values)):
            s[name + "_conv1d.weight"] = ((width, 1, c["conv_size"]), "convolution")
    if kind == "gated_deltanet" or (kind == "gated_deltaproduct" and c["use_forget_gate"]):
        s.update({"a_proj.weight": ((H, D), "linear"), "A_log": ((H,), "A_log"), "dt_bias": ((H,), "dt_bias")})
    if kind == "kda":
        s.update(
            {
                "f_proj.0.weight": ((d_v, D), "linear"),
                "f_proj.1.weight": ((keys, d_v), "linear"),
                "A_log": ((H,), "zero"),
                "dt_bias": ((keys,), "remember"),
                "g_proj.0.weight": ((d_v, D), "linear"),
                "g_proj.1.weight": ((values, d_v), "linear"),
                "g_proj.1.bias": ((values,), "zero"),
            }
        )
    if c.get("use_gate" if kind != "gated_deltaproduct" else "use_output_gate"):
        s["g_proj.weight"] = ((values, D), "linear")
    return {prefix + name: value for name, value in s.items()}


def _mlp_shapes(c, prefix):
    D, I = c["hidden_size"], c["intermediate_size"]
    return {
        prefix + "gate_proj.weight": ((I, D), "linear"),
        prefix + "up_proj.weight": ((I, D), "linear"),
        prefix + "down_proj.weight": ((D, I), "output"),
    }


def _mamba_shapes(D, N, width, expand, prefix):
    E, R = expand * D, math.ceil(D / 16)
    return {
        prefix + "in_proj.weight": ((2 * E, D), "linear"),
        prefix + "conv1d.weight": ((E, 1, width), "convolution"),
        prefix + "conv1d.bias": ((E,), "zero"),
        prefix + "x_proj.weight": ((R + 2 * N, E), "linear"),
        prefix + "dt_proj.weight": ((E, R), "linear"),
        prefix + "dt_proj.bias": ((E,), "dt_bias"),
        prefix + "A_log": ((E, N), "A_log_row"),
        prefix + "D": ((E,), "one"),
        prefix + "out_proj.weight": ((D, E), "output"),
    }


def shapes(c):
    """{name: (shape, kind of its first values)}"""
    kind, V = c["model_type"], c["vocab_size"]
    s = {}
    if kind in DELTA or kind == "layer_stack":
        D = c["hidden_size"]
        layers = layers_of(c)
        s["model.embeddings.weight"] = ((V, D), "embedding")
        for i, layer in enumerate(layers):
            p = "model.layers.%d." % i
            s[p + "attn_norm.weight"] = ((D,), "one")
            if layer == "mamba":
                s.update(_mamba_shapes(D, c["state_size"], c["conv_kernel"], c["expand"], p + "attn."))
            else:
                s.update(_delta_shapes(layer, c, p + "attn."))
            s[p + "mlp_norm.weight"] = ((D,), "one")
            s.update(_mlp_shapes(c, p + "mlp."))
        s["model.norm.weight"] = ((D,), "one")
    elif kind == "paper_mamba_lm":
        D = c["d_model"]
        s["token_embedding.weight"] = ((V, D), "embedding")
        for i in range(c["n_layers"]):
            p = "layers.%d." % i
            s[p + "norm.weight"] = ((D,), "one")
            s.update(_mamba_shapes(D, c["d_state"], c["d_conv"], c["expand_factor"], p + "mixer."))
    else:
        D, H, b = c["embedding_dim"], c["num_heads"], c["qkv_proj_blocksize"]
        multiple = c["round_proj_up_to_multiple_of"]
        E, I = _rounded_up(c["mlstm_proj_factor"], D, multiple), _rounded_up(c["ffn_proj_factor"], D, multiple)
        s["token_embedding.weight"] = ((V, D), "embedding")
        for i in range(c["num_blocks"]):
            p = "xlstm_block_stack.blocks.%d." % i
            s[p + "xlstm_norm.weight"] = ((D,), "zero")
            x = p + "xlstm."
            if i in c["slstm_at"]:
                d = D // H
                for gate in "fizo":
                    s[x + gate + "gate.weight"] = ((H, d, d), "linear")
                s.update(
                    {
                        x + "slstm_cell._recurrent_kernel_": ((H, 4 * d, d), "small"),
                        x + "slstm_cell._bias_": ((4 * D,), "slstm_bias"),
                        x + "group_norm.weight": ((D,), "zero"),
                        p + "ffn_norm.weight": ((D,), "zero"),
                        p + "ffn.proj_up.weight": ((2 * I, D), "linear"),
                        p + "ffn.proj_down.weight": ((D, I), "output"),
                    }
                )
            else:
                s.update(
                    {
                        x + "proj_up.weight": ((2 * E, D), "linear"),
                        x + "learnable_skip": ((E,), "one"),
                        x + "conv1d.conv.weight": ((E, 1, c["mlstm_conv1d_kernel_size"]), "convolution"),
                        x + "conv1d.conv.bias": ((E,), "zero"),
                        x + "mlstm_cell.igate.weight": ((H, 3 * E), "small"),
                        x + "mlstm_cell.igate.bias": ((H,), "small"),
                        x + "mlstm_cell.fgate.weight": ((H, 3 * E), "small"),
                        x + "mlstm_cell.fgate.bias": ((H,), "fgate_bias"),
                        x + "mlstm_cell.outnorm.weight": ((E,), "zero"),
                        x + "proj_down.weight": ((D, E), "output"),
                    }
                )
                for name in "qkv":
                    s[x + name + "_proj.weight"] = ((E // b, b, b), "linear")
        s["xlstm_block_stack.post_blocks_norm.weight"] = ((D,), "zero")
    s["lm_head.weight"] = ((V, D), "linear")
    return s


def layers_of(c):
    """What the mixer of every layer is, of the models in flash-linear-attention's shell."""
    return c["layer_types"] if c["model_type"] == "layer_stack" else [c["model_type"]] * c["num_hidden_layers"]


def depth(c):
    return c.get("n_layers") or c.get("num_blocks") or len(layers_of(c))


def first_values(c, seed, spread=0.0):
    """One model's weights, float32. spread > 0 adds that much noise to every weight: values for tests, with nothing left at
    0 or 1."""
    g = torch.Generator().manual_seed(seed)
    result = {}
    for name, (shape, kind) in shapes(c).items():
        normal, uniform = torch.randn(shape, generator=g), torch.rand(shape, generator=g)
        if kind == "linear":
            t = normal / math.sqrt(shape[-1])
        elif kind == "output":
            t = normal / math.sqrt(shape[-1] * 2 * depth(c))
        elif kind == "embedding":
            t = normal
        elif kind in ("one", "zero"):
            t = torch.full(shape, float(kind == "one"))
        elif kind == "small":
            t = 0.1 * normal / math.sqrt(shape[-1])
        elif kind == "convolution":
            t = (2 * uniform - 1) / math.sqrt(shape[-1])
        elif kind == "A_log":
            t = torch.log(0.01 + uniform)
        elif kind == "A_log_row":
            t = torch.log(torch.arange(1.0, shape[1] + 1)).expand(shape).clone()
        elif kind == "dt_bias":  # the inverse of softplus at values log-uniform in 0.001 .. 0.1
            t = torch.log(torch.expm1(torch.exp(uniform * math.log(100.0) + math.log(0.001))))
        elif kind == "remember":
            t = torch.full(shape, -4.0) + normal
        elif kind == "fgate_bias":
            t = torch.linspace(3.0, 6.0, shape[0])
        elif kind == "slstm_bias":  # gates i, f, z, o; forget gates spread from open to shut in every head
            d = c["embedding_dim"] // c["num_heads"]
            t = torch.zeros(4, c["num_heads"], d)
            t[1] = 5.0 - 12.0 * (torch.arange(float(d)) / max(d - 1, 1)) ** 0.95
            t = t.flatten()
        result[name] = (t + spread * normal).float().contiguous()
    return result


def ensemble(members):
    return {name: torch.stack([m[name] for m in members]) for name in members[0]}


def member(weights, i):
    return {name: value[i] for name, value in weights.items()}


# ---- pieces -------------------------------------------------------------------------------------------------------------


def linear(x, w):
    """x [M, B, T, D], w [M, O, D] -> [M, B, T, O]"""
    return torch.bmm(x.flatten(1, 2), w.mT).unflatten(1, x.shape[1:3])


def per_channel(w):
    return w[:, None, None]


def rms_norm(x, w, eps):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * w


def layer_norm(x, eps=1e-5):
    return F.layer_norm(x, x.shape[-1:], eps=eps)


def unit(x):
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + 1e-6)


def convolution(x, w, bias=None):
    """x [M, B, T, C], w [M, C, 1, W]: causal, one filter a channel, the last weight on the newest token"""
    W = w.shape[-1]
    y = x * per_channel(w[:, :, 0, W - 1])
    for j in range(1, W):
        y = y + F.pad(x, (0, 0, j, 0))[:, :, : x.shape[2]] * per_channel(w[:, :, 0, W - 1 - j])
    return y if bias is None else y + per_channel(bias)


def below(weights, prefix):
    return {name[len(prefix) :]: value for name, value in weights.items() if name.startswith(prefix)}


def rounded(s, step):
    """s at the nearest multiples of step; the gradient passes through."""
    return s + (torch.round(s / step) * step - s).detach()


def spread(states, classes, count):
    """How far states [M, B, H, T, D] lie from the mean of those of their class, classes [M, B, T] below count: the sum of squares,
    over that of the distances from the mean of all; of every head, [M, H]."""
    x = states.movedim(2, 1).flatten(2, 3)  # [M, H, B T, D]
    of = F.one_hot(classes.flatten(1), count).to(x.dtype)[:, None]  # [M, 1, B T, count]
    means = (of.mT @ x) / of.sum(2).clamp_min(1)[..., None]
    within = (x - of @ means).square().sum((2, 3))
    return within / ((x - x.mean(2, keepdim=True)).square().sum((2, 3)) + 1e-12)


observer = None  # called with a name and a tensor, to watch a run: stability.py


# ---- the delta rule -----------------------------------------------------------------------------------------------------


def delta_rule(q, k, v, beta, decay=None, chunk=64, states=None):
    """q [G, T, d_k]; k [G, T, n, d_k], v [G, T, n, d_v], beta [G, T, n]: n steps a token; decay: logs, [G, T, 1] or [G, T, d_k],
    before the token's first step -> o [G, T, d_v], unscaled. A list `states`, without decay, gets the states after every token,
    [G, T, d_k, d_v]."""
    G, T, n, d_k = k.shape
    if states is not None and decay is not None:
        raise ValueError("delta_rule: states are not kept with decay; delta_rule_steps has them")
    kept = []
    if decay is not None and decay.shape[-1] > 1:
        chunk = 16  # factors exp(+-sum of decays) from the chunk's middle stay finite
    tokens = max(1, chunk // n)
    S, outputs = None, []
    for begin in range(0, T, tokens):
        part = slice(begin, min(begin + tokens, T))
        kc, vc, bc, qc = k[:, part].flatten(1, 2), v[:, part].flatten(1, 2), beta[:, part].flatten(1, 2), q[:, part]
        C, t = kc.shape[1], qc.shape[1]
        k_in, k_out, q_in, k_end, fade = kc, kc, qc, kc, None
        if decay is not None:
            total = decay[:, part].cumsum(1)  # of tokens
            steps = total.repeat_interleave(n, 1)
            if decay.shape[-1] == 1:
                i, j = steps, steps.mT
                lower = torch.ones(C, C, dtype=torch.bool, device=q.device).tril()
                fade = torch.exp((i - j).masked_fill(~lower, -1e30))
                start = torch.exp(steps)
                k_start, q_start = kc * start, qc * torch.exp(total)
            else:
                middle = total[:, t // 2 : t // 2 + 1]
                k_in, k_out = kc * torch.exp(steps - middle), kc * torch.exp(middle - steps)
                q_in = qc * torch.exp(total - middle)
                k_start, q_start = kc * torch.exp(steps), qc * torch.exp(total)
            k_end = kc * torch.exp(total[:, -1:] - steps)
        else:
            k_start, q_start = kc, qc
        A = k_in @ k_out.mT
        Q = q_in @ k_out.mT
        if fade is not None:
            A, Q = A * fade, Q * fade[:, n - 1 :: n]
        A = (A * bc[..., None]).tril(-1)
        read = torch.ones(t, C, dtype=torch.bool, device=q.device)
        read = (
            read.tril()
            if n == 1
            else (torch.arange(C, device=q.device)[None] // n <= torch.arange(t, device=q.device)[:, None])
        )
        Q = Q.masked_fill(~read, 0.0)
        rest = vc if S is None else vc - k_start @ S
        U = torch.linalg.solve_triangular(A, rest * bc[..., None], upper=False, unitriangular=True)
        outputs.append(Q @ U if S is None else Q @ U + q_start @ S)
        if states is not None:
            sums = (kc[..., None] * U[..., None, :]).cumsum(1)[:, n - 1 :: n]
            kept.append(sums if S is None else sums + S[:, None])
        if part.stop < T:
            added = k_end.mT @ U
            if S is not None:
                S = S if decay is None else S * torch.exp(total[:, -1])[..., None]
                added = S + added
            S = added
    if states is not None:
        states.append(torch.cat(kept, 1))
    return torch.cat(outputs, 1)


def delta_rule_steps(q, k, v, beta, decay=None, rounding=0.0):
    """The same, token by token, the state rounded after every token; and the states after every token, [G, T, d_k, d_v]."""
    G, T, n, d_k = k.shape
    S, outputs, states = q.new_zeros(G, d_k, v.shape[-1]), [], []
    for t in range(T):
        if decay is not None:
            S = S * torch.exp(decay[:, t])[..., None]
        for j in range(n):
            key = k[:, t, j, :, None]
            S = S + key * (beta[:, t, j, None, None] * (v[:, t, j, None] - key.mT @ S))
        if rounding:
            S = rounded(S, rounding)
        states.append(S)
        outputs.append((q[:, t, None] @ S)[:, 0])
    return torch.stack(outputs, 1), torch.stack(states, 1)


def delta_mixer(kind, c, P, h, rounding, states):
    M, B, T, D = h.shape
    H = c["num_heads"]
    n = c["num_householder"] if kind == "gated_deltaproduct" else 1
    q, k, v = (linear(h, P[name + "_proj.weight"]) for name in "qkv")
    if c["use_short_conv"]:
        q, k, v = (convolution(x, P[name + "_conv1d.weight"]) for name, x in zip("qkv", (q, k, v)))
    q, k, v = F.silu(q), F.silu(k), F.silu(v)
    heads = lambda x, *split: (
        x.reshape(M, B, T, *split, -1)
        .movedim(-2, 2)
        .reshape(M * B * H, T, *split[:-1], x.shape[-1] // math.prod(split))
    )
    q, k, v = unit(heads(q, H)), unit(heads(k, n, H)), heads(v, n, H)
    beta = torch.sigmoid(linear(h, P["b_proj.weight"])) * (2.0 if c["allow_neg_eigval"] else 1.0)
    beta = beta.reshape(M, B, T, n, H).movedim(-1, 2).reshape(M * B * H, T, n)
    decay = None
    if "a_proj.weight" in P:
        decay = -torch.exp(per_channel(P["A_log"])) * F.softplus(
            linear(h, P["a_proj.weight"]) + per_channel(P["dt_bias"])
        )
        decay = decay.movedim(-1, 2).reshape(M * B * H, T, 1)
    elif kind == "kda":
        f = linear(linear(h, P["f_proj.0.weight"]), P["f_proj.1.weight"]) + per_channel(P["dt_bias"])
        f = f.reshape(M, B, T, H, -1) * torch.exp(P["A_log"])[:, None, None, :, None]
        decay = (c["lower_bound"] * torch.sigmoid(f)).movedim(-2, 2).reshape(M * B * H, T, -1)
    kept = None if states is None else []
    if rounding or (decay is not None and states is not None):
        o, S = delta_rule_steps(q, k, v, beta, decay, rounding)
        kept = [S]
    else:
        o = delta_rule(q, k, v, beta, decay, states=kept)
    if states is not None:
        states.append(kept[0].reshape(M, B, H, T, -1))
    if observer is not None:
        observer("eigenvalue", 1 - beta * k.square().sum(-1))
        observer("read", o)
    o = (o * q.shape[-1] ** -0.5).reshape(M, B, H, T, -1).movedim(2, 3)
    o = rms_norm(o, P["o_norm.weight"][:, None, None, None], c["norm_eps"])
    if kind == "kda":
        gate = linear(linear(h, P["g_proj.0.weight"]), P["g_proj.1.weight"]) + per_channel(P["g_proj.1.bias"])
        o = o * torch.sigmoid(gate).reshape(o.shape)
    elif "g_proj.weight" in P:
        o = o * F.silu(linear(h, P["g_proj.weight"])).reshape(o.shape)
    return linear(o.flatten(-2), P["o_proj.weight"])


# ---- Mamba --------------------------------------------------------------------------------------------------------------


class LinearScan(torch.autograd.Function):
    """s_t = a_t s_{t-1} + b_t elementwise along dimension 2, from 0: one multiply-add a token in either direction."""

    @staticmethod
    def forward(ctx, a, b):
        s = torch.empty_like(b)
        s[:, :, 0] = b[:, :, 0]
        for t in range(1, b.shape[2]):
            torch.addcmul(b[:, :, t], a[:, :, t], s[:, :, t - 1], out=s[:, :, t])
        ctx.save_for_backward(a, s)
        return s

    @staticmethod
    def backward(ctx, grad):
        a, s = ctx.saved_tensors
        g = grad.clone(memory_format=torch.contiguous_format)
        for t in range(g.shape[2] - 2, -1, -1):
            g[:, :, t].addcmul_(a[:, :, t + 1], g[:, :, t + 1])
        of_a = torch.zeros_like(g)
        torch.mul(g[:, :, 1:], s[:, :, :-1], out=of_a[:, :, 1:])
        return of_a, g


def mamba_mixer(negative, P, h, rounding):
    E, N = P["A_log"].shape[-2:]
    R = P["dt_proj.weight"].shape[-1]
    u, z = linear(h, P["in_proj.weight"]).split(E, -1)
    u = F.silu(convolution(u, P["conv1d.weight"], P["conv1d.bias"]))
    r, write, read = linear(u, P["x_proj.weight"]).split([R, N, N], -1)
    dt = F.softplus(linear(r, P["dt_proj.weight"]) + per_channel(P["dt_proj.bias"]))
    A = -torch.exp(P["A_log"])[:, None, None]
    a = torch.exp(dt[..., None] * A)
    if negative:
        a = 2 * a - 1
    written = (dt * u)[..., None] * write[..., None, :]
    if observer is not None:
        observer("eigenvalue", a)
    if rounding:
        steps, states = h.new_zeros(*h.shape[:2], E, N), []
        for t in range(h.shape[2]):
            steps = rounded(a[:, :, t] * steps + written[:, :, t], rounding)
            states.append(steps)
        s = torch.stack(states, 2)
    else:
        s = LinearScan.apply(a, written)
    y = (s @ read[..., None])[..., 0] + per_channel(P["D"]) * u
    return linear(y * F.silu(z), P["out_proj.weight"])


# ---- xLSTM --------------------------------------------------------------------------------------------------------------


def blocks(x, w):
    """x [M, B, T, C], w [M, C / b, b, b] (block, out, in)"""
    M, B, T, C = x.shape
    x = x.reshape(M, B * T, C // w.shape[-1], w.shape[-1]).transpose(1, 2).flatten(0, 1)
    return torch.bmm(x, w.flatten(0, 1).mT).reshape(M, -1, B * T, w.shape[-2]).transpose(1, 2).reshape(M, B, T, C)


def mlstm_mixer(c, P, h):
    M, B, T, _ = h.shape
    H = c["num_heads"]
    x, z = linear(h, P["proj_up.weight"]).chunk(2, -1)
    E = x.shape[-1]
    y = F.silu(convolution(x, P["conv1d.conv.weight"], P["conv1d.conv.bias"]))
    q, k, v = blocks(y, P["q_proj.weight"]), blocks(y, P["k_proj.weight"]), blocks(x, P["v_proj.weight"])
    qkv = torch.cat([q, k, v], -1)
    gate = lambda name: (
        linear(qkv, P["mlstm_cell.%s.weight" % name]) + per_channel(P["mlstm_cell.%s.bias" % name])
    ).movedim(-1, 2)
    i, f = gate("igate"), F.logsigmoid(gate("fgate")).cumsum(-1)  # [M, B, H, T]
    q, k, v = (a.reshape(M, B, T, H, E // H).movedim(-2, 2) for a in (q, k, v))
    D = f[..., :, None] - f[..., None, :] + i[..., None, :]
    D = D.masked_fill(~torch.ones(T, T, dtype=torch.bool, device=h.device).tril(), -torch.inf)
    m = D.amax(-1, keepdim=True)
    A = (q @ k.mT) * (E // H) ** -0.5 * torch.exp(D - m)
    o = (A @ v) / (torch.maximum(A.sum(-1, keepdim=True).abs(), torch.exp(-m)) + 1e-6)
    o = layer_norm(o).movedim(2, 3).flatten(-2) * per_channel(1 + P["mlstm_cell.outnorm.weight"])
    return linear((o + per_channel(P["learnable_skip"]) * y) * F.silu(z), P["proj_down.weight"])


def slstm_cell(raw, state):
    """raw [M, H, B, 4, d] pre-activations; state (y, c, n, m) or None before the first token"""
    i, f, z, o = raw.unbind(-2)
    if state is None:
        m, c, n = i, torch.tanh(z), torch.ones_like(i)
    else:
        _, c, n, m = state
        forget = m + F.logsigmoid(f)
        m = torch.maximum(i, forget)
        keep, write = torch.exp(forget - m), torch.exp(i - m)
        c, n = keep * c + write * torch.tanh(z), keep * n + write
    return torch.sigmoid(o) * c / n, c, n, m


fused_cell = None


def fuse_cells():
    """Has the cell of training steps on a GPU compiled into one kernel, or says why not."""
    global fused_cell
    cell = torch.compile(slstm_cell, dynamic=False)
    try:
        raw = torch.randn(1, 1, 2, 4, 4, device="cuda", requires_grad=True)
        cell(raw, tuple(torch.rand(1, 1, 2, 4, device="cuda") for _ in range(4)))[0].sum().backward()
        fused_cell = cell
    except Exception as problem:
        print("sLSTM's cell is not compiled: %s" % str(problem).splitlines()[0])


def slstm_mixer(c, P, h):
    M, B, T, D = h.shape
    H = c["num_heads"]
    d = D // H
    # The names are crossed in the published code: slot i is fed by fgate, slot f by igate.
    inputs = torch.stack([blocks(h, P[name + "gate.weight"]) for name in "fizo"], -2)
    inputs = (
        (inputs + P["slstm_cell._bias_"].reshape(M, 1, 1, 4, D)).reshape(M, B, T, 4, H, d).permute(2, 0, 4, 1, 3, 5)
    )
    R = P["slstm_cell._recurrent_kernel_"].mT  # [M, H, d, 4 d]
    state, outputs = None, []
    for t in range(T):
        raw = inputs[t]
        if state is not None:
            raw = raw + (state[0] @ R).unflatten(-1, (4, d))
        cell = fused_cell if fused_cell is not None and state is not None and torch.is_grad_enabled() else slstm_cell
        state = cell(raw, state)
        outputs.append(state[0])
    y = torch.stack(outputs).permute(1, 3, 0, 2, 4)  # [M, B, T, H, d]
    return layer_norm(y).flatten(-2) * per_channel(1 + P["group_norm.weight"])


# ---- whole models -------------------------------------------------------------------------------------------------------


def embed(weights, ids):
    """A product with one-hot rows, whose gradient is a product too (and may be recorded in a CUDA graph)."""
    return torch.bmm(F.one_hot(ids, weights.shape[1]).to(weights.dtype).flatten(1, 2), weights).unflatten(
        1, ids.shape[1:]
    )


def forward(c, weights, ids, rounding=0.0, states=None):
    """ids [M, B, T] -> logits [M, B, T, V]. A list `states` gets the state of every layer of the delta rule after every token,
    [M, B, H, T, d_k d_v]."""
    kind = c["model_type"]
    if kind == "xlstm_lm" and rounding:
        raise ValueError("rounding: expected 0 of an xlstm_lm; got %s" % rounding)
    if kind == "xlstm_lm":
        x = embed(weights["token_embedding.weight"], ids)
        for i in range(c["num_blocks"]):
            P = below(weights, "xlstm_block_stack.blocks.%d." % i)
            h = layer_norm(x) * per_channel(1 + P["xlstm_norm.weight"])
            if i not in c["slstm_at"]:
                x = x + mlstm_mixer(c, below(P, "xlstm."), h)
                continue
            x = x + slstm_mixer(c, below(P, "xlstm."), h)
            gate, up = linear(layer_norm(x) * per_channel(1 + P["ffn_norm.weight"]), P["ffn.proj_up.weight"]).chunk(
                2, -1
            )
            x = x + linear(F.gelu(gate) * up, P["ffn.proj_down.weight"])
        x = layer_norm(x) * per_channel(1 + weights["xlstm_block_stack.post_blocks_norm.weight"])
    elif kind == "paper_mamba_lm":
        x = embed(weights["token_embedding.weight"], ids)
        for i in range(c["n_layers"]):
            P = below(weights, "layers.%d." % i)
            h = rms_norm(x, per_channel(P["norm.weight"]), c["rms_norm_eps"])
            x = x + mamba_mixer(c["positive_and_negative"], below(P, "mixer."), h, rounding)
    else:
        x = embed(weights["model.embeddings.weight"], ids)
        for i, layer in enumerate(layers_of(c)):
            P = below(weights, "model.layers.%d." % i)
            h = rms_norm(x, per_channel(P["attn_norm.weight"]), c["norm_eps"])
            if layer == "mamba":
                x = x + mamba_mixer(c["positive_and_negative"], below(P, "attn."), h, rounding)
            else:
                x = x + delta_mixer(layer, c, below(P, "attn."), h, rounding, states)
            h = rms_norm(x, per_channel(P["mlp_norm.weight"]), c["norm_eps"])
            mlp = below(P, "mlp.")
            x = x + linear(
                F.silu(linear(h, mlp["gate_proj.weight"])) * linear(h, mlp["up_proj.weight"]), mlp["down_proj.weight"]
            )
        x = rms_norm(x, per_channel(weights["model.norm.weight"]), c["norm_eps"])
    return linear(x, weights["lm_head.weight"])
