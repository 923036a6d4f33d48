"""`python -m krohn`: the command line, the program that lies beside this package."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn


def main() -> NoReturn:
    """Becomes the program, with the arguments that Python was given."""
    program = Path(__file__).with_name("bin") / "krohn"
    os.execv(program, ["krohn", *sys.argv[1:]])


if __name__ == "__main__":
    main()
