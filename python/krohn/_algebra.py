"""What algebra says: classifications, monoids, egg boxes, cascades."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from . import _core, _display
from ._errors import InputError
from ._language import Language, LanguageLike, Word
from ._progress import Progress, callback

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class FamilyDecision:
    """Whether a family of linear RNNs can recognise a language at all lengths."""

    id: str
    family: str
    models: str
    answer: Literal["yes", "no", "unknown"]
    reason: str
    theorem: str | None
    source: str | None
    basis: Literal["proved", "textbook", "paper"] | None
    arithmetic: str | None
    layers: int | None
    num_householder: int | None
    size: int | None


@dataclass(frozen=True)
class EggBox:
    """A D-class.

    Attributes:
        rank: Of its elements as transformations of the minimal automaton's states.
        r_classes: Rows.
        l_classes: Columns.
        h_size: Elements in each cell; in a regular class the order of its group.
        regular: Whether it has an idempotent.
        group: The name of the maximal subgroup of a regular class.
        idempotents: Of a regular class, where they stand: a list of rows, each a list of cells.
    """

    rank: int
    r_classes: int
    l_classes: int
    h_size: int
    regular: bool
    group: str | None
    idempotents: list[list[bool]] | None

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.r_classes * self.l_classes * self.h_size


class EggBoxes(Sequence[EggBox]):
    """The D-classes of a monoid, with their picture."""

    def __init__(self, boxes: list[EggBox], svg: str, caption: str) -> None:
        self._boxes, self._svg, self._caption = boxes, svg, caption

    def __len__(self) -> int:
        return len(self._boxes)

    def __getitem__(self, index: Any) -> Any:
        return self._boxes[index]

    @property
    def svg(self) -> str:
        """The drawing, empty where there is too much to draw."""
        return self._svg

    def __repr__(self) -> str:
        return f"<krohn.EggBoxes: {len(self)} D-classes, {sum(box.regular for box in self)} regular>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> _display.Bundle:
        if not self._svg:
            return {"text/plain": f"{self!r}\n{self._caption}"}
        return {
            "text/plain": repr(self),
            "image/svg+xml": _display.card(self._svg),
            "text/html": _display.figure(self._svg, self._caption),
        }


CircuitClass = Literal["AC0", "ACC0", "NC1"]


class Classification:
    """What algebra says about a language, from its minimal automaton.

    A flag is None where the caps left it open; `unknown_because` then says which.
    """

    def __init__(self, core: _core.Classification, name: str) -> None:
        self._core, self._name = core, name

    @cached_property
    def json(self) -> str:
        """The object that `krohn classify --json` prints."""
        return self._core.json(self._name)

    @cached_property
    def _facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.json)
        return facts

    def to_dict(self) -> dict[str, Any]:
        """The same, read."""
        return dict(self._facts)

    @property
    def minimal(self) -> Language:
        """The minimal automaton."""
        return Language._of(self._core.minimal, self._name)

    @property
    def min_states(self) -> int:
        """States of the minimal automaton."""
        return int(self._facts["min_states"])

    @property
    def monoid_order(self) -> int | None:
        """Elements of the syntactic monoid."""
        order = self._facts["monoid_order"]
        return None if order is None else int(order)

    @property
    def is_group(self) -> bool:
        """Every symbol permutes the states."""
        return bool(self._facts["is_group"])

    @property
    def is_commutative(self) -> bool:
        """The order of symbols does not matter."""
        return bool(self._facts["is_commutative"])

    def _flag(self, name: str) -> bool | None:
        value: bool | None = self._facts[name]
        return value

    @property
    def is_aperiodic(self) -> bool | None:
        """No group but trivial ones: the language is star-free."""
        return self._flag("is_aperiodic")

    @property
    def is_r_trivial(self) -> bool | None:
        """Elements with the same right ideal are equal."""
        return self._flag("is_r_trivial")

    @property
    def is_l_trivial(self) -> bool | None:
        """Elements with the same left ideal are equal."""
        return self._flag("is_l_trivial")

    @property
    def is_j_trivial(self) -> bool | None:
        """Elements with the same two-sided ideal are equal: piecewise testable."""
        return self._flag("is_j_trivial")

    @property
    def is_da(self) -> bool | None:
        """Every regular element is idempotent: first-order logic with two variables."""
        return self._flag("is_da")

    @property
    def is_quasi_aperiodic(self) -> bool | None:
        """No non-trivial group among the words of one length."""
        return self._flag("is_quasi_aperiodic")

    @property
    def circuit_class(self) -> CircuitClass | None:
        """AC0, ACC0 (and not AC0), or NC1 (complete for it)."""
        value: CircuitClass | None = self._facts["circuit_class"]
        return value

    @property
    def all_groups_solvable(self) -> bool | None:
        """Of the maximal subgroups."""
        return self._flag("all_groups_solvable")

    @property
    def only_2_groups(self) -> bool | None:
        """Of the maximal subgroups."""
        return self._flag("only_2_groups")

    @property
    def subgroups(self) -> list[str] | None:
        """Names of the non-trivial maximal subgroups."""
        groups = self._facts["maximal_subgroups"]
        return None if groups is None else [group["name"] for group in groups]

    @property
    def families(self) -> list[FamilyDecision]:
        """Which linear RNNs can do it."""
        return [FamilyDecision(**row) for row in self._facts["families"]]

    @property
    def unknown_because(self) -> str | None:
        """Why something is not known."""
        value: str | None = self._facts["unknown_because"]
        return value

    @cached_property
    def egg_boxes(self) -> EggBoxes:
        """Green's D-classes; none where they are not known."""
        boxes = [EggBox(**box) for box in self._core.egg_boxes()]  # type: ignore[arg-type]
        svg, caption = self._core.draw_egg_boxes()
        return EggBoxes(boxes, svg, caption)

    def _rows(self) -> list[tuple[str, str]]:
        def shown(value: object) -> str:
            return "unknown" if value is None else "yes" if value is True else "no" if value is False else str(value)

        names = ["is_group", "is_commutative", "is_aperiodic", "is_r_trivial", "is_l_trivial", "is_j_trivial", "is_da"]
        rows = [("language", self._name), ("states", f"{self._facts['states']}, minimal {self.min_states}")]
        rows += [("monoid", f"{shown(self.monoid_order)} elements")]
        rows += [(name.removeprefix("is_").replace("_", "-"), shown(self._facts[name])) for name in names]
        rows += [("circuit class", shown(self.circuit_class)), ("solvable", shown(self.all_groups_solvable))]
        groups = self.subgroups
        rows += [("subgroups", "unknown" if groups is None else ", ".join(groups) or "all trivial")]
        if self.unknown_because:
            rows.append(("unknown", "because of " + self.unknown_because))
        return rows

    def __repr__(self) -> str:
        width = max(len(name) for name, _ in self._rows())
        return "\n".join(f"{name:<{width}}  {value}" for name, value in self._rows())

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> _display.Bundle:
        decisions = _display.grid(
            ["family", "answer", "layers", "n_h", "size", "why"],
            [
                [d.family, d.answer, *("-" if n is None else str(n) for n in (d.layers, d.num_householder, d.size)), d.reason]
                for d in self.families
            ],
        )
        return {"text/plain": repr(self), "text/html": _display.table(self._rows()) + "<br/>" + decisions}


