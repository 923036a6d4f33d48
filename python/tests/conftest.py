"""What the tests share: the data of the project's other tests, and the command line beside the package."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parents[2] / "tests" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    return DATA


@pytest.fixture(scope="session")
def command():
    """Runs `python -m krohn` and reads what it prints as JSON."""

    def run(*arguments: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "krohn", *map(str, arguments), "--json"], capture_output=True, text=True, check=False
        )
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    return run
