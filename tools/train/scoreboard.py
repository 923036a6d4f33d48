#!/usr/bin/env python3
"""Makes docs/experiments.md from the checkpoints in models/: accuracies, spectra, verdicts, hardening, learned automata.

    tools/train/scoreboard.py                       everything: measures every model with krohn, then writes the page
    tools/train/scoreboard.py parity-mlstm ..       measures these again, the rest as in models/scoreboard.json
    tools/train/scoreboard.py --render              the page and its plots alone, from models/*.json

Words are drawn by tasks.py as training drew them, other seeds; krohn computes every logit. Needs numpy, safetensors and
matplotlib, no PyTorch.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from safetensors.numpy import load_file, save_file

import tasks

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS, PAGE = ROOT / "models", ROOT / "docs/experiments.md"
LENGTHS = [40, 48, 56, 64, 80, 100, 128, 160, 200, 256, 512]
ORDER = ["mlstm", "slstm", "mamba-pos", "mamba-neg", "deltanet-pos", "deltanet-neg"]
NAMES = {
    "mlstm": "mLSTM",
    "slstm": "sLSTM",
    "mamba-pos": "Mamba [0,1]",
    "mamba-neg": "Mamba [-1,1]",
    "deltanet-pos": "DeltaNet [0,1]",
    "deltanet-neg": "DeltaNet [-1,1]",
}
# Grazzi et al. 2025: scaled accuracy, the mean over lengths above 40 to 256 of the models behind the paper's figures.
PAPER = {
    "parity": [0.083, 1.0, 0.022, 1.0, 0.061, 1.0],
    "arithmetic": [0.120, 0.125, 0.008, 0.074, 0.152, 0.612],
    "brackets": [0.096, 0.118, 0.020, 0.022, 0.161, 0.316],
}


def krohn_json(krohn, *arguments):
    run = subprocess.run([krohn, *map(str, arguments), "--json"], capture_output=True, text=True)
    if run.returncode not in (0, 10, 20):
        return {"failed": run.stderr.strip() or "signal %d" % -run.returncode}
    return json.loads(run.stdout)


def answers(krohn, folder, tokens):
    """The logit that krohn finds largest after the last of tokens [rows, length]."""
    with tempfile.TemporaryDirectory() as scratch:
        file_in, file_out = pathlib.Path(scratch, "in"), pathlib.Path(scratch, "out")
        save_file({"input_ids": tokens}, file_in)
        command = [krohn, "run", str(folder), "--tokens", str(file_in), "--logits", str(file_out), "--device", "cpu"]
        subprocess.run(command, check=True, capture_output=True)
        return load_file(file_out)["logits"][:, -1].argmax(-1)


def accuracy(krohn, folder, task, rows):
    """{length: share of right answers after the last symbol}"""
    random, result = np.random.default_rng(777), {}
    for wanted in LENGTHS:
        tokens, targets = task.words(random, rows, task.length(wanted))
        right = answers(krohn, folder, tokens) == targets[:, -1]
        result[str(tokens.shape[1])] = round(float(right.mean()), 4)
    return result


def random_wrong_word(krohn, folder, task, rows):
    """A random word that is answered wrongly, of the first length from the shortest on where one is drawn; or None."""
    random, name = np.random.default_rng(778), {token: symbol for symbol, token in task.symbols.items()}
    for length in range(task.min_length, 101):
        if task.length(length) != length:
            continue
        tokens, targets = task.words(random, rows, length)
        wrong = np.flatnonzero(answers(krohn, folder, tokens) != targets[:, -1])
        if len(wrong):
            return [name[int(t)] for t in tokens[wrong[0]]]
    return None


def spectrum(krohn, folder):
    """The least and the largest real part of eigenvalues by layer type, and the share that is negative."""
    result = krohn_json(krohn, "inspect", folder)
    if "failed" in result:
        return result
    heads = result["spectrum"]["heads"]
    if not heads:
        return {"none": True}
    return {
        "least": min(h["real"][0] for h in heads),
        "most": max(h["real"][1] for h in heads),
        "negative": sum(h["negative"] for h in heads) / max(1, sum(h["eigenvalues"] for h in heads)),
    }


def learned(krohn, folder, limit):
    result = krohn_json(krohn, "extract", folder, "--time-limit", limit)
    return (
        result
        if "failed" in result
        else {"status": result["status"], "states": result["states"], "length": result["length"]}
    )


def measure(krohn, name, a, entry):
    """The entry of a model, with the parts that --only names (all, if none) measured anew."""
    folder, begin = MODELS / name, time.time()
    task = tasks.task(json.loads((folder / "record.json").read_text())["task"])
    asked = lambda part: not a.only or part in a.only or part not in entry
    if asked("accuracy"):
        entry["accuracy"] = accuracy(krohn, folder, task, a.rows)
    if asked("spectrum"):
        entry["spectrum"] = spectrum(krohn, folder)
    if asked("check"):
        check_model(krohn, folder, a, entry)
    if asked("harden"):
        harden_model(krohn, folder, a, entry)
    entry["seconds"] = round(time.time() - begin, 1)
    return entry


def check_model(krohn, folder, a, entry):
    check = krohn_json(krohn, "check", folder, "--no-families", "--time-limit", a.check_limit)
    entry["check"] = {
        k: check.get(k) for k in ("verdict", "word", "length", "shortest", "expected", "observed", "domain", "failed")
    }
    entry["check"]["length"] = len(check["word"]) if check.get("word") is not None else check.get("length")
    if check.get("verdict") == "UNKNOWN" and min(entry["accuracy"].values()) < 1:
        task = tasks.task(json.loads((folder / "record.json").read_text())["task"])
        entry["check"]["random_word"] = random_wrong_word(krohn, folder, task, a.rows)


def harden_model(krohn, folder, a, entry):
    with tempfile.TemporaryDirectory() as scratch:
        hardened = pathlib.Path(scratch, "hardened")
        result = krohn_json(krohn, "harden", folder, "-o", hardened, "--time-limit", a.harden_limit)
        if "failed" in result:
            entry["harden"] = result
        else:
            h = result["hardening"]
            entry["harden"] = {
                "verdict": result["verdict"],
                "reason": h["reason"],
                "codes": h["codes"],
                "configurations": h["configurations"],
                "limit": a.harden_limit,
            }
        proved = entry["harden"].get("verdict") == "PROVED"
        entry["automaton"] = learned(krohn, hardened if proved else folder, a.extract_limit)
        entry["automaton"]["of"] = "hardened" if proved else "itself"


# ---- the page -------------------------------------------------------------------------------------------------------------


def scaled(task, accuracy):
    return {int(k): (v - task.chance) / (1 - task.chance) for k, v in accuracy.items()}


def mean_beyond(curve):
    return float(np.mean([v for k, v in curve.items() if 40 < k <= 256]))


def word_text(word):
    """A word, stretches of one symbol as powers."""
    if word is None:
        return ""
    parts, i = [], 0
    while i < len(word):
        j = i
        while j < len(word) and word[j] == word[i]:
            j += 1
        parts.append(word[i] if j == i + 1 else "%s^%d" % (word[i], j - i))
        i = j
    text = " ".join(parts)
    return "`%s`" % text if len(text) <= 40 else "`%s ..`" % text[:36].rsplit(" ", 1)[0]


def verdict_text(c):
    drawn = c.get("random_word")
    if c.get("failed"):
        return "not run"
    if c["verdict"] == "REFUTED":
        return "REFUTED %d %s" % (c["length"], word_text(c["word"]))
    if c["verdict"] == "UNKNOWN":
        return "UNKNOWN, right to %s" % c["length"] + (
            "; wrong on a random word of %d %s" % (len(drawn), word_text(drawn)) if drawn else ""
        )
    return c["verdict"] if c["length"] is None else "%s %s" % (c["verdict"], c["length"])


def harden_text(h):
    if "failed" in h:
        return "refused: " + h["failed"].removeprefix("krohn: ")
    if h["verdict"] == "PROVED":
        return "**PROVED**, %d codes, %d configurations" % (h["codes"], h["configurations"])
    return "%s: %s" % (h["verdict"], h["reason"]) if h["reason"] else h["verdict"]


def spectrum_text(s):
    if "failed" in s:
        return "not measured"
    if "none" in s:
        return "nonlinear"
    return "%.2f .. %.2f, %.0f %% negative" % (s["least"], s["most"], 100 * s["negative"])


def automaton_text(m):
    if "failed" in m:
        return "not run"
    if m["states"] is None:
        return "none found"
    what = {
        "exact": "%d states, exact",
        "up_to": "%d states, right to %s" % (m["states"], m["length"]),
        "hypothesis": "%d states, hypothesis",
    }.get(m["status"], m["status"])
    return (what % m["states"] if "%d" in what else what) + (" (hardened)" if m["of"] == "hardened" else "")


def row(name, label, task, entry, paper=None):
    curve = scaled(task, entry["accuracy"])
    at = lambda n: "%.2f" % curve[task.length(n)]
    cells = [label] + ([] if paper is None else ["%.3f" % paper]) + ["%.3f" % mean_beyond(curve)]
    cells += [at(n) for n in (40, 64, 100, 256, 512)]
    cells += [
        spectrum_text(entry["spectrum"]),
        verdict_text(entry["check"]),
        harden_text(entry["harden"]),
        automaton_text(entry["automaton"]),
    ]
    return "| %s |" % " | ".join(cells)


def header(paper):
    names = ["model"] + (["paper"] if paper else []) + ["ours"] + ["40", "64", "100", "256", "512"]
    names += ["eigenvalues", "itself, fp32", "hardened", "learned automaton"]
    return "| %s |\n|%s" % (" | ".join(names), "---|" * len(names))


def plots(board, folder):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"svg.hashsalt": "krohn", "svg.fonttype": "none", "font.size": 9})
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), sharey=True)
    for axis, (short, title) in zip(
        axes, (("parity", "parity"), ("arithmetic", "modular arithmetic"), ("brackets", "with brackets"))
    ):
        for model in ORDER:
            entry = board.get("%s-%s" % (short, model))
            if entry:
                task = tasks.task(json.loads((MODELS / ("%s-%s" % (short, model)) / "record.json").read_text())["task"])
                curve = scaled(task, entry["accuracy"])
                axis.plot(list(curve), list(curve.values()), marker=".", label=NAMES[model])
        axis.axvline(40, color="gray", lw=0.8, ls=":")
        axis.set(
            title=title,
            xlabel="length",
            xscale="log",
            xticks=[40, 64, 128, 256, 512],
            xticklabels=[40, 64, 128, 256, 512],
        )
        axis.minorticks_off()
    axes[0].set_ylabel("scaled accuracy")
    axes[0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(folder / "experiments-accuracy.svg", metadata={"Date": None})
    plt.close(figure)
    stability = MODELS / "stability.json"
    if stability.exists():
        runs = json.loads(stability.read_text())
        figure, rows = plt.subplots(2, 4, figsize=(14, 6), sharex=True)
        sizes = sorted({run["parameters"] for run in runs})
        for run in runs:
            axes = rows[1 if run["warmup"] else 0]
            label = "%.1e parameters, %s" % (run["parameters"], "[-1,1]" if run["negative"] else "[0,1]")
            style = dict(
                ls="-" if run["negative"] else "--", color="C%d" % sizes.index(run["parameters"]), label=label, lw=1
            )
            x = [r["step"] for r in run["rows"]]
            for axis, key in zip(axes, ("loss", "gradient", "weights", "least_eigenvalue")):
                y = [r[key] for r in run["rows"]]
                axis.plot(x, [v / y[0] for v in y] if key == "weights" else y, **style)
        for axes, warm in zip(rows, ("no warm-up", "100 steps of warm-up")):
            for axis, title in zip(
                axes, ("loss", "norm of the gradient", "norm of the weights / at first", "least eigenvalue")
            ):
                axis.set(title="%s, %s" % (title, warm))
            axes[1].set_yscale("log")
        for axis in rows[1]:
            axis.set_xlabel("step")
        rows[0][0].legend(fontsize=6)
        figure.tight_layout()
        figure.savefig(folder / "experiments-stability.svg", metadata={"Date": None})
        plt.close(figure)


def render(board):
    template = (pathlib.Path(__file__).resolve().parent / "experiments.md.in").read_text()
    task_of = {name: tasks.task(json.loads((MODELS / name / "record.json").read_text())["task"]) for name in board}
    tables, shown = {}, set()
    for short in PAPER:
        lines = [header(True)]
        for model, paper in zip(ORDER, PAPER[short]):
            name = "%s-%s" % (short, model)
            if name in board:
                shown.add(name)
                lines.append(row(name, NAMES[model], task_of[name], board[name], paper))
        tables["TABLE_" + short.upper()] = "\n".join(lines)
    others = [header(False)] + [row(n, n, task_of[n], board[n]) for n in sorted(board) if n not in shown]
    tables["TABLE_OTHERS"] = "\n".join(others)
    solved = [
        n for n in board if task_of[n].length(256) == 256 and scaled(task_of[n], board[n]["accuracy"])[256] >= 0.99
    ]
    proved = [n for n in solved if board[n]["harden"].get("verdict") == "PROVED"]
    tables["SOLVED"], tables["SOLVED_PROVED"] = str(len(solved)), str(len(proved))
    tables["NOT_PROVED"] = ", ".join(n for n in solved if n not in proved) or "none"
    questions = json.loads((MODELS / "questions.json").read_text()) if (MODELS / "questions.json").exists() else []
    for kind in ("hybrids", "recall", "depth"):
        lines = [
            "| model | task | parameters | seconds to the best | steps | scaled accuracy by length |",
            "|---|---|---|---|---|---|",
        ]
        for q in questions:
            if q["question"] == kind:
                lines.append(
                    "| %s | %s | %d | %.0f | %d | %s |"
                    % (
                        q["model"],
                        q["task"],
                        q["parameters"],
                        q["seconds"],
                        q["steps"],
                        ", ".join("%s: %.2f" % kv for kv in q["scaled"].items()),
                    )
                )
        tables["TABLE_" + kind.upper()] = "\n".join(lines)
    page = template
    for key, text in tables.items():
        page = page.replace("{%s}" % key, text)
    PAGE.write_text(page)
    plots(board, PAGE.parent)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--krohn", default=str(ROOT / "build/cpu/krohn"))
    parser.add_argument("--render", action="store_true")
    parser.add_argument(
        "--only", nargs="+", choices=["accuracy", "spectrum", "check", "harden"], help="measure these alone anew"
    )
    parser.add_argument("--rows", type=int, default=256, help="words of each length")
    parser.add_argument("--check-limit", type=float, default=20, help="seconds")
    parser.add_argument("--harden-limit", type=float, default=120, help="seconds")
    parser.add_argument("--extract-limit", type=float, default=10, help="seconds")
    a = parser.parse_args()
    file = MODELS / "scoreboard.json"
    board = json.loads(file.read_text()) if file.exists() else {}
    names = [p.parent.name for p in sorted(MODELS.glob("*/model.safetensors"))]
    unknown = set(a.models) - set(names)
    if unknown:
        sys.exit("no such model in models/: " + ", ".join(sorted(unknown)))
    for name in [] if a.render else a.models or names:
        entry = measure(a.krohn, name, a, board.get(name, {}))
        board = json.loads(file.read_text()) if file.exists() else {}  # another run may have added to it
        board[name] = entry
        print(
            "%s: %.0f s, %s, %s" % (name, entry["seconds"], verdict_text(entry["check"]), harden_text(entry["harden"])),
            flush=True,
        )
        lines = ",\n".join(" %s: %s" % (json.dumps(n), json.dumps(board[n])) for n in sorted(board) if n in names)
        file.write_text("{\n%s}\n" % lines)
    render({n: board[n] for n in names if n in board})
    return 0


if __name__ == "__main__":
    sys.exit(main())
