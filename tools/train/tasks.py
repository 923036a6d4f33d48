"""The tasks: samples with labels, and the task.json that makes a checkpoint a recogniser of a language.

Words are token arrays. Targets hold the logit that is right after every token, or -1 where none is asked for. NumPy alone.
"""

import itertools
import math
import sys

import numpy as np

UNASKED = -1


class Task:
    """A language by its automaton: states 0 .. Q-1 (0 first), `step` [Q, symbols], `answer` [Q] a logit or -1.

    `language` is what krohn calls it, or None: then the automaton itself is written."""

    def __init__(
        self,
        name,
        symbols,
        step,
        answer,
        outputs,
        vocab_size,
        language=None,
        description="",
        weights=None,
        positions="all",
        min_length=1,
        chance=None,
        stages=None,
    ):
        self.name, self.symbols, self.outputs, self.vocab_size = name, symbols, outputs, vocab_size
        self.step, self.answer = np.asarray(step), np.asarray(answer)
        self.tokens = np.array(list(symbols.values()))
        self.language, self.description, self.positions, self.min_length = language, description, positions, min_length
        self.weights = None if weights is None else np.asarray(weights, float) / sum(weights)
        self.chance = 1.0 / len(outputs) if chance is None else chance
        # A curriculum of letters: numbers of symbols, each list holding the one before.
        self.stages, self.stage = stages or [list(range(len(self.tokens)))], None
        self.symbol_of = np.zeros(vocab_size, np.int64)
        self.symbol_of[self.tokens] = np.arange(len(self.tokens))

    def length(self, wanted):
        """The longest length of a word, at most `wanted`."""
        return wanted

    def targets(self, tokens):
        """tokens [rows, T] -> logits that are right [rows, T]"""
        symbols, state = self.symbol_of[tokens], np.zeros(len(tokens), np.int64)
        result = np.empty(tokens.shape, np.int64)
        for t in range(tokens.shape[1]):
            state = self.step[state, symbols[:, t]]
            result[:, t] = self.answer[state]
        result[:, : self.min_length - 1] = UNASKED
        return result

    def words(self, random, rows, length):
        """tokens [rows, length], targets [rows, length]: random words of one length"""
        tokens = self.tokens[random.choice(len(self.tokens), (rows, length), p=self.weights)]
        return tokens, self.targets(tokens)

    def sample(self, random, rows, longest, width, few_letters=0.0):
        """tokens and targets [rows, width] for training: words of lengths up to `longest`, then padding. A share of the rows,
        few_letters, has words of at most two letters each: what uniform words never show."""
        if self.stage is None or len(self.stages) == 1:
            tokens, targets = self.words(random, rows, longest)
        else:
            tokens = self._letters(random, rows, longest)
            targets = self.targets(tokens)
        few = int(rows * few_letters)
        if few:
            known = range(len(self.tokens)) if self.stage is None else self.stages[self.stage]
            two = random.choice(known, (few, 2))
            first = random.random((few, longest)) < random.random((few, 1))
            tokens[-few:] = self.tokens[np.where(first, two[:, :1], two[:, 1:])]
            targets[-few:] = self.targets(tokens[-few:])
            order = random.permutation(rows)
            tokens, targets = tokens[order], targets[order]
        if self.positions == "last":
            ends = random.integers(self.min_length, longest + 1, rows)
            targets[np.arange(longest)[None] != ends[:, None] - 1] = UNASKED
        return padded(tokens, width, self.tokens[0]), padded(targets, width, UNASKED)

    def _letters(self, random, rows, length):
        """Words over the letters of the stage; a row has letters that the stage adds with a probability of its own."""
        here = self.stages[self.stage]
        before = self.stages[self.stage - 1] if self.stage else here
        added = [a for a in here if a not in set(before)] or here
        share = len(added) / len(here) * random.random((rows, 1))
        symbols = np.where(
            random.random((rows, length)) < share,
            random.choice(added, (rows, length)),
            random.choice(before, (rows, length)),
        )
        return self.tokens[symbols]

    def task_json(self):
        automaton = self.language
        if automaton is None:
            name = {logit: label for logit, label in self.outputs.items()}
            automaton = {
                "format": "krohn-automaton-v1",
                "alphabet": list(self.symbols),
                "start": 0,
                "transitions": self.step.tolist(),
                "labels": [None if a < 0 else name[a] for a in self.answer.tolist()],
            }
        return {
            "version": 1,
            "name": self.name,
            "description": self.description,
            "symbols": self.symbols,
            "bos": None,
            "min_length": self.min_length,
            "positions": self.positions,
            "outputs": {str(logit): label for logit, label in self.outputs.items()},
            "automaton": automaton,
        }