def classify(language: LanguageLike, *, max_monoid: int = 1_000_000, progress: Progress = None) -> Classification:
    """What algebra says about a language: groups, varieties, circuit class, which linear RNNs can do it.

    Args:
        language: A Language, or what `Language` takes.
        max_monoid: Image sets and R-classes at most; what lies beyond is unknown, and `unknown_because` says so.
        progress: Told the stages.
    """
    asked = Language(language)
    return Classification(_core.classify(asked._dfa, max_monoid, callback(progress)), asked.name)


@dataclass(frozen=True)
class Element:
    """An element of a monoid.

    Attributes:
        index: Its number, in shortlex order of least words; 0 is the identity.
        word: The least word in shortlex order that gives it.
    """

    monoid: Monoid
    index: int
    word: tuple[str, ...]

    def __mul__(self, other: Element) -> Element:
        """First this, then the other."""
        if other.monoid is not self.monoid:
            raise InputError("product: expected elements of one monoid, got two")
        product: Element = self.monoid[self.monoid._core.multiply(self.index, other.index)]
        return product

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Element) and other.monoid is self.monoid and other.index == self.index

    def __hash__(self) -> int:
        return hash((id(self.monoid), self.index))

    @property
    def transformation(self) -> npt.NDArray[np.uint32]:
        """The image of every state of the minimal automaton, uint32 [states]."""
        images: npt.NDArray[np.uint32] = self.monoid._core.transformation(self.index)
        return images

    @property
    def is_idempotent(self) -> bool:
        """Whether its square is itself."""
        return self.monoid._core.multiply(self.index, self.index) == self.index

    def __repr__(self) -> str:
        return f"<element {self.index}: {self.monoid.format(self.word)}>"


