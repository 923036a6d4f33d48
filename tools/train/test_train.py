#!/usr/bin/env python3
"""Tests of the trainer: python3 tools/train/test_train.py [--krohn PROGRAM] [unittest's arguments]

Forward passes against krohn's, chunked and stepwise forms against each other, tasks against other definitions of them."""

import ast
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

try:
    import numpy as np
    import torch
    import checkpoints
    import experiments
    import models
    import questions
    import tasks
    import train
except ModuleNotFoundError as problem:
    print("skipped: " + str(problem))
    sys.exit(77)

PROGRAM = sys.argv[sys.argv.index("--krohn") + 1] if "--krohn" in sys.argv else None
KROHN = checkpoints.find_krohn(PROGRAM)
SIGNED = {"allow_neg_eigval": True}
ARCHITECTURES = [
    ("delta_net", SIGNED),
    ("delta_net", {"use_short_conv": False, "use_gate": True}),
    ("gated_deltanet", {**SIGNED, "use_gate": True}),
    ("gated_deltaproduct", {**SIGNED, "num_householder": 2}),
    ("gated_deltaproduct", {"num_householder": 3, "use_forget_gate": True, "use_output_gate": True}),
    ("gated_deltaproduct", {**SIGNED, "num_householder": 4, "use_short_conv": False}),
    ("kda", SIGNED),
    ("kda", {"use_short_conv": False}),
    ("paper_mamba_lm", {}),
    ("paper_mamba_lm", {"positive_and_negative": True, "d_conv": 4}),
    ("xlstm_lm", {}),
    ("xlstm_lm", {"slstm_at": [0, 1]}),
    ("xlstm_lm", {"slstm_at": [1]}),
    ("layer_stack", {"positive_and_negative": True, "conv_kernel": 4}),
    (
        "layer_stack",
        {
            **SIGNED,
            "layer_types": ["gated_deltaproduct", "mamba", "gated_deltaproduct"],
            "num_householder": 2,
            "use_forget_gate": True,
            "use_output_gate": True,
        },
    ),
    ("layer_stack", {"layer_types": ["gated_deltaproduct"], "allow_neg_eigval": True, "use_short_conv": False}),
]


class Forward(unittest.TestCase):
    @unittest.skipUnless(KROHN, "no krohn")
    def test_krohn_computes_the_same(self):
        task = tasks.task("s3")
        for kind, options in ARCHITECTURES:
            with self.subTest(kind, **options), tempfile.TemporaryDirectory() as folder:
                config = models.configuration(kind, task.vocab_size, **options)
                checkpoints.save(folder, config, models.first_values(config, 3, spread=0.1), task, {})
                found = checkpoints.compare(
                    KROHN, folder, torch.randint(0, 6, (3, 150), generator=torch.Generator().manual_seed(1))
                )
                self.assertTrue(found["agree"], found)

    @unittest.skipUnless(KROHN, "no krohn")
    def test_krohn_computes_the_same_of_the_committed_models(self):
        for path in sorted((checkpoints.ROOT / "models").glob("*/model.safetensors")):
            with self.subTest(path.parent.name):
                task = tasks.task(json.loads((path.parent / "record.json").read_text())["task"])
                tokens, _ = task.words(np.random.default_rng(5), 4, task.length(96))
                found = checkpoints.compare(KROHN, path.parent, torch.from_numpy(tokens))
                self.assertTrue(found["agree"], found)

    def test_a_member_of_an_ensemble_is_a_model_of_its_own(self):
        for kind, options in ARCHITECTURES:
            with self.subTest(kind, **options):
                config = models.configuration(kind, 6, **options)
                members = [
                    {n: w.double() for n, w in models.first_values(config, seed, 0.1).items()} for seed in range(2)
                ]
                ids = torch.randint(0, 6, (2, 3, 21))
                both = models.forward(config, models.ensemble(members), ids)
                for i in range(2):
                    alone = models.forward(config, models.ensemble([members[i]]), ids[i : i + 1])
                    self.assertLess((both[i] - alone[0]).abs().max().item(), 1e-10 * both.abs().max().item())

    def test_later_tokens_change_nothing_before(self):
        for kind, options in ARCHITECTURES:
            with self.subTest(kind, **options):
                config = models.configuration(kind, 6, **options)
                weights = {n: w[None].double() for n, w in models.first_values(config, 1, 0.1).items()}
                ids = torch.randint(0, 6, (1, 2, 90))
                other = ids.clone()
                other[:, :, 70:] = (other[:, :, 70:] + 1) % 6
                a, b = models.forward(config, weights, ids), models.forward(config, weights, other)
                self.assertLess((a - b)[:, :, :70].abs().max().item(), 1e-10 * a.abs().max().item())
                self.assertGreater((a - b)[:, :, 70:].abs().max().item(), 1e-6)


