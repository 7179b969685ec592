"""The errors that tdlab raises on purpose, in one tree.

::

    TdlabError
    ├── ConfigError            a configuration value, key or file is wrong
    ├── PoolError              a tool pool cannot be read or used
    │   └── HarvestError       no live MCP server returned a tool
    ├── PackError              a service pack is wrong: a file, a line and the rule that it breaks
    ├── TaskError              no world makes such a task possible, or no way to its goal is found
    ├── SchemaError            a JSON Schema is invalid or refers to a remote document
    ├── BlueprintError         a plan is inconsistent
    │   └── MutationRefused    a mutation operator's precondition does not hold
    ├── RolloutError           a rollout could not be played: a live server is gone
    ├── TeacherError           the language model behind the teacher cannot be used
    │   └── BudgetSpent        the run's budget for its teacher is spent
    ├── SandboxUnavailable     code has to run and no sandbox works here
    ├── WorkerError            worker processes kept dying
    ├── StoreError             the run directory cannot be read or written
    │   ├── RunLocked          another process is using the run directory
    │   ├── RunVersionError    another version of tdlab wrote the run directory
    │   ├── RunMismatch        the run directory holds a run of another config or pool
    │   └── RunNotFound        there is no run, or no such record in it
    └── FormatError            a trajectory file has no known format

Each error carries three sentences: what was *found*, what was *expected* and what to *do*. A command prints them and
exits with status 2; tdlab uses that status for nothing else.
"""

from __future__ import annotations

import os.path

__all__ = [
    "BlueprintError",
    "BudgetSpent",
    "ConfigError",
    "FormatError",
    "HarvestError",
    "MutationRefused",
    "PackError",
    "PoolError",
    "RolloutError",
    "RunLocked",
    "RunMismatch",
    "RunNotFound",
    "RunVersionError",
    "SandboxUnavailable",
    "SchemaError",
    "StoreError",
    "TaskError",
    "TdlabError",
    "TeacherError",
    "WorkerError",
]


class TdlabError(Exception):
    """The root of the tree.

    Attributes:
        found: What is wrong, with the value or file concerned.
        expected: What would have been right; empty where that goes without saying.
        do: What to do about it: a command that works as typed, or an instruction; empty where there is none.

    Example:
        >>> error = TdlabError("target=-1", expected="a positive number", do="pass --target 500")
        >>> print(error)
        target=-1
          expected: a positive number
          to do: pass --target 500
    """

    def __init__(self, found: str, *, expected: str = "", do: str = "") -> None:
        super().__init__(found, expected, do)
        self.found = found
        self.expected = expected
        self.do = do

    def __str__(self) -> str:
        parts = [self.found]
        if self.expected:
            parts.append(f"expected: {self.expected}")
        if self.do:
            parts.append(f"to do: {self.do}")
        return "\n  ".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the three sentences, so that an error survives the way back from a worker process."""
        return (_rebuild, (type(self), self.found, self.expected, self.do))


def _rebuild(kind: type[TdlabError], found: str, expected: str, do: str) -> TdlabError:
    return kind(found, expected=expected, do=do)


class ConfigError(TdlabError):
    """A configuration value, key or file is wrong."""


class PoolError(TdlabError):
    """A tool pool cannot be read or used."""


class HarvestError(PoolError):
    """No live MCP server returned a usable tool."""


class PackError(TdlabError):
    """A service pack is wrong. ``file`` and ``line`` (0: the whole file) say where, ``rule`` which check found it.

    ``message`` says what is wrong, without the place.
    """

    def __init__(
        self, found: str, *, file: str, line: int = 0, rule: str = "syntax", expected: str = "", do: str = ""
    ) -> None:
        place = f"{file}:{line}" if line else file
        check = f"change {place}, then: tdlab packs check {os.path.dirname(file) or '.'}"
        super().__init__(f"{place}: {found} [{rule}]", expected=expected, do=do or check)
        self.file = file
        self.line = line
        self.rule = rule
        self.message = found

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the trip home from a worker process."""
        return (_rebuild_pack, (self.message, self.file, self.line, self.rule, self.expected, self.do))


def _rebuild_pack(found: str, file: str, line: int, rule: str, expected: str, do: str) -> PackError:
    return PackError(found, file=file, line=line, rule=rule, expected=expected, do=do)


class TaskError(TdlabError):
    """A world makes no such task possible, or no way to its goal is found."""


class SchemaError(TdlabError):
    """A JSON Schema is invalid, or refers to a remote document (which is never fetched)."""


class BlueprintError(TdlabError):
    """A plan is inconsistent."""


class MutationRefused(BlueprintError):
    """A mutation operator's precondition does not hold for this blueprint."""


class RolloutError(TdlabError):
    """A rollout could not be played at all: a live server is gone and does not come back."""


class TeacherError(TdlabError):
    """The language model behind the teacher cannot be used: unreachable, refusing, or failing for too long."""


class BudgetSpent(TeacherError):
    """The run's budget for its teacher is spent."""


class SandboxUnavailable(TdlabError):
    """Code has to run and no sandbox works on this machine."""


class WorkerError(TdlabError):
    """Worker processes kept dying."""


class StoreError(TdlabError):
    """The run directory cannot be read or written."""


class RunLocked(StoreError):
    """Another process is using the run directory."""


class RunVersionError(StoreError):
    """Another version of tdlab, with another file layout, wrote the run directory."""


class RunMismatch(StoreError):
    """The run directory holds a run of another config or pool."""


class RunNotFound(StoreError):
    """There is no run at that path, or no such record in it."""


class FormatError(TdlabError):
    """A trajectory file has no known format."""