class Monoid(Sequence[Element]):
    """The syntactic monoid of a language, element by element.

    Args:
        language: A Language, or what `Language` takes.
        max_elements: The enumeration ends there (`complete` is then False); the identity counts.
    """

    def __init__(self, language: LanguageLike, *, max_elements: int = 100_000, progress: Progress = None) -> None:
        self.language = Language(language).minimal
        self._core = _core.monoid(self.language._dfa, max_elements, callback(progress))

    @property
    def complete(self) -> bool:
        """Whether all elements are there."""
        return self._core.complete

    def __len__(self) -> int:
        return self._core.size

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        number = int(index) + (len(self) if index < 0 else 0)
        if not 0 <= number < len(self):
            raise IndexError(f"expected an element from 0 to {len(self) - 1}, got {index}")
        return Element(self, number, self._core.word(number))

    def __iter__(self) -> Iterator[Element]:
        return (self[i] for i in range(len(self)))

    def of(self, word: Word) -> Element:
        """The element of a word.

        Raises:
            InputError: Where the enumeration ended before it.
        """
        index = self._core.find(word)
        if index is None:
            raise InputError("word: expected one of the elements enumerated; try a larger max_elements")
        element: Element = self[index]
        return element

    def format(self, word: Sequence[str]) -> str:
        """A word as text; the empty word is "1"."""
        return self.language._dfa.format_word(list(word)) if word else "1"

    def table(self, *, max_elements: int = 4096) -> npt.NDArray[np.uint32]:
        """The multiplication table: entry [x, y] is the number of x y, first x, then y.

        Raises:
            ResourceError: Beyond `max_elements`.
        """
        table: npt.NDArray[np.uint32] = self._core.table(max_elements)
        return table

    @property
    def idempotents(self) -> list[Element]:
        """The elements that are their own squares."""
        return [self[i] for i in self._core.idempotents().tolist()]

    @cached_property
    def presentation(self) -> Presentation:
        """Relations between the symbols that define the monoid."""
        return Presentation(self, self._core.presentation())

    def __repr__(self) -> str:
        more = "" if self.complete else " and more"
        return f"<krohn.Monoid of {self.language.name!r}: {len(self)} elements{more}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> _display.Bundle:
        most = 24
        if len(self) > most or not self.complete:
            words = ", ".join(self.format(element.word) for element in self[:most])
            return {"text/plain": repr(self), "text/html": _display.table([("elements", repr(self)), ("first", words)])}
        names = [self.format(element.word) for element in self]
        table = self.table()
        rows = [[names[x], *(names[y] for y in table[x])] for x in range(len(self))]
        return {"text/plain": repr(self), "text/html": _display.grid(["", *names], rows)}


class Presentation(Sequence[tuple[tuple[str, ...], tuple[str, ...]]]):
    """A complete rewriting system: pairs (left, right) of words, left later in shortlex order.

    Rewriting left sides to right sides wherever they occur brings every word to the least word of its element.
    """

    def __init__(self, monoid: Monoid, relations: list[tuple[tuple[str, ...], tuple[str, ...]]]) -> None:
        self._monoid, self._relations = monoid, relations

    def __len__(self) -> int:
        return len(self._relations)

    def __getitem__(self, index: Any) -> Any:
        return self._relations[index]

    def reduce(self, word: Word) -> tuple[str, ...]:
        """The least word of the word's element, by rewriting alone."""
        symbols = self._monoid.language._dfa.word(word)
        rules = {left: right for left, right in self._relations}
        longest = max((len(left) for left in rules), default=0)
        done: list[str] = []
        queue = list(reversed(symbols))
        while queue:
            done.append(queue.pop())
            for length in range(1, min(longest, len(done)) + 1):
                right = rules.get(tuple(done[-length:]))
                if right is not None:
                    del done[-length:]
                    queue.extend(reversed(right))
                    break
        return tuple(done)

    def __repr__(self) -> str:
        text = self._monoid.format
        symbols = ", ".join(self._monoid.language.alphabet)
        return f"< {symbols} | " + ", ".join(f"{text(left)} = {text(right)}" for left, right in self._relations) + " >"


