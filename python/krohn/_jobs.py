"""The jobs, as functions of a model and a language: one function a command."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import _core
from ._errors import InputError
from ._language import Language, LanguageLike
from ._model import Model, ModelLike, as_model, open_arrays, open_model
from ._progress import Progress, callback
from ._results import Accuracy, CheckResult, HardenResult, RefuteResult, SearchResult


def compile(
    language: LanguageLike,
    *,
    cascade: str = "auto",
    delay: str = "read-before",
    resets: str = "auto",
    spectrum: str = "any",
    keys: str = "integer",
    representation: str = "auto",
    max_rows: int = 2_000_000,
    max_family: int = 65536,
    progress: Progress = None,
) -> Model:
    """Compiles a regular language into an exact linear RNN.

    Args:
        language: A Language, or what `Language` takes.
        cascade: auto (the shallowest), R, Z or G.
        delay: How a layer tells the slot before the step: read-before its update, or a block that keeps it.
        resets: householder projections, a value register, hybrid (a zero gate), or auto: the smallest state.
        spectrum: Eigenvalues: any in [-1, 1], or nonnegative (aperiodic languages only).
        keys: integer, or dyadic unit keys on doubled coordinates.
        representation: Of group languages: permutation, rotation, scalar, dimension, reflections, or auto.
        max_rows: Rows of all layers together.
        max_family: Sets that a cascade may enumerate.
        progress: Told the stages.

    Returns:
        A model that gives every word the label that the language gives it.

    Raises:
        InputError: Where the options ask for what the language does not have.
        ResourceError: Past a cap.
    """
    asked = Language(language)
    core = _core.compile(
        asked._dfa,
        asked.name,
        cascade,
        delay,
        resets,
        spectrum,
        keys,
        representation,
        max_rows,
        max_family,
        callback(progress),
    )
    return Model(core)


def open_checkpoint(
    source: str | os.PathLike[str] | Mapping[str, Any] | Any,
    config: Mapping[str, Any] | str | os.PathLike[str] | Any = None,
    *,
    task: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    fla_version: str | None = None,
    progress: Progress = None,
) -> Model:
    """Opens a trained checkpoint: a directory, or a live PyTorch module or state dict, without files.

    Args:
        source: A directory with config.json and weights; a module, whose `state_dict()` is taken; or a mapping of
            names to tensors or arrays. Tensors on the CPU are read where they lie.
        config: Of a module or mapping: the options that config.json would have, with model_type, as a mapping, an
            object with `to_dict()`, or that file. By default the module's own `config`.
        task: What makes it a recogniser: a mapping as task.json has it (its "automaton" may be a Language), or that
            file. Without one, and without a task.json in the directory, the model has spectra and logits only.
        fla_version: The version of flash-linear-attention that the weights were trained with.

    Raises:
        InputError: With every problem of configuration, tensors and task: a tensor that is missing, has another shape
            or type, or is not called for is named.
    """
    if isinstance(source, (str, os.PathLike)):
        if config is not None:
            raise InputError("config: expected none beside a directory, which has its own")
        return open_model(source, task=task, fla_version=fla_version, progress=progress)
    if config is None:
        config = getattr(source, "config", None)
        if config is None:
            raise InputError("config: expected the options of config.json, got none, and the source has no config")
    state = source if isinstance(source, Mapping) else source.state_dict()
    if hasattr(config, "to_dict"):
        config = config.to_dict()
    return open_arrays(
        {name: _on_cpu(value) for name, value in state.items()},
        config,
        name=type(source).__name__,
        task=task,
        fla_version=fla_version,
        progress=progress,
    )


def _on_cpu(value: Any) -> Any:
    """A tensor as it can be looked into: detached, on the CPU, in C order; each step is none where it is so already."""
    return value.detach().cpu().contiguous() if hasattr(value, "detach") else value


def check(
    model: ModelLike,
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
    progress: Progress = None,
) -> CheckResult:
    """Decides whether a model recognises a language.

    Args:
        model: A model, or the directory of one.
        language: A Language, or what `Language` takes; by default the one that comes with the model.
        up_to: Ask only for the words up to this length.
        time_limit: Seconds, then the best verdict so far; None for none.
        memory: Bytes that a search may hold.
        exhaustive: If nothing cheaper settles it, try every word up to this length.
        samples: If nothing settles it, draw so many random words.
        sample_length: Their lengths: uniform from 1 to this.
        seed: Of the random words.
        device: Where words run that are tried or drawn many at once: auto, cpu or cuda.
        progress: Told the methods, and how far a search has come.

    Raises:
        InputError: Where symbols or labels do not match.
        NumericError: Where a reachable step gives NaN or infinity.
    """
    return as_model(model).check(
        language,
        up_to=up_to,
        time_limit=time_limit,
        memory=memory,
        exhaustive=exhaustive,
        samples=samples,
        sample_length=sample_length,
        seed=seed,
        device=device,
        progress=progress,
    )


def harden(
    model: ModelLike,
    language: LanguageLike | None = None,
    *,
    time_limit: float | None = 60.0,
    max_codes: int = 256,
    method: str = "codes",
    progress: Progress = None,
) -> HardenResult:
    """Snaps a trained model's state to a few codes after every token, and proves what comes of it.

    Args:
        model: A checkpoint with a task, or the directory of one.
        language: By default the one of the task.
        time_limit: Seconds for all of it.
        max_codes: Codes of a unit at most.
        method: codes: states of the model, found by refinement; grid: the points of a uniform grid.
    """
    return as_model(model).harden(language, time_limit=time_limit, max_codes=max_codes, method=method, progress=progress)


def refute(
    model: ModelLike,
    theorem: str = "parity",
    *,
    symbol: str | None = None,
    format: str | None = None,
    max_steps: int | None = None,
    progress: Progress = None,
) -> RefuteResult:
    """Shows where a model breaks that an impossibility theorem covers.

    Args:
        model: A model, or the directory of one.
        theorem: parity, or modular:m.
        symbol: The counted symbol; "1" by default.
        format: Of a compiled model: another arithmetic than its own.
        max_steps: For the orbit of the counted symbol.

    Raises:
        InputError: For a model outside the theorem's hypothesis.
    """
    return as_model(model).refute(theorem, symbol=symbol, format=format, max_steps=max_steps, progress=progress)


def accuracy(
    model: ModelLike,
    language: LanguageLike | None = None,
    *,
    lengths: str | Iterable[int] = "16..512",
    words: int = 512,
    seed: int = 0,
    weights: Sequence[float] = (),
    device: str = "auto",
    progress: Progress = None,
) -> Accuracy:
    """Measures a model's shares of right answers on random words.

    Args:
        model: A model, or the directory of one.
        language: By default the one that comes with the model.
        lengths: "A..B" (both ends and the powers of two between), "A..B:STEP", "N,N,..", or numbers.
        words: Of each length.
        seed: Of the words, which are the same everywhere.
        weights: How often each symbol is drawn, relative to the others.
        device: auto, cpu or cuda.
    """
    return as_model(model).accuracy(
        language, lengths=lengths, words=words, seed=seed, weights=weights, device=device, progress=progress
    )


def search(
    model: ModelLike,
    language: LanguageLike | None = None,
    *,
    up_to: int,
    time_limit: float | None = None,
    device: str = "auto",
    threads: int = 0,
    progress: Progress = None,
) -> SearchResult:
    """Tries every word up to a length, shorter ones first.

    Args:
        model: A model, or the directory of one.
        language: By default the one that comes with the model.
        up_to: The longest words' length.
        time_limit: Seconds, then what there is so far.
        device: auto, cpu or cuda.
        threads: Of the CPU; 0 takes one a core.
        progress: Told the words tried and how many there are.
    """
    return as_model(model).search(
        language, up_to=up_to, time_limit=time_limit, device=device, threads=threads, progress=progress
    )
