"""Progress of long calls: a function of (stage, done, total), or a tqdm bar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, runtime_checkable


@runtime_checkable
class Bar(Protocol):
    """What krohn needs of a progress bar; tqdm's have it."""

    n: Any
    total: Any

    def set_description(self, desc: str | None = None, refresh: bool | None = True) -> None: ...

    def refresh(self) -> Any: ...


Progress: TypeAlias = Callable[[str, float, float], object] | Bar | None
"""Called with the stage's name, the part done and the total (0 where it is not known), or a tqdm bar."""


def callback(progress: Progress) -> Callable[[str, float, float], object] | None:
    """The function that the compiled part calls."""
    if progress is None:
        return None
    if isinstance(progress, Bar):
        bar = progress

        def show(stage: str, done: float, total: float) -> None:
            if stage:
                bar.set_description(stage, refresh=False)
            if total > 0:
                bar.total, bar.n = int(total), int(done)
            bar.refresh()

        return show
    return progress