@dataclass(frozen=True)
class Level:
    """A level of a cascade: a component that permutes or resets its slots.

    Attributes:
        width: Slots.
        group: The name of the group that its permutations generate; "1" where it only resets.
        order: The order of that group.
        composition_factors: Names of its simple factors, where they are known.
        generators: Permutations, each the images of the slots.
        resets: Slots that something resets to.
        rows: Contexts: what the level does depends on the symbol and the levels above.
    """

    width: int
    group: str
    order: int
    composition_factors: list[str] | None
    generators: list[list[int]]
    resets: list[int]
    rows: int


class Cascade:
    """A cascade of permutation-reset components that emulates the minimal automaton of a language.

    Args:
        language: A Language, or what `Language` takes.
        mode: R, Z or G, or auto: the shallowest of them, never deeper than one less than the states.
        resets_only: Accept only levels without permutations (aperiodic languages).
        max_rows: Rows of all levels together.

    Raises:
        ResourceError: Past a cap.
        InputError: Where `resets_only` cannot be had.
    """

    def __init__(
        self,
        language: LanguageLike,
        mode: str = "auto",
        *,
        resets_only: bool = False,
        max_rows: int = 2_000_000,
        progress: Progress = None,
    ) -> None:
        self.language = Language(language).minimal
        self._core = _core.cascade(
            self.language._dfa, mode, resets_only=resets_only, max_rows=max_rows, progress=callback(progress)
        )

    @cached_property
    def json(self) -> str:
        """States, mode, levels with their groups, coordinates of the states: one JSON object."""
        return self._core.json()

    def to_dict(self) -> dict[str, Any]:
        """The same, read."""
        value: dict[str, Any] = json.loads(self.json)
        return value

    @property
    def depth(self) -> int:
        """Levels."""
        return self._core.depth

    @property
    def mode(self) -> str:
        """How the sets were chosen: "R", "Z", "G", or several where congruences split the automaton."""
        return self._core.mode

    @cached_property
    def levels(self) -> list[Level]:
        """From the top down."""
        return [Level(**{**level, "order": int(level["order"])}) for level in self.to_dict()["levels"]]

    def encode(self, state: int) -> list[int]:
        """Coordinates, one a level, of a state of the minimal automaton."""
        return self._core.encode(state)

    def decode(self, coordinates: Sequence[int]) -> int:
        """The state of the coordinates."""
        return self._core.decode(list(coordinates))

    def run(self, word: Word) -> list[list[int]]:
        """The coordinates before the first symbol and after each."""
        at = list(self._core.start)
        path = [at]
        index = {symbol: i for i, symbol in enumerate(self.language.alphabet)}
        for symbol in self.language._dfa.word(word):
            at, _ = self._core.step(at, index[symbol])
            path.append(at)
        return path

    def __repr__(self) -> str:
        levels = ", ".join(f"{level.width} ({level.group})" for level in self.levels[:12])
        more = ", .." if self.depth > 12 else ""
        return f"<krohn.Cascade of {self.language.name!r}, mode {self.mode}: {self.depth} levels: {levels}{more}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> _display.Bundle:
        svg, caption = self._core.draw()
        rows = [
            [str(i), str(level.width), level.group, str(level.order), str(len(level.resets)), str(level.rows)]
            for i, level in enumerate(self.levels)
        ]
        levels = _display.grid(["level", "slots", "group", "order", "resets", "rows"], rows[:60])
        if not svg:
            return {"text/plain": repr(self), "text/html": levels}
        return {
            "text/plain": repr(self),
            "image/svg+xml": _display.card(svg),
            "text/html": _display.figure(svg, caption) + levels,
        }
