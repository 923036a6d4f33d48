"""What the jobs give: verdicts with the words and the certificates behind them, and the JSON of the command line."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from . import _core, _display
from ._language import Language, LanguageLike
from ._progress import Progress, callback

if TYPE_CHECKING:
    from ._model import Model

VerdictName = Literal["PROVED", "CERTIFIED", "REFUTED", "UNKNOWN"]


@dataclass(frozen=True)
class Verification:
    """What the check of a certificate says.

    Attributes:
        result: VERIFIED, UNCHECKED (nothing to check, or too long) or REJECTED.
        text: The claim, or the reason.
    """

    result: Literal["VERIFIED", "UNCHECKED", "REJECTED"]
    text: str


class Certificate:
    """What a verdict rests on, in a form that can be checked without searching (docs/certificates.md).

    Attributes:
        bytes: The file.
    """

    def __init__(self, data: bytes) -> None:
        self.bytes = data

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Certificate:
        """Reads a file; what is in it is checked by `verify`."""
        with open(path, "rb") as file:
            return cls(file.read())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the file that `krohn verify` and `check_certificate` take."""
        with open(path, "wb") as file:
            file.write(self.bytes)

    def verify(
        self, model: Model | str | os.PathLike[str], language: LanguageLike | None = None, *, progress: Progress = None
    ) -> Verification:
        """Checks it against a model and a language, trusting nothing in it. No search.

        Args:
            model: A model, or where one lies.
            language: By default the one that comes with the model.

        Raises:
            InputError: Where it is no certificate at all.
        """
        from ._model import as_model

        asked = None if language is None else Language(language)._dfa
        result, text = _core.verify(self.bytes, as_model(model)._core, asked, callback(progress))
        return Verification(result, text)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"<krohn.Certificate: {len(self.bytes)} bytes>"


class Result:
    """What all verdicts have."""

    def __init__(self, text: str) -> None:
        self._text = text

    @property
    def json(self) -> str:
        """The object that the command prints with --json."""
        return self._text

    @cached_property
    def _fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self._text)
        return fields

    def to_dict(self) -> dict[str, Any]:
        """The same, read."""
        return dict(self._fields)

    @property
    def verdict(self) -> VerdictName:
        """PROVED (all lengths), CERTIFIED (all words up to `length`), REFUTED (with `word`) or UNKNOWN."""
        name: VerdictName = self._fields["verdict"]
        return name

    @property
    def word(self) -> tuple[str, ...] | None:
        """The word that refutes; None without one, or where it is too long to write out."""
        word = self._fields["word"]
        return None if word is None else tuple(word)

    @property
    def length(self) -> int | None:
        """None for PROVED, N for CERTIFIED, the word's length for REFUTED, the best bound for UNKNOWN."""
        length: int | None = self._fields["length"]
        return length

    @property
    def semantics(self) -> str:
        """The arithmetic that the verdict is about (docs/semantics.md)."""
        return str(self._fields["semantics"])

    @property
    def reason(self) -> str | None:
        """Why the answer is UNKNOWN."""
        reason: str | None = self._fields["reason"]
        return reason

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict is one of four, not true or false: compare .verdict, or ask .holds where there is one")

    def _line(self) -> str:
        return self.verdict

    def _rows(self) -> list[tuple[str, str]]:
        return [("semantics", self.semantics)]

    def __repr__(self) -> str:
        return f"<krohn.{type(self).__name__}: {self._line()}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> _display.Bundle:
        name, _, text = self._line().partition(" ")
        html = f'<div style="margin:2px 0 6px">{_display.verdict(name, _display.shorten(text))}</div>'
        return {"text/plain": repr(self), "text/html": html + _display.table(self._rows())}


@dataclass(frozen=True)
class Rung:
    """A method that was tried, what came of it, and the seconds it took."""

    method: str
    outcome: str
    seconds: float


