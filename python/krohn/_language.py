"""Languages: from text, files, tables and other libraries' automata."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from . import _core, _display
from ._errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ._algebra import Cascade, Classification, EggBoxes, Monoid
    from ._progress import Progress

Word: TypeAlias = "str | Sequence[str | int]"
"""Symbols joined where all are single characters, else separated by spaces; or their names or numbers one by one."""

LanguageLike: TypeAlias = "Language | str | os.PathLike[str] | Any"
"""What `Language` takes: a specification, a file, or an automaton of automata-lib or AALpy."""


class Note(UserWarning):
    """What the command line says on standard error: how a text or a model was read where that is a choice."""


def _tell(notes: Iterable[str]) -> None:
    for note in notes:
        warnings.warn(note, Note, stacklevel=4)


class Language:
    """A regular language, or a function from words to labels: a complete automaton with a label for each state.

    Acceptors have the labels "1" and "0"; a label None means *don't care*: the word is outside the domain of verdicts.
    Two languages are equal if every word has the same label in both (and their symbols stand in the same order).

    Args:
        source: A catalogue name (`krohn.catalogue()`), `re:REGEX`, the name of a file (.json, .att, .mata, .jff, .hoa,
            .dot, .gv, .dfa, .mona, .aut, .ba), another Language, or an automaton of automata-lib (DFA, NFA) or AALpy (Dfa,
            MooreMachine), known by its attributes.
        alphabet: The symbols of an expression or a file: one a character, or a sequence of names. By default those
            that occur, ascending.

    Raises:
        InputError: With every problem of the source.

    Examples:
        >>> even = Language("re:(aa)*")
        >>> "aa" in even, "aaa" in even
        (True, False)
    """

    __slots__ = ("_dfa", "_name", "_notes")
    _dfa: _core.Dfa
    _name: str
    _notes: tuple[str, ...]

    def __init__(self, source: LanguageLike, *, alphabet: str | Sequence[str] | None = None) -> None:
        if alphabet is not None and not isinstance(alphabet, str):
            if any("," in symbol for symbol in alphabet):
                raise InputError(f"alphabet: expected symbols without a comma, got {list(alphabet)}")
            alphabet = " ".join(alphabet) + " "
        if isinstance(source, Language):
            if alphabet is not None:
                raise InputError("alphabet: expected none beside a Language")
            self._dfa, self._name, self._notes = source._dfa, source._name, source._notes
            return
        if isinstance(source, (str, os.PathLike)):
            self._name = os.fspath(source)
            self._dfa, notes = _core.read_language(self._name, alphabet)
            self._notes = tuple(notes)
            _tell(notes)
            return
        if alphabet is not None:
            raise InputError("alphabet: expected none beside an automaton, which has its own")
        other = _from_object(source)
        self._dfa, self._name, self._notes = other._dfa, other._name, other._notes
        _tell(self._notes)

    @classmethod
    def _of(cls, dfa: _core.Dfa, name: str, notes: Iterable[str] = ()) -> Language:
        language = cls.__new__(cls)
        language._dfa, language._name, language._notes = dfa, name, tuple(notes)
        return language

    @classmethod
    def from_regex(cls, pattern: str, *, alphabet: str | Sequence[str] | None = None) -> Language:
        """The words that match the expression as a whole; its grammar is that of `re:` on the command line."""
        return cls("re:" + pattern, alphabet=alphabet)

    @classmethod
    def from_table(
        cls,
        delta: npt.ArrayLike,
        *,
        start: int = 0,
        accepting: npt.ArrayLike | None = None,
        labels: Sequence[str | int | None] | None = None,
        alphabet: str | Sequence[str] | None = None,
        name: str = "table",
    ) -> Language:
        """An automaton as NumPy holds it.

        Args:
            delta: Integers [states, symbols]: the state after each symbol. Not copied on the way in where it is
                contiguous uint32.
            start: The state before the first symbol.
            accepting: Booleans [states], or the numbers of the accepting states.
            labels: In place of accepting, a label for each state; None where there is none to ask for.
            alphabet: Symbols' names, one a column; by default 0, 1, ...
            name: What it is called in reports.

        Raises:
            InputError: For another dtype or shape, with the one that is wanted.
        """
        import numpy as np

        table = np.asarray(delta)
        if table.ndim != 2 or table.dtype.kind not in "iu" or 0 in table.shape:
            raise InputError(f"delta: expected an integer array [states, symbols], got {_shape(table)}")
        states, symbols = table.shape
        if table.min() < 0 or table.max() >= states:
            wrong = table[(table < 0) | (table >= states)][0]
            raise InputError(f"delta: expected states from 0 to {states - 1}, got {wrong}")
        if not 0 <= start < states:
            raise InputError(f"start: expected a state from 0 to {states - 1}, got {start}")
        names = [str(i) for i in range(symbols)] if alphabet is None else list(alphabet)
        if len(names) != symbols:
            raise InputError(f"alphabet: expected {symbols} symbols, one a column of delta, got {len(names)}")
        if (accepting is None) == (labels is None):
            raise InputError("labels: expected either accepting or labels, got " + ("neither" if labels is None else "both"))
        label_names: list[str] | None = None
        if accepting is not None:
            marks = np.asarray(accepting)
            if marks.dtype.kind == "b" and marks.shape == (states,):
                accepted = marks
            elif marks.dtype.kind in "iu" and marks.ndim == 1 or marks.size == 0:
                if marks.size and (marks.min() < 0 or marks.max() >= states):
                    raise InputError(f"accepting: expected states from 0 to {states - 1}, got {marks.tolist()}")
                accepted = np.zeros(states, dtype=bool)
                accepted[marks.astype(np.int64)] = True
            else:
                raise InputError(f"accepting: expected bool [{states}] or a list of states, got {_shape(marks)}")
            state_labels: list[str | None] = ["1" if mark else "0" for mark in accepted]
            label_names = ["0", "1"]
        else:
            assert labels is not None
            if len(labels) != states:
                raise InputError(f"labels: expected {states}, one a state, got {len(labels)}")
            state_labels = [None if label is None else str(label) for label in labels]
            if set(state_labels) <= {"0", "1", None} and None not in state_labels:
                label_names = ["0", "1"]
        dfa = _core.from_table(np.ascontiguousarray(table, dtype=np.uint32), start, state_labels, label_names, names)
        return cls._of(dfa, name)

    # ---- what it is ---------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """As it was typed, or what it was made of."""
        return self._name

    @property
    def notes(self) -> tuple[str, ...]:
        """What had to be done to the text to make it an automaton."""
        return self._notes

    @property
    def alphabet(self) -> tuple[str, ...]:
        """The symbols, in their order."""
        return tuple(self._dfa.alphabet)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that a word can have."""
        return tuple(self._dfa.label_names)

    @property
    def num_states(self) -> int:
        """Of the automaton as it stands; `minimal` has the fewest."""
        return self._dfa.num_states

    @property
    def start(self) -> int:
        """The state before the first symbol."""
        return self._dfa.start

    @property
    def delta(self) -> npt.NDArray[np.uint32]:
        """The transitions, uint32 [states, symbols]: a view of the automaton's own memory, which cannot be written."""
        return self._dfa.delta

    @property
    def state_labels(self) -> tuple[str | None, ...]:
        """The label of each state; None where the word is outside the domain."""
        names = self._dfa.label_names
        return tuple(None if label < 0 else names[label] for label in self._dfa.labels.tolist())

    @property
    def is_acceptor(self) -> bool:
        """Whether the labels are "0" and "1", and every word has one."""
        return self._dfa.is_acceptor

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the automaton as it stands, 64 hexadecimal digits."""
        return self._dfa.fingerprint

    @property
    def minimal(self) -> Language:
        """The same language with the fewest states, numbered canonically."""
        return Language._of(self._dfa.minimized(), self._name, self._notes)

    def label(self, word: Word) -> str | None:
        """The label of a word; None where the word is outside the domain."""
        return self._dfa.label_of(word)

    def __contains__(self, word: Word) -> bool:
        if not self.is_acceptor:
            raise InputError("word: expected an acceptor to ask whether it is in the language; label(word) has its label")
        return self._dfa.label_of(word) == "1"

    # ---- combinations -------------------------------------------------------------------------------------------

    def separating_word(self, other: LanguageLike) -> tuple[str, ...] | None:
        """A shortest word whose label differs in the two, the first in shortlex order; None where there is none."""
        return self._dfa.separating_word(Language(other)._dfa)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Language):
            return NotImplemented
        return self._dfa.minimized().fingerprint == other._dfa.minimized().fingerprint

    def __hash__(self) -> int:
        return hash(self._dfa.minimized().fingerprint)

    def _combined(self, other: LanguageLike, operation: str, sign: str) -> Language:
        right = Language(other)
        return Language._of(self._dfa.product(right._dfa, operation), f"({self._name} {sign} {right._name})")

    def __and__(self, other: LanguageLike) -> Language:
        return self._combined(other, "and", "&")

    def __or__(self, other: LanguageLike) -> Language:
        return self._combined(other, "or", "|")

    def __sub__(self, other: LanguageLike) -> Language:
        return self._combined(other, "minus", "-")

    def __xor__(self, other: LanguageLike) -> Language:
        return self._combined(other, "xor", "^")

    def __invert__(self) -> Language:
        return Language._of(self._dfa.complement(), f"~{self._name}")

    # ---- out ----------------------------------------------------------------------------------------------------

    def text(self, suffix: str = ".json") -> str:
        """The automaton as a file of this suffix would have it: .json, .att, .mata, .jff, .hoa, .dot."""
        return self._dfa.text(suffix)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes a file in the format that its suffix names."""
        self._dfa.write(os.fspath(path))

    # ---- algebra ------------------------------------------------------------------------------------------------

    def classify(self, *, max_monoid: int = 1_000_000, progress: Progress = None) -> Classification:
        """What algebra says about it: `krohn.classify`."""
        from ._algebra import classify

        return classify(self, max_monoid=max_monoid, progress=progress)

    def monoid(self, *, max_elements: int = 100_000, progress: Progress = None) -> Monoid:
        """The syntactic monoid, element by element."""
        from ._algebra import Monoid

        return Monoid(self, max_elements=max_elements, progress=progress)

    def cascade(
        self, mode: str = "auto", *, resets_only: bool = False, max_rows: int = 2_000_000, progress: Progress = None
    ) -> Cascade:
        """A cascade of permutation-reset components that emulates the minimal automaton."""
        from ._algebra import Cascade

        return Cascade(self, mode, resets_only=resets_only, max_rows=max_rows, progress=progress)

    def egg_boxes(self, *, max_monoid: int = 1_000_000, progress: Progress = None) -> EggBoxes:
        """Green's D-classes of the syntactic monoid."""
        return self.classify(max_monoid=max_monoid, progress=progress).egg_boxes

    # ---- display ------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        kind = "" if self.is_acceptor else f", labels {_display.shorten(' '.join(self.labels), 40)}"
        symbols = _display.shorten(" ".join(self.alphabet), 40)
        return f"<krohn.Language {self._name!r}: {self.num_states} states, symbols {symbols}{kind}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> _display.Bundle:
        svg, caption = self._dfa.draw()
        return {
            "text/plain": repr(self),
            "image/svg+xml": _display.card(svg),
            "text/html": _display.figure(svg, f"{self._name}: {caption}"),
        } if svg else {"text/plain": f"{self!r}\n{caption}"}

    def __reduce__(self) -> tuple[Any, ...]:
        return (_unpickle, (self._dfa.text(".json"), self._name, self._notes))


