"""The log of an agent or an API as a list of chat messages, built event by event and read by the reader of messages."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from tdlab._gc import rare_collection
from tdlab.formats._chat_record import chat_recording, with_services
from tdlab.formats._json import json_text
from tdlab.formats._parts import RawCall
from tdlab.formats.base import Note, Recording, Severity, Unreadable
from tdlab.records import Json

__all__ = ["Transcript", "shown"]


def shown(value: Json) -> str:
    """Return a value for a note, shortened."""
    return repr(value)[:60]


@dataclass
class Transcript:
    """The messages of one conversation, what was odd about them, and the services of tools that the log names.

    A message is in the form of any chat API; a call that stands alone is a `RawCall`.

    Example:
        >>> log = Transcript()
        >>> log.say("user", "List the weirs")
        >>> _ = log.call("c1", "run", {"command": "ls weirs"})
        >>> log.answer("c1", "a.txt", failed=False)
        >>> [message.role for message in log.recording({"id": "x"}, "line-1", "codex").trajectory.messages]
        ['user', 'assistant', 'tool']
    """

    messages: list[Json] = field(default_factory=list)
    definitions: list[Json] = field(default_factory=list)
    services: dict[str, str] = field(default_factory=dict)
    _notes: dict[Note, None] = field(default_factory=dict)
    _left_out: Counter[str] = field(default_factory=Counter)

    def note(self, severity: Severity, text: str) -> None:
        """Add a note, once."""
        self._notes.setdefault(Note(severity, text))

    def leave_out(self, kind: Json) -> None:
        """Count an event of a kind that is not known; each kind becomes one note."""
        self._left_out[str(kind)[:40]] += 1

    def say(self, role: str, content: Json) -> None:
        """Add a message: a text, or the parts of any API."""
        self.messages.append({"role": role, "content": content})

    def think(self, text: str) -> None:
        """Add a thought, which belongs to the assistant's next message."""
        if text.strip():
            self.messages.append({"role": "thought", "content": text.strip()})

    def call(self, call_id: Json, name: Json, arguments: Json, *, service: Json = None) -> bool:
        """Add a call; calls in a row are one turn. Return whether it could be added: a call without a name cannot."""
        if not isinstance(name, str) or not name:
            self.note("skipped", f"a call names no tool: {shown(json_text(arguments))}")
            return False
        self.messages.append(RawCall(_id_of(call_id) or None, name, arguments))
        if isinstance(service, str) and service:
            self.services.setdefault(name, service)
        return True

    def answer(self, call_id: Json, content: Json, *, failed: bool | None = None, name: Json = None) -> None:
        """Add a result; ``failed`` is None where the log has no flag."""
        message: dict[str, Json] = {"role": "tool", "content": content}
        answered = _id_of(call_id)
        if answered:
            message["tool_call_id"] = answered
        if isinstance(name, str) and name:
            message["name"] = name
        if failed is not None:
            message["is_error"] = failed
        self.messages.append(message)

    def recording(self, record: dict[str, Any], fallback: str, format_name: str) -> Recording:
        """Return the recording.

        Args:
            record: What stands beside the messages: the id, the tools, a system message.
            fallback: The id of a record without one.
            format_name: The name of the format.

        Raises:
            Unreadable: There is no message that can be read.
        """
        for kind, count in self._left_out.items():
            lines = "1 event" if count == 1 else f"{count} events"
            self.note("skipped", f"{lines} of the kind {kind!r} are left out, which is not known")
        if not self.messages:
            raise Unreadable("; ".join(["has no messages", *(note.text for note in self._notes)][:3]))
        if self.definitions:
            listed = record.get("tools")
            record = {**record, "tools": [*(listed if isinstance(listed, list) else []), *self.definitions]}
        with rare_collection():  # a session can be a whole file
            recording = chat_recording(record, self.messages, fallback, format_name)
        if self.services:
            recording = with_services(recording, self.services)
        if self._notes:
            recording = replace(recording, notes=tuple(dict.fromkeys((*self._notes, *recording.notes))))
        return recording


def _id_of(value: Json) -> str:
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
