"""Models: compiled, or trained checkpoints, with a task or without."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from . import _core, _display
from ._errors import InputError
from ._language import Language, LanguageLike, Word, _tell
from ._progress import Progress, callback
from ._results import (
    Accuracy,
    CheckResult,
    ExtractResult,
    HardenResult,
    RefuteResult,
    SampleResult,
    SearchResult,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ._spectrum import Spectrum

Words: TypeAlias = "npt.NDArray[Any] | Iterable[Word]"
"""An integer array [words, length] of symbol numbers, or an iterable of words."""

ModelLike: TypeAlias = "Model | str | os.PathLike[str]"
"""A model, or the directory of one."""


@dataclass(frozen=True)
class Answers(Sequence[Any]):
    """What a model answers to words. As a sequence: the label of each word.

    Attributes:
        indices: int32, numbers of labels; -1 where the readout ties. [words], or after every symbol and before the
            first [words, length + 1] where all words are of one length, else flat, word after word.
        margins: float32 like indices, or None: the winning score less the runner-up's.
        offsets: uint64 [words + 1]: word i has the flat entries offsets[i] to offsets[i + 1].
        label_names: The label of each number.
        device: What ran.
        semantics: In which arithmetic.
    """

    indices: npt.NDArray[np.int32]
    margins: npt.NDArray[np.float32] | None
    offsets: npt.NDArray[np.uint64]
    label_names: tuple[str, ...]
    device: str
    semantics: str

    def _name(self, index: int) -> str:
        return "?" if index < 0 else self.label_names[index]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(f"expected a word from 0 to {len(self) - 1}, got {index}")
        flat = self.indices.reshape(-1)[int(self.offsets[number]) : int(self.offsets[number + 1])]
        return self._name(int(flat[-1]))

    def at_all_positions(self, index: int) -> list[str]:
        """The labels of a word before its first symbol and after each, where they were asked for."""
        flat = self.indices.reshape(-1)[int(self.offsets[index]) : int(self.offsets[index + 1])]
        return [self._name(int(i)) for i in flat]

    def __repr__(self) -> str:
        shown = ", ".join(self[:12]) + (", .." if len(self) > 12 else "")
        return f"<krohn.Answers: {shown} ({self.semantics}, {self.device})>"


@dataclass(frozen=True)
class Layer:
    """A compiled layer in dense form: one row for each thing that a token can do to the hidden state H [d, v].

    H becomes diag(gate) H, then for each factor H += k (beta (value - r^T H)), then H += write.

    Attributes:
        keys: float32 [rows, n_h, d], k of each factor; rows with fewer factors are filled with zeros.
        reads: float32 [rows, n_h, d], r of each factor: its key, but in models of the families rwkv7-widened and pd.
        betas: float32 [rows, n_h].
        values: float32 [rows, n_h, v].
        gates: float32 [rows, d].
        writes: float32 [rows, d, v].
        initial: float32 [d, v], H before the first symbol.
        row_action: uint32: the row of each thing that the layer can read.
        reads_before: Whether the layer's slot is read before the update.
        codes: float32 [codes, d, v], to which H is snapped after the update; None in a model without codes.
        symbol_rows: Of the first layer, int32: the row of each symbol, in the alphabet's order; else None.
    """

    keys: npt.NDArray[np.float32]
    reads: npt.NDArray[np.float32]
    betas: npt.NDArray[np.float32]
    values: npt.NDArray[np.float32]
    gates: npt.NDArray[np.float32]
    writes: npt.NDArray[np.float32]
    initial: npt.NDArray[np.float32]
    row_action: npt.NDArray[np.uint32]
    reads_before: bool
    codes: npt.NDArray[np.float32] | None
    symbol_rows: npt.NDArray[np.int32] | None


class Model:
    """A model: compiled from a language, or a trained checkpoint.

    Made by `krohn.compile`, `krohn.open_model` and `krohn.open_checkpoint`. Without a task, which says what a
    checkpoint's tokens and logits mean, it has spectra and logits only.
    """

    def __init__(self, core: _core.Model, origin: tuple[Any, ...] | None = None) -> None:
        self._core = core
        # What opens it again: the arguments of open_model.
        self._origin = origin

    def __reduce__(self) -> tuple[Any, ...]:
        if self._origin is not None:
            return (_open_again, self._origin)
        if not self.is_compiled:
            raise InputError(f"{self.name}: expected a model of files to send elsewhere, got a checkpoint from memory")
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model")
            self.save(path)
            files = {}
            for name in sorted(os.listdir(path)):
                with open(os.path.join(path, name), "rb") as file:
                    files[name] = file.read()
        return (_from_files, (files, self.semantics))

    # ---- what it is ---------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """What it was made of or where it lies."""
        return self._core.name

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the checkpoint should know although it is no error."""
        return tuple(self._core.notes)

    @property
    def is_compiled(self) -> bool:
        """Whether krohn made it."""
        return not self._core.is_learned

    @property
    def architecture(self) -> str | None:
        """Of a checkpoint."""
        return self._core.architecture

    @property
    def num_parameters(self) -> int | None:
        """Of a checkpoint."""
        return self._core.num_parameters

    @property
    def num_layers(self) -> int:
        """Layers with a state."""
        return self._core.num_layers

    @property
    def has_task(self) -> bool:
        """Whether it answers words; compiled models do."""
        return self._core.has_task

    @property
    def alphabet(self) -> tuple[str, ...]:
        """The symbols, in their order."""
        return tuple(self._core.alphabet)

    @property
    def labels(self) -> tuple[str, ...]:
        """What it can answer."""
        return tuple(self._core.label_names)

    @property
    def semantics(self) -> str:
        """The arithmetic that it is run in (docs/semantics.md)."""
        return self._core.semantics

    @property
    def fingerprint(self) -> str:
        """The identity of the model as a function, 64 hexadecimal digits."""
        return self._core.fingerprint

    @property
    def language(self) -> Language | None:
        """The language that comes with it; words outside its domain have the label None."""
        dfa = self._core.own_language()
        return None if dfa is None else Language._of(dfa, self.name)

    @property
    def exact(self) -> bool | None:
        """Of a compiled model: whether every step is exact in fp32, fp16 and bf16."""
        return self._core.exact

    @property
    def horizon(self) -> int | None:
        """Of an inexact compiled model: the length up to which it is right in fp32."""
        return self._core.horizon

    @property
    def report(self) -> dict[str, Any]:
        """What `krohn compile --json` says; empty for a model that was opened."""
        return dict(json.loads(self._core.report)) if self._core.report else {}

    def layer(self, index: int) -> Layer:
        """The tables of a compiled layer, as dense arrays.

        Raises:
            InputError: For a checkpoint, and for a layer that there is not.
        """
        return Layer(**self._core.layer(index))  # type: ignore[arg-type]

    # ---- other forms --------------------------------------------------------------------------------------------

    def in_format(self, format: str) -> Model:
        """The same compiled model in another arithmetic: "fp32", "fp16", "bf16", "int8-wrap", "int8-saturate",
        "int16-wrap", "int16-saturate", or a name of docs/semantics.md.

        Raises:
            InputError: Of integers, where a number that the model stores is none, or not in their range.
        """
        return Model(self._core.in_format(format), self._origin and (self._origin[0], format, *self._origin[2:]))

    def with_task(self, task: Mapping[str, Any] | str | os.PathLike[str]) -> Model:
        """The same checkpoint on another task: a mapping as task.json has it, or that file."""
        text, source = task_text(task)
        return Model(self._core.with_task(text, source), self._origin and (*self._origin[:2], text, source, *self._origin[4:]))

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Writes a compiled model as a directory, which is opened in the same arithmetic."""
        self._core.save(os.fspath(path), force)

    # ---- running ------------------------------------------------------------------------------------------------

    def run(
        self,
        words: Words,
        *,
        all_positions: bool = False,
        margins: bool = False,
        device: str = "auto",
        threads: int = 0,
        progress: Progress = None,
    ) -> Answers:
        """Answers many words.

        Args:
            words: An integer array [words, length] of symbol numbers, or an iterable of words, each a string or a
                sequence of symbols. An array of 32 bits whose words are contiguous is not copied; it must not be
                changed meanwhile.
            all_positions: The label before the first symbol and after each, instead of the last one only.
            margins: How far the readout was from another label.
            device: auto, cpu, cuda, or numbers as in cuda:0,1: the labels are the same bits.
            threads: Of the CPU; 0 takes one a core.
        """
        result: Any = self._core.run(words, all_positions, margins, device, threads, callback(progress))
        indices, margin, offset = result["labels"], result["margins"], result["offset"]
        count = len(offset) - 1
        if all_positions and count and len(indices) % count == 0:
            width = len(indices) // count
            if all(int(offset[i]) == i * width for i in range(count)):
                indices = indices.reshape(count, width)
                margin = None if margin is None else margin.reshape(count, width)
        return Answers(indices, margin, offset, self.labels, result["device"], result["semantics"])

    def label(self, word: Word) -> str:
        """The label of one word; "?" where the readout ties."""
        return str(self.run([word])[0])

    def carried(self, word: Word) -> npt.NDArray[np.uint32]:
        """The bits carried behind a word, uint32; of a compiled model the hidden states of its layers, binary32
        (of integers as well)."""
        bits: Any = self._core.carried(word)
        return bits  # type: ignore[no-any-return]

    def logits(self, tokens: Iterable[int]) -> npt.NDArray[np.float32]:
        """The logits of a checkpoint behind each of the tokens, float32 [tokens, logits], in krohn's arithmetic."""
        values: npt.NDArray[np.float32] = self._core.logits([int(token) for token in tokens])
        return values

    # ---- the jobs -----------------------------------------------------------------------------------------------

    def check(
        self,
        language: LanguageLike | None = None,
        *,
        up_to: int | None = None,
        time_limit: float | None = 60.0,
        memory: int = 4 << 30,
        exhaustive: int | None = None,
        samples: int = 1000,
        sample_length: int = 256,
        seed: int = 0,
        device: str = "auto",
        failing: bool = True,
        progress: Progress = None,
    ) -> CheckResult:
        """Decides whether the model recognises a language: `krohn.check`."""
        asked = None if language is None else Language(language)
        core = self._core.check(
            None if asked is None else asked._dfa,
            "" if asked is None else asked.name,
            up_to,
            time_limit,
            memory,
            exhaustive,
            samples,
            sample_length,
            seed,
            device,
            failing,
            callback(progress),
        )
        if core.hint is not None:
            _tell([core.hint])
        return CheckResult(core, self._core.directory, "" if asked is None else asked.name)

    def extract(
        self,
        compare: LanguageLike | None = None,
        *,
        hypothesis: LanguageLike | None = None,
        up_to: int | None = None,
        max_states: int = 256,
        extra_states: int = 1,
        time_limit: float | None = 60.0,
        memory: int = 4 << 30,
        device: str = "auto",
        threads: int = 0,
        progress: Progress = None,
    ) -> ExtractResult:
        """Finds the automaton that the model implements: `krohn.extract`."""
        asked = None if compare is None else Language(compare)
        return ExtractResult(
            _core.extract(
                self._core,
                None if asked is None else asked._dfa,
                "" if asked is None else asked.name,
                None if hypothesis is None else Language(hypothesis)._dfa,
                up_to,
                max_states,
                extra_states,
                time_limit,
                memory,
                device,
                threads,
                callback(progress),
            ),
            self.name,
        )

    def harden(
        self,
        language: LanguageLike | None = None,
        *,
        time_limit: float | None = 60.0,
        max_codes: int = 256,
        method: str = "codes",
        progress: Progress = None,
    ) -> HardenResult:
        """Snaps the state to a few codes and proves what comes of it: `krohn.harden`."""
        asked = None if language is None else Language(language)
        core = self._core.harden(None if asked is None else asked._dfa, time_limit, max_codes, method, callback(progress))
        hardened = core.model()
        return HardenResult(
            core,
            None if hardened is None else Model(hardened),
            self._core.directory,
            "" if asked is None else asked.name,
        )

    def refute(
        self,
        theorem: str = "parity",
        *,
        symbol: str | None = None,
        format: str | None = None,
        max_steps: int | None = None,
        progress: Progress = None,
    ) -> RefuteResult:
        """Shows where the model breaks that an impossibility theorem covers: `krohn.refute`."""
        core = self._core.refute(theorem, symbol, format, max_steps, callback(progress))
        return RefuteResult(core, self._core.directory)

    def accuracy(
        self,
        language: LanguageLike | None = None,
        *,
        lengths: str | Iterable[int] = "16..512",
        words: int = 512,
        seed: int = 0,
        weights: Sequence[float] = (),
        device: str = "auto",
        progress: Progress = None,
    ) -> Accuracy:
        """Measures shares of right answers by length: `krohn.accuracy`."""
        asked = None if language is None else Language(language)._dfa
        chosen = _core.parse_lengths(lengths) if isinstance(lengths, str) else [int(length) for length in lengths]
        return Accuracy(
            self._core.accuracy(asked, chosen, words, seed, [float(w) for w in weights], device, callback(progress))
        )

    def search(
        self,
        language: LanguageLike | None = None,
        *,
        up_to: int,
        time_limit: float | None = None,
        device: str = "auto",
        threads: int = 0,
        progress: Progress = None,
    ) -> SearchResult:
        """Tries every word up to a length: `krohn.search`."""
        part = self.search_part(language, up_to=up_to, time_limit=time_limit, device=device, threads=threads, progress=progress)
        return SearchResult(_core.merge_search_parts([part], ["search"]))

    def search_part(
        self,
        language: LanguageLike | None = None,
        *,
        up_to: int,
        part: int = 1,
        parts: int = 1,
        earlier: str | None = None,
        time_limit: float | None = None,
        device: str = "auto",
        threads: int = 0,
        progress: Progress = None,
    ) -> str:
        """Part `part` of `parts` (from 1) of such a search: the text of the report that `krohn merge` joins.

        `earlier` is the text that an ended run of the same part left; it goes on from there.
        """
        asked = None if language is None else Language(language)._dfa
        return self._core.search_part(
            asked, up_to, part - 1, parts, earlier, time_limit, device, threads, callback(progress)
        )

    def sample(
        self,
        language: LanguageLike | None = None,
        *,
        words: int = 1000,
        max_length: int = 256,
        seed: int = 0,
        confidence: float = 0.99,
        device: str = "auto",
        progress: Progress = None,
    ) -> SampleResult:
        """Draws random words, of uniform length from 1 to `max_length` and uniform symbols, until one is answered wrongly."""
        asked = None if language is None else Language(language)._dfa
        found: Any = self._core.sample(asked, words, max_length, seed, confidence, device, callback(progress))
        return SampleResult(words, **found)

    def spectrum(self, *, words: int = 16, length: int = 64, seed: int = 0, progress: Progress = None) -> Spectrum:
        """The eigenvalues of the matrices A(x_t) that a checkpoint makes of its tokens, alone and along random words.

        Of a hybrid, a model with attention between its linear layers, those of the linear layers on random directions.
        """
        from ._spectrum import Spectrum

        heads, svg = self._core.spectrum(words, length, seed, self.name, callback(progress))
        return Spectrum._of_heads(heads, svg, self.name)

    # ---- display ------------------------------------------------------------------------------------------------

    def _rows(self) -> list[tuple[str, str]]:
        rows = [("model", self.name)]
        if self.is_compiled:
            report = self.report
            if report:
                rows += [("levels", f"{report['levels']} ({report['mode']}), bound {report['linear_bound']}")]
            rows += [("layers", str(self.num_layers))]
            exact = "exact at every length" if self.exact else f"right up to length {self.horizon}" if self.horizon else "inexact"
            rows += [("arithmetic", exact)]
        else:
            rows += [("architecture", f"{self.architecture}, {self.num_layers} layers, {self.num_parameters} parameters")]
        if self.has_task:
            rows += [
                ("symbols", _display.shorten(" ".join(self.alphabet))),
                ("labels", _display.shorten(" ".join(self.labels))),
                ("semantics", self.semantics),
            ]
        else:
            rows.append(("task", "none: spectra and logits only"))
        return rows

    def __repr__(self) -> str:
        kind = "compiled" if self.is_compiled else str(self.architecture)
        return f"<krohn.Model {self.name!r}: {kind}, {self.num_layers} layers>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> _display.Bundle:
        return {"text/plain": repr(self), "text/html": _display.table(self._rows())}