def _unpickle(text: str, name: str, notes: tuple[str, ...]) -> Language:
    dfa, _ = _core.parse_automaton(text, name)
    return Language._of(dfa, name, notes)


def _shape(array: np.ndarray[Any, Any]) -> str:
    return f"{array.dtype} {list(array.shape)}"


def _from_object(source: Any) -> Language:
    """Automata of other libraries, by their attributes."""
    if all(hasattr(source, name) for name in ("input_symbols", "transitions", "initial_state", "final_states")):
        return _from_automata_lib(source)
    if hasattr(source, "initial_state") and hasattr(source, "states"):
        return _from_aalpy(source)
    raise InputError(
        "language: expected a specification, a file, a Language, or an automaton of automata-lib or AALpy, got "
        + type(source).__name__
    )


def _completed(
    name: str,
    symbols: Sequence[Any],
    start: Any,
    step: Any,
    label: Any,
    sink_label: str | None,
    label_names: list[str] | None,
) -> Language:
    """Walks from the start; `step(state, symbol)` is the next state or None, which leads to a sink."""
    import numpy as np

    numbers: dict[Any, int] = {start: 0}
    order = [start]
    rows: list[list[int]] = []
    missing = 0
    for state in order:
        row = []
        for symbol in symbols:
            target = step(state, symbol)
            if target is None:
                missing += 1
                row.append(-1)
                continue
            if target not in numbers:
                numbers[target] = len(order)
                order.append(target)
            row.append(numbers[target])
        rows.append(row)
    labels = [label(state) for state in order]
    notes = []
    if missing:
        sink = len(rows)
        rows = [[sink if q < 0 else q for q in row] for row in rows] + [[sink] * len(symbols)]
        labels.append(sink_label)
        shown = "null" if sink_label is None else sink_label
        notes.append(f"{name}: {missing} missing transitions completed with a sink, state {sink} (label {shown})")
    names = [str(symbol) for symbol in symbols]
    dfa = _core.from_table(np.asarray(rows, dtype=np.uint32).reshape(len(rows), -1), 0, labels, label_names, names)
    return Language._of(dfa, name, notes)


