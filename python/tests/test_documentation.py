"""The tutorial and the pages of the jobs, run as they stand; the notebooks, executed."""

from __future__ import annotations

import doctest
import sys
from pathlib import Path

import pytest

import krohn

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["tutorial.md", "jobs/compile.md", "jobs/check.md", "refute.md"])
def test_pages_say_what_happens(page, monkeypatch):
    if page == "tutorial.md":
        pytest.importorskip("aalpy")
    monkeypatch.chdir(ROOT)
    failed, tried = doctest.testfile(str(ROOT / "docs" / page), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert tried >= 4
    assert failed == 0


def test_docstrings_say_what_happens():
    pytest.importorskip("aalpy")
    import krohn.aalpy
    import krohn.torch

    tried = 0
    for module in (krohn, krohn._language, krohn.aalpy, krohn.torch):
        failed, some = doctest.testmod(module)
        assert failed == 0, module
        tried += some
    assert tried >= 8


@pytest.mark.parametrize("name", ["researcher", "designer", "teacher"])
def test_notebooks_run(name):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    if name == "researcher":
        pytest.importorskip("aalpy")
    sys.path.insert(0, str(ROOT / "tools" / "site"))
    import notebooks

    book = notebooks.executed(ROOT / "examples" / "notebooks" / f"{name}.ipynb")
    # What is committed has no outputs: they are made, not kept.
    committed = (ROOT / "examples" / "notebooks" / f"{name}.ipynb").read_text()
    assert '"image/svg+xml"' not in committed
    drawn = [o for cell in book["cells"] for o in cell.get("outputs", ()) if "image/svg+xml" in o.get("data", {})]
    assert drawn
