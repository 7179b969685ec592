"""Read ``world.sql``: SQL in sections, each opened by a line ``--- word ...`` that SQL itself takes for a comment.

======================  ==============================================================================================
``--- tables``          CREATE TABLE and CREATE INDEX statements
``--- populate``        INSERT and UPDATE statements that fill the tables from a seed
``--- invariant TEXT``  a query that must give no rows, whatever has been called
``--- tool NAME``       opens a tool; the sections below belong to it and run in the order in which they are written
``--- let``             a query of one row; its columns are parameters (``:column``) of all that follows
``--- error CODE``      a query; where it gives a row, the call fails with this documented error
``--- do``              statements that change the tables
``--- result``          a query of one row; its columns are fields of the result, ``"a.b"`` is field b of object a
``--- rows FIELD``      a query; its rows are the list in this field of the result
``--- page FIELD``      the same, cut to the page that the parameters ``limit`` and ``cursor`` ask for
======================  ==============================================================================================
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from tdlab.errors import PackError

__all__ = ["Section", "Statement", "check_words", "parameters_in", "sections_of"]

_ALONE = frozenset({"tables", "populate", "let", "do", "result"})
_NAMED = frozenset({"tool", "error", "rows", "page", "invariant"})
_WITHIN_TOOL = frozenset({"let", "error", "do", "result", "rows", "page"})
_SINGLE = frozenset({"invariant", "let", "error", "result", "rows", "page"})
_PARAMETER = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|(?<![:\w]):([A-Za-z_]\w*)")
_MACHINE_CLOCK = re.compile(r"\bcurrent_(?:date|time|timestamp)\b|'\s*now\s*'|'\s*(?:localtime|utc)\s*'", re.IGNORECASE)
_DATE_CALL = re.compile(r"\b(date|time|datetime|julianday|unixepoch|strftime)\s*\(", re.IGNORECASE)
_TEXT = re.compile(r"'(?:[^']|'')*'")
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_MAKES_TEXT = re.compile(r"\b(?:char|printf|format|replace|lower|upper|trim|unicode|reverse)\s*\(", re.IGNORECASE)
_OTHER_PARAMETER = re.compile(r"[@$?]\w*")
_PRINT_CALL = re.compile(r"\b(?:printf|format)\s*\(", re.IGNORECASE)
_PLAIN_FORMAT = re.compile(r"'(?:[^%']|''|%%|%[-+ 0,!]*\d{0,5}(?:\.\d{1,2})?[a-zA-Z])*'")
_LONGEST = 100_000  # characters of a statement


class Statement(NamedTuple):
    """One SQL statement: its text, the line it starts in, and the names of its ``:parameters``."""

    sql: str
    line: int
    parameters: frozenset[str]


class Section(NamedTuple):
    """One section of a world file: its word, what it names, its line, its tool (empty outside one), its statements."""

    word: str
    name: str
    line: int
    tool: str
    statements: tuple[Statement, ...]


def sections_of(text: str, *, file: str) -> tuple[Section, ...]:
    """Split a world file into its sections.

    Args:
        text: The content of ``world.sql``.
        file: Its name, for errors.

    Returns:
        The sections in the order written.

    Raises:
        PackError: A line ``---`` opens no known section, or a section holds what it may not.
    """
    sections: list[Section] = []
    tool = ""
    for line, word, name, body in _bodies(text, file):
        if word == "tool":
            tool = name
        elif word in _WITHIN_TOOL and not tool:
            raise PackError(f"--- {word} outside a tool", file=file, line=line, expected="--- tool NAME before it")
        elif word not in _WITHIN_TOOL:
            tool = ""
        statements = tuple(_statements(body, line, file))
        if word == "tool" and statements:
            raise PackError(
                f"a statement right below --- tool {name}", file=file, line=statements[0].line,
                expected="--- let, error, do, result, rows or page before it",
            )  # fmt: skip
        if word in _SINGLE and len(statements) != 1:
            raise PackError(
                f"--- {word} {name}".rstrip() + f" holds {len(statements)} statements", file=file, line=line,
                expected="one query",
            )  # fmt: skip
        sections.append(Section(word, name, line, tool, statements))
    return tuple(sections)


def _bodies(text: str, file: str) -> Iterator[tuple[int, str, str, str]]:
    """Line, word, name and text of each section."""
    opened: tuple[int, str, str] | None = None
    body: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.startswith("---"):
            if opened is None and line.strip() and not line.lstrip().startswith("--"):
                raise PackError("SQL before the first section", file=file, line=number, expected="a line --- tables")
            body.append(line)
            continue
        if opened is not None:
            yield *opened, "\n".join(body)
        word, _, name = line[3:].strip().partition(" ")
        name = name.strip()
        if word not in _ALONE | _NAMED or (word in _NAMED) != bool(name):
            raise PackError(
                f"the line {line.strip()!r} opens no section", file=file, line=number,
                expected="--- tables, populate, invariant TEXT, tool NAME, let, error CODE, do, result, rows FIELD "
                "or page FIELD",
            )  # fmt: skip
        opened, body = (number, word, name), []
    if opened is not None:
        yield *opened, "\n".join(body)


def _statements(body: str, line: int, file: str) -> Iterator[Statement]:
    """The statements of a section that starts after ``line``."""
    text, start = "", 0
    for offset, part in enumerate(body.split("\n"), start=1):
        if not text.strip() and (not part.strip() or part.lstrip().startswith("--")):
            continue
        if not text.strip():
            text, start = "", line + offset
        text += part + "\n"
        if len(text) > _LONGEST:
            raise PackError(
                f"a statement of more than {_LONGEST:,} characters", file=file, line=start, rule="size",
                expected="a shorter one",
            )  # fmt: skip
        if ";" in part and sqlite3.complete_statement(text):
            yield _statement(text, start, file)
            text = ""
    if text.strip():
        raise PackError("a statement without an end", file=file, line=start, expected="a semicolon at its end")


def _statement(text: str, line: int, file: str) -> Statement:
    check_words(text, file=file, line=line)
    return Statement(text.strip().rstrip(";").strip(), line, parameters_in(text))


def parameters_in(sql: str) -> frozenset[str]:
    """Return the names of the parameters of a statement.

    Args:
        sql: The statement.

    Returns:
        The names, without those that stand in texts and comments.

    Example:
        >>> parameters_in("SELECT 1 WHERE :day > '10:30'")
        frozenset({'day'})
    """
    return frozenset(match.group(1) for match in _PARAMETER.finditer(sql) if match.group(1))


def check_words(text: str, *, file: str, line: int) -> None:
    """Check that a statement neither reads the machine's clock nor ends the transaction that it runs in.

    Args:
        text: The statement.
        file: Its file, for errors.
        line: Its line.

    Raises:
        PackError: It does, or has parameters other than ``:name``.
    """
    found = _forbidden(text)
    if found:
        raise PackError(found[0], file=file, line=line, rule="rights", expected=found[1])


@lru_cache(maxsize=4096)
def _forbidden(text: str) -> tuple[str, str] | None:
    """What of a statement is forbidden, and what would be right."""
    code = _COMMENT.sub(" ", text)
    clock = _MACHINE_CLOCK.search(code)
    if clock:
        return f"{clock.group(0)} reads the machine's clock", "now(), the world's clock"
    for call in _DATE_CALL.finditer(code):
        arguments = _arguments(code, call.end())
        of_format = call.group(1).lower() == "strftime"
        if len(arguments) < 1 + of_format or _may_spell_now(arguments[of_format]):
            return f"{call.group(0)}{', '.join(arguments)}) may read the machine's clock", "a moment, such as now()"
    bare = _TEXT.sub("''", code)
    if re.search(r"\brollback\b", bare, re.IGNORECASE):
        return "ROLLBACK undoes what happened before", "no OR ROLLBACK and no ON CONFLICT ROLLBACK"
    for call in _PRINT_CALL.finditer(code):
        if not _PLAIN_FORMAT.fullmatch((_arguments(code, call.end()) or [""])[0]):
            return (
                f"{call.group(0)}...) with another format than plain text",
                "a format in quotes, without * and with short widths",
            )
    other = _OTHER_PARAMETER.search(bare)
    if other:
        return f"{other.group(0)} is a parameter without a name", "parameters such as :booking_id"
    return None


def _arguments(code: str, at: int) -> list[str]:
    """The arguments of a call as text, from the position behind its bracket."""
    arguments, depth, start = [], 0, at
    place = at
    while place < len(code):
        character = code[place]
        if character == "'":
            text = _TEXT.match(code, place)
            place = text.end() - 1 if text else len(code)
        elif character == "(":
            depth += 1
        elif character == ")" and depth == 0:
            break
        elif character == ")":
            depth -= 1
        elif character == "," and depth == 0:
            arguments.append(code[start:place].strip())
            start = place + 1
        place += 1
    last = code[start:place].strip()
    return [*arguments, last] if last else arguments


def _may_spell_now(argument: str) -> bool:
    """Whether a text that is put together could come out as ``now``."""
    if _DATE_CALL.match(argument):
        return False  # it is looked at by itself, and gives a moment
    letters = "".join(_TEXT.findall(argument)).lower()
    return ("||" in argument and any(letter in letters for letter in "now")) or bool(_MAKES_TEXT.search(argument))