class Recurrences(unittest.TestCase):
    def test_chunks_are_the_steps(self):
        g = torch.Generator().manual_seed(0)
        r = lambda *s: torch.randn(*s, generator=g, dtype=torch.float64)
        for n in (1, 2, 3, 4):
            for kind in (None, "head", "channel"):
                if kind == "channel" and n > 1:
                    continue
                G, T, d = 3, 77, 8
                k, beta = models.unit(r(G, T, n, d)), 2 * torch.sigmoid(r(G, T, n))
                decay = None if kind is None else -5 * torch.sigmoid(r(G, T, 1 if kind == "head" else d))
                q, v = r(G, T, d), r(G, T, n, 5)
                chunked, steps = (
                    models.delta_rule(q, k, v, beta, decay),
                    models.delta_rule_steps(q, k, v, beta, decay)[0],
                )
                # 77 n steps, each with an error of some d units of a number of the size of the state, times the keys' chains.
                self.assertLess((chunked - steps).abs().max().item(), 1e-9 * steps.abs().max().item(), (n, kind))

    def test_chunks_keep_the_states_of_the_steps(self):
        g = torch.Generator().manual_seed(0)
        r = lambda *s: torch.randn(*s, generator=g, dtype=torch.float64)
        for n in (1, 2, 4):
            G, T, d = 3, 37, 8
            q, k, v, beta = r(G, T, d), models.unit(r(G, T, n, d)), r(G, T, n, 5), 2 * torch.sigmoid(r(G, T, n))
            kept = []
            models.delta_rule(q, k, v, beta, chunk=16, states=kept)
            steps = models.delta_rule_steps(q, k, v, beta)[1]
            self.assertLess((kept[0] - steps).abs().max().item(), 1e-9 * steps.abs().max().item(), n)

    def test_spread_is_nothing_where_a_class_has_one_state(self):
        classes = torch.tensor([[[0, 1, 2], [2, 1, 0]]])
        at = torch.tensor([[1.0, 0.0], [0.0, 3.0], [2.0, 2.0]])
        states = at[classes].unsqueeze(2).expand(-1, -1, 2, -1, -1).clone()
        self.assertLess(models.spread(states, classes, 4).max().item(), 1e-12)
        states[0, 0, 0, 0, 0] += 2  # off by 1 from the mean of its class, and so is the other: 2 in squares
        x = states[0, :, 0].flatten(0, 1)
        whole = (x - x.mean(0)).square().sum().item()
        self.assertAlmostEqual(models.spread(states, classes, 4)[0, 0].item(), 2 / whole, 6)
        self.assertLess(models.spread(states, classes, 4)[0, 1].item(), 1e-12)

    def test_the_scan_has_its_own_gradient(self):
        a = torch.randn(1, 2, 7, 3, 2, dtype=torch.float64, requires_grad=True)
        b = torch.randn(1, 2, 7, 3, 2, dtype=torch.float64, requires_grad=True)
        self.assertTrue(torch.autograd.gradcheck(models.LinearScan.apply, (a, b)))

    def test_rounded_states_are_multiples(self):
        s = models.rounded(torch.tensor([0.3, -0.9, 0.12], requires_grad=True), 0.25)
        self.assertEqual(s.tolist(), [0.25, -1.0, 0.0])
        s.sum().backward()

    def test_rounding_to_tiny_multiples_changes_little(self):
        for kind, options in (("delta_net", SIGNED), ("paper_mamba_lm", {"positive_and_negative": True})):
            config = models.configuration(kind, 6, **options)
            weights = {n: w[None].double() for n, w in models.first_values(config, 1).items()}
            ids = torch.randint(0, 6, (1, 2, 20))
            exact = models.forward(config, weights, ids)
            self.assertLess(
                (models.forward(config, weights, ids, 2.0**-40) - exact).abs().max().item(),
                1e-6 * exact.abs().max().item(),
            )
            self.assertGreater((models.forward(config, weights, ids, 0.5) - exact).abs().max().item(), 1e-6)


