"""What is said of a pool's content: issues about definitions, where a service was placed; and the view that this needs.

The lowest module that knows of a pool: everything that finds something out imports it, and `ToolPool` gathers it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from tdlab.pool.quality import ToolQuality
from tdlab.records import Domains, Record, Service, Tool

__all__ = ["Placement", "PoolIssue", "PoolView"]


class PoolIssue(Record):
    """Something about the input that a person may want to know.

    ``error``: what is named here was set aside. ``mended``: it was put right in a safe way and is in the pool.
    ``note``: it is in the pool as it was. ``tool`` is a tool's name, or its place (``[3]``) where it has no name, or
    None where the issue is about a service or a file. ``code`` is a stable word, ``found`` is for people, ``where`` is
    the file and line, as far as known.
    """

    service: str | None = None
    tool: str | None = None
    severity: Literal["error", "mended", "note"]
    code: str
    found: str
    where: str = ""


class Placement(Record):
    """A service's domains (weights sum to 1), the confidence in the first of them, and what they are from.

    ``by``: ``file`` (tdlab's own data), ``label``, ``labeller``, ``learned``, ``words``, ``none`` (nothing said:
    *other*) or ``given`` (the service came with them). The confidence of a file, a label or what was given is 1: it is
    not questioned, which does not mean that public labels are never wrong.
    """

    domains: Domains
    confidence: float
    by: Literal["file", "label", "labeller", "learned", "words", "none", "given"]


class PoolView(Protocol):
    """What reports and comparisons need of a pool; a `ToolPool` is one."""

    @property
    def services(self) -> tuple[Service, ...]:
        """Every service, by name."""

    @property
    def tools(self) -> Mapping[str, Tool]:
        """Every tool by its key."""

    @property
    def issues(self) -> tuple[PoolIssue, ...]:
        """What was found about the input."""

    def service(self, name: str) -> Service:
        """The service of that name."""

    def tool(self, key: str) -> Tool:
        """The tool of that key."""

    def quality(self, key: str) -> ToolQuality:
        """How far the schema of a tool can be trusted."""

    def placement(self, name: str) -> Placement:
        """The domains of a service, and what they are from."""
