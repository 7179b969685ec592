"""Bounds on what a live server may return, and the marks of what was cut."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydantic import Field

from tdlab.pool.issues import PoolIssue
from tdlab.records import Json, Record

__all__ = ["Listing", "LiveLimits", "cut_bytes", "cut_text"]

_MARK = re.compile(r"\n\[cut: the first ([\d,]+) of ([\d,]+) bytes\]\Z")
_PROSE = ("description", "title", "$comment")
_MOST_DEPTH = 200


class LiveLimits(Record):
    """Bounds on what one live server may return; what is beyond them is cut or skipped, and reported.

    ``result_bytes`` bounds the text of one result with its mark, ``message_bytes`` one message, which is all that is
    held in memory at once. The others are for lists of tools: tools of a server, pages, bytes of one definition, of all
    of them, and of one description.
    """

    result_bytes: int = Field(65_536, ge=128)
    message_bytes: int = Field(16 * 2**20, ge=1024)
    tools: int = Field(10_000, ge=1)
    pages: int = Field(1000, ge=1)
    definition_bytes: int = Field(2**20, ge=1024)
    listing_bytes: int = Field(64 * 2**20, ge=1024)
    description_bytes: int = Field(16_384, ge=128)


def cut_text(text: str, limit: int) -> str:
    r"""Return a text of at most ``limit`` bytes of UTF-8, with a mark at its end where it was cut.

    No letter is cut in two.

    Args:
        text: Any text without lone surrogates.
        limit: The most bytes to return, the mark included; at least 128.

    Returns:
        The text, or its beginning and the mark.

    Example:
        >>> cut_text("short", 128), cut_text("x" * 1000, 128)[-38:]
        ('short', 'xxx\n[cut: the first 92 of 1,000 bytes]')
    """
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit:
        return text

    def mark(kept: int) -> str:
        return f"\n[cut: the first {kept:,} of {len(raw):,} bytes]"

    head = raw[: limit - len(mark(limit))].decode("utf-8", "ignore")
    return head + mark(len(head.encode("utf-8")))


def cut_bytes(text: str) -> int | None:
    r"""Return the bytes that a live server's result had before it was cut.

    Args:
        text: The text of a result.

    Returns:
        A number of bytes; None if the result is whole.

    Example:
        >>> cut_bytes("level 4\n[cut: the first 7 of 1,000 bytes]"), cut_bytes("level 4")
        (1000, None)
    """
    match = _MARK.search(text[-120:])
    return None if match is None else int(match[2].replace(",", ""))


class Listing:
    """The tools of one server as its pages bring them, within the limits.

    Attributes:
        definitions: The raw definitions so far.
        issues: What was cut, skipped, or wrong with a page.
        whole: Whether the server has no more.
    """

    def __init__(self, service: str, limits: LiveLimits) -> None:
        self.service = service
        self.limits = limits
        self.definitions: list[Json] = []
        self.issues: list[PoolIssue] = []
        self.whole = False
        self._bytes = 0
        self._number = 0

    def report(self, code: str, found: str, *, tool: str | None = None, fixed: bool = False) -> None:
        """Add an issue: something was left out, or, if ``fixed``, cut."""
        self.issues.append(
            PoolIssue(service=self.service, tool=tool, severity="fixed" if fixed else "error", code=code, found=found)
        )

    def add(self, page: Iterable[Json]) -> bool:
        """Add the definitions of a page; return whether there is room for more."""
        for raw in page:
            if len(self.definitions) >= self.limits.tools:
                self.report("too_many_tools", f"more than {self.limits.tools:,} tools; the others are left out")
                return False
            name = raw.get("name") if isinstance(raw, dict) else None
            tool = name[:200] if isinstance(name, str) and name.strip() else f"[{self._number}]"
            self._number += 1
            cut = _Cut(self.limits.description_bytes)
            definition = cut.of(raw, 0)
            if cut.most:
                self.report(
                    "description_cut",
                    f"a description of {cut.most:,} bytes was cut to {self.limits.description_bytes:,}",
                    tool=tool,
                    fixed=True,
                )
            size = _size(definition)
            if size > self.limits.definition_bytes:
                self.report(
                    "definition_too_large",
                    f"its definition has {size:,} bytes, expected at most {self.limits.definition_bytes:,}",
                    tool=tool,
                )
                continue
            if self._bytes + size > self.limits.listing_bytes:
                self.report(
                    "listing_too_large",
                    f"the definitions of all tools have more than {self.limits.listing_bytes:,} bytes; the others are "
                    "left out",
                )
                return False
            self._bytes += size
            self.definitions.append(definition)
        return True


class _Cut:
    """Copies a definition with its long descriptions cut; ``most`` is the size of the longest one that was."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.most = 0

    def of(self, value: Json, depth: int) -> Json:
        if depth > _MOST_DEPTH:  # the reader of definitions reports such depth
            return value
        if isinstance(value, list):
            return [self.of(item, depth + 1) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            key: self._prose(item) if key in _PROSE and isinstance(item, str) else self.of(item, depth + 1)
            for key, item in value.items()
        }

    def _prose(self, text: str) -> str:
        if len(text) * 4 <= self._limit:  # no letter has more than four bytes
            return text
        size = len(text.encode("utf-8", "replace"))
        if size <= self._limit:
            return text
        self.most = max(self.most, size)
        return cut_text(text, self._limit)


def _size(value: Json) -> int:
    """Return about how many bytes a value has as JSON, without encoding it."""
    total, stack = 0, [value]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            total += 2
            for key, item in node.items():
                total += len(key) + 4
                stack.append(item)
        elif isinstance(node, list):
            total += 2 + len(node)
            stack.extend(node)
        else:
            total += len(node.encode("utf-8", "replace")) + 2 if isinstance(node, str) else 8
    return total
