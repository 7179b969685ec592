"""Files of tasks, such as a benchmark's: conversations of any known format, other JSON records, or a task a line.

A record of no known format becomes a recording of what its user says: the texts with a few words in it, in order, but
not its instructions, definitions, answers or initial state. The definitions of tools in it are kept as its tools.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from tdlab.errors import FormatError
from tdlab.formats._conversations import conversations_in
from tdlab.formats._definitions import tool_definition
from tdlab.formats._json import list_of
from tdlab.formats.base import Format, Item, LineProblem, Recording, Unreadable
from tdlab.formats.read import FORMATS
from tdlab.records import Json, Message, Tool, Trajectory

__all__ = ["TASKS", "iter_tasks"]

_TOOL_KEYS = ("tools", "function", "functions", "available_tools", "tool_defs")
# What a benchmark keeps beside its tasks: answers, checks, states of worlds, instructions to the agent.
_NOT_TASKS = re.compile(
    r"tools?|functions?|available_tools|tool_defs|.*_doc|parameters|schema|initial_(?:config|state)|.*ground_truth.*"
    r"|.*answers?|expected.*|gold.*|evaluat.*|.*criteria|reward.*|actions?|assertions?|rubrics?|solution|system.*|policy"
    r"|instructions_to_agent|config|metadata|source|licen[cs]e|missed_function|path|excluded_function|involved_classes",
    re.IGNORECASE,
)
_FEWEST_WORDS = 3
_WORDS = re.compile(r"\w+")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")
_DEEPEST = 24
_MOST_LINE = 64 << 20
_HEAD = 4096


def iter_tasks(path: str | Path) -> Iterator[Recording | LineProblem]:
    r"""Yield the tasks of a file or folder one by one: conversations, or what the user says in any other record.

    Args:
        path: A file or folder: any format of `iter_trajectories`, other JSON or JSONL, Parquet, or text with one task
            a line.

    Yields:
        A recording for each task, a problem for each part without one.

    Raises:
        FormatError: The file cannot be opened, is empty, or is no text.

    Example:
        >>> with open("benchmark.jsonl", "w") as file:
        ...     _ = file.write('{"id": "b-1", "question": "Which weirs of the Aare are closed?"}\n')
        >>> [task.trajectory.messages[0].content for task in iter_tasks("benchmark.jsonl")]
        ['Which weirs of the Aare are closed?']
    """
    source = Path(path)
    if source.is_dir():
        for file in sorted(inner for inner in source.rglob("*") if inner.is_file()):
            try:
                yield from iter_tasks(file)
            except FormatError as error:
                yield LineProblem(str(file), 0, "", error.found.removeprefix(f"{file}: "))
        return
    if _is_plain_text(source):
        with source.open("rb") as handle:
            yield from _lines(source, handle)
        return
    yield from conversations_in(source, (*(known for _, known in FORMATS.items()), TASKS))


def _is_plain_text(path: Path) -> bool:
    """Return whether a file is text that is no JSON."""
    try:
        with path.open("rb") as handle:
            head = handle.read(_HEAD)
    except OSError as error:
        raise FormatError(
            f"{path}: cannot be read ({error.strerror or error})", expected="a file of tasks", do="check the path"
        ) from None
    if not head.strip():
        raise FormatError(f"{path}: is empty", expected="a file of tasks", do="download or write the file again")
    if head[:2] in (b"\x1f\x8b", b"\xff\xfe", b"\xfe\xff") or head[:4] == b"PAR1":
        return False
    if b"\0" in head:
        raise FormatError(f"{path}: is no text", expected="JSON, JSONL, Parquet or text with one task a line")
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] not in (b"{", b"[")


def _lines(path: Path, stream: BinaryIO) -> Iterator[Recording | LineProblem]:
    number = 0
    while raw := stream.readline(_MOST_LINE):
        number += 1
        if len(raw) == _MOST_LINE and not raw.endswith(b"\n"):
            while (more := stream.readline(_MOST_LINE)) and not more.endswith(b"\n"):
                pass
            yield LineProblem(str(path), number, "", f"is longer than {_MOST_LINE >> 20} MiB")
            continue
        try:
            text = raw.removeprefix(b"\xef\xbb\xbf").decode().strip()
        except UnicodeDecodeError as error:
            yield LineProblem(str(path), number, "", f"is not UTF-8 text (byte {error.start})")
            continue
        if text:
            yield _recording(f"{path.name.partition('.')[0]}-{number}", [text], {})


def _unpack(value: Json) -> Iterator[Item] | None:
    if isinstance(value, str):
        return iter([Item("", {"task": value})])
    if not isinstance(value, dict):
        return None
    lists = {key: inner for key, inner in value.items() if isinstance(inner, list) and _holds_records(inner)}
    if len(lists) == 1 and not any(isinstance(inner, str) and _is_text(inner) for inner in value.values()):
        key, records = next(iter(lists.items()))
        if not _NOT_TASKS.fullmatch(key) and not any("role" in record for record in records):
            return (Item(f"{key}[{index}]", record) for index, record in enumerate(records))
    return iter([Item("", value)])


def _holds_records(values: list[Json]) -> bool:
    return len(values) > 1 and all(isinstance(value, dict) for value in values)


def _read(item: Item, fallback: str) -> Recording:
    tools: dict[str, Tool] = {}
    if isinstance(item.value.get("parameters", item.value.get("inputSchema")), dict):
        alone = tool_definition(item.value, "")  # BFCL keeps definitions in files of their own
        if alone is not None:
            return _recording(alone.name, [], {alone.key: alone})
    texts = list(dict.fromkeys(_texts(item.value)))
    for key in _TOOL_KEYS:
        raw = item.value.get(key)
        for definition in [raw] if isinstance(raw, dict) else list_of(raw):
            tool = tool_definition(definition, "")
            if tool is not None:
                tools.setdefault(tool.key, tool)
    if not texts and not tools:
        raise Unreadable("holds no text of a task and no tool")
    stated = next((item.value[key] for key in ("id", "task_id", "question_id", "name") if key in item.value), None)
    identity = str(stated) if isinstance(stated, (str, int)) and str(stated) else fallback
    return _recording(identity, texts, tools)


def _recording(identity: str, texts: list[str], tools: dict[str, Tool]) -> Recording:
    messages = tuple(Message(role="user", content=text) for text in texts)
    names = {tool.name: key for key, tool in tools.items()}
    return Recording(Trajectory(id=identity, messages=messages, tools=names), tools, TASKS.name)


def _texts(value: Json, depth: int = 0) -> Iterator[str]:
    """Yield the texts of a record that may be a user's words, in order."""
    if isinstance(value, str):
        if _is_text(value):
            yield value
    elif depth >= _DEEPEST:
        return
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, depth + 1)
    elif isinstance(value, dict):
        role = value.get("role", value.get("from"))
        if isinstance(role, str) and role.lower() not in ("user", "human"):
            return
        for key, inner in value.items():
            if not _NOT_TASKS.fullmatch(str(key)):
                yield from _texts(inner, depth + 1)


def _is_text(text: str) -> bool:
    """Return whether a string has a few words, or as many characters of a script without spaces."""
    if " " in text.strip() and len(list(islice(_WORDS.finditer(text), _FEWEST_WORDS))) == _FEWEST_WORDS:
        return True
    return len(_CJK.findall(text)) > _FEWEST_WORDS


TASKS = Format("tasks", _unpack, _read)
"""Any other record, as the task that its user sets."""