class Tasks(unittest.TestCase):
    def test_arithmetic_is_python_s(self):
        for name, lengths in (
            ("modular-arithmetic", (2, 4, 12, 38)),
            ("modular-arithmetic-brackets", (3, 4, 5, 6, 18, 38)),
        ):
            task = tasks.task(name)
            symbol = {token: s for s, token in task.symbols.items()}
            decided = 0
            for length in lengths:
                tokens, targets = task.words(np.random.default_rng(length), 100, length)
                by_automaton = task.targets(tokens)[:, -1]
                for word, answer, state in zip(tokens, targets[:, -1], by_automaton):
                    text = "".join(symbol[t] for t in word)
                    self.assertEqual(text[-1], "=")
                    value = evaluate(ast.parse(text[:-1], mode="eval").body) % 5
                    self.assertEqual(task.outputs[int(answer)], str(value), text)
                    if state >= 0:  # with brackets: where they nest no deeper than the automaton's
                        decided += 1
                        self.assertEqual(state, answer, text)
            self.assertGreater(decided, 100)

    def test_groups_multiply_permutations(self):
        task = tasks.task("a5")
        elements = tasks.permutations(5, even=True)[0]
        tokens, targets = task.words(np.random.default_rng(1), 20, 30)
        for word, answers in zip(tokens, targets):
            product = tuple(range(5))
            for token, answer in zip(word, answers):
                product = tuple(product[i] for i in elements[token])
                self.assertEqual(elements[answer], product)

    @unittest.skipUnless(KROHN, "no krohn")
    def test_languages_are_those_that_krohn_names(self):
        for name in tasks.TASKS:
            task = tasks.task(name)
            if not getattr(task, "language", None):
                continue
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder, "language.json")
                subprocess.run([KROHN, "convert", task.language, "-o", str(path)], check=True, capture_output=True)
                language = json.loads(path.read_text())
                place = [language["alphabet"].index(s) for s in task.symbols]
                labels = language.get("labels") or [
                    "1" if q in language["accepting"] else "0" for q in range(len(language["transitions"]))
                ]
                ours = lambda q: task.outputs.get(int(task.answer[q]))
                seen, todo = {(0, language["start"])}, [(0, language["start"])]
                for p, q in todo:  # the product of both automata: equal labels in every state that is reached
                    self.assertEqual(ours(p), labels[q])
                    for a, b in enumerate(place):
                        pair = (int(task.step[p][a]), language["transitions"][q][b])
                        if pair not in seen:
                            seen.add(pair)
                            todo.append(pair)

    def test_few_letters_are_at_most_two(self):
        task = tasks.task("s3")
        tokens, targets = task.sample(np.random.default_rng(0), 50, 12, 16, 1.0)
        self.assertTrue(all(len(set(row[:12])) <= 2 for row in tokens.tolist()))
        self.assertTrue((targets[:, 12:] == tasks.UNASKED).all())
        self.assertTrue((targets[:, :12] == task.targets(tokens[:, :12])).all())

    def test_letters_of_a_stage_are_a_subgroup(self):
        for name, orders in (("a5", [3, 12, 60]), ("z60", [2, 4, 12, 60])):
            task = tasks.task(name)
            self.assertEqual([len(s) for s in task.stages], orders)
            for stage in task.stages:
                letters = {int(task.tokens[i]) for i in stage}
                self.assertEqual({int(task.step[a, i]) for a in letters for i in stage}, letters)

    def test_words_in_brackets_mostly_stay_in_depth(self):
        task = tasks.task("dyck-3")
        tokens, targets = task.words(np.random.default_rng(0), 400, 64)
        inside = 0
        for word, answers in zip(tokens.tolist(), targets.tolist()):
            depths = [sum(1 - 2 * t for t in word[:n]) for n in range(1, 65)]
            legal = [all(0 <= d <= 3 for d in depths[:n]) for n in range(1, 65)]
            self.assertEqual(answers, [int(d == 0 and ok) for d, ok in zip(depths, legal)])
            inside += legal[-1]
        # Half of the words have no symbol out of turn, and in the others it is one of 32 on average: 64 symbols, half of them harmless.
        self.assertGreater(inside, 200)
        self.assertLess(inside, 360)

    def test_letters_come_in_stages(self):
        task = tasks.task("s5")
        self.assertEqual([len(s) for s in task.stages], [11, 31, 76, 120])
        task.stage = 0
        tokens, _ = task.sample(np.random.default_rng(0), 20, 12, 16, 0.5)
        self.assertTrue(set(np.unique(tokens[:, :12])) <= {int(task.tokens[i]) for i in task.stages[0]} | {0})


