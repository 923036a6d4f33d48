"""What the tests share: the data of the project's other tests, and the command line beside the package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

DATA = Path(__file__).parents[2] / "tests" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    return DATA


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file whose tensors are all F32."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    arrays = {}
    for name, tensor in header.items():
        if name != "__metadata__":
            assert tensor["dtype"] == "F32"
            begin, end = (8 + length + offset for offset in tensor["data_offsets"])
            arrays[name] = np.frombuffer(data[begin:end], dtype=np.float32).reshape(tensor["shape"])
    return arrays


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


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where every package is to be there, a test that is skipped has failed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("KROHN_REQUIRE_PACKAGES") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
