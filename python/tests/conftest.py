"""What the tests share: the data of the project's other tests, and the command line beside the package."""

from __future__ import annotations

import json
import os
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


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where every package is to be there, a test that is skipped has failed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("KROHN_REQUIRE_PACKAGES") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
