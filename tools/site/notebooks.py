#!/usr/bin/env python3
"""Executes the notebooks under examples/notebooks, where they lie.

usage: notebooks.py [--html DIR]

An error in a cell ends it with exit code 1. With --html each is written as one page, to be looked at in a browser.
Needs nbclient and ipykernel; --html needs nbconvert.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "notebooks"


def executed(path: Path) -> Any:
    """The notebook with the outputs of this run; raises on the first error of a cell."""
    import nbclient
    import nbformat

    book = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    return book


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--html", type=Path)
    arguments = parser.parse_args()
    for path in sorted(FOLDER.glob("*.ipynb")):
        book = executed(path)
        cells = sum(cell["cell_type"] == "code" for cell in book["cells"])
        print(f"{path.relative_to(ROOT)}: {cells} cells executed")
        if arguments.html:
            import nbconvert

            for theme in ("light", "dark"):
                page, _ = nbconvert.HTMLExporter(theme=theme).from_notebook_node(book)
                arguments.html.mkdir(parents=True, exist_ok=True)
                (arguments.html / f"{path.stem}-{theme}.html").write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