class CheckResult(Result):
    """Whether a model recognises a language."""

    def __init__(self, core: _core.Check, model_name: str, language_name: str) -> None:
        super().__init__(core.json())
        self._core, self._names = core, (model_name, language_name)

    @property
    def holds(self) -> bool:
        """Whether the claim asked for is established: all lengths, or all words up to `up_to`."""
        return bool(self._fields["holds"])

    @property
    def up_to(self) -> int | None:
        """The length asked for; None for all lengths."""
        value: int | None = self._fields["up_to"]
        return value

    @property
    def shortest(self) -> bool | None:
        """Whether the word is proved to be a shortest one."""
        value: bool | None = self._fields["shortest"]
        return value

    @property
    def expected(self) -> str | None:
        """The language's label of the word."""
        value: str | None = self._fields["expected"]
        return value

    @property
    def observed(self) -> str | None:
        """The model's label of the word; "?" where its readout ties."""
        value: str | None = self._fields["observed"]
        return value

    @property
    def position(self) -> int | None:
        """The first position of the word at which the labels part, 0 before any symbol."""
        value: int | None = self._fields["position"]
        return value

    @property
    def method(self) -> str:
        """What settled it."""
        return str(self._fields["method"])

    @property
    def domain(self) -> str:
        """The words that the verdict ranges over, in words."""
        return str(self._fields["domain"])

    @property
    def exact_bits(self) -> int | None:
        """Of PROVED: the significant bits that suffice for every intermediate value, where all are exact."""
        value: int | None = self._fields["exact_bits"]
        return value

    @property
    def interrupted(self) -> bool:
        """Whether an interrupt ended it."""
        return bool(self._fields["interrupted"])

    @property
    def sample(self) -> dict[str, Any] | None:
        """What was drawn where nothing settled the claim, and the bound that it gives."""
        value: dict[str, Any] | None = self._fields["sample"]
        return value

    @property
    def failing(self) -> dict[str, Any] | None:
        """Of a model that was refuted, what was found of the words on which it fails: "families" `before loop^k after`
        with the set of k, a failing word "from_states" of the language, the "worst_direction", and what
        "leaves_cluster" (include/krohn/results/check_report.hpp)."""
        value: dict[str, Any] | None = self._fields["failing"]
        return value

    @property
    def hint(self) -> str | None:
        """Where a word problem was refuted: that the model agrees with the other order of the product."""
        return self._core.hint

    @property
    def rungs(self) -> list[Rung]:
        """The methods tried, in order."""
        return [Rung(**rung) for rung in self._fields["rungs"]]

    @cached_property
    def certificate(self) -> Certificate:
        """What the verdict rests on."""
        return Certificate(self._core.certificate(*self._names))

    def _line(self) -> str:
        return self._core.final_line.removeprefix("s ")

    def _rows(self) -> list[tuple[str, str]]:
        rows = [("method", self.method), ("semantics", self.semantics), ("domain", self.domain)]
        if self.word is not None:
            kind = "a shortest one" if self.shortest else "shortened"
            rows.append(("word", f"length {self.length}, {kind}; the language says {self.expected}, the model {self.observed}"))
        if self.verdict == "UNKNOWN":
            bound = "no length was established" if self.length is None else f"every word up to length {self.length} agrees"
            rows.append(("reason", f"{self.reason}; {bound}"))
        rows += self._core.failure_lines
        if self.hint is not None:
            rows.append(("hint", self.hint))
        return rows


class ExtractResult:
    """The automaton that a model implements, and what is known of it."""

    def __init__(self, core: _core.Extracted, model_name: str) -> None:
        self._core, self._model_name = core, model_name
        self.json: str = core.json()
        self._fields: dict[str, Any] = json.loads(self.json)

    def to_dict(self) -> dict[str, Any]:
        """The object that `krohn extract --json` prints, read."""
        return dict(self._fields)

    @property
    def status(self) -> Literal["exact", "up_to", "hypothesis"]:
        """exact: proved, at every length; up_to: a smallest automaton that is right on all words up to `length`;
        hypothesis: no difference was found."""
        status: Literal["exact", "up_to", "hypothesis"] = self._fields["status"]
        return status

    @property
    def length(self) -> int | None:
        """None for exact; else every word up to it agrees, if there is one."""
        length: int | None = self._fields["length"]
        return length

    @cached_property
    def automaton(self) -> Language:
        """The automaton; a label "?" is added where the model's readout ties."""
        return Language._of(self._core.automaton, self._model_name)

    @property
    def words(self) -> list[tuple[str, ...]]:
        """For each state a shortest word that leads to it."""
        return [tuple(word) for word in self._fields["words"]]

    @property
    def method(self) -> str | None:
        """What proved it, or established the length."""
        method: str | None = self._fields["method"]
        return method

    @property
    def semantics(self) -> str:
        """The arithmetic that it is about (docs/semantics.md)."""
        return str(self._fields["semantics"])

    @property
    def domain(self) -> str:
        """The words that it is about, in words."""
        return str(self._fields["domain"])

    @property
    def certificate(self) -> list[Any] | None:
        """Of up_to, the suffixes [i, j, z] that show that no automaton is smaller: `words[i] z` and `words[j] z` have
        different labels."""
        value: list[Any] | None = self._fields["certificate"]
        return value

    @property
    def series(self) -> list[int]:
        """States of the hypotheses that were made, in order."""
        return list(self._fields["series"])

    @property
    def comparison(self) -> dict[str, Any] | None:
        """How it compares with the language asked for: "equal", "up_to", "word", "expected", "observed", "differing"."""
        value: dict[str, Any] | None = self._fields["comparison"]
        return value

    @property
    def equal(self) -> bool | None:
        """Whether it is that language; None where no language was asked for, or neither was established."""
        return None if self.comparison is None else self.comparison["equal"]

    @property
    def rungs(self) -> list[Rung]:
        """What was tried, in order."""
        return [Rung(**rung) for rung in self._fields["rungs"]]

    @property
    def ended_early(self) -> bool:
        """Whether a limit ended it."""
        return bool(self._fields["ended_early"])

    def __repr__(self) -> str:
        return f"<krohn.ExtractResult: {self.automaton.num_states} states, {self._core.status_text}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> _display.Bundle:
        svg, caption = self._core.drawing()
        rows = [("states", str(self.automaton.num_states)), ("status", self._core.status_text)]
        rows += [(name, text) for name, text in (("growth", self._core.growth_text), ("language", self._core.comparison_text)) if text]
        rows += [("semantics", self.semantics), ("domain", self.domain)]
        bundle = {"text/plain": repr(self), "text/html": _display.figure(svg, caption) + _display.table(rows)}
        return bundle


