#!/usr/bin/env python3
"""Trains DeltaNet with eigenvalues in [-1,1] and in [0,1] at several sizes for some hundred steps and writes what happens:
the loss, norms of weights and gradients, the range of the eigenvalues that the layers make, and how large what they read is.

    tools/train/stability.py -o stability.json --steps 300 --sizes 64x2 256x4 1024x8

A size is HIDDENxLAYERS; 1024x8 has 10^8 parameters. Runs are added to those that the file has. One learning rate for all, with and without a warm-up: what is asked
is whether negative eigenvalues make training less stable, not what is best.
"""

import argparse
import json
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F

import models
import tasks


def short(x):
    return float("%.4g" % x)


def train(task, hidden, layers, negative, steps, rate, warmup, device, seed=0):
    heads = max(2, hidden // 128)
    config = models.configuration(
        "delta_net",
        task.vocab_size,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_heads=heads,
        intermediate_size=hidden * 11 // 4 // 8 * 8,
        allow_neg_eigval=negative,
    )
    weights = {n: w[None].to(device).requires_grad_() for n, w in models.first_values(config, seed).items()}
    optimizer = torch.optim.AdamW(weights.values(), lr=rate, weight_decay=0.01, fused=device.type == "cuda" or None)
    random = np.random.default_rng(seed)
    seen = {}

    def observe(name, x):
        x = x.detach()
        least, most = x.min(), x.max()
        old = seen.get(name)
        seen[name] = (least, most) if old is None else (torch.minimum(least, old[0]), torch.maximum(most, old[1]))

    rows = []
    begin = time.time()
    for step in range(steps):
        for g in optimizer.param_groups:
            g["lr"] = rate * min(1.0, (step + 1) / warmup) if warmup else rate
        tokens, targets = (torch.from_numpy(x).to(device) for x in task.words(random, 64, 40))
        look = step % 5 == 0
        seen.clear()
        models.observer = observe if look else None
        loss = F.cross_entropy(models.forward(config, weights, tokens[None])[0].flatten(0, 1), targets.flatten())
        models.observer = None
        loss.backward()
        if look:
            norm = lambda xs: torch.stack([x.square().sum() for x in xs]).sum().sqrt().item()
            rows.append(
                {
                    "step": step,
                    "loss": short(loss.item()),
                    "gradient": short(norm([w.grad for w in weights.values()])),
                    "weights": short(norm(weights.values())),
                    "least_eigenvalue": short(seen["eigenvalue"][0].item()),
                    "largest_read": short(max(abs(seen["read"][0].item()), seen["read"][1].item())),
                }
            )
        optimizer.step()
        optimizer.zero_grad()
    return {
        "hidden": hidden,
        "layers": layers,
        "parameters": sum(w.numel() for w in weights.values()),
        "negative": negative,
        "rate": rate,
        "warmup": warmup,
        "task": task.name,
        "seconds": round(time.time() - begin, 1),
        "rows": rows,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--task", default="s3")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--sizes", nargs="+", default=["64x2", "256x4", "1024x8"])
    parser.add_argument("--tf32", action="store_true", help="matrix products in TF32")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    a = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = a.tf32
    file = pathlib.Path(a.output)
    runs = json.loads(file.read_text()) if file.exists() else []
    for size in a.sizes:
        hidden, layers = map(int, size.split("x"))
        for negative in (True, False):
            for warmup in (100, 0):
                run = train(
                    tasks.task(a.task), hidden, layers, negative, a.steps, a.rate, warmup, torch.device(a.device)
                )
                runs.append({**run, "tf32": a.tf32})
                last = runs[-1]["rows"][-1]
                print(
                    "%s %s warmup %d: loss %.3f, gradient %.3g, %.0f s"
                    % (
                        size,
                        "[-1,1]" if negative else "[0,1]",
                        warmup,
                        last["loss"],
                        last["gradient"],
                        runs[-1]["seconds"],
                    ),
                    flush=True,
                )
                lines = ",\n ".join(json.dumps(run, separators=(",", ":")) for run in runs)
                file.write_text("[\n %s\n]\n" % lines)


if __name__ == "__main__":
    main()
