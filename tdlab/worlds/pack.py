"""Service packs: the three files that make a service executable, read and compiled.

``tools.json`` is what MCP's ``tools/list`` returns, with the documented errors of each tool; ``world.sql`` holds the
tables, their population, and for each tool its preconditions, effects and result (`tdlab.worlds._statements`);
``tasks.yaml`` holds the value lists that populations draw from, and the task frames (`tdlab.tasks`).
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tdlab.errors import PackError, PoolError
from tdlab.pool import Taxonomy, read_service_file
from tdlab.records import Json, Service, Tool, digest
from tdlab.tools import compile_schema, preview
from tdlab.worlds._connection import Guard, Stage, open_database, quoted, trusted
from tdlab.worlds._documents import Document, read_document
from tdlab.worlds._functions import Clock, last_function_error, register
from tdlab.worlds._shaping import Shape, shape_of
from tdlab.worlds._statements import Section, Statement, sections_of

__all__ = [
    "FILES",
    "Action",
    "Output",
    "ServicePack",
    "ToolProgram",
    "fetch",
    "load_pack",
    "read_pack_tools",
    "run",
    "trusted_rows",
]

FILES = ("tools.json", "world.sql", "tasks.yaml")
"""The files of a pack."""

_MOST_BYTES = 1_000_000  # of one file
_MOST_ROWS = 20_000  # of one query
_MOST_CHARACTERS = 20_000_000  # of all texts that one query gives
_AT_ONCE = 200  # rows fetched before they are counted
_SERVICE_NAME = re.compile(r"@?[A-Za-z0-9][A-Za-z0-9_.-]{0,63}(?:/[A-Za-z0-9][A-Za-z0-9_.-]{0,63})?")
_TOOL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_LEADING_COMMENT = re.compile(r"\A(?:\s|--[^\n]*\n|/\*.*?\*/)*", re.DOTALL)


class Action(NamedTuple):
    """One section of a tool, in the order written: what it does, the documented error it stands for, its statements."""

    word: Literal["let", "error", "do"]
    code: str
    statements: tuple[Statement, ...]


class Output(NamedTuple):
    """One part of a tool's result: ``field`` of the output (empty: the top), its query, the shape of its values."""

    word: Literal["result", "rows", "page"]
    field: str
    statement: Statement
    shape: Shape


class ToolProgram(NamedTuple):
    """A tool as its pack executes it. ``writes`` are the tables that its effects change."""

    tool: Tool
    actions: tuple[Action, ...]
    outputs: tuple[Output, ...]
    writes: frozenset[str]

    @property
    def lists(self) -> tuple[str, ...]:
        """The fields of its result that are lists."""
        return tuple(output.field for output in self.outputs if output.field)


class ServicePack(NamedTuple):
    """A service that can be executed: its tools, tables and programs, and its task frames as they were written.

    ``files`` maps each of the pack's file names to the name used in errors; ``tasks`` is the document ``tasks.yaml``
    with the lines of its parts; ``digest`` changes with any byte of the three files.
    """

    service: Service
    tables: tuple[Statement, ...]
    populate: tuple[Statement, ...]
    invariants: tuple[tuple[str, Statement], ...]
    programs: dict[str, ToolProgram]
    tasks: Document
    files: dict[str, str]
    digest: str

    @property
    def lists(self) -> dict[str, list[Any]]:
        """The value lists of ``tasks.yaml`` by name."""
        lists = self.tasks.data.get("lists")
        return lists if isinstance(lists, dict) else {}


def load_pack(folder: Path | Traversable) -> ServicePack:
    """Read and compile one service pack.

    Every statement is prepared once against the pack's own tables, under the same restrictions as when it runs.

    Args:
        folder: A folder with ``tools.json``, ``world.sql`` and ``tasks.yaml``.

    Returns:
        The pack.

    Raises:
        PackError: A file is missing or wrong; it names file, line and rule.

    Example:
        >>> from tdlab.worlds import bundled_packs
        >>> pack = load_pack(bundled_packs()["saffron_gable"])
        >>> pack.service.title, sorted(pack.programs)[0]
        ('Saffron Gable', 'book_table')
    """
    texts = {}
    files = {name: str(folder / name) for name in FILES}
    for name in FILES:
        path = folder / name
        if not path.is_file():
            raise PackError("the file is missing", file=files[name], rule="files", expected=f"{', '.join(FILES)}")
        texts[name] = _text_of(path, files[name])
    service = read_pack_tools(texts["tools.json"], file=files["tools.json"])
    tasks = read_document(texts["tasks.yaml"], file=files["tasks.yaml"])
    sections = sections_of(texts["world.sql"], file=files["world.sql"])
    return _compiled(service, sections, tasks, files, digest(*texts.values()))