def padded(array, width, value):
    result = np.full((len(array), width), value, np.int64)
    result[:, : array.shape[1]] = array
    return result


# ---- regular languages and groups -----------------------------------------------------------------------------------------


def parity():
    return Task(
        "parity",
        {"0": 1, "1": 2},
        [[0, 1], [1, 0]],
        [1, 2],
        {1: "0", 2: "1"},
        3,
        "parity",
        "the number of 1s modulo 2",
        min_length=2,
    )


def group(name, multiply, letters, language, description, size=None):
    """The word problem: the label is the running product; multiply [|G|, |G|], element 0 the identity. size(g): letters of
    small size are learned first."""
    multiply = np.asarray(multiply)
    order = len(multiply)
    stages = None
    if size:
        stages = [
            [i for i, g in enumerate(letters) if size(g) <= most] for most in sorted({size(g) for g in letters} - {0})
        ]
    return Task(
        name,
        {str(g): g for g in letters},
        multiply[:, letters],
        range(order),
        {g: str(g) for g in range(order)},
        order,
        language,
        description,
        stages=stages,
    )


def permutations(n, even=False):
    """Permutations of n points in lexicographic order, and p*q with (p*q)[i] = p[q[i]]."""
    odd = lambda p: sum(a > b for a, b in itertools.combinations(p, 2)) % 2
    elements = [p for p in itertools.permutations(range(n)) if not (even and odd(p))]
    number = {p: i for i, p in enumerate(elements)}
    return elements, [[number[tuple(p[i] for i in q)] for q in elements] for p in elements]


def moved(p):
    return sum(i != x for i, x in enumerate(p))


def symmetric(n):
    elements, multiply = permutations(n)
    return group(
        "s%d" % n,
        multiply,
        list(range(len(elements))),
        "word-left:S%d" % n,
        "the word problem of S_%d, all elements as tokens" % n,
        lambda g: moved(elements[g]),
    )


def swaps(n):
    elements, multiply = permutations(n)
    letters = [i for i, p in enumerate(elements) if moved(p) in (0, 2)]
    return group(
        "s%d-swaps" % n, multiply, letters, None, "the word problem of S_%d, identity and transpositions as tokens" % n
    )


def alternating(n):
    """Letters come by subgroups: A_3, A_4, .. of the first points."""
    elements, multiply = permutations(n, even=True)
    return group(
        "a%d" % n,
        multiply,
        list(range(len(elements))),
        "word-left:A%d" % n,
        "the word problem of A_%d" % n,
        lambda g: max((i + 1 for i, x in enumerate(elements[g]) if x != i), default=0),
    )


def cyclic(n):
    """Letters come by subgroups: of 60 elements the multiples of 30, of 15, of 5, all."""
    primes, rest = [], n
    for p in range(2, n + 1):
        while rest % p == 0:
            primes, rest = primes + [p], rest // p
    orders = [math.prod(primes[:i]) for i in range(len(primes) + 1)]
    return group(
        "z%d" % n,
        [[(a + b) % n for b in range(n)] for a in range(n)],
        list(range(n)),
        "word:Z%d" % n,
        "addition modulo %d" % n,
        lambda g: next(i for i, order in enumerate(orders) if g * order % n == 0),
    )


