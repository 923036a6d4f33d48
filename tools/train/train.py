#!/usr/bin/env python3
"""Trains a model on a task and writes a checkpoint that krohn reads.

    tools/train/train.py parity-small -o runs/parity                     a name of experiments.py; --list shows them
    tools/train/train.py parity-deltanet-neg -o runs/p --set lr=1e-3 --option hidden_size=32 --time-limit 120
    tools/train/train.py parity-small -o runs/parity --refute 5          krohn check's words join the data, five rounds

The folder gets config.json, model.safetensors, task.json and record.json of the best of the seeds (by mean accuracy at the
lengths that are measured), log.jsonl, and state.pt, from which the same command goes on where it ended. At the end krohn's
logits are compared with those computed here.
"""

import argparse
import json
import math
import pathlib
import queue
import subprocess
import sys
import threading
import time

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

import checkpoints
import experiments
import models
import tasks

WIDTHS = (16, 40, 64, 128, 256, 512)


def width_of(length):
    return next((w for w in WIDTHS if w >= length), length)


class Words:
    """Words that krohn found against the model, with what they answer at every position."""

    def __init__(self, task, path):
        self.task, self.path, self.words = task, path, []
        if path.exists():
            self.words = [json.loads(line) for line in path.read_text().splitlines()]

    def add(self, tokens):
        self.words.append(tokens)
        with open(self.path, "a") as file:
            file.write(json.dumps(tokens) + "\n")

    def sample(self, random, rows, width):
        """Of the words of at most `width` tokens: half as they are, a quarter with a few symbols drawn anew, a quarter over and
        over again; what is asked for at every position goes on with random symbols."""
        words = [w for w in self.words if len(w) <= width]
        tokens = np.full((rows, width), self.task.tokens[0], np.int64)
        last = np.empty(rows, np.int64)
        for row, i in enumerate(random.integers(len(words), size=rows)):
            word = np.array(words[i])
            if row % 4 == 1 and self.task.positions == "all":
                at = random.integers(len(word))
                word[at : at + 1 + random.integers(3)] = random.choice(self.task.tokens)
            if row % 4 == 3 and self.task.positions == "all":
                word = np.resize(word, width)
            tokens[row, : len(word)], last[row] = word, len(word)
            if self.task.positions == "all":
                tokens[row, len(word) :] = random.choice(self.task.tokens, width - len(word))
        targets = self.task.targets(tokens)
        if self.task.positions == "last":
            targets[np.arange(width)[None] != last[:, None] - 1] = tasks.UNASKED
        return tokens, targets