def _text_of(path: Path | Traversable, file: str) -> str:
    """The text of one file of a pack; what it is may not lie elsewhere, nor be larger than packs are."""
    if isinstance(path, Path) and path.is_symlink():
        raise PackError("the file is a link", file=file, rule="files", expected="the file itself")
    raw = path.read_bytes()
    if len(raw) > _MOST_BYTES:
        raise PackError(f"{len(raw):,} bytes", file=file, rule="size", expected=f"at most {_MOST_BYTES:,} bytes")
    if b"\0" in raw:
        raise PackError(f"a NUL at byte {raw.index(0)}", file=file, rule="files", expected="text")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PackError(f"not UTF-8 at byte {error.start}", file=file, expected="UTF-8 text") from None


def read_pack_tools(text: str, *, file: str) -> Service:
    """Read the ``tools.json`` of a pack.

    Args:
        text: The content of the file.
        file: Its name, for errors.

    Returns:
        The service with its tools.

    Raises:
        PackError: The text is no JSON, or holds a definition that needs a repair.

    Example:
        >>> text = '{"server": "shop", "title": "Shop", "domain": null, "tools": []}'
        >>> read_pack_tools(text, file="tools.json").name
        'shop'
    """
    try:
        whole = json.loads(text, object_pairs_hook=partial(_once, file=file))
        json.dumps(whole, ensure_ascii=False).encode()
        service, doubts = read_service_file(text, where=file)
    except json.JSONDecodeError as error:
        raise PackError(f"not JSON: {error.msg}", file=file, line=error.lineno, rule="tools", expected="JSON") from None
    except UnicodeEncodeError:
        raise PackError("half of a surrogate pair", file=file, rule="tools", expected="whole characters") from None
    except ValueError as error:
        raise PackError(f"not JSON: {error}", file=file, rule="tools", expected="numbers of fewer digits") from None
    except PoolError as error:
        raise PackError(error.found, file=file, rule="tools", expected=error.expected) from None
    except RecursionError:
        raise PackError("the JSON is nested too deeply", file=file, rule="tools", expected="tools/list") from None
    for doubt in doubts:  # what is repaired in a pool that somebody found, whoever writes a pack can put right
        if doubt.severity != "note":
            raise PackError(
                f"{doubt.tool}: {doubt.found}" if doubt.tool else doubt.found, file=file,
                line=_line_of(text, doubt.tool), rule="tools", expected="a definition that needs no repair",
            )  # fmt: skip
    # four of five published servers are called like @owner/name, and a pack is found by its service's name
    if not _SERVICE_NAME.fullmatch(service.name):
        raise PackError(
            f"the server is called {service.name[:80]!r}", file=file, line=_line_of(text, service.name), rule="tools",
            expected="letters, digits, _, - and ., at most 64, or two such words as in @owner/name",
        )  # fmt: skip
    for tool in service.tools:  # createIssue and list-issues, too: a pool's names are its own
        if not _TOOL_NAME.fullmatch(tool.name):
            raise PackError(
                f"the tool is called {tool.name[:80]!r}", file=file, line=_line_of(text, tool.name), rule="tools",
                expected="letters, digits, _, - and ., at most 128",
            )  # fmt: skip
    for tool in service.tools:
        codes = [error.code for error in tool.errors]
        twice = next((code for code in codes if codes.count(code) > 1), None)
        if twice is not None:
            raise PackError(
                f"{tool.name} documents {twice} twice", file=file, line=_line_of(text, tool.name), rule="errors",
                expected="each code once",
            )  # fmt: skip
        for parameter, schema in tool.parameters.items():
            wrong = compile_schema(schema).errors(schema["default"]) if "default" in schema else ()
            if wrong:
                raise PackError(
                    f"{tool.name}: the default of {parameter} does not fit it: {wrong[0]}", file=file,
                    line=_line_of(text, tool.name), rule="tools", expected="a default that its own schema takes",
                )  # fmt: skip
    domain, domains = whole.get("domain") if isinstance(whole, dict) else None, Taxonomy.bundled().ids
    if domain is not None and (not isinstance(domain, str) or domain not in domains):
        raise PackError(
            f"there is no domain {preview(domain)}", file=file, line=_line_of(text, "domain"), rule="tools",
            expected="one of " + ", ".join(sorted(domains)),
        )  # fmt: skip
    return service