def acceptor(name, alphabet, step, accepting, language, description, weights=None):
    answer = [int(q in accepting) for q in range(len(step))]
    return Task(
        name,
        {a: i for i, a in enumerate(alphabet)},
        step,
        answer,
        {0: "0", 1: "1"},
        max(len(alphabet), 2),
        language,
        description,
        weights,
    )


def flipflop():
    return acceptor(
        "flipflop",
        "srn",
        [[1, 0, 0], [1, 0, 1]],
        {1},
        "flipflop",
        "whether the last of set and reset was set",
        [1, 1, 6],
    )


def ends_abb():
    return acceptor("abb", "ab", [[1, 0], [1, 2], [1, 3], [1, 0]], {3}, "re:(a|b)*abb", "words that end in abb")


def contains_aba():
    return acceptor(
        "aba", "ab", [[1, 0], [1, 2], [3, 0], [3, 3]], {3}, "re:(a|b)*aba(a|b)*", "words that contain aba", [1, 3]
    )


class BoundedBrackets(Task):
    """Balanced words of one pair of brackets, at most `depth` deep. Uniform words are soon beyond help, and one answer is right
    for them for ever: here a word takes a symbol after which it can still end well, but for a share of symbols of its own, which
    is 0 in half of the words and below 1 in 16 in the others."""

    def __init__(self, depth):
        sink = depth + 1
        step = [[min(d + 1, sink), d - 1 if d else sink] for d in range(depth + 1)] + [[sink, sink]]
        super().__init__(
            "dyck-%d" % depth,
            {"(": 0, ")": 1},
            step,
            [1] + [0] * sink,
            {0: "0", 1: "1"},
            2,
            "dyck:1,%d" % depth,
            "balanced words of depth at most %d" % depth,
        )
        self.sink = sink

    def words(self, random, rows, length):
        share = np.where(random.random(rows) < 0.5, 0.0, random.random(rows) / 16)[:, None]
        symbols, any_symbol = random.integers(2, size=(rows, length)), random.random((rows, length)) < share
        state = np.zeros(rows, np.int64)
        for t in range(length):
            ends = (self.step[state, symbols[:, t]] == self.sink) & (state != self.sink) & ~any_symbol[:, t]
            symbols[ends, t] = 1 - symbols[ends, t]
            state = self.step[state, symbols[:, t]]
        return symbols, self.targets(symbols)


# ---- arithmetic modulo 5 --------------------------------------------------------------------------------------------------


