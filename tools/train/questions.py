#!/usr/bin/env python3
"""Adds what training runs showed to models/questions.json, from their records: rows of docs/experiments.md's open questions.

    tools/train/questions.py recall --run runs/recall-32-deltanet-neg "DeltaNet [-1,1]" --run ..

A run of the same question, model and task that is there is replaced. NumPy and safetensors, no PyTorch.
"""

import argparse
import json
import math
import pathlib

from safetensors.numpy import load_file

import tasks

FILE = pathlib.Path(__file__).resolve().parents[2] / "models/questions.json"


def row(question, folder, model):
    record = json.loads((folder / "record.json").read_text())
    task = tasks.task(record["task"])
    return {
        "question": question,
        "model": model,
        "task": record["task"],
        "parameters": sum(math.prod(w.shape) for w in load_file(folder / "model.safetensors").values()),
        "seconds": record["seconds"],
        "steps": record["step"],
        "seeds": len(next(iter(record["accuracy_of_all_seeds"].values()))),
        "scaled": {k: round((v - task.chance) / (1 - task.chance), 3) for k, v in record["accuracy"].items()},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", choices=["hybrids", "recall", "depth"])
    parser.add_argument(
        "--run",
        nargs=2,
        action="append",
        required=True,
        metavar=("FOLDER", "MODEL"),
        help="a folder of train.py, and what the page calls its model",
    )
    a = parser.parse_args()
    rows = json.loads(FILE.read_text())
    for folder, model in a.run:
        new = row(a.question, pathlib.Path(folder), model)
        same = [i for i, old in enumerate(rows) if all(old[k] == new[k] for k in ("question", "model", "task"))]
        if same:
            rows[same[0]] = new
        else:
            rows.append(new)
    FILE.write_text("[\n %s\n]\n" % ",\n ".join(map(json.dumps, rows)))


if __name__ == "__main__":
    main()