def _line_of(text: str, name: str | None) -> int:
    """The line in which a JSON text first has a name; 0 where it has not."""
    at = text.find(json.dumps(name, ensure_ascii=False)) if name else -1
    return text.count("\n", 0, at) + 1 if at >= 0 else 0


def _once(pairs: list[tuple[str, Any]], *, file: str) -> dict[str, Any]:
    """The object of a JSON text, whose keys may not repeat: only the last would count."""
    whole: dict[str, Any] = {}
    for key, value in pairs:
        if key in whole:
            raise PackError(f"the key {key[:80]!r} twice", file=file, rule="tools", expected="each key once")
        whole[key] = value
    return whole


def _compiled(
    service: Service, sections: tuple[Section, ...], tasks: Document, files: dict[str, str], name: str
) -> ServicePack:
    file = files["world.sql"]
    compiler = _Compiler(file, tasks)
    tables = _all(sections, "tables")
    populate = _all(sections, "populate")
    if not tables:
        raise PackError("there is no section --- tables", file=file, expected="--- tables with CREATE TABLE statements")
    compiler.create(tables)
    for statement in populate:
        compiler.prepare(statement, "populate", frozenset())
    invariants = tuple((s.name, s.statements[0]) for s in sections if s.word == "invariant")
    for _, statement in invariants:
        compiler.prepare(statement, "read", frozenset())
    tools = {tool.name: tool for tool in service.tools}
    programs: dict[str, ToolProgram] = {}
    for section in sections:
        if section.word != "tool":
            continue
        if section.name not in tools:
            raise PackError(
                f"tools.json has no tool {section.name!r}", file=file, line=section.line, rule="tools",
                expected="one of " + ", ".join(tools),
            )  # fmt: skip
        if section.name in programs:
            raise PackError(f"{section.name} is here twice", file=file, line=section.line, rule="tools")
        own = [s for s in sections if s.tool == section.name and s.word != "tool"]
        programs[section.name] = compiler.program(tools[section.name], section.line, own)
    missing = [tool for tool in tools if tool not in programs]
    if missing:
        raise PackError(
            f"no section for {', '.join(missing)}", file=file, rule="tools", expected="--- tool NAME for every tool"
        )
    compiler.close()
    return ServicePack(service, tables, populate, invariants, programs, tasks, files, name)


