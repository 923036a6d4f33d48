"""What krohn raises: one type an exit code of the command line, with the same messages."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PROBLEM = re.compile(r"^(?P<where>.*?)(?:: )?expected (?P<expected>.*?)(?:, got:? (?P<got>.*))?$", re.DOTALL)
_FILE_LINE = re.compile(r"^(?P<file>.*?):(?P<line>\d+)$")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input.

    Attributes:
        text: The whole message, as the command line prints it.
        file: The file, or what else the input is called; None where the message names none.
        line: The line in the file, from 1, where the message names one.
        field: The place in it: a JSON pointer, a tensor, an option; None where the message names none.
        expected: What was expected, or None where the message is of another form.
        got: What was there instead, or None.
    """

    text: str
    file: str | None = None
    line: int | None = None
    field: str | None = None
    expected: str | None = None
    got: str | None = None

    @classmethod
    def parse(cls, text: str) -> Problem:
        """Takes "file:line: field: expected .., got .." apart."""
        match = _PROBLEM.match(text)
        if match is None:
            return cls(text)
        parts = match["where"].split(": ", 1) if match["where"] else []
        file = line = field = None
        if len(parts) == 2:
            file, field = parts
        elif len(parts) == 1:
            # One name alone is a file if it looks like one, else an argument.
            if "/" in parts[0] or re.search(r"\.\w+(:\d+)?$", parts[0]) or _FILE_LINE.match(parts[0]):
                file = parts[0]
            else:
                field = parts[0]
        if file is not None:
            numbered = _FILE_LINE.match(file)
            if numbered is not None:
                file, line = numbered["file"], int(numbered["line"])
        if field is not None and len(field) > 2 and field[0] == field[-1] == "'":
            field = field[1:-1]
        return cls(text, file, line, field, match["expected"], match["got"])


class KrohnError(Exception):
    """The base of everything that krohn raises."""


class InputError(KrohnError, ValueError):
    """A text, file, array or argument is wrong; every problem of it at once.

    Attributes:
        problems: Each problem, taken apart.
    """

    problems: tuple[Problem, ...]

    def __init__(self, problems: list[str] | str) -> None:
        self._texts = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self._texts))
        self.problems = tuple(Problem.parse(text) for text in self._texts)

    def __reduce__(self) -> tuple[type[InputError], tuple[list[str]]]:
        return (type(self), (self._texts,))

    @property
    def file(self) -> str | None:
        """Of the first problem."""
        return self.problems[0].file

    @property
    def field(self) -> str | None:
        """Of the first problem."""
        return self.problems[0].field

    @property
    def expected(self) -> str | None:
        """Of the first problem."""
        return self.problems[0].expected

    @property
    def got(self) -> str | None:
        """Of the first problem."""
        return self.problems[0].got


class NumericError(KrohnError, ArithmeticError):
    """A run met NaN or infinity: no label, and never a proof."""


class ResourceError(KrohnError, RuntimeError):
    """A cap, a budget, the disk or the memory is exhausted; the text says which, how far, and what to try."""


class DeviceError(KrohnError, RuntimeError):
    """A CUDA device is missing, or a call to it failed."""


class StoppedError(KrohnError, RuntimeError):
    """The work was ended from outside and has no partial result."""


class InternalError(KrohnError, AssertionError):
    """An invariant of krohn itself is broken: please report it."""