class Arithmetic(Task):
    """digit (operator digit)* = ; the answer after '=' is the value, * binding tighter."""

    def __init__(self):
        symbols = {**{str(d): 5 + d for d in range(5)}, "+": 1, "-": 2, "*": 3, "=": 4}
        states = (
            [(phase, t, p) for phase in "on" for t in range(5) for p in range(5)]
            + [("=", v, 0) for v in range(5)]
            + ["sink"]
        )
        number = {s: i for i, s in enumerate(states)}
        step = [[number[self._next(s, a)] for a in symbols] for s in states]
        answer = [5 + s[1] if s[0] == "=" else UNASKED for s in states]
        first = number["o", 0, 1]
        order = [first] + [i for i in range(len(states)) if i != first]
        place = {old: new for new, old in enumerate(order)}
        super().__init__(
            "modular-arithmetic",
            symbols,
            [[place[q] for q in step[old]] for old in order],
            [answer[old] for old in order],
            {5 + d: str(d) for d in range(5)},
            10,
            "modarith-answer:5",
            "the value modulo 5 of d op d .. =",
            positions="last",
            min_length=2,
        )

    @staticmethod
    def _next(state, a):
        if state == "sink" or state[0] == "=":
            return "sink"
        phase, t, p = state
        if phase == "o":
            return ("n", t, p * int(a) % 5) if a.isdigit() else "sink"
        return {
            "+": ("o", (t + p) % 5, 1),
            "-": ("o", (t + p) % 5, 4),
            "*": ("o", t, p),
            "=": ("=", (t + p) % 5, 0),
        }.get(a, "sink")

    def length(self, wanted):
        return max(2, wanted - wanted % 2)

    def words(self, random, rows, length):
        tokens = random.integers(5, 10, (rows, length))
        tokens[:, 1::2] = random.integers(1, 4, (rows, length // 2))
        tokens[:, -1] = 4
        return tokens, self.targets(tokens)

    def sample(self, random, rows, longest, width, few_letters=0.0):
        tokens, _ = self.words(random, rows, self.length(longest))
        ends = 2 * random.integers(1, tokens.shape[1] // 2 + 1, rows)
        tokens[np.arange(rows), ends - 1] = 4
        tokens[np.arange(tokens.shape[1])[None] >= ends[:, None]] = 0
        return padded(tokens, width, 0), padded(self.targets(tokens), width, UNASKED)


class Brackets(Task):
    """E = as E := d | -d | (d) | (-d) | (E + E) | (E - E), the value modulo 5 as answer: no regular language. The automaton,
    and with it every verdict, is of the words whose brackets nest at most `depth` deep, of which there are finitely many."""

    def __init__(self, depth=2):
        symbols = {**{str(d): d for d in range(5)}, "+": 5, "-": 6, "(": 8, ")": 9, "=": 10}
        first = (0, (), 1, "want", False)
        states, table = [first], []
        number = {first: 0}
        for state in states:
            row = []
            for a in symbols:
                target = self._next(state, a, depth)
                if target not in number:
                    number[target] = len(states)
                    states.append(target)
                row.append(number[target])
            table.append(row)
        answer = [s[0] if s is not None and s[3] == "=" else UNASKED for s in states]
        super().__init__(
            "modular-arithmetic-brackets",
            symbols,
            table,
            answer,
            {d: str(d) for d in range(5)},
            12,
            None,
            "the value modulo 5 of an expression in brackets, then =; the automaton is of brackets at most %d deep"
            % depth,
            positions="last",
            min_length=3,
        )
        self.pools = {}

    @staticmethod
    def _next(state, a, depth):
        """(sum so far, enclosing brackets as (sign, side), sign of this operand, what was read, is it a digit) or None"""
        if state is None:
            return None
        total, stack, sign, phase, atom = state
        if phase in ("want", "minus") and a.isdigit():
            return ((total + (sign if phase == "want" else -sign) * int(a)) % 5, stack, 0, "done", bool(stack))
        if phase == "want" and a == "-":
            return (total, stack, sign, "minus", False)
        if phase == "want" and a == "(" and len(stack) < depth:
            return (total, stack + ((sign, "left"),), sign, "want", False)
        if phase == "done" and not stack and a == "=":
            return (total, (), 0, "=", False)
        if phase == "done" and stack:
            outer, side = stack[-1]
            if a in "+-" and side == "left":
                return (total, stack[:-1] + ((outer, "right"),), outer if a == "+" else -outer, "want", False)
            if a == ")" and (side == "right" or atom):
                return (total, stack[:-1], 0, "done", False)
        return None

    @classmethod
    def _expression(cls, random, n, sign, out):
        """Appends tokens, and (place, sign) of digits as (None, sign)."""
        if n <= 4:
            bracket, minus = n >= 3, n % 2 == 0
            out.extend([8] * bracket + [6] * minus)
            out.append((-sign if minus else sign,))
            out.extend([9] * bracket)
            return
        left, operator = int(random.integers(1, n - 3)), int(random.integers(5, 7))
        out.append(8)
        cls._expression(random, left, sign, out)
        out.append(operator)
        cls._expression(random, n - 3 - left, sign if operator == 5 else -sign, out)
        out.append(9)

    def _pool(self, random, length, count):
        """Expressions without digits: tokens [count, length], signs of the digits [count, length]."""
        if length not in self.pools or len(self.pools[length][0]) < count:
            sys.setrecursionlimit(10000)
            tokens, signs = np.zeros((count, length), np.int64), np.zeros((count, length), np.int64)
            for row in range(count):
                out = []
                self._expression(random, length - 1, 1, out)
                for t, x in enumerate(out + [10]):
                    if isinstance(x, tuple):
                        signs[row, t] = x[0]
                    else:
                        tokens[row, t] = x
            self.pools[length] = tokens, signs
        return self.pools[length]

    def words(self, random, rows, length):
        tokens, signs = self._pool(random, length, rows)
        chosen = random.integers(len(tokens), size=rows)
        tokens, signs = tokens[chosen].copy(), signs[chosen]
        digits = random.integers(0, 5, tokens.shape)
        tokens[signs != 0] = digits[signs != 0]
        targets = np.full(tokens.shape, UNASKED, np.int64)
        targets[:, -1] = (digits * signs).sum(1) % 5
        return tokens, targets

    def sample(self, random, rows, longest, width, few_letters=0.0):
        lengths = np.arange(3, max(longest, 3) + 1)
        tokens, targets = np.full((rows, width), 11, np.int64), np.full((rows, width), UNASKED, np.int64)
        drawn = random.choice(lengths, rows)
        for length in lengths:
            at = np.flatnonzero(drawn == length)
            self._pool(random, int(length), 500)
            tokens[at, :length], targets[at, :length] = self.words(random, len(at), int(length))
        return tokens, targets


# ---- associative recall ---------------------------------------------------------------------------------------------------


class Recall(Task):
    """Multi-query associative recall (Arora et al. 2024): pairs of a key and its value, then the keys in another order, after
    each of which its value is the answer. No language of a small automaton, and without task.json."""

    def __init__(self, pairs=8, keys=32):
        self.name, self.pairs, self.keys, self.vocab_size = "recall-%d" % pairs, pairs, keys, 2 * keys
        self.positions, self.chance, self.min_length = "all", 1.0 / keys, 1
        self.stages, self.stage = [[]], None

    def length(self, wanted):
        return wanted - wanted % 3

    def words(self, random, rows, length):
        pairs = max(length // 3, 1)
        keys = np.argsort(random.random((rows, self.keys)), 1)[:, :pairs]
        values = random.integers(self.keys, 2 * self.keys, (rows, pairs))
        order = np.argsort(random.random((rows, pairs)), 1)
        tokens, targets = np.empty((rows, 3 * pairs), np.int64), np.full((rows, 3 * pairs), UNASKED, np.int64)
        tokens[:, 0 : 2 * pairs : 2], tokens[:, 1 : 2 * pairs : 2] = keys, values
        tokens[:, 2 * pairs :] = np.take_along_axis(keys, order, 1)
        targets[:, 2 * pairs :] = np.take_along_axis(values, order, 1)
        return tokens, targets

    def sample(self, random, rows, longest, width, few_letters=0.0):
        tokens, targets = self.words(random, rows, min(longest, 3 * self.pairs))
        return padded(tokens, width, 0), padded(targets, width, UNASKED)


TASKS = {
    "parity": parity,
    "modular-arithmetic": Arithmetic,
    "modular-arithmetic-brackets": Brackets,
    "s3": lambda: symmetric(3),
    "s4": lambda: symmetric(4),
    "s5": lambda: symmetric(5),
    "s5-swaps": lambda: swaps(5),
    "a5": lambda: alternating(5),
    "z60": lambda: cyclic(60),
    "z3": lambda: cyclic(3),
    "z6": lambda: cyclic(6),
    "flipflop": flipflop,
    "abb": ends_abb,
    "aba": contains_aba,
    "dyck-3": lambda: BoundedBrackets(3),
    "recall": Recall,
    "recall-16": lambda: Recall(16, 64),
    "recall-32": lambda: Recall(32, 128),
}


def task(name):
    if name not in TASKS:
        raise ValueError("task: expected one of %s; got %s" % (", ".join(TASKS), name))
    return TASKS[name]()
