"""Records about a pool's input (issues, placements in domains), and the read-only view of a pool that reports need.

This is the lowest module that knows about pools: whatever examines a pool creates these records, and `ToolPool`
collects them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from pydantic import field_validator

from tdlab.pool.quality import ToolQuality
from tdlab.records import Domains, Record, Service, Tool

__all__ = ["Placement", "PoolIssue", "PoolView"]


class PoolIssue(Record):
    """One problem or peculiarity of the input.

    ``severity`` says what became of it: ``error``, the tool or service was skipped; ``fixed``, it was repaired safely
    and is in the pool; ``note``, it is in the pool unchanged. ``tool`` is a tool's name, its position (``[3]``) where
    it has no name, or None where the issue is about a service or a file. ``code`` is a stable word, ``found`` a
    sentence, ``where`` the file and line as far as known.
    """

    service: str | None = None
    tool: str | None = None
    severity: Literal["error", "fixed", "note"]
    code: str
    found: str
    where: str = ""

    @field_validator("found", "where")
    @classmethod
    def _can_be_written(cls, text: str) -> str:
        """Return the text with half surrogates (of a file's content, or of bytes in its name) as escapes."""
        return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


class Placement(Record):
    """A service's business domains (weights sum to 1), the confidence in the first of them, and where they come from.

    ``by`` is one of ``file`` (tdlab's own data), ``label``, ``labeller``, ``learned`` (a model trained on the pool's
    labels), ``words`` (keywords), ``none`` (no evidence: *other*) and ``given`` (the service came with them). The
    confidence of a file, a label or given domains is 1: they are not questioned, which does not mean that public labels
    are always right.
    """

    domains: Domains
    confidence: float
    by: Literal["file", "label", "labeller", "learned", "words", "none", "given"]


class PoolView(Protocol):
    """The part of a `ToolPool` that reports and comparisons read."""

    @property
    def services(self) -> tuple[Service, ...]:
        """Every service, sorted by name."""

    @property
    def tools(self) -> Mapping[str, Tool]:
        """Every tool by its key."""

    @property
    def issues(self) -> tuple[PoolIssue, ...]:
        """The issues of the input."""

    def service(self, name: str) -> Service:
        """Return the service of that name."""

    def tool(self, key: str) -> Tool:
        """Return the tool of that key."""

    def quality(self, key: str) -> ToolQuality:
        """Return how far the schema of a tool can be trusted."""

    def placement(self, name: str) -> Placement:
        """Return the domains of a service and where they come from."""