class Feed:
    """Batches of many steps at once, made in a thread beside the training."""

    def __init__(self, task, training, seed, device, words):
        self.task, self.t, self.words = task, training, words
        self.random, self.device = np.random.default_rng(seed), device
        self.random_order = np.random.default_rng(seed)
        self.limit = training["first_length"] or training["length"]
        self.many = 16 if device.type == "cuda" else 4
        self.ready, self.batches, self.count = queue.Queue(2), [], 0
        self.ended = threading.Event()
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self):
        while not self.ended.is_set():
            try:
                made = self._make()
            except Exception as problem:  # raised where the batches are taken
                made = problem
            self.ready.put(made)

    def end(self):
        self.ended.set()
        while not self.ready.empty():
            self.ready.get()

    def _make(self):
        rows, limit = self.t["members"] * self.t["batch"], self.limit
        width = width_of(limit)
        made = [self.task.sample(self.random, rows * self.many, limit, width, self.t["few_letters"])]
        if self.words.words:  # every fourth batch
            for _ in range(self.many // 4):
                length = len(self.words.words[self.random.integers(len(self.words.words))])
                made.append(self.words.sample(self.random, rows, width_of(length)))
        return [
            torch.from_numpy(np.stack(pair)).view(2, -1, self.t["members"], self.t["batch"], pair[0].shape[-1])
            for pair in made
        ]

    def next(self):
        if not self.batches:
            made = self.ready.get()
            if isinstance(made, Exception):
                raise made
            batches = [pair for pairs in made for pair in pairs.to(self.device).unbind(1)]
            self.batches = [batches[i] for i in self.random_order.permutation(len(batches))]
        return self.batches.pop()


class Trainer:
    def __init__(self, name, experiment, folder, device, krohn=None, progress=True):
        self.name, self.e, self.folder, self.device, self.krohn = name, experiment, pathlib.Path(folder), device, krohn
        self.t = experiment["training"]
        self.task = tasks.task(experiment["task"])
        self.config = models.configuration(experiment["model"], self.task.vocab_size, **experiment["options"])
        M = self.t["members"]
        first = models.ensemble([models.first_values(self.config, self.t["seed"] + i) for i in range(M)])
        self.weights = {n: w.to(device).requires_grad_() for n, w in first.items()}
        decayed = [w for w in self.weights.values() if w.dim() >= 3]
        others = [w for w in self.weights.values() if w.dim() < 3]
        lr = torch.zeros((), device=device) if device.type == "cuda" else 0.0
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": self.t["weight_decay"]}, {"params": others, "weight_decay": 0.0}],
            lr=lr,
            fused=device.type == "cuda" or None,
            capturable=device.type == "cuda",
        )
        self.step, self.seconds, self.limit = 0, 0.0, self.t["first_length"] or self.t["length"]
        self.right = torch.zeros(M, 2, device=device)  # answers that were right, and all, since the last look
        self.losses = torch.zeros(M, device=device)
        self.best, self.best_of, self.each_seed, self.started_from = {"score": -1.0}, [-1.0] * M, False, None
        if len(getattr(self.task, "stages", [])) > 1 and self.t["first_length"] is not None:
            self.task.stage = 0
        self.graphs, self.progress = {}, progress
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.t["gather"]:
            if self.config["model_type"] not in models.DELTA or not hasattr(self.task, "step"):
                raise SystemExit(
                    "gather: expected a model of the delta rule and a task with an automaton; got %s and %s"
                    % (self.config["model_type"], self.e["task"])
                )
            self.apart = torch.zeros(M, models.depth(self.config), self.config["num_heads"], device=device)
            self.table = torch.as_tensor(self.task.step[:, self.task.symbol_of]).to(device)  # [states, tokens]
        self.refuted = []  # the lengths of krohn's words, a round each
        self.words = Words(self.task, self.folder / "words.jsonl")

    # -- one step --

    def _compute(self, ids, targets):
        logits = models.forward(self.config, self.weights, ids, self.t["rounding"])
        asked = targets >= 0
        loss = F.cross_entropy(logits.flatten(0, 2), targets.flatten().clamp_min(0), reduction="none").reshape(
            targets.shape
        )
        count = asked.flatten(1).sum(1)
        loss = (loss * asked).flatten(1)
        hard = loss.topk(int(self.t["worst"] * loss.shape[1]), sorted=False).values if self.t["worst"] else None
        loss = loss.sum(1) / count.clamp_min(1)
        if hard is not None:
            loss = loss + hard.mean(1)
        if self.t["gather"]:
            states, few = [], ids[..., :16]
            models.forward(self.config, self.weights, few, states=states)
            at, classes = self.task_states(few), len(self.task.step)
            if self.t["gather_last"]:
                at, classes = at * self.task.vocab_size + few, classes * self.task.vocab_size
            apart = torch.stack([models.spread(S, at, classes) for S in states], 1)
            loss = loss + self.t["gather"] * apart.mean((1, 2))
            self.apart.copy_(apart.detach())
        with torch.no_grad():
            right = ((logits.argmax(-1) == targets) & asked).flatten(1).sum(1)
            self.right += torch.stack([right, count], 1)
            self.losses.copy_(loss)
        loss.sum().backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=False)

    def task_states(self, ids):
        """The states of the task's automaton after every token, as ids."""
        state, result = torch.zeros_like(ids[..., 0]), []
        for t in range(ids.shape[-1]):
            state = self.table[state, ids[..., t]]
            result.append(state)
        return torch.stack(result, -1)

    def _graph(self, ids, targets):
        """On a GPU a step of one width is recorded once and replayed: hundreds of small kernels without their launches."""
        if ids.shape[-1] not in self.graphs:
            static = ids.clone(), targets.clone()
            kept = [x.detach().clone() for x in self._all_tensors()]
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(2):
                    self._compute(*static)
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._compute(*static)
            if len(kept) == len(self._all_tensors()):
                for x, value in zip(self._all_tensors(), kept):
                    x.data.copy_(value)
            else:  # the optimizer had no state before
                for x, value in zip(self.weights.values(), kept):
                    x.data.copy_(value)
                for state in self.optimizer.state.values():
                    for x in state.values():
                        x.zero_()
            self.right.zero_()
            self.graphs[ids.shape[-1]] = graph, static
        graph, static = self.graphs[ids.shape[-1]]
        static[0].copy_(ids)
        static[1].copy_(targets)
        graph.replay()

    def _all_tensors(self):
        states = [x for state in self.optimizer.state.values() for x in state.values() if torch.is_tensor(x)]
        return list(self.weights.values()) + states

    def _share(self):
        """How much of the run is over, by steps or by time."""
        by_time = self.seconds / self.t["time_limit"] if self.t["time_limit"] else 0.0
        return max((self.step - self.began) / (self.t["steps"] - self.began), by_time)

    def _learning_rate(self, share):
        warm = self.t["warmup"]
        if self.perfect >= 3:  # solved: the rate falls to 0 within the cooldown
            return self.t["lr"] * max(0.0, 1 - (self.step - self.solved_at) / self.t["cooldown"])
        if share < warm:
            return self.t["lr"] * (share / warm) + 1e-6
        return 1e-6 + (self.t["lr"] - 1e-6) * 0.5 * (1 + math.cos(math.pi * min(1.0, (share - warm) / (1 - warm))))

    def _lengthen(self, share):
        """The curriculum: longer words, then more letters, when one of the seeds answers 98 in 100 right; all lengths by half
        of the run, if so set."""
        first, last = self.t["first_length"], self.t["length"]
        if first is None:
            return
        more_letters = self.task.stage is not None and self.task.stage < len(self.task.stages) - 1
        right = (self.right[:, 0] / self.right[:, 1].clamp_min(1)).max().item()
        if right > 0.98:
            longest = min(last, self.t["letter_length"]) if more_letters else last
            if self.limit >= longest and more_letters:
                self.task.stage += 1
                if self.t["shorten"]:
                    self.limit = first
            self.limit = max(self.limit, min(longest, self.limit + max(1, self.limit // 4)))
        if self.t["all_by_half"]:
            self.limit = max(self.limit, min(last, int(first + (last - first) * share * 2)))
        self.feed.limit = self.limit

    # -- measuring --

    def accuracy(self, lengths, rows):
        """{length: [share of right answers after the last symbol, a member each]}"""
        random = np.random.default_rng(10_000 + self.t["seed"])
        result = {}
        for wanted in lengths:
            length = self.task.length(wanted)
            tokens, targets = (torch.from_numpy(x).to(self.device) for x in self.task.words(random, rows, length))
            right = []
            for i in range(0, rows, 64):  # few at once: memory
                ids = tokens[None, i : i + 64].expand(self.t["members"], -1, -1)
                with torch.no_grad():
                    said = models.forward(self.config, self.weights, ids, self.t["rounding"]).argmax(-1)
                if isinstance(self.task, tasks.Recall):
                    asked = targets[i : i + 64] >= 0
                    right.append(((said == targets[i : i + 64]) & asked).sum(-1) / asked.sum(-1))
                else:
                    right.append((said[..., -1] == targets[i : i + 64, -1]).float())
            result[length] = torch.cat(right, 1).mean(1).tolist()
        return result

    def scaled(self, accuracy):
        return (accuracy - self.task.chance) / (1 - self.task.chance)

    def evaluate(self):
        measured = self.accuracy(self.t["lengths"], self.t["rows"])
        means = np.mean(list(measured.values()), 0)
        losses = self.losses.tolist()
        best = max(range(len(means)), key=lambda i: (means[i], -losses[i]))
        self._log(
            event="evaluation",
            loss=losses,
            **({"apart": self.apart.tolist()} if self.t["gather"] else {}),  # of every seed, layer and head
            limit=self.limit,
            stage=self.task.stage,
            accuracy={k: [round(x, 4) for x in v] for k, v in measured.items()},
        )
        found = [
            {
                "score": float(means[i]),
                "seed": self.t["seed"] + i,
                "step": self.step,
                "accuracy": {k: v[i] for k, v in measured.items()},
                "all": {k: v for k, v in measured.items()},
            }
            for i in range(len(means))
        ]
        if means[best] >= self.best["score"]:
            self.best = found[best]
            self._write(self.folder, self.best, best)
        for i in range(len(means)) if self.each_seed else []:
            if means[i] >= self.best_of[i]:
                self.best_of[i] = float(means[i])
                self._write(self.folder / ("seed-%d" % found[i]["seed"]), found[i], i)
        if self.perfect < 3:
            self.perfect = self.perfect + 1 if means.max() == 1.0 else 0
            self.solved_at = self.step
        return means

    def _write(self, folder, found, i):
        record = {
            "experiment": self.name,
            "task": self.e["task"],
            "training": self.t,
            "refuting_words": len(self.words.words),
            "refuted_at_lengths": self.refuted,
            "seed": found["seed"],
            "step": found["step"],
            "seconds": round(self.seconds, 1),
            "torch": torch.__version__,
            "device": torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu",
            "accuracy": {str(k): round(v, 4) for k, v in found["accuracy"].items()},
            "accuracy_of_all_seeds": {str(k): [round(x, 4) for x in v] for k, v in found["all"].items()},
        }
        if self.started_from:
            record["started_from"] = self.started_from
        weights = {n: w.detach()[i].clone() for n, w in self.weights.items()}
        checkpoints.save(folder, self.config, weights, self.task, record)

    def _log(self, **entry):
        with open(self.folder / "log.jsonl", "a") as file:
            file.write(json.dumps({"step": self.step, "seconds": round(self.seconds, 2), **entry}) + "\n")

    # -- running --

    def save_state(self):
        state = {
            "weights": {n: w.detach().cpu() for n, w in self.weights.items()},
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "limit": self.limit,
            "best": self.best,
            "perfect": self.perfect,
            "solved_at": self.solved_at,
            "stage": self.task.stage,
        }
        torch.save(state, self.folder / "state.new")
        (self.folder / "state.new").replace(self.folder / "state.pt")

    def load_state(self):
        path = self.folder / "state.pt"
        if not path.exists():
            return False
        state = torch.load(path, map_location=self.device, weights_only=True)
        for n, w in self.weights.items():
            w.data.copy_(state["weights"][n])
        self.optimizer.load_state_dict(state["optimizer"])
        for name in ("step", "seconds", "limit", "best", "perfect", "solved_at"):
            setattr(self, name, state[name])
        self.task.stage = state["stage"]
        return True

    def start_from(self, folder, heads=None):
        """The weights of a checkpoint are every seed's first; of its heads those of these numbers alone."""
        config, weights = checkpoints.load(folder)
        if heads:
            weights, config = checkpoints.keep_heads(config, weights, heads), {**config, "num_heads": len(heads)}
        if config != self.config:
            raise SystemExit("--start: expected a model of config %s; got %s" % (self.config, config))
        for n, w in self.weights.items():
            w.data.copy_(weights[n])
        record = json.loads((pathlib.Path(folder) / "record.json").read_text())
        self.started_from = {**({"heads": heads} if heads else {}), **record}

    perfect = solved_at = began = 0

    def _over(self):
        """The steps or the time are used up, or the best seed was right on every word of three measurements on end and the
        learning rate has fallen to 0 since."""
        return self._share() >= 1 or (self.perfect >= 3 and self.step >= self.solved_at + self.t["cooldown"])

    def run(self):
        torch.manual_seed(self.t["seed"])
        self.feed = Feed(
            self.task, {**self.t, "first_length": self.limit}, [self.t["seed"], self.step], self.device, self.words
        )
        bar = tqdm(
            total=self.t["steps"],
            initial=self.step,
            desc=self.name,
            disable=None if self.progress else True,
            mininterval=1,
        )
        begin = time.time() - self.seconds
        while not self._over():
            share = self._share()
            rate = self._learning_rate(share)
            for g in self.optimizer.param_groups:
                if torch.is_tensor(g["lr"]):
                    g["lr"].fill_(rate)
                else:
                    g["lr"] = rate
            ids, targets = self.feed.next()
            if self.device.type == "cuda":
                self._graph(ids, targets)
            else:
                self._compute(ids, targets)
            self.step += 1
            bar.update()
            if self.step % 50 == 0:
                self._lengthen(share)
                self.right.zero_()
                bar.set_postfix(
                    loss="%.3f" % self.losses.min().item(),
                    length=self.limit,
                    best="%.3f" % max(self.best["score"], 0),
                    refresh=False,
                )
            self.seconds = time.time() - begin
            if self.step % self.t["evaluate_every"] == 0:
                self.evaluate()
                self.save_state()
        bar.close()
        self.feed.end()
        self.evaluate()
        self.save_state()

    def refute(self, time_limit):
        """krohn check of the checkpoint: the JSON object, the refuting word joined to the data."""
        run = subprocess.run(
            [self.krohn, "check", str(self.folder), "--json", "--no-families", "--time-limit", str(time_limit)],
            capture_output=True,
            text=True,
        )
        if run.returncode not in (0, 10, 20):
            raise SystemExit("krohn check: " + run.stderr.strip())
        result = json.loads(run.stdout)
        word = result.get("word")
        self._log(event="check", verdict=result["verdict"], length=None if word is None else len(word))
        if result["verdict"] == "REFUTED":
            self.refuted.append(len(word))
            self.words.add([self.task.symbols[symbol] for symbol in word])
            if self.task.positions == "all":
                self.harvest()
        return result

    def harvest(self, rows=1024, most=30):
        """Words over at most two letters, and short ones over all, that a seed answers wrongly, each up to its first wrong
        answer, join the data too."""
        for length, few in ((128, 1.0), (12, 0.0)):
            self._harvest(*self.task.sample(np.random.default_rng([self.step]), rows, length, length, few), most)

    def _harvest(self, tokens, targets, most):
        rows, found = len(tokens), []
        for i in range(0, rows, 64):
            ids = torch.from_numpy(tokens[None, i : i + 64]).to(self.device).expand(self.t["members"], -1, -1)
            with torch.no_grad():
                said = models.forward(self.config, self.weights, ids, self.t["rounding"]).argmax(-1).cpu().numpy()
            wrong = ((said != targets[i : i + 64]) & (targets[i : i + 64] >= 0)).any(0)
            found += [(int(at.argmax()) + 1, row) for row, at in enumerate(wrong, i) if at.any()]
        for at, row in sorted(found)[:most]:
            self.words.add(tokens[row, :at].tolist())


def value_of(text):
    name, _, value = text.partition("=")
    if not value:
        raise argparse.ArgumentTypeError("expected NAME=VALUE, got " + text)
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", nargs="?")
    parser.add_argument("-o", "--output", help="the folder to write, or to go on in")
    parser.add_argument("--list", action="store_true", help="the experiments' names")
    parser.add_argument(
        "--set", type=value_of, action="append", default=[], metavar="NAME=VALUE", help="a training setting"
    )
    parser.add_argument(
        "--option", type=value_of, action="append", default=[], metavar="NAME=VALUE", help="an option of the model"
    )
    parser.add_argument("--start", metavar="FOLDER", help="a checkpoint: the first values of every seed's weights")
    parser.add_argument(
        "--heads", type=int, nargs="+", help="of --start's heads these alone (--option num_heads=N says how many)"
    )
    parser.add_argument(
        "--each-seed", action="store_true", help="a checkpoint of every seed too, in seed-N below the folder"
    )
    parser.add_argument("--time-limit", type=float, help="seconds; the learning rate falls to 0 by then")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--krohn", help="the program (default: build/cpu/krohn, or on the path)")
    parser.add_argument(
        "--refute", type=int, default=0, metavar="ROUNDS", help="check, add the word found, train on, so many times"
    )
    parser.add_argument("--refute-steps", type=int, default=600, help="steps of a round")
    parser.add_argument("--until", type=float, default=math.inf, help="seconds after which no round begins")
    parser.add_argument("--check-limit", type=float, default=20, help="seconds for a check")
    a = parser.parse_args()
    if a.list:
        print("\n".join(experiments.EXPERIMENTS))
        return 0
    if not a.experiment or not a.output:
        parser.error("an experiment and -o are needed")
    e = experiments.experiment(a.experiment)
    for name, value in a.set:
        if name not in e["training"]:
            parser.error("--set: no setting " + name + "; there are " + ", ".join(e["training"]))
        e["training"][name] = value
    e["options"].update(a.option)
    if a.time_limit:
        e["training"]["time_limit"] = a.time_limit
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    begin, krohn = time.time(), checkpoints.find_krohn(a.krohn)
    if a.device.startswith("cuda") and e["options"].get("slstm_at"):
        models.fuse_cells()
    trainer = Trainer(a.experiment, e, a.output, torch.device(a.device), krohn)
    trainer.each_seed = a.each_seed
    if trainer.load_state():
        print("goes on after step %d" % trainer.step)
    elif a.start:
        trainer.start_from(a.start, a.heads)
    trainer.run()
    rate = e["training"]["lr"] / 4
    for round_number in range(a.refute):
        if krohn is None:
            sys.exit("--refute: krohn was not found; build it or say --krohn")
        if time.time() - begin > a.until:
            break
        result = trainer.refute(a.check_limit)
        print(
            "round %d: %s %s"
            % (round_number + 1, result["verdict"], "" if result.get("word") is None else len(result["word"]))
        )
        if result["verdict"] != "REFUTED":
            break
        trainer.best, trainer.best_of, trainer.perfect = {"score": -1.0}, [-1.0] * len(trainer.best_of), 0
        trainer.t.update(
            steps=trainer.step + a.refute_steps,
            time_limit=None,
            first_length=None,
            warmup=0.0,
            cooldown=a.refute_steps,
            evaluate_every=a.refute_steps,
            lr=rate,
        )
        trainer.began = trainer.step
        trainer.run()
    line = ", ".join("%d: %.3f" % (k, trainer.scaled(v)) for k, v in trainer.best["accuracy"].items())
    print("%s: scaled accuracy by length %s" % (a.output, line))
    if krohn and hasattr(trainer.task, "symbols"):
        random = np.random.default_rng(0)
        tokens, _ = trainer.task.words(random, 16, trainer.task.length(128))
        agreement = checkpoints.compare(krohn, a.output, torch.from_numpy(tokens))
        trainer._log(event="comparison", **agreement)
        print(
            "krohn's logits differ from these by at most %.2g (allowed %.2g)"
            % (agreement["krohn_error"], agreement["allowed"])
        )
        return 0 if agreement["agree"] else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