class _Compiler:
    """Prepares statements against a pack's tables."""

    def __init__(self, file: str, tasks: Document) -> None:
        self._file = file
        self._connection, self._guard = open_database()
        lists = tasks.data.get("lists")
        clock = Clock(datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None), "")
        register(self._connection, seed="", lists=lists if isinstance(lists, dict) else {}, clock=clock)

    def close(self) -> None:
        self._connection.close()

    def create(self, tables: tuple[Statement, ...]) -> None:
        made: set[str] = set()
        for statement in tables:
            run(self._connection, self._guard, statement, "tables", {}, self._file)
            for name, *_ in list(trusted_rows(self._connection, self._guard, _TABLES)):
                if name in made:
                    continue
                made.add(name)
                columns = list(trusted_rows(self._connection, self._guard, f"PRAGMA table_info({quoted(name)})"))
                for part in (name, *(column[1] for column in columns)):
                    if not _COLUMN.fullmatch(part):
                        raise PackError(
                            f"the name {part[:80]!r}", file=self._file, line=statement.line, rule="tables",
                            expected="letters, digits and _, at most 64",
                        )  # fmt: skip

    def prepare(self, statement: Statement, stage: Stage, known: frozenset[str]) -> frozenset[str]:
        """Check one statement; the tables that it changes."""
        word = (_LEADING_COMMENT.sub("", statement.sql, count=1).split(None, 1) or [""])[0].upper()
        if word not in (
            "SELECT",
            "WITH",
            "VALUES",
            *(() if stage == "read" else ("INSERT", "UPDATE", "DELETE", "REPLACE")),
        ):
            raise PackError(
                f"{word} is not allowed in this section", file=self._file, line=statement.line, rule="rights",
                expected="a query" if stage == "read" else "INSERT, UPDATE or DELETE",
            )  # fmt: skip
        unknown = sorted(statement.parameters - known)
        if unknown:
            raise PackError(
                f"unknown parameter :{unknown[0]}", file=self._file, line=statement.line, rule="parameters",
                expected=f"one of {', '.join(f':{name}' for name in sorted(known))}" if known else "no parameters here",
            )  # fmt: skip
        self._guard.written.clear()
        explained = statement._replace(sql=f"EXPLAIN {statement.sql}")
        run(self._connection, self._guard, explained, stage, dict.fromkeys(known), self._file)
        return frozenset(self._guard.written)

    def columns(self, statement: Statement, known: frozenset[str]) -> tuple[str, ...]:
        # The statement is the pack's own, and runs under the authorizer.
        empty = statement._replace(sql=f"SELECT * FROM ({statement.sql}) LIMIT 0")  # noqa: S608
        cursor = run(self._connection, self._guard, empty, "read", dict.fromkeys(known), self._file)
        return tuple(column[0] for column in cursor.description)

    def program(self, tool: Tool, line: int, sections: list[Section]) -> ToolProgram:
        known = frozenset(tool.parameters)
        codes = {error.code for error in tool.errors}
        actions: list[Action] = []
        outputs: list[Output] = []
        writes: frozenset[str] = frozenset()
        done = 0
        for section in sections:
            if section.word == "error" and done:
                raise PackError(
                    f"--- error {section.name} after --- do", file=self._file, line=section.line, rule="order",
                    expected="what can fail before what changes",
                )  # fmt: skip
            if section.word == "result" and any(output.word == "result" for output in outputs):
                raise PackError(
                    "a second --- result", file=self._file, line=section.line, rule="results", expected="one",
                )  # fmt: skip
            done += section.word == "do"
            if section.word == "error" and section.name not in codes:
                raise PackError(
                    f"{tool.name} documents no error {section.name!r}", file=self._file, line=section.line,
                    rule="errors", expected="one of " + (", ".join(sorted(codes)) or "none: tools.json has no errors"),
                )  # fmt: skip
            for statement in section.statements:
                writes |= self.prepare(statement, "write" if section.word == "do" else "read", known)
            if section.word in ("let", "error", "do"):
                # The parser of sections lets no other word than those of Action come here.
                actions.append(Action(section.word, section.name, section.statements))  # type: ignore[arg-type]
                if section.word == "let":
                    known |= frozenset(self.columns(section.statements[0], known))
                if section.word == "error":
                    self._check_message(tool, section, known)
                continue
            outputs.append(self._output(tool, section, known))
        if not outputs:
            raise PackError(
                f"{tool.name} returns nothing", file=self._file, line=line, rule="results",
                expected="--- result, --- rows FIELD or --- page FIELD",
            )  # fmt: skip
        return ToolProgram(tool, tuple(actions), tuple(outputs), writes)

    def _check_message(self, tool: Tool, section: Section, known: frozenset[str]) -> None:
        """The message of an error names arguments, and columns of what was queried."""
        message = next(error.message for error in tool.errors if error.code == section.name)
        names = known | frozenset(self.columns(section.statements[0], known))
        unknown = [name for name in _PLACEHOLDER.findall(message) if name not in names]
        if unknown:
            raise PackError(
                f"the message of {section.name} has {{{unknown[0]}}}, which is not known here", file=self._file,
                line=section.line, rule="errors", expected="a parameter, or a column of this query or a let before it",
            )  # fmt: skip

    def _output(self, tool: Tool, section: Section, known: frozenset[str]) -> Output:
        schema = tool.output_schema or {}
        properties = schema.get("properties")
        fields = properties if isinstance(properties, dict) else {}
        statement = section.statements[0]
        if section.word == "result":
            for column in self.columns(statement, known):
                if column.partition(".")[0] not in fields:
                    raise PackError(
                        f"the output schema of {tool.name} has no field {column!r}", file=self._file,
                        line=statement.line, rule="results", expected="one of " + ", ".join(fields),
                    )  # fmt: skip
            return Output("result", "", statement, shape_of(schema))
        if section.name not in fields:
            raise PackError(
                f"the output schema of {tool.name} has no field {section.name!r}", file=self._file, line=section.line,
                rule="results", expected="one of " + ", ".join(fields),
            )  # fmt: skip
        if section.word == "page" and _kind(tool.parameters.get("limit", _ANY_LIMIT)) != "integer":
            raise PackError(
                f"the limit of {tool.name} is no integer", file=self._file, line=section.line, rule="results",
                expected="--- rows, or a limit that is an integer",
            )  # fmt: skip
        # The parser of sections lets no other word than those of Output come here.
        return Output(section.word, section.name, statement, shape_of(fields[section.name]))  # type: ignore[arg-type]


