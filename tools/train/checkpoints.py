"""Checkpoints on disk, and what krohn computes with them."""

import json
import pathlib
import shutil
import subprocess
import tempfile

import torch
from safetensors.torch import load_file, save_file

import models

ROOT = pathlib.Path(__file__).resolve().parents[2]


def write_json(path, value):
    """Objects over lines, lists of numbers on one."""

    def text(x, indent):
        if isinstance(x, dict) and x:
            inner = ",\n".join("%s %s: %s" % (indent, json.dumps(k), text(v, indent + " ")) for k, v in x.items())
            return "{\n%s}" % inner
        return json.dumps(x)

    pathlib.Path(path).write_text(text(value, "") + "\n")


def save(folder, config, weights, task, record):
    """weights: {name: tensor} of one model. Every file is whole at any time."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.detach().float().cpu().contiguous() for name, value in weights.items()},
        folder / "model.safetensors.new",
        metadata={"format": "pt"},
    )
    (folder / "model.safetensors.new").replace(folder / "model.safetensors")
    write_json(folder / "config.json", config)
    if hasattr(task, "symbols"):
        write_json(folder / "task.json", task.task_json())
    write_json(folder / "record.json", record)


def load(folder):
    """(config, {name: tensor})"""
    folder = pathlib.Path(folder)
    config = json.loads((folder / "config.json").read_text())
    weights = load_file(folder / "model.safetensors")
    return config, weights


def keep_heads(config, weights, heads):
    """The weights of a Gated DeltaNet or DeltaProduct with these of its heads alone, in every layer."""
    if config["model_type"] not in ("gated_deltanet", "gated_deltaproduct"):
        raise SystemExit("--heads: expected gated_deltanet or gated_deltaproduct; got " + config["model_type"])
    H, result = config["num_heads"], {}
    for name, w in weights.items():
        part = name.removesuffix(".weight").split(".")[-1]
        if part in ("q_proj", "k_proj", "v_proj", "b_proj", "a_proj", "g_proj", "A_log", "dt_bias") or part.endswith(
            "_conv1d"
        ):
            n = config.get("num_householder", 1) if part[0] in "kvb" else 1
            w = w.unflatten(0, (n, H, -1))[:, heads].flatten(0, 2)
        elif part == "o_proj":
            w = w.unflatten(1, (H, -1))[:, heads].flatten(1)
        result[name] = w
    return result


def find_krohn(path=None):
    """The program, or None."""
    for candidate in [path, ROOT / "build/cpu/krohn", shutil.which("krohn")]:
        if candidate and pathlib.Path(candidate).is_file():
            return str(candidate)
    if path:
        raise SystemExit("--krohn: no file " + str(path))
    return None


def krohn_logits(krohn, folder, ids):
    """ids [B, T] -> logits [B, T, V] float32 by krohn's canonical run"""
    with tempfile.TemporaryDirectory() as scratch:
        tokens, logits = pathlib.Path(scratch, "in.safetensors"), pathlib.Path(scratch, "out.safetensors")
        save_file({"input_ids": ids.long().contiguous()}, tokens)
        run = subprocess.run(
            [krohn, "run", str(folder), "--tokens", str(tokens), "--logits", str(logits), "--device", "cpu"],
            capture_output=True,
            text=True,
        )
        if run.returncode:
            raise RuntimeError("krohn run %s: %s" % (folder, run.stderr.strip()))
        return load_file(logits)["logits"]


def compare(krohn, folder, ids):
    """How the forward pass here and krohn's agree on ids [B, T].

    Both are measured against the pass here in float64: krohn's error may be 1e-4, or, of models that magnify what is
    rounded, ten times the larger of what this pass is off in float32 and what the logits move by when every weight moves by
    half a unit in its last place: a weight is rounded once there, and a path from it to the logits rounds some ten times on the
    way. A label may differ only where the two largest logits are closer than twice what is allowed."""
    config, weights = load(folder)
    generator = torch.Generator().manual_seed(0)

    def run(dtype, weights):
        with torch.no_grad():
            return models.forward(config, {n: w[None].to(dtype) for n, w in weights.items()}, ids[None])[0].double()

    def moved(w):
        return w.double() * (1 + 2.0**-24 * (2 * torch.randint(2, w.shape, generator=generator) - 1))

    exact, single = run(torch.float64, weights), run(torch.float32, weights)
    other = run(torch.float64, {n: moved(w) for n, w in weights.items()})
    theirs = krohn_logits(krohn, folder, ids).double()
    magnified = max((single - exact).abs().max().item(), (other - exact).abs().max().item())
    allowed = max(1e-4, 10 * magnified)
    error = (theirs - exact).abs().max().item()
    top = exact.topk(2, -1).values
    differ = (theirs.argmax(-1) != exact.argmax(-1)) & (top[..., 0] - top[..., 1] > 2 * allowed)
    return {
        "positions": ids.numel(),
        "krohn_error": error,
        "float32_error": (single - exact).abs().max().item(),
        "allowed": allowed,
        "labels_differ": int(differ.sum()),
        "agree": bool(error <= allowed and not differ.any()),
    }