class ExportResult:
    """What an export wrote."""

    def __init__(self, text: str) -> None:
        self.json = text
        self._fields: dict[str, Any] = json.loads(text)

    def to_dict(self) -> dict[str, Any]:
        """The object that `krohn export --json` prints, read."""
        return dict(self._fields)

    @property
    def path(self) -> str:
        """The folder or file."""
        return str(self._fields["output"])

    @property
    def to(self) -> str:
        """fla, dense or torch."""
        return str(self._fields["to"])

    @property
    def architecture(self) -> str | None:
        """Of fla: the model_type."""
        value: str | None = self._fields.get("architecture")
        return value

    @property
    def parameters(self) -> int:
        """Numbers written."""
        return int(self._fields["parameters"])

    @property
    def layers(self) -> list[dict[str, Any]]:
        """One a layer: of fla its stage, rows, heads, factors, the values of its hidden states and how much noise its
        table takes; else sizes, and the units of the readout's network."""
        return [dict(layer) for layer in self._fields["layers"]]

    def _rows(self) -> list[tuple[str, str]]:
        rows = [("architecture", self.architecture)] if self.architecture else []
        return [*rows, ("numbers", str(self.parameters)), ("layers", str(len(self.layers))), ("written to", self.path)]

    def __repr__(self) -> str:
        return f"<krohn.ExportResult: {self.to}, {self.parameters} numbers in {self.path!r}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> _display.Bundle:
        return {"text/plain": repr(self), "text/html": _display.table(self._rows())}


class HardenResult(Result):
    """A hardened model and what is known of it; the fields are those of its own check.

    Attributes:
        model: The hardened model, whose state is snapped to codes; None where nothing was hardened.
        original: The verdict on the model itself.
        check: The verdict on the hardened model.
    """

    def __init__(self, core: _core.Harden, model: Model | None, model_name: str, language_name: str) -> None:
        super().__init__(core.json())
        self._core = core
        self.model = model
        self.check = CheckResult(core.check, model_name, language_name)
        self.original = CheckResult(core.original, model_name, language_name)

    @property
    def hardening(self) -> dict[str, Any]:
        """Codes, configurations, rounds, distances."""
        value: dict[str, Any] = self._fields["hardening"]
        return value

    @property
    def certificate(self) -> Certificate:
        """What the verdict on the hardened model rests on; without a model a report without evidence."""
        return self.check.certificate

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Writes the model's files and the codes as a directory.

        Raises:
            InputError: Where nothing was hardened, the checkpoint is not one of files, or the directory exists and
                `force` is False.
        """
        self._core.write(os.fspath(path), force)

    def _line(self) -> str:
        return self.check._line()

    def _rows(self) -> list[tuple[str, str]]:
        hardening = self.hardening
        return [
            ("the model itself", self.original._line()),
            ("codes", f"{hardening['codes']}, closed with {hardening['configurations']} configurations")
            if hardening["closed"]
            else ("not hardened", str(hardening["reason"])),
            ("semantics", self.semantics),
        ]


class RefuteResult(Result):
    """What an impossibility theorem says of a model: REFUTED with two words that leave the same bits, or PROVED where
    the model recognises the theorem's language all the same."""

    def __init__(self, core: _core.Asked, model_name: str) -> None:
        super().__init__(core.json())
        self._core, self._model_name = core, model_name

    @property
    def theorem(self) -> str:
        """"parity" or "modular:m"."""
        return str(self._fields["theorem"])

    @property
    def hypothesis_holds(self) -> bool | None:
        """Whether the model satisfies the theorem's hypothesis; None where that was not decided."""
        value: bool | None = self._fields["hypothesis_holds"]
        return value

    @property
    def hypothesis(self) -> str:
        """The same with its reason."""
        return str(self._fields["hypothesis"])

    @property
    def conclusion(self) -> str:
        """fails for every readout, fails for its readout, recognised, not settled."""
        return str(self._fields["conclusion"])

    @property
    def words(self) -> tuple[str, str] | None:
        """Two words behind which the model carries the same bits, as powers."""
        return self._core.words

    @property
    def transient(self) -> int | None:
        """Symbols until the carried bits repeat."""
        value: int | None = self._fields["transient"]
        return value

    @property
    def period(self) -> int | None:
        """Symbols after which they do."""
        value: int | None = self._fields["period"]
        return value

    @cached_property
    def certificate(self) -> Certificate:
        """The two words and the bits behind them, or the closure; empty where nothing was settled."""
        return Certificate(self._core.certificate(self._model_name, ""))

    def _line(self) -> str:
        if self.verdict != "REFUTED":
            return self.verdict
        return "REFUTED " + (" ".join(self.word) if self.word is not None and len(self.word) <= 40 else f"on a word of length {self.length}")

    def _rows(self) -> list[tuple[str, str]]:
        rows = [("theorem", self.theorem), ("hypothesis", self.hypothesis), ("conclusion", self.conclusion)]
        if self.words is not None:
            rows += [("word a", self.words[0]), ("word b", self.words[1])]
        return [*rows, ("semantics", self.semantics)]