def evaluate(node):
    if isinstance(node, ast.BinOp):
        a, b = evaluate(node.left), evaluate(node.right)
        return {ast.Add: a + b, ast.Sub: a - b, ast.Mult: a * b}[type(node.op)]
    return -evaluate(node.operand) if isinstance(node, ast.UnaryOp) else node.value


class Heads(unittest.TestCase):
    def test_heads_that_are_left_out_read_nothing(self):
        """Against the whole model whose other heads' columns of the output projection are 0."""
        for kind, options in (
            ("gated_deltanet", {"use_gate": True}),
            ("gated_deltaproduct", {**SIGNED, "num_householder": 3, "use_forget_gate": True, "use_output_gate": True}),
        ):
            with self.subTest(kind):
                config = models.configuration(kind, 6, **options)
                weights = {n: w.double() for n, w in models.first_values(config, 1, 0.1).items()}
                ids = torch.randint(0, 6, (1, 3, 20), generator=torch.Generator().manual_seed(0))
                kept = checkpoints.keep_heads(config, weights, [2, 0])
                for name, w in weights.items():
                    if name.endswith("o_proj.weight"):
                        w.unflatten(1, (4, -1))[:, [1, 3]] = 0
                run = lambda c, ws: models.forward(c, {n: w[None] for n, w in ws.items()}, ids)
                whole, part = run(config, weights), run({**config, "num_heads": 2}, kept)
                self.assertLess((whole - part).abs().max().item(), 1e-10 * whole.abs().max().item())


