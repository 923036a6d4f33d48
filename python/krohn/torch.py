"""Live PyTorch modules of any architecture against a language: counterexamples by length, by beams and at random.

A module is asked for logits in batches, in its own arithmetic and on its own device. That arithmetic may depend on the
batch and nothing is proved about it: what is found wrong is asked again alone before it counts, and what is not found
is UNKNOWN, with the length up to which every word was right. For architectures that krohn reads,
`krohn.open_checkpoint(module, config, task=task)` has real verdicts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ._errors import InputError
from ._language import Language, LanguageLike, Word
from ._model import Model
from ._progress import Progress, callback

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from .aalpy import SUL, Oracle



@dataclass(frozen=True)
class Finding:
    """What a search found.

    Attributes:
        word: A word that is answered wrongly, or None.
        expected: The language's label of it.
        observed: The module's.
        shortest: Whether every shorter word was right.
        agreed: Every word up to this length has the right label; None where not even the shortest were asked.
        method: What found it, or what was done last: length, beams, random.
        asked: Words asked.
        unconfirmed: Words that were wrong in a batch and right alone: the module's arithmetic depends on the batch.
    """

    word: tuple[str, ...] | None
    expected: str | None
    observed: str | None
    shortest: bool
    agreed: int | None
    method: Literal["length", "beams", "random"]
    asked: int
    unconfirmed: int

    @property
    def verdict(self) -> Literal["REFUTED", "UNKNOWN"]:
        """REFUTED with the word, else UNKNOWN with `agreed`."""
        return "UNKNOWN" if self.word is None else "REFUTED"

    @property
    def length(self) -> int | None:
        """The word's length, or `agreed`."""
        return self.agreed if self.word is None else len(self.word)


@dataclass
class _Count:
    asked: int = 0
    unconfirmed: int = 0