def as_model(model: ModelLike) -> Model:
    """The model itself, or the one that lies there."""
    return model if isinstance(model, Model) else open_model(model)


def open_model(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    task: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    fla_version: str | None = None,
    progress: Progress = None,
) -> Model:
    """Opens the directory of a compiled model or of a checkpoint.

    Args:
        path: The directory.
        format: Of a compiled model: fp32, fp16, bf16, int8-wrap, int8-saturate, int16-wrap, int16-saturate, or a name
            of docs/semantics.md; by default its own.
        task: Of a checkpoint: a mapping as task.json has it, or that file, in place of the task.json beside it.
        fla_version: Of a checkpoint: the version of flash-linear-attention that it was trained with, where options
            changed their meaning.

    Raises:
        InputError: With every problem of the directory.
    """
    text, source = (None, "") if task is None else task_text(task)
    core = _core.open_model(os.fspath(path), format, text, source, _version(fla_version), callback(progress))
    _tell(core.notes)
    return Model(core, (os.path.abspath(path), format, text, source, fla_version))


def _open_again(path: str, format: str | None, text: str | None, source: str, fla_version: str | None) -> Model:
    core = _core.open_model(path, format, text, source, _version(fla_version), None)
    return Model(core, (path, format, text, source, fla_version))


def _from_files(files: Mapping[str, bytes], semantics: str) -> Model:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)
        return Model(_core.open_model(folder, semantics, None, "", None, None))


