"""Learning loops of AALpy that end with a real check: a system under learning and an equivalence oracle.

    >>> from aalpy.learning_algs import run_Lstar
    >>> import krohn, krohn.aalpy
    >>> model = krohn.compile("tomita:4")
    >>> sul = krohn.aalpy.SUL(model)
    >>> oracle = krohn.aalpy.Oracle(model, sul)
    >>> learned = run_Lstar(list(model.alphabet), sul, oracle, "dfa", print_level=0)
    >>> oracle.result.verdict
    'PROVED'
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import aalpy

from ._language import Language
from ._model import Model
from ._results import CheckResult

if TYPE_CHECKING:
    from .torch import Checker, Finding


class Source(Protocol):
    """What answers words: a krohn.Model, or a krohn.torch.Checker."""

    @property
    def alphabet(self) -> tuple[str, ...]: ...

    def label(self, word: Any, /) -> str: ...


class SUL(aalpy.base.SUL):  # type: ignore[misc]
    """A model as AALpy's system under learning: it answers after each symbol.

    Args:
        source: A krohn.Model, or a krohn.torch.Checker.
        acceptor: The answers are True for the label "1" and False for others, as a DFA's; else labels, as a Moore
            machine's.
    """

    def __init__(self, source: Source, *, acceptor: bool = True) -> None:
        super().__init__()
        self.source, self.acceptor = source, acceptor
        self._word: list[str] = []

    def pre(self) -> None:
        self._word = []

    def post(self) -> None:
        self._word = []

    def step(self, letter: Any) -> Any:
        if letter is not None:
            self._word.append(letter)
        return self._output(self.source.label(self._word))

    def _output(self, label: str) -> Any:
        return label == "1" if self.acceptor else label

    def query(self, word: tuple[Any, ...]) -> list[Any]:
        """The answers behind every beginning of the word (behind the empty word alone where it is empty)."""
        self.num_queries += 1
        self.num_steps += len(word)
        if isinstance(self.source, Model):
            labels = self.source.run([list(word)], all_positions=True).at_all_positions(0)
        else:
            labels = [self.source.label(list(word[:n])) for n in range(len(word) + 1)]
        return [self._output(label) for label in (labels[1:] if word else labels)]


class Oracle(aalpy.base.Oracle):  # type: ignore[misc]
    """krohn as AALpy's equivalence oracle: every hypothesis is checked, not sampled.

    Of a krohn.Model the last result's verdict says what is known of the automaton learned: PROVED for all lengths where
    the check closes. Of a krohn.torch.Checker words are searched, so that the end is UNKNOWN with the length up to
    which every word agrees.

    Args:
        source: A krohn.Model, or a krohn.torch.Checker.
        sul: The system under learning of the same source.
        **options: Of `krohn.check`, or of `Checker.search`.

    Attributes:
        result: What the check of the last hypothesis gave.
    """

    def __init__(self, source: Model | Checker, sul: SUL, **options: Any) -> None:
        super().__init__(list(source.alphabet), sul)
        self.source, self._options = source, options
        self.result: CheckResult | Finding | None = None

    def find_cex(self, hypothesis: Any) -> tuple[str, ...] | None:
        """A word on which hypothesis and model differ, or None; `result` says how much that None is worth."""
        self.num_queries += 1
        language = _hypothesis(hypothesis, self.source.alphabet)
        if isinstance(self.source, Model):
            self.result = self.source.check(language, **self._options)
        else:
            self.result = self.source.search(language, **self._options)
        if self.result.word is not None:
            self.num_steps += len(self.result.word)
        return self.result.word


def _hypothesis(hypothesis: Any, alphabet: Sequence[str]) -> Language:
    """Over the model's symbols in their order."""
    language = Language(hypothesis)
    if set(language.alphabet) != set(alphabet):
        return language
    columns = [language.alphabet.index(symbol) for symbol in alphabet]
    return Language.from_table(
        language.delta[:, columns], start=language.start, labels=language.state_labels, alphabet=list(alphabet)
    )