class Checker:
    """Asks a module for labels, and searches for words that it answers wrongly.

    Args:
        module: A torch.nn.Module that maps token ids [batch, time] to logits [batch, time, vocabulary] (or to an object
            with `.logits`, or a tuple that begins with them), or any function from an integer array to such logits. It
            is put in evaluation mode while it is asked.
        task: What its tokens and logits mean: a mapping with the members of task.json: "symbols" {name: token id},
            "outputs" {logit: label}, "bos" (a token read before every word, or None), "min_length", "positions" ("all":
            the logits behind each token are its answer to that beginning of the word, as a causal model's are; "last":
            only those behind the last one), "automaton" (the language, where none is given: a Language, or a text that
            `Language` takes).
        language: What it is checked against; by default the task's automaton.
        batch_tokens: Tokens a batch at most.

    Raises:
        InputError: For a task with members missing or wrong.
    """

    def __init__(
        self,
        module: Any,
        task: Mapping[str, Any],
        language: LanguageLike | None = None,
        *,
        batch_tokens: int = 1 << 16,
    ) -> None:
        problems = [
            f"task: {name}: expected a mapping that is not empty, got {task.get(name)!r}"
            for name in ("symbols", "outputs")
            if not isinstance(task.get(name), Mapping) or not task[name]
        ]
        if task.get("positions", "all") not in ("all", "last"):
            problems.append(f"task: positions: expected all or last, got {task['positions']!r}")
        if problems:
            raise InputError(problems)
        self.module = module
        self.task = dict(task)
        self._tokens = {str(name): int(token) for name, token in task["symbols"].items()}
        self._outputs = [(int(logit), str(label)) for logit, label in task["outputs"].items()]
        self._bos = None if task.get("bos") is None else int(task["bos"])
        self.min_length = int(task.get("min_length", 0 if self._bos is not None else 1))
        if self._bos is None and self.min_length < 1:
            raise InputError("task: min_length: expected at least 1 without bos, got 0")
        self._batch_tokens = batch_tokens
        source = task.get("automaton") if language is None else language
        self._language = None if source is None else self._over_own_symbols(Language(source))

    # ---- asking -------------------------------------------------------------------------------------------------

    @property
    def alphabet(self) -> tuple[str, ...]:
        """The task's symbols, in their order."""
        return tuple(self._tokens)

    @property
    def language(self) -> Language:
        """What it is checked against."""
        if self._language is None:
            raise InputError("language: expected one, got none, and none comes with the task")
        return self._language

    def logits(self, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.floating[Any]]:
        """The module's logits [batch, time or 1, vocabulary] behind token ids [batch, time]."""
        import numpy as np

        out = self._call(tokens)
        out = getattr(out, "logits", out)
        if isinstance(out, (tuple, list)):
            out = out[0]
        if hasattr(out, "detach"):
            out = out.detach().float().cpu().numpy()
        values: npt.NDArray[Any] = np.asarray(out)
        if values.ndim == 2:
            values = values[:, None]
        largest = max(logit for logit, _ in self._outputs)
        if values.ndim != 3 or values.shape[0] != len(tokens) or values.shape[1] not in (1, tokens.shape[1]) or values.shape[2] <= largest:
            raise InputError(
                f"module: expected logits [{len(tokens)}, {tokens.shape[1]} or 1, more than {largest}] for tokens "
                f"{list(tokens.shape)}, got {list(values.shape)}"
            )
        return values

    def _call(self, tokens: npt.NDArray[np.int64]) -> Any:
        if not hasattr(self.module, "parameters"):
            return self.module(tokens)
        import torch

        parameter = next(iter(self.module.parameters()), None)
        batch = torch.from_numpy(tokens)
        if parameter is not None:
            batch = batch.to(parameter.device)
        training = self.module.training
        self.module.eval()
        try:
            with torch.inference_mode():
                return self.module(batch)
        finally:
            self.module.train(training)

    def _batches(self, words: Iterable[Sequence[int]]) -> Iterator[list[Sequence[int]]]:
        """Stretches of words of one length."""
        batch: list[Sequence[int]] = []
        for word in words:
            if batch and (len(word) != len(batch[0]) or (len(batch) + 1) * (len(word) + 1) > self._batch_tokens):
                yield batch
                batch = []
            batch.append(word)
        if batch:
            yield batch

    def _last_scores(self, batch: list[Sequence[int]]) -> npt.NDArray[np.floating[Any]]:
        """Logits of the outputs behind the last symbol of words of one length, [words, outputs]."""
        import numpy as np

        ids = list(self._tokens.values())
        rows = [([] if self._bos is None else [self._bos]) + [ids[symbol] for symbol in word] for word in batch]
        if not rows[0]:
            raise InputError("word: expected at least one symbol, since the task has no bos, got the empty word")
        scores = self.logits(np.asarray(rows, dtype=np.int64))[:, -1]
        picked: npt.NDArray[np.floating[Any]] = scores[:, [logit for logit, _ in self._outputs]]
        return picked

    def _label(self, scores: npt.NDArray[np.floating[Any]]) -> str:
        best = scores.max()
        labels = {label for score, (_, label) in zip(scores, self._outputs, strict=True) if score == best}
        # A tie between labels, and NaN, are no label.
        return labels.pop() if len(labels) == 1 else "?"

    def labels(self, words: Iterable[Word]) -> list[str]:
        """The module's label of each word; "?" where two labels tie."""
        numbers = [self._numbers(word) for word in words]
        order = sorted(range(len(numbers)), key=lambda i: len(numbers[i]))
        found = [""] * len(numbers)
        at = 0
        for batch in self._batches(numbers[i] for i in order):
            for scores in self._last_scores(batch):
                found[order[at]] = self._label(scores)
                at += 1
        return found

    def label(self, word: Word) -> str:
        """The module's label of one word, asked alone."""
        return self.labels([word])[0]

    def _numbers(self, word: Word) -> list[int]:
        symbols = list(self._tokens)
        if isinstance(word, str):
            word = list(word) if all(len(symbol) == 1 for symbol in symbols) else word.split()
        places = {symbol: i for i, symbol in enumerate(symbols)}
        result = []
        for symbol in word:
            place = places.get(symbol) if isinstance(symbol, str) else int(symbol)
            if place is None or not 0 <= place < len(symbols):
                raise InputError(f"word: expected symbols among {', '.join(symbols)}, got {symbol!r}")
            result.append(place)
        return result

    def _over_own_symbols(self, language: Language) -> Language:
        if set(language.alphabet) != set(self._tokens):
            raise InputError(
                "alphabet: expected the same symbols in task and language, got {"
                + ", ".join(sorted(self._tokens)) + "} in the task and {" + ", ".join(sorted(language.alphabet)) + "} in the language"
            )
        unknown = set(language.labels) & set(language.state_labels) - {label for _, label in self._outputs}
        if unknown:
            raise InputError(f"labels: expected those of the task's outputs, got {', '.join(sorted(unknown))}")
        columns = [language.alphabet.index(symbol) for symbol in self._tokens]
        return Language.from_table(
            language.delta[:, columns], start=language.start, labels=language.state_labels, alphabet=list(self._tokens), name=language.name
        )

    # ---- searching ----------------------------------------------------------------------------------------------

    def search(
        self,
        language: LanguageLike | None = None,
        *,
        max_words: int = 20_000,
        beam: int = 64,
        beam_length: int = 64,
        samples: int = 500,
        sample_length: int = 256,
        seed: int = 0,
        progress: Progress = None,
    ) -> Finding:
        """Searches for a word that is answered wrongly: every word by length, then beams, then random ones.

        Args:
            language: In place of the checker's own.
            max_words: Whole lengths are tried while the words of all of them together are no more.
            beam: Beginnings kept at each length, those whose right label leads by least; 0 for no beams.
            beam_length: The length to which beams grow.
            samples: Random words, of uniform length from 1 to `sample_length`; 0 for none.
            seed: Of the random words.
            progress: Told the method, words asked and in all.

        Returns:
            The first word that is wrong alone too. One found by length is a shortest; others are shortened while they
            stay wrong.
        """
        asked = self.language if language is None else self._over_own_symbols(Language(language))
        walk = _Walk(asked, self.min_length)
        count = _Count()
        tell = callback(progress) or (lambda stage, done, total: None)
        symbols = range(len(self._tokens))

        agreed: int | None = None
        length, total = 0, 0
        while total + len(symbols) ** length <= max_words and length <= 4096:
            total += len(symbols) ** length
            words = (word for word in itertools.product(symbols, repeat=length) if walk.expected(word) is not None)
            for batch in self._batches(words):
                found = self._first_wrong(batch, walk, count)
                tell("words by length", count.asked, max_words)
                if found is not None:
                    return self._finding(found, walk, "length", True, agreed, count)
            agreed = length
            length += 1

        if beam > 0:
            found = self._beams(walk, max(1, min(length - 1, beam_length)), beam, beam_length, count, tell)
            if found is not None:
                return self._finding(self._shortened(found, walk, count), walk, "beams", False, agreed, count)
        if samples > 0:
            found = self._random(walk, samples, sample_length, seed, count, tell)
            if found is not None:
                return self._finding(self._shortened(found, walk, count), walk, "random", False, agreed, count)
        return Finding(None, None, None, False, agreed, "random" if samples else "beams" if beam else "length", count.asked, count.unconfirmed)

    def _first_wrong(self, batch: list[Sequence[int]], walk: _Walk, count: _Count) -> Sequence[int] | None:
        count.asked += len(batch)
        for word, scores in zip(batch, self._last_scores(batch), strict=True):
            if self._label(scores) != walk.expected(word) and self._wrong_alone(word, walk, count):
                return word
        return None

    def _wrong_alone(self, word: Sequence[int], walk: _Walk, count: _Count) -> bool:
        expected = walk.expected(word)
        if expected is None:
            return False
        count.asked += 1
        if self._label(self._last_scores([word])[0]) != expected:
            return True
        count.unconfirmed += 1
        return False

    def _beams(self, walk: _Walk, start: int, width: int, longest: int, count: _Count, tell: Callable[[str, float, float], object]) -> Sequence[int] | None:
        import numpy as np

        symbols = range(len(self._tokens))
        beam: list[tuple[int, ...]] = [()]
        for length in range(1, longest + 1):
            grown = [(*word, symbol) for word in beam for symbol in symbols]
            leads = np.empty(len(grown))
            at = 0
            for batch in self._batches(grown):
                count.asked += len(batch)
                for word, scores in zip(batch, self._last_scores(batch), strict=True):
                    expected = walk.expected(word)
                    if expected is None:
                        leads[at] = np.inf
                    else:
                        right = max((s for s, (_, label) in zip(scores, self._outputs, strict=True) if label == expected), default=-np.inf)
                        wrong = max((s for s, (_, label) in zip(scores, self._outputs, strict=True) if label != expected), default=-np.inf)
                        leads[at] = right - wrong
                        if length >= start and not right > wrong and self._wrong_alone(word, walk, count):
                            return word
                    at += 1
            order = np.argsort(leads, kind="stable")
            # The narrowest of each state of the language first, so that the beam does not forget a state.
            seen: dict[int, int] = {}
            ranked = []
            for i in order:
                state = walk.state(grown[i])
                seen[state] = seen.get(state, 0) + 1
                ranked.append((seen[state], float(leads[i]), int(i)))
            ranked.sort()
            beam = [grown[i] for _, _, i in ranked[:width]]
            tell("beams", length, longest)
        return None

    def _random(self, walk: _Walk, samples: int, longest: int, seed: int, count: _Count, tell: Callable[[str, float, float], object]) -> Sequence[int] | None:
        import numpy as np

        random = np.random.default_rng(seed)
        words = [random.integers(0, len(self._tokens), random.integers(1, longest + 1)).tolist() for _ in range(samples)]
        words = [word for word in words if walk.expected(word) is not None]
        words.sort(key=len)
        done = 0
        for batch in self._batches(words):
            found = self._first_wrong(batch, walk, count)
            done += len(batch)
            tell("random words", done, len(words))
            if found is not None:
                return found
        return None

    def _shortened(self, word: Sequence[int], walk: _Walk, count: _Count) -> Sequence[int]:
        """Leaves out stretches of symbols, halves first, while the rest is wrong alone."""
        word = list(word)
        step = max(1, len(word) // 2)
        while True:
            at = 0
            while at < len(word):
                rest = word[:at] + word[at + step :]
                expected = walk.expected(rest)
                usable = expected is not None and (rest or self._bos is not None)
                count.asked += 1 if usable else 0
                if usable and self._label(self._last_scores([rest])[0]) != expected:
                    word = rest
                else:
                    at += step
            if step == 1:
                return word
            step //= 2

    def _finding(self, word: Sequence[int], walk: _Walk, method: Literal["length", "beams", "random"], shortest: bool, agreed: int | None, count: _Count) -> Finding:
        symbols = list(self._tokens)
        observed = self._label(self._last_scores([word])[0])
        return Finding(
            tuple(symbols[i] for i in word), walk.expected(word), observed, shortest, agreed, method, count.asked, count.unconfirmed
        )

    # ---- onwards ------------------------------------------------------------------------------------------------

    def model(self, config: Mapping[str, Any] | Any = None, **options: Any) -> Model:
        """The module as a krohn.Model with real verdicts, where krohn reads its architecture.

        Args:
            config: As of `krohn.open_checkpoint`; by default the module's own.
            **options: As of `krohn.open_checkpoint`.
        """
        from ._jobs import open_checkpoint

        return open_checkpoint(self.module, config, task={"positions": "all", **self.task}, **options)

    def sul(self, *, acceptor: bool = True) -> SUL:
        """The module as AALpy's system under learning."""
        from .aalpy import SUL

        return SUL(self, acceptor=acceptor)

    def oracle(self, sul: SUL, **options: Any) -> Oracle:
        """The searches of this class as AALpy's equivalence oracle."""
        from .aalpy import Oracle

        return Oracle(self, sul, **options)


class _Walk:
    """The language's labels of words of symbol numbers."""

    def __init__(self, language: Language, min_length: int) -> None:
        self._delta = language.delta.tolist()
        self._labels = language.state_labels
        self._start, self._min_length = language.start, min_length

    def state(self, word: Sequence[int]) -> int:
        state = self._start
        for symbol in word:
            state = self._delta[state][symbol]
        return state

    def expected(self, word: Sequence[int]) -> str | None:
        """None outside the domain."""
        return None if len(word) < self._min_length else self._labels[self.state(word)]


@dataclass
class EpochCheck:
    """A training callback: after each epoch the shortest word known to be answered wrongly.

    Args:
        checker: Asks the module that is trained.
        log: Called with a line for each epoch.
        every: Only every so many epochs.
        options: Of `Checker.search`; by default a few thousand words.

    Attributes:
        history: Pairs of epoch and Finding.

    Examples:
        >>> watch = EpochCheck(Checker(module, task))  # doctest: +SKIP
        >>> for epoch in range(10):  # doctest: +SKIP
        ...     train_one_epoch(module)
        ...     watch(epoch)
    """

    checker: Checker
    log: Callable[[str], object] = print
    every: int = 1
    options: Mapping[str, Any] = field(default_factory=lambda: {"max_words": 4000, "beam_length": 32, "samples": 100})
    history: list[tuple[int, Finding]] = field(default_factory=list)

    def __call__(self, epoch: int | None = None) -> Finding | None:
        """After an epoch; counts them itself where it is told none."""
        number = (self.history[-1][0] + 1 if self.history else 0) if epoch is None else epoch
        if number % self.every:
            return None
        finding = self.checker.search(**self.options)
        self.history.append((number, finding))
        if finding.word is None:
            self.log(f"epoch {number}: no wrong word found; every word up to length {finding.agreed} is right")
        else:
            word = " ".join(finding.word) if len(finding.word) <= 40 else " ".join(finding.word[:40]) + " .."
            kind = "a shortest wrong word" if finding.shortest else "a wrong word"
            self.log(
                f"epoch {number}: {kind} has length {len(finding.word)}: {word or 'the empty word'} "
                f"(the language says {finding.expected}, the module {finding.observed})"
            )
        return finding


__all__ = ["Checker", "EpochCheck", "Finding"]
