"""The jobs, as functions of a model and a language: one function a command."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import _core
from ._errors import InputError
from ._language import Language, LanguageLike, _tell
from ._model import Model, ModelLike, as_model, open_arrays, open_model
from ._progress import Progress, callback
from ._results import Accuracy, CheckResult, ExportResult, ExtractResult, HardenResult, RefuteResult, SearchResult


def compile(
    language: LanguageLike,
    *,
    cascade: str = "auto",
    delay: str = "read-before",
    resets: str = "auto",
    spectrum: str = "any",
    keys: str = "integer",
    representation: str = "auto",
    family: str = "any",
    semantics: str = "fp32",
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
        representation: Of group languages: permutation, rotation, scalar, dimension, reflections, or auto; rotation
            also of levels of a cascade that turn a polygon.
        family: What a token's matrix may be: any, gated_deltaproduct (zero gates as resets), kda (signed gates),
            rwkv7-widened (a letter moves one state or swaps two) or pd (column one-hot matrices).
        semantics: The arithmetic that it is made for and run in: fp32, fp16, bf16, int8-wrap, int8-saturate, int16-wrap,
            int16-saturate, or a name of docs/semantics.md. Integers wrap or saturate at the ends of their range.
        max_rows: Rows of all layers together.
        max_family: Sets that a cascade may enumerate.
        progress: Told the stages.

    Returns:
        A model that gives every word the label that the language gives it.

    Raises:
        InputError: Where the options ask for what the language does not have, and where a number that the model stores
            is no integer of the range that `semantics` names.
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
        family,
        semantics,
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
    failing: bool = True,
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
        device: Where words run that are tried or drawn many at once: auto, cpu, cuda, or numbers as in cuda:0,1.
        failing: Of a model that is refuted, look for more words on which it fails, around the one that refutes, for
            some seconds at most: `CheckResult.failing`.
        progress: Told the methods, and how far a search has come.

    Warns:
        Note: Where the language is a word problem and the model agrees with the other order of the product.

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
        failing=failing,
        progress=progress,
    )


def extract(
    model: ModelLike,
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
    """Finds the automaton that a model implements: proved, or right up to a length, or a hypothesis.

    Args:
        model: A model, or the directory of one.
        compare: A language to compare it with.
        hypothesis: An automaton to try first, such as that of the model's hardened form; it is checked, not believed.
        up_to: Where nothing is proved for all lengths: be right on all words up to this length.
        max_states: Of a hypothesis.
        extra_states: The W-method covers models of so many states more than the hypothesis.
        time_limit: Seconds, then the best so far; None for none.
        memory: Bytes that a search may hold.
        device: Where words run that are asked many at once: auto, cpu, cuda, or numbers as in cuda:0,1.
        threads: Of the CPU; 0 takes one a core.

    Raises:
        InputError: Where symbols or labels do not match.
        NumericError: Where a word that was asked ends in NaN or infinity.
    """
    return as_model(model).extract(
        compare,
        hypothesis=hypothesis,
        up_to=up_to,
        max_states=max_states,
        extra_states=extra_states,
        time_limit=time_limit,
        memory=memory,
        device=device,
        threads=threads,
        progress=progress,
    )


def export(
    source: Model | LanguageLike,
    path: str | os.PathLike[str],
    *,
    to: str = "fla",
    architecture: str | None = None,
    keys: str | None = None,
    max_parameters: int = 100_000_000,
    force: bool = False,
    progress: Progress = None,
) -> ExportResult:
    """Writes a language, or a compiled model, as weights that other programs run.

    Args:
        source: A language, or a model that krohn compiled, or the directory of one.
        path: The folder to write; of dense arrays the file.
        to: fla (a folder that flash-linear-attention and transformers load), dense (a safetensors file of dense
            arrays), or torch (a folder with a PyTorch module in one file and these arrays).
        architecture: Of fla: delta_net, gated_deltanet, gated_deltaproduct, kda, or auto (the default): the first of
            the first three that runs the language a level a layer. A compiled model is compiled again from its
            automaton.
        keys: Of dense and torch, of a language: dyadic unit keys (the default), or integer.
        max_parameters: The largest export, in numbers.
        force: Replace an existing folder that holds an export.

    Raises:
        InputError: Where the architecture cannot run the language, with the theorem; for a checkpoint; for options that
            do not fit together.
        ResourceError: Past `max_parameters`, with the size.
    """
    if to not in ("fla", "dense", "torch"):
        raise InputError(f"to: expected one of fla, dense, torch, got '{to}'")
    for name, value, wrong in (
        ("keys", keys, to == "fla"),
        ("architecture", architecture, to != "fla"),
    ):
        if value is not None and wrong:
            raise InputError(f"{name}: expected none with to='{to}', got '{value}'")
    if force and to == "dense":
        raise InputError("force: expected False with to='dense', got True")
    model: Model | None = None
    if isinstance(source, Model):
        model = source
    elif isinstance(source, (str, os.PathLike)) and os.path.isdir(source):
        model = open_model(source)
    if model is not None:
        if not model.is_compiled:
            raise InputError(
                f"{model.name}: expected a language or a model that krohn compiled, got a checkpoint of model_type "
                f"{model.architecture}"
            )
        if keys is not None:
            raise InputError(f"keys: expected none beside a model, got '{keys}'")
    target = os.fspath(path)
    if to == "fla":
        language = Language(source) if model is None else model.language  # type: ignore[arg-type]
        if language is None:
            raise InputError(f"{target}: expected a model with its automaton, got one without")
        return ExportResult(
            _core.export_fla(
                language._dfa, language.name, target, architecture or "auto", max_parameters, force, callback(progress)
            )
        )
    text, notes = _core.export_arrays(
        None if model is None else model._core,
        Language(source)._dfa if model is None else None,  # type: ignore[arg-type]
        to,
        target,
        keys or "dyadic",
        max_parameters,
        force,
        callback(progress),
    )
    _tell(notes)
    return ExportResult(text)


def harden(
    model: ModelLike,
    language: LanguageLike | None = None,
    *,
    time_limit: float | None = 60.0,
    max_codes: int = 256,
    method: str = "codes",
    progress: Progress = None,
) -> HardenResult:
    """Snaps a model's state to a few codes after every token, and proves what comes of it.

    Args:
        model: A checkpoint with a task, a compiled model that drifts (rotations), or the directory of one.
        language: By default the one of the task, or the one that was compiled.
        time_limit: Seconds for all of it.
        max_codes: Codes of a unit at most.
        method: codes: states of the model, found by refinement; grid: the points of a uniform grid (checkpoints).
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
        device: auto, cpu, cuda, or numbers as in cuda:0,1.
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
        device: auto, cpu, cuda, or numbers as in cuda:0,1.
        threads: Of the CPU; 0 takes one a core.
        progress: Told the words tried and how many there are.
    """
    return as_model(model).search(
        language, up_to=up_to, time_limit=time_limit, device=device, threads=threads, progress=progress
    )
