"""Every error tdlab raises on purpose, in one tree.

::

    TdlabError
    ├── ConfigError            a configuration value, key or file is wrong
    ├── PoolError              a tool pool cannot be read or used
    │   └── HarvestError       no live MCP server could be harvested
    ├── PackError              a service pack is wrong: a file, a line and the rule it breaks
    ├── TaskError              a world makes no such task possible, or no way to its goal is found
    ├── SchemaError            a JSON Schema is invalid or asks for what is never done
    ├── BlueprintError         a plan is not coherent
    │   └── MutationRefused    a mutation operator's precondition does not hold
    ├── RolloutError           a rollout could not be played at all: a live server is gone
    ├── TeacherError           the language model behind the teacher cannot be used
    │   └── BudgetSpent        what the run may spend on it is spent
    ├── SandboxUnavailable     code was to run and no sandbox is there
    ├── WorkerError            worker processes kept dying
    ├── StoreError             the run directory cannot be read or written
    │   ├── RunLocked          another process is using the run directory
    │   ├── RunVersionError    the run directory was written by another layout version
    │   ├── RunMismatch        the run directory holds a run of another config or pool
    │   └── RunNotFound        there is no run, or no such record in it
    └── FormatError            a trajectory file is in no format that is known

Each carries three sentences: what was *found*, what was *expected* and what to *do*. A command prints them and exits
with status 2; nothing else in tdlab exits with 2.
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
    """Root of the tree: ``found`` and, where there is something to say, ``expected`` and ``do``."""

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
        """Survive the trip home from a worker process."""
        return (_rebuild, (type(self), self.found, self.expected, self.do))


def _rebuild(kind: type[TdlabError], found: str, expected: str, do: str) -> TdlabError:
    return kind(found, expected=expected, do=do)


class ConfigError(TdlabError):
    """A configuration value, key or file is wrong."""


class PoolError(TdlabError):
    """A tool pool cannot be read or used."""


class HarvestError(PoolError):
    """No live MCP server could be harvested."""


class PackError(TdlabError):
    """A service pack is wrong. ``file`` and ``line`` (0: the whole file) say where, ``rule`` which check found it."""

    def __init__(
        self, found: str, *, file: str, line: int = 0, rule: str = "syntax", expected: str = "", do: str = ""
    ) -> None:
        place = f"{file}:{line}" if line else file
        super().__init__(
            f"{place}: {found} [{rule}]", expected=expected, do=do or f"change {place}, then: tdlab packs check {os.path.dirname(file) or '.'}"
        )
        self.file = file
        self.line = line
        self.rule = rule
        self._message = found

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the trip home from a worker process."""
        return (_rebuild_pack, (self._message, self.file, self.line, self.rule, self.expected, self.do))


def _rebuild_pack(found: str, file: str, line: int, rule: str, expected: str, do: str) -> PackError:
    return PackError(found, file=file, line=line, rule=rule, expected=expected, do=do)


class TaskError(TdlabError):
    """A world makes no such task possible, or no way to its goal is found."""


class SchemaError(TdlabError):
    """A JSON Schema is invalid, or asks for what is never done (a remote ``$ref``)."""


class BlueprintError(TdlabError):
    """A plan is not coherent."""


class MutationRefused(BlueprintError):
    """A mutation operator's precondition does not hold for this blueprint."""


class RolloutError(TdlabError):
    """A rollout could not be played at all: a live server is gone for good."""


class TeacherError(TdlabError):
    """The language model behind the teacher cannot be used: unreachable, refused, or failing for too long."""


class BudgetSpent(TeacherError):
    """What the run may spend on its teacher is spent."""


class SandboxUnavailable(TdlabError):
    """Code was to run and there is no sandbox to run it in."""


class WorkerError(TdlabError):
    """Worker processes kept dying."""


class StoreError(TdlabError):
    """The run directory cannot be read or written."""


class RunLocked(StoreError):
    """Another process is using the run directory."""


class RunVersionError(StoreError):
    """The run directory was written by another layout version."""


class RunMismatch(StoreError):
    """The run directory holds a run of another config or pool."""


class RunNotFound(StoreError):
    """There is no run at that place, or no such record in it."""


class FormatError(TdlabError):
    """A trajectory file is in no format that is known."""