class Training(unittest.TestCase):
    def experiment(self, name="parity-small", **changes):
        e = experiments.experiment(name)
        return {**e, "training": {**e["training"], "members": 2, "batch": 8, "lengths": [20], "rows": 8, **changes}}

    def test_a_run_goes_on_where_it_ended(self):
        with tempfile.TemporaryDirectory() as folder:
            first = train.Trainer(
                "x", self.experiment(steps=6, evaluate_every=3), folder, torch.device("cpu"), progress=False
            )
            first.run()
            again = train.Trainer(
                "x", self.experiment(steps=9, evaluate_every=3), folder, torch.device("cpu"), progress=False
            )
            self.assertTrue(again.load_state())
            self.assertEqual(again.step, 6)
            for name, w in first.weights.items():
                self.assertTrue(torch.equal(w, again.weights[name]))
            moments = [s["exp_avg"] for s in first.optimizer.state.values()]
            self.assertTrue(all(torch.equal(a, s["exp_avg"]) for a, s in zip(moments, again.optimizer.state.values())))
            again.run()
            self.assertEqual(again.step, 9)

    def test_a_run_starts_from_a_checkpoint(self):
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
            e = self.experiment("s3-deltaproduct2-neg", steps=2, length=8, batch=4)
            first = train.Trainer("x", e, folder, torch.device("cpu"), progress=False)
            first.each_seed = True
            first.run()
            for seed in range(2):  # a checkpoint of every seed
                _, weights = checkpoints.load(pathlib.Path(folder, "seed-%d" % seed))
                self.assertTrue(all(torch.equal(w, first.weights[n][seed]) for n, w in weights.items()))
            e = {**e, "options": {**e["options"], "num_heads": 1}}
            second = train.Trainer("x", e, other, torch.device("cpu"), progress=False)
            second.start_from(pathlib.Path(folder, "seed-1"), [1])
            _, weights = checkpoints.load(pathlib.Path(folder, "seed-1"))
            for name, w in checkpoints.keep_heads(first.config, weights, [1]).items():
                self.assertTrue(all(torch.equal(w, x) for x in second.weights[name]))
            second.run()
            record = json.loads(pathlib.Path(other, "record.json").read_text())
            row = questions.row("depth", pathlib.Path(other), "DeltaProduct")
            self.assertEqual(row["parameters"], sum(w[0].numel() for w in second.weights.values()))
            self.assertEqual((row["task"], row["steps"], row["seeds"]), ("s3", record["step"], 2))
            self.assertAlmostEqual(row["scaled"]["20"], (record["accuracy"]["20"] - 1 / 6) / (5 / 6), 3)
            self.assertEqual(record["started_from"]["seed"], 1)
            self.assertEqual(record["started_from"]["heads"], [1])
            with self.assertRaises(SystemExit):
                second.start_from(pathlib.Path(folder, "seed-1"))

    def test_gathering_needs_states_and_an_automaton(self):
        for name in ("parity-mamba-neg", "recall-deltanet-neg"):
            with self.assertRaises(SystemExit), tempfile.TemporaryDirectory() as folder:
                train.Trainer("x", self.experiment(name, gather=0.1), folder, torch.device("cpu"), progress=False)

    def test_every_experiment_takes_a_step(self):
        for name in experiments.EXPERIMENTS:
            if name.startswith("paper/"):
                continue
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                t = train.Trainer(
                    name,
                    self.experiment(name, steps=1, length=12, batch=4),
                    folder,
                    torch.device("cpu"),
                    progress=False,
                )
                before = {n: w.detach().clone() for n, w in t.weights.items()}
                t.run()
                moved = sum(not torch.equal(before[n], w) for n, w in t.weights.items())
                self.assertGreater(moved, len(before) // 2)
                self.assertTrue((pathlib.Path(folder) / "record.json").exists())

    def test_words_that_were_found_are_answered_right_in_the_data(self):
        with tempfile.TemporaryDirectory() as folder:
            task = tasks.task("s3")
            words = train.Words(task, pathlib.Path(folder, "words.jsonl"))
            words.add([1, 2, 3, 4])
            tokens, targets = words.sample(np.random.default_rng(0), 8, 16)
            self.assertEqual(tokens[0, :4].tolist(), [1, 2, 3, 4])
            self.assertEqual(tokens[3].tolist(), [1, 2, 3, 4] * 4)
            self.assertTrue((targets == task.targets(tokens)).all())
            self.assertEqual(train.Words(task, words.path).words, [[1, 2, 3, 4]])


if __name__ == "__main__":
    torch.set_num_threads(1)
    unittest.main(argv=[a for a in sys.argv if a not in ("--krohn", PROGRAM)])