def _from_automata_lib(source: Any) -> Language:
    name = type(source).__name__
    symbols = sorted(source.input_symbols, key=str)
    if not symbols:
        raise InputError(f"{name}: input_symbols: expected at least one symbol, got none")
    transitions: Mapping[Any, Mapping[Any, Any]] = source.transitions
    final = set(source.final_states)
    targets = [target for row in transitions.values() for target in row.values()]
    if any(isinstance(target, (set, frozenset)) for target in targets) or any("" in row for row in transitions.values()):

        def closed(states: Iterable[Any]) -> frozenset[Any]:
            reached = set(states)
            queue = list(reached)
            while queue:
                for target in transitions.get(queue.pop(), {}).get("", ()):
                    if target not in reached:
                        reached.add(target)
                        queue.append(target)
            return frozenset(reached)

        def step_set(states: frozenset[Any], symbol: Any) -> frozenset[Any]:
            return closed(t for state in states for t in transitions.get(state, {}).get(symbol, ()))

        return _completed(
            name, symbols, closed([source.initial_state]), step_set, lambda s: "1" if s & final else "0", "0", ["0", "1"]
        )
    return _completed(
        name,
        symbols,
        source.initial_state,
        lambda state, symbol: transitions.get(state, {}).get(symbol),
        lambda state: "1" if state in final else "0",
        "0",
        ["0", "1"],
    )


def _from_aalpy(source: Any) -> Language:
    name = type(source).__name__
    start = source.initial_state
    if hasattr(start, "is_accepting"):
        label, sink, label_names = (lambda state: "1" if state.is_accepting else "0"), "0", ["0", "1"]
    elif hasattr(start, "output"):
        label, sink, label_names = (lambda state: str(state.output)), None, None
    else:
        raise InputError(f"{name}: expected an acceptor or a Moore machine, with is_accepting or output of each state")
    symbols: list[Any] = []
    for state in source.states:
        for symbol in state.transitions:
            if symbol not in symbols:
                symbols.append(symbol)
    symbols.sort(key=str)
    if not symbols:
        raise InputError(f"{name}: expected at least one symbol, got none")
    if any(isinstance(target, (list, tuple, set)) for state in source.states for target in state.transitions.values()):
        raise InputError(f"{name}: expected a deterministic automaton, with one state behind each symbol")
    return _completed(name, symbols, start, lambda state, symbol: state.transitions.get(symbol), label, sink, label_names)


def catalogue() -> list[tuple[str, str, str]]:
    """The named languages: pattern, description, an example that `Language` takes."""
    return [(pattern, description, example) for pattern, description, example in _core.catalogue()]
