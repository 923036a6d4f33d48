"""Searches, samples and scoreboards spread over a Dask cluster; the result is byte for byte that of one machine.

Any `distributed.Client` will do: a `LocalCluster`, Slurm, LSF or PBS by dask-jobqueue, Kubernetes by dask-kubernetes.
Parts whose worker is lost are done again, and a directory keeps finished parts, so that an ended search goes on.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from . import _core
from ._errors import InputError, ResourceError
from ._language import Language, LanguageLike
from ._model import Model, ModelLike, as_model
from ._progress import Progress, callback
from ._results import Accuracy, SampleResult, SearchResult

if TYPE_CHECKING:
    from distributed import Client

_T = TypeVar("_T")

# The generator of the samples is started at seed + i * this for word i (verify/sample.hpp).
_GOLDEN = 0x9E3779B97F4A7C15


def search(
    client: Client,
    model: ModelLike,
    language: LanguageLike | None = None,
    *,
    up_to: int,
    parts: int | None = None,
    directory: str | os.PathLike[str] | None = None,
    device: str = "auto",
    threads: int = 1,
    attempts: int = 10,
    progress: Progress = None,
) -> SearchResult:
    """Tries every word up to a length, in parts.

    Args:
        client: Of the cluster.
        model: A model (a checkpoint must be one of files that the workers see too).
        language: By default the one that comes with the model.
        up_to: The longest words' length.
        parts: How many; by default eight for each thread of the cluster. The result does not depend on it.
        directory: Where finished parts are kept, on a disk that the workers need not see; a search that was ended goes
            on from there. What `krohn search --report` wrote is read too, and `krohn merge` joins the files.
        device: Of each part: auto, cpu, cuda, or numbers as in cuda:0,1.
        threads: CPU threads of each part; Dask runs one part a thread.
        attempts: How often a part may be lost with its worker before the search gives up.
        progress: Told parts done and in all.

    Raises:
        InputError: Where the directory holds parts of another search.
        ResourceError: Where a part was lost too often.
    """
    opened = as_model(model)
    asked = None if language is None else Language(language)
    count = parts or 8 * _threads(client)
    if count < 1:
        raise InputError(f"parts: expected at least 1, got {parts}")
    folder = None if directory is None else Path(directory)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)

    def name(part: int) -> str:
        return f"part-{part:0{len(str(count))}}-of-{count}.json"

    texts: dict[int, str] = {}
    # A part that settles nothing names the search that all parts must be of.
    identity: tuple[Any, ...] | None = None
    for part in range(1, count + 1) if folder is not None else ():
        assert folder is not None
        path = folder / name(part)
        if not path.exists():
            continue
        text = path.read_text(encoding="utf-8")
        model_print, language_print, semantics, longest, index, total, over = _core.search_part_state(text, str(path))
        if identity is None:
            identity = _identity(opened, asked, up_to)
        if (model_print, language_print, semantics, longest, index + 1, total) != (*identity, part, count):
            raise InputError(f"{path}: expected part {part} of {count} of this search, got another")
        if over:
            texts[part] = text

    def keep(part: int, text: str) -> None:
        texts[part] = text
        if folder is not None:
            with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="utf-8") as file:
                file.write(text)
            os.replace(file.name, folder / name(part))

    todo = {
        part: (_search_part, opened, asked, up_to, part, count, device, threads)
        for part in range(1, count + 1)
        if part not in texts
    }
    _run(client, todo, keep, attempts, count, progress)
    order = sorted(texts)
    return SearchResult(_core.merge_search_parts([texts[part] for part in order], [name(part) for part in order]))


def _identity(model: Model, language: Language | None, up_to: int) -> tuple[str, str, str, int]:
    """Model, language, semantics and length, from a part that is ended before it begins."""
    text = model.search_part(language, up_to=up_to, time_limit=0.0)
    model_print, language_print, semantics, longest, *_ = _core.search_part_state(text, "search")
    return model_print, language_print, semantics, longest


def _search_part(
    model: Model, language: Language | None, up_to: int, part: int, parts: int, device: str, threads: int
) -> str:
    return model.search_part(language, up_to=up_to, part=part, parts=parts, device=device, threads=threads)


def sample(
    client: Client,
    model: ModelLike,
    language: LanguageLike | None = None,
    *,
    words: int = 100_000,
    max_length: int = 256,
    seed: int = 0,
    confidence: float = 0.99,
    parts: int | None = None,
    device: str = "auto",
    attempts: int = 10,
    progress: Progress = None,
) -> SampleResult:
    """Draws random words in parts: the words, and so the result, are those of `Model.sample` with this seed.

    Args:
        client: Of the cluster.
        model: A model.
        language: By default the one that comes with the model.
        words: In all.
        max_length: Lengths are uniform from 1 to this.
        seed: Word i does not depend on the others.
        confidence: Of the bound.
        parts: How many; by default eight for each thread of the cluster.
        device: Of each part.
        attempts: How often a part may be lost with its worker.
        progress: Told parts done and in all.
    """
    opened = as_model(model)
    asked = None if language is None else Language(language)
    if words < 1:
        raise InputError(f"words: expected at least 1, got {words}")
    count = min(words, parts or 8 * _threads(client))
    firsts = [words * part // count for part in range(count + 1)]
    results: dict[int, SampleResult] = {}
    todo = {
        part: (
            _sample_part, opened, asked, firsts[part + 1] - firsts[part], max_length,
            (seed + firsts[part] * _GOLDEN) % 2**64, confidence, device,
        )
        for part in range(count)
    }  # fmt: skip
    _run(client, todo, results.__setitem__, attempts, count, progress)
    drawn = labelled = 0
    for part in range(count):
        drawn += results[part].drawn
        labelled += results[part].labelled
        if results[part].word is not None:
            return SampleResult(words, drawn, labelled, results[part].word, None)
    return SampleResult(words, drawn, labelled, None, _core.sample_bound(words, confidence) if labelled else None)


def _sample_part(
    model: Model, language: Language | None, words: int, max_length: int, seed: int, confidence: float, device: str
) -> SampleResult:
    return model.sample(language, words=words, max_length=max_length, seed=seed, confidence=confidence, device=device)


def scoreboard(
    client: Client,
    models: Mapping[str, ModelLike],
    language: LanguageLike | None = None,
    *,
    lengths: str = "16..512",
    words: int = 512,
    seed: int = 0,
    device: str = "auto",
    attempts: int = 10,
    progress: Progress = None,
) -> dict[str, Accuracy]:
    """Measures the accuracy of many models, each on a worker: what `krohn.accuracy` gives, by name.

    Args:
        client: Of the cluster.
        models: By name.
        language: By default, of each model the one that comes with it.
        lengths: As of `krohn.accuracy`.
        words: Of each length.
        seed: Of the words, which are the same for all.
        device: Of each model.
        attempts: How often a model may be lost with its worker.
        progress: Told models done and in all.
    """
    asked = None if language is None else Language(language)
    results: dict[str, str] = {}
    todo = {name: (_accuracy, as_model(model), asked, lengths, words, seed, device) for name, model in models.items()}
    _run(client, todo, results.__setitem__, attempts, len(todo), progress)
    return {name: Accuracy(results[name]) for name in models}


def _accuracy(model: Model, language: Language | None, lengths: str, words: int, seed: int, device: str) -> str:
    return model.accuracy(language, lengths=lengths, words=words, seed=seed, device=device).json


@lru_cache(maxsize=4)
def _unpacked(model: bytes) -> Model:
    opened: Model = pickle.loads(model)
    return opened


def _on_worker(function: Callable[..., _T], model: bytes, *rest: Any) -> _T:
    return function(_unpacked(model), *rest)


def _threads(client: Any) -> int:
    """Of the whole cluster, at least 1."""
    return max(1, sum(int(threads) for threads in client.nthreads().values()))


def _run(
    client: Any,
    todo: Mapping[Any, tuple[Any, ...]],
    keep: Callable[[Any, Any], object],
    attempts: int,
    count: int,
    progress: Progress,
) -> None:
    """Runs the tasks, a lost one again, and hands over each result as it comes. On an error the others are cancelled."""
    from concurrent.futures import CancelledError

    from distributed import client as dask
    from distributed.scheduler import KilledWorker

    as_completed: Any = dask.as_completed
    tell = callback(progress) or (lambda stage, done, total: None)
    lost = dict.fromkeys(todo, 0)
    done = count - len(todo)
    tell("parts", done, count)
    # A model goes with each task, as bytes: what is scattered may be lost with the workers that hold it.
    packed: dict[int, bytes] = {}

    def submit(key: Any) -> Any:
        function, model, *rest = todo[key]
        if id(model) not in packed:
            packed[id(model)] = pickle.dumps(model)
        # A key of its own each time: Dask keeps the verdict on a key whose workers died.
        return client.submit(_on_worker, function, packed[id(model)], *rest, pure=False)

    pending = {submit(key): key for key in todo}
    results: Any = as_completed(list(pending))
    try:
        for future in results:
            key = pending.pop(future)
            try:
                value = future.result()
            except (KilledWorker, CancelledError) as error:
                lost[key] += 1
                if lost[key] >= attempts:
                    raise ResourceError(
                        f"part {key}: lost {lost[key]} times with its worker ({error}); try more attempts, or look at the "
                        "workers' logs"
                    ) from error
                again = submit(key)
                pending[again] = key
                results.add(again)
                continue
            keep(key, value)
            done += 1
            tell("parts", done, count)
    finally:
        if pending:
            client.cancel(list(pending))
