#!/usr/bin/env python3
"""Times `krohn inspect` on a published configuration with random weights: writes it in shards of bfloat16, runs, deletes.

  tools/bench_inspect.py [--krohn build/cpu/krohn] [--of NAME] [--size N] [--layers N] [--stability] [--keep FOLDER]

Of: delta_net (default; sizes 1024 and 2048 with 24 layers have 374 million and 1.35 billion parameters), mamba2 (as
flash-linear-attention's configurations: 1024 and 2048 with 48 layers have 381 million and 1.38 billion), mamba-hf (as
state-spaces/mamba-370m-hf, 1.4b-hf and 2.8b-hf: 1024 and 48, 2048 and 48, 2560 and 64); of hybrids the linear layers alone
are read: qwen3_next (64 experts a layer), olmo_hybrid (7B: size 3840, 32 layers) and kimi_linear (48B-A3B: size 2304, 27
layers, one expert a layer for 256). The last line has the memory beside the bytes of the files.
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


def delta_net(size, layers):
    heads = size // 128
    inner = (int(size * 4 * 2 / 3) + 255) // 256 * 256
    config = {"model_type": "delta_net", "hidden_size": size, "num_hidden_layers": layers, "num_heads": heads,
              "vocab_size": VOCABULARY, "intermediate_size": inner, "allow_neg_eigval": True, "qk_activation": "silu",
              "qk_norm": "l2", "use_beta": True, "use_gate": False, "use_output_norm": True, "use_short_conv": True,
              "conv_size": 4, "tie_word_embeddings": False, "norm_eps": 1e-6}
    shapes = {"model.embeddings.weight": [VOCABULARY, size]}
    for i in range(layers):
        p = "model.layers.%d." % i
        shapes[p + "attn_norm.weight"] = [size]
        shapes[p + "attn.b_proj.weight"] = [heads, size]
        for name in ("q", "k", "v"):
            shapes[p + "attn.%s_proj.weight" % name] = [size, size]
            shapes[p + "attn.%s_conv1d.weight" % name] = [size, 1, 4]
        shapes[p + "attn.o_norm.weight"] = [size // heads]
        shapes[p + "attn.o_proj.weight"] = [size, size]
        shapes[p + "mlp_norm.weight"] = [size]
        shapes[p + "mlp.gate_proj.weight"] = [inner, size]
        shapes[p + "mlp.up_proj.weight"] = [inner, size]
        shapes[p + "mlp.down_proj.weight"] = [size, inner]
    shapes["model.norm.weight"] = [size]
    shapes["lm_head.weight"] = [VOCABULARY, size]
    return config, shapes


def mamba2(size, layers):
    inner, heads, state = 2 * size, size // 32, 128
    config = {"model_type": "mamba2", "hidden_size": size, "num_hidden_layers": layers, "vocab_size": VOCABULARY,
              "expand": 2, "head_dim": 64, "num_heads": heads, "state_size": state, "n_groups": 1, "conv_kernel": 4,
              "chunk_size": 256, "hidden_act": "silu", "rms_norm": True, "residual_in_fp32": True, "fuse_norm": True,
              "fuse_cross_entropy": True, "norm_eps": 1e-5, "use_bias": False, "use_conv_bias": True,
              "tie_word_embeddings": False, "time_step_rank": 128, "time_step_limit": [0.0, float("inf")],
              "time_step_min": 0.001, "time_step_max": 0.1, "time_step_floor": 0.0001, "initializer_range": 0.02,
              "rescale_prenorm_residual": True, "use_cache": True}
    shapes = {"backbone.embeddings.weight": [VOCABULARY, size]}
    for i in range(layers):
        p = "backbone.layers.%d." % i
        shapes[p + "norm.weight"] = [size]
        for name in ("A_log", "D", "dt_bias"):
            shapes[p + "mixer." + name] = [heads]
        shapes[p + "mixer.conv1d.weight"] = [inner + 2 * state, 1, 4]
        shapes[p + "mixer.conv1d.bias"] = [inner + 2 * state]
        shapes[p + "mixer.in_proj.weight"] = [2 * inner + 2 * state + heads, size]
        shapes[p + "mixer.norm.weight"] = [inner]
        shapes[p + "mixer.out_proj.weight"] = [size, inner]
    shapes["backbone.norm_f.weight"] = [size]
    shapes["lm_head.weight"] = [VOCABULARY, size]
    return config, shapes


def mamba_hf(size, layers):
    vocabulary, inner, state, rank = 50280, 2 * size, 16, (size + 15) // 16
    config = {"model_type": "mamba", "architectures": ["MambaForCausalLM"], "hidden_size": size, "d_model": size,
              "num_hidden_layers": layers, "n_layer": layers, "intermediate_size": inner, "d_inner": inner, "expand": 2,
              "state_size": state, "conv_kernel": 4, "time_step_rank": rank, "vocab_size": vocabulary,
              "hidden_act": "silu", "layer_norm_epsilon": 1e-5, "use_bias": False, "use_conv_bias": True,
              "residual_in_fp32": True, "rms_norm": True, "fused_add_norm": True, "pad_vocab_size_multiple": 8,
              "ssm_cfg": {}, "rescale_prenorm_residual": False, "initializer_range": 0.1, "time_step_floor": 0.0001,
              "time_step_init_scheme": "random", "time_step_max": 0.1, "time_step_min": 0.001, "time_step_scale": 1.0,
              "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0, "torch_dtype": "float32",
              "transformers_version": "4.39.0.dev0", "use_cache": True}
    shapes = {"backbone.embeddings.weight": [vocabulary, size]}
    for i in range(layers):
        p = "backbone.layers.%d." % i
        shapes[p + "norm.weight"] = [size]
        shapes[p + "mixer.A_log"] = [inner, state]
        shapes[p + "mixer.D"] = [inner]
        shapes[p + "mixer.conv1d.weight"] = [inner, 1, 4]
        shapes[p + "mixer.conv1d.bias"] = [inner]
        shapes[p + "mixer.in_proj.weight"] = [2 * inner, size]
        shapes[p + "mixer.x_proj.weight"] = [rank + 2 * state, inner]
        shapes[p + "mixer.dt_proj.weight"] = [inner, rank]
        shapes[p + "mixer.dt_proj.bias"] = [inner]
        shapes[p + "mixer.out_proj.weight"] = [size, inner]
    shapes["backbone.norm_f.weight"] = [size]
    return config, shapes


def qwen3_next(size, layers):
    key_heads, value_heads, head, experts, expert = 16, 32, 128, 64, 512
    config = {"model_type": "qwen3_next", "hidden_size": size, "num_hidden_layers": layers,
              "full_attention_interval": 4, "linear_num_key_heads": key_heads, "linear_num_value_heads": value_heads,
              "linear_key_head_dim": head, "linear_value_head_dim": head, "linear_conv_kernel_dim": 4,
              "rms_norm_eps": 1e-6, "hidden_act": "silu", "vocab_size": VOCABULARY, "num_experts": experts}
    channels = 2 * key_heads * head + value_heads * head
    shapes = {"model.embed_tokens.weight": [VOCABULARY, size]}
    for i in range(layers):
        p = "model.layers.%d." % i
        shapes[p + "input_layernorm.weight"] = [size]
        shapes[p + "post_attention_layernorm.weight"] = [size]
        shapes[p + "mlp.gate.weight"] = [experts, size]
        for e in range(experts):
            for name, shape in (("gate", [expert, size]), ("up", [expert, size]), ("down", [size, expert])):
                shapes[p + "mlp.experts.%d.%s_proj.weight" % (e, name)] = shape
        if (i + 1) % 4 == 0:
            for name, rows in (("q", 2 * size), ("k", 512), ("v", 512), ("o", size)):
                shapes[p + "self_attn.%s_proj.weight" % name] = [rows, size]
            continue
        p += "linear_attn."
        shapes[p + "in_proj_qkvz.weight"] = [channels + value_heads * head, size]
        shapes[p + "in_proj_ba.weight"] = [2 * value_heads, size]
        shapes[p + "conv1d.weight"] = [channels, 1, 4]
        shapes[p + "A_log"] = [value_heads]
        shapes[p + "dt_bias"] = [value_heads]
        shapes[p + "norm.weight"] = [head]
        shapes[p + "out_proj.weight"] = [size, value_heads * head]
    shapes["model.norm.weight"] = [size]
    return config, shapes


def hybrid_layers(layers, every=4):
    return ["full_attention" if (i + 1) % every == 0 else "linear_attention" for i in range(layers)]


def olmo_hybrid(size, layers):
    heads, key, value, inner = 30 * size // 3840, 96, 192, 11008 * size // 3840
    config = {"model_type": "olmo_hybrid", "architectures": ["OlmoHybridForCausalLM"], "hidden_size": size,
              "num_hidden_layers": layers, "intermediate_size": inner, "vocab_size": VOCABULARY,
              "layer_types": hybrid_layers(layers), "linear_num_key_heads": heads, "linear_num_value_heads": heads,
              "linear_key_head_dim": key, "linear_value_head_dim": value, "linear_conv_kernel_dim": 4,
              "linear_allow_neg_eigval": True, "num_attention_heads": heads, "num_key_value_heads": heads,
              "rms_norm_eps": 1e-6, "hidden_act": "silu", "tie_word_embeddings": False}
    shapes = {"model.embed_tokens.weight": [VOCABULARY, size]}
    for i, kind in enumerate(config["layer_types"]):
        p = "model.layers.%d." % i
        for name, rows, columns in (("gate", inner, size), ("up", inner, size), ("down", size, inner)):
            shapes[p + "mlp.%s_proj.weight" % name] = [rows, columns]
        if kind == "full_attention":
            shapes[p + "post_attention_layernorm.weight"] = [size]
            shapes[p + "post_feedforward_layernorm.weight"] = [size]
            for name in "qkvo":
                shapes[p + "self_attn.%s_proj.weight" % name] = [size, size]
            for name in "qk":
                shapes[p + "self_attn.%s_norm.weight" % name] = [size]
            continue
        shapes[p + "attention_layer_norm.weight"] = [size]
        shapes[p + "feedforward_layer_norm.weight"] = [size]
        p += "linear_attn."
        for name, width in (("q", key), ("k", key), ("v", value), ("g", value)):
            shapes[p + name + "_proj.weight"] = [heads * width, size]
            if name != "g":
                shapes[p + name + "_conv1d.weight"] = [heads * width, 1, 4]
        for name in "ab":
            shapes[p + name + "_proj.weight"] = [heads, size]
        shapes[p + "A_log"] = shapes[p + "dt_bias"] = [heads]
        shapes[p + "o_norm.weight"] = [value]
        shapes[p + "o_proj.weight"] = [size, heads * value]
    shapes["model.norm.weight"] = [size]
    shapes["lm_head.weight"] = [VOCABULARY, size]
    return config, shapes


def kimi_linear(size, layers):
    heads, head, inner = 32, 128, 1024
    # Every fourth layer and the last, counted from 1.
    full = [i + 1 for i, kind in enumerate(hybrid_layers(layers)) if kind == "full_attention" or i + 1 == layers]
    config = {"model_type": "kimi_linear", "architectures": ["KimiLinearForCausalLM"], "hidden_size": size,
              "num_hidden_layers": layers, "intermediate_size": 9216, "vocab_size": VOCABULARY, "rms_norm_eps": 1e-5,
              "linear_attn_config": {"full_attn_layers": full, "head_dim": head, "num_heads": heads,
                                     "kda_layers": [i + 1 for i in range(layers) if i + 1 not in full],
                                     "short_conv_kernel_size": 4}}
    shapes = {"model.embed_tokens.weight": [VOCABULARY, size]}
    for i in range(layers):
        p = "model.layers.%d." % i
        shapes[p + "input_layernorm.weight"] = shapes[p + "post_attention_layernorm.weight"] = [size]
        # One expert for 256 of them, which nothing here reads.
        for name, rows, columns in (("gate", inner, size), ("up", inner, size), ("down", size, inner)):
            shapes[p + "mlp.%s_proj.weight" % name] = [rows, columns]
        p += "self_attn."
        if i + 1 in full:
            shapes[p + "q_proj.weight"] = [heads * 192, size]
            shapes[p + "o_proj.weight"] = [size, heads * 128]
            continue
        for name in "qkv":
            shapes[p + name + "_proj.weight"] = [heads * head, size]
            shapes[p + name + "_conv1d.weight"] = [heads * head, 1, 4]
        for name in "fg":
            shapes[p + name + "_a_proj.weight"] = [head, size]
            shapes[p + name + "_b_proj.weight"] = [heads * head, head]
        shapes[p + "b_proj.weight"] = [heads, size]
        shapes[p + "A_log"] = [1, 1, heads, 1]
        shapes[p + "dt_bias"] = [heads * head]
        shapes[p + "o_norm.weight"] = [head]
        shapes[p + "o_proj.weight"] = [size, heads * head]
    shapes["model.norm.weight"] = [size]
    shapes["lm_head.weight"] = [VOCABULARY, size]
    return config, shapes


MODELS = {"delta_net": delta_net, "mamba2": mamba2, "mamba-hf": mamba_hf, "qwen3_next": qwen3_next,
          "olmo_hybrid": olmo_hybrid, "kimi_linear": kimi_linear}


def write(folder, model, size, layers, shards=4):
    config, shapes = MODELS[model](size, layers)
    (folder / "config.json").write_text(json.dumps(config))
    names = list(shapes.items())
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
    parser.add_argument("--of", choices=MODELS, default="delta_net")
    parser.add_argument("--stability", action="store_true")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--keep")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(arguments.keep or temporary)
        os.makedirs(folder, exist_ok=True)
        total = write(folder, arguments.of, arguments.size, arguments.layers)
        print("%d parameters" % total, flush=True)
        start = time.time()
        done = subprocess.run([arguments.krohn, "inspect", str(folder), "--json"] + ["--stability"] * arguments.stability, capture_output=True,
                              text=True)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print("exit %d, %.1f s, %.1f s of processors, %.2f GiB at most, of %.2f GiB of weights" %
              (done.returncode, time.time() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 2 ** 20,
               total / 2 ** 29))
        print(done.stderr, end="")


if __name__ == "__main__":
    main()