def open_arrays(
    arrays: Mapping[str, Any],
    config: Mapping[str, Any] | str | os.PathLike[str],
    *,
    name: str = "model",
    task: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    fla_version: str | None = None,
    progress: Progress = None,
) -> Model:
    """A checkpoint out of arrays in memory; what has a buffer or speaks DLPack is read where it lies."""
    if isinstance(config, Mapping):
        config_text = json.dumps(dict(config), default=str)
    else:
        with open(config, encoding="utf-8") as file:
            config_text = file.read()
    text, source = (None, "") if task is None else task_text(task)
    core = _core.open_arrays(
        config_text, name, dict(arrays), text, source, _version(fla_version), callback(progress)
    )
    _tell(core.notes)
    return Model(core)


def task_text(task: Mapping[str, Any] | str | os.PathLike[str]) -> tuple[str, str]:
    """The text of a task and what it is called in messages."""
    if isinstance(task, Mapping):
        value = dict(task)
        language = value.get("automaton")
        if isinstance(language, Language):
            value["automaton"] = json.loads(language.text(".json"))
        return json.dumps(value), "task"
    path = os.fspath(task)
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(), path
    except OSError as error:
        raise InputError(f"{path}: expected a task file, got {error.strerror}") from error


def _version(text: str | None) -> tuple[int, int, int] | None:
    if text is None:
        return None
    parts = text.split(".")
    if not 2 <= len(parts) <= 3 or not all(part.isdigit() for part in parts):
        raise InputError(f"fla_version: expected a version such as 0.5.2, got '{text}'")
    major, minor, patch = [*map(int, parts), 0][:3]
    return major, minor, patch