def run(
    connection: sqlite3.Connection,
    guard: Guard,
    statement: Statement,
    stage: Stage,
    parameters: dict[str, Any],
    file: str,
) -> sqlite3.Cursor:
    """Run one statement of a pack within its stage's rights and budget.

    Raises:
        PackError: It is refused, wrong, too long or breaks a constraint.
    """
    guard.start(stage)
    try:
        return connection.execute(statement.sql, parameters)
    except _FAILURES as error:
        raise _explained(error, guard, statement, stage, file) from None


def fetch(
    connection: sqlite3.Connection,
    guard: Guard,
    statement: Statement,
    parameters: dict[str, Any],
    file: str,
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Run a query; its column names and all of its rows.

    Raises:
        PackError: It is refused, wrong or too long.
    """
    cursor = run(connection, guard, statement, "read", parameters, file)
    try:
        rows = cursor.fetchmany(_AT_ONCE)
        more = rows
        characters = 0
        while len(more) == _AT_ONCE:  # most queries give fewer
            characters += sum(len(value) for row in more for value in row if isinstance(value, (str, bytes)))
            if len(rows) > _MOST_ROWS or characters > _MOST_CHARACTERS:
                cursor.close()
                raise PackError(
                    f"the query gives more than {len(rows):,} rows of {characters:,} characters", file=file,
                    line=statement.line, rule="size",
                    expected=f"at most {_MOST_ROWS:,} rows and {_MOST_CHARACTERS:,} characters",
                )  # fmt: skip
            more = cursor.fetchmany(_AT_ONCE)
            rows += more
    except _FAILURES as error:
        raise _explained(error, guard, statement, "read", file) from None
    return tuple(column[0] for column in cursor.description), rows


_FAILURES = (sqlite3.Error, OverflowError, UnicodeError, MemoryError)
"""What SQLite's module raises of a pack's statement; too large numbers and texts that are no text among them."""


def _explained(error: Exception, guard: Guard, statement: Statement, stage: Stage, file: str) -> PackError:
    said = last_function_error()
    if isinstance(error, MemoryError):
        return PackError(
            "the statement takes too much memory", file=file, line=statement.line, rule="size", expected="fewer rows"
        )
    if said and "user-defined function" in str(error):
        return PackError(said, file=file, line=statement.line, rule="sql", expected="arguments that it takes")
    if "disk is full" in str(error):
        return PackError(
            "the world is full", file=file, line=statement.line, rule="size", expected="a world of at most 16 MiB"
        )
    if guard.is_exhausted:
        return PackError(
            "the statement takes too long", file=file, line=statement.line, rule="time",
            expected="a statement of at most 4 million steps (40 million in --- populate) and 2 seconds",
        )  # fmt: skip
    if guard.refused:
        return PackError(
            f"{guard.refused} is not allowed in this section", file=file, line=statement.line, rule="rights",
            expected={"tables": "CREATE TABLE or CREATE INDEX", "read": "a query of the pack's own tables"}.get(
                stage, "statements on the pack's own tables"
            ),
        )  # fmt: skip
    rule = "constraints" if isinstance(error, sqlite3.IntegrityError) else "sql"
    return PackError(str(error), file=file, line=statement.line, rule=rule, expected="SQL that SQLite runs")


def _all(sections: tuple[Section, ...], word: str) -> tuple[Statement, ...]:
    return tuple(statement for section in sections if section.word == word for statement in section.statements)


def _kind(schema: Json) -> Json:
    """The type of a schema that is not null."""
    kinds = schema.get("type") if isinstance(schema, dict) else None
    return next((kind for kind in kinds if kind != "null"), None) if isinstance(kinds, list) else kinds


_ANY_LIMIT: dict[str, Json] = {"type": "integer"}
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'numbers'"


def trusted_rows(connection: sqlite3.Connection, guard: Guard, sql: str) -> Iterator[tuple[Any, ...]]:
    """Rows of a statement of tdlab's own."""
    guard.start("populate")
    with trusted(guard):
        yield from connection.execute(sql)