class SearchResult(Result):
    """What every word up to a length says: CERTIFIED, REFUTED with the first word that differs, or UNKNOWN where the
    search was ended before."""

    @property
    def shortest(self) -> bool:
        """Whether every word before the one that differs was tried."""
        return bool(self._fields["shortest"])

    @property
    def reason(self) -> str | None:
        """Why the answer is UNKNOWN."""
        return "the search was ended early" if self.verdict == "UNKNOWN" else None

    @property
    def lengths(self) -> list[tuple[int, int]]:
        """For each length the words, and those of them that the language has a label for."""
        return [(words, labelled) for words, labelled in self._fields["lengths"]]

    def _line(self) -> str:
        if self.verdict == "CERTIFIED":
            return f"CERTIFIED {self.length}"
        return self.verdict + ("" if self.word is None else " " + (" ".join(self.word) or '""'))

    def _rows(self) -> list[tuple[str, str]]:
        return [("words tried", str(sum(words for words, _ in self.lengths))), ("semantics", self.semantics)]


@dataclass(frozen=True)
class SampleResult:
    """What independent random words say.

    Attributes:
        words: Words that were to be drawn.
        drawn: Words that were answered rightly; fewer than `words` only where one was not.
        labelled: Of these and the one that was not, those with a label in the language at some position.
        word: A word that is answered wrongly at its end; None where none was drawn.
        bound: With the confidence asked for, a word of this distribution is answered wrongly with at most this
            probability; None where a word was, or none had a label.
    """

    words: int
    drawn: int
    labelled: int
    word: tuple[str, ...] | None
    bound: float | None

    @property
    def verdict(self) -> VerdictName:
        """REFUTED, or UNKNOWN with the bound."""
        return "UNKNOWN" if self.word is None else "REFUTED"


@dataclass(frozen=True)
class Proportion:
    """A share with its 95 % interval, and (value - chance) / (1 - chance)."""

    value: float
    low: float
    high: float
    scaled: float


@dataclass(frozen=True)
class LengthAccuracy:
    """Shares of right answers on random words of one length."""

    length: int
    words: int
    position: Proportion
    last: Proportion
    sequence: Proportion
    sequence_chance: float


class Accuracy:
    """Shares of right answers by length. No verdict: a model may be right on a million words and wrong on the next."""

    def __init__(self, text: str) -> None:
        self.json = text
        self._fields: dict[str, Any] = json.loads(text)

    def to_dict(self) -> dict[str, Any]:
        """The object that `krohn accuracy --json` prints, read."""
        return dict(self._fields)

    @property
    def lengths(self) -> list[LengthAccuracy]:
        """One entry a length."""
        return [
            LengthAccuracy(
                each["length"],
                each["words"],
                Proportion(**each["position"]),
                Proportion(**each["last"]),
                Proportion(**each["sequence"]),
                each["sequence_chance"],
            )
            for each in self._fields["lengths"]
        ]

    @property
    def chance(self) -> float:
        """What guessing a label reaches."""
        return float(self._fields["chance"])

    def _cells(self) -> list[list[str]]:
        return [
            [str(each.length)] + [f"{p.value:.3f} [{p.low:.3f}, {p.high:.3f}]" for p in (each.position, each.last, each.sequence)]
            for each in self.lengths
        ]

    def __repr__(self) -> str:
        return "\n".join("  ".join(row) for row in [["length", "position", "last", "sequence"], *self._cells()])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> _display.Bundle:
        return {
            "text/plain": repr(self),
            "text/html": _display.grid(["length", "positions", "last label", "sequences"], self._cells()),
        }
