"""Claude Code: session logs of one event a line, a list of such events, and the output of its headless mode."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tdlab.formats._transcript import Transcript
from tdlab.formats.base import Format, Item, Recording, Unreadable
from tdlab.records import Json

__all__ = ["CLAUDE_CODE"]

_KEYS = ("sessionId", "session_id", "leafUuid", "parentUuid", "isSidechain", "parent_tool_use_id")
_QUIET = {
    "summary", "file-history-snapshot", "queue-operation", "system", "progress", "attachment", "result", "stream_event",
    "ai-title", "custom-title", "agent-name", "agent-color", "agent-setting", "last-prompt", "tag", "mode",
    "permission-mode", "pr-link", "rate_limit_event", "tool_progress", "auth_status", "hook_event",
    "saved_hook_context", "worktree-state",
    "content-replacement", "marble-origami-commit", "speculation-accept", "task-summary", "last-uuid",
}  # fmt: skip
"""Kinds of events that say nothing: titles, snapshots, hooks, progress. Any other kind is noted."""
_HARNESS = (
    "<local-command-stdout>",
    "<local-command-stderr>",
    "<local-command-caveat>",
    "<bash-stdout>",
    "<bash-input>",
    "<task-notification>",
)


class _Conversation(NamedTuple):
    """The events of one conversation in order, its id, and how many events of other branches were left out."""

    id: str
    events: list[dict[str, Any]]
    abandoned: int


def _is_event(value: Json) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("type"), str) or "payload" in value:
        return False
    if value["type"] in ("user", "assistant"):
        return isinstance(value.get("message"), dict) and any(key in value for key in (*_KEYS, "uuid"))
    return value["type"] in ("file-history-snapshot", "queue-operation") or any(key in value for key in _KEYS)


def _unpack(value: Json) -> Iterator[Item] | None:
    events = [value] if _is_event(value) else value
    if not isinstance(events, list) or not any(_is_event(event) for event in events[:20]):
        return None
    return _items([event for event in events if isinstance(event, dict)])


def _items(events: list[dict[str, Any]]) -> Iterator[Item]:
    hidden = sum(_is_hidden_call(event) for event in events)
    kinds = (str(event.get("type"))[:40] for event in events)
    unknown = Counter(kind for kind in kinds if kind not in _QUIET and kind not in ("user", "assistant"))
    for conversation in _conversations(events):
        yield Item(
            conversation.id,
            {"events": conversation.events},
            {"unknown": unknown, "abandoned": conversation.abandoned, "hidden": hidden, "id": conversation.id},
        )
        unknown, hidden = Counter(), 0  # reported once


def _is_hidden_call(event: dict[str, Any]) -> bool:
    """Return whether an event shows a call of a subagent, whose own log holds the conversation."""
    shown = event.get("data")
    message = shown.get("message") if event.get("type") == "progress" and isinstance(shown, dict) else None
    inner = message if isinstance(message, dict) else {}
    return any(next(_blocks(holder, "tool_use"), None) for holder in (inner, {"message": inner}))


def _is_said(event: dict[str, Any]) -> bool:
    """Return whether an event is a message of the conversation, and not one that the program added."""
    if event.get("isMeta"):
        return False
    return (event.get("type") in ("user", "assistant") and isinstance(event.get("message"), dict)) or _is_queued(event)


def _is_queued(event: dict[str, Any]) -> bool:
    """Return whether an event is what the user wrote while the assistant was at work."""
    attached = event.get("attachment")
    return event.get("type") == "attachment" and isinstance(attached, dict) and attached.get("type") == "queued_command"


def _conversations(events: list[dict[str, Any]]) -> Iterator[_Conversation]:
    """Yield the conversations: by session, sessions that continue one another together, subagents on their own."""
    unique: dict[str, dict[str, Any]] = {}
    for number, event in enumerate(events):  # a resumed session repeats its history with the same ids
        identity = event.get("uuid")
        unique.setdefault(identity if isinstance(identity, str) else f"\0{number}", event)
    groups = _groups(unique)
    for name, members in groups.items():
        if not any(_is_said(unique[identity]) for identity in members):
            continue
        kept = _last_branch(members, unique)
        said = [identity for identity in members if _is_said(unique[identity])]
        events_kept = [unique[identity] for identity in said if identity in kept]
        yield _Conversation(name, events_kept, len(said) - len(events_kept))


def _session(event: dict[str, Any]) -> str:
    return str(event.get("sessionId") or event.get("session_id") or "session")


def _groups(events: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Return the ids of the events of each conversation, by its name."""
    names: dict[str, str] = {}
    sessions: dict[str, str] = {}  # the conversation to which a session belongs
    groups: dict[str, list[str]] = {}
    for identity, event in events.items():
        session = _session(event)
        parent = event.get("parentUuid") or event.get("logicalParentUuid")
        if event.get("isSidechain") is True or event.get("parent_tool_use_id"):
            agent = event.get("agentId") or event.get("parent_tool_use_id")
            inherited = names.get(parent) if isinstance(parent, str) else None
            if agent:
                name = f"{session}-{agent}"
            elif inherited is not None and inherited.startswith(f"{session}-sidechain"):
                name = inherited
            else:
                name = f"{session}-sidechain-{sum(known.startswith(f'{session}-sidechain') for known in groups) + 1}"
        else:
            if session not in sessions:
                inherited = names.get(parent) if isinstance(parent, str) else None
                sessions[session] = inherited if inherited is not None and "-sidechain" not in inherited else session
            name = sessions[session]
        names[identity] = name
        groups.setdefault(name, []).append(identity)
    return groups


def _last_branch(members: list[str], events: dict[str, dict[str, Any]]) -> set[str]:
    """Return the ids of the events that lead to the last one: a prompt that was edited and sent again leaves a branch.

    Parallel calls are branches too, each with its result; they belong to the conversation.
    """
    parents: dict[str, str | None] = {}
    linked = any(events[identity].get("parentUuid") for identity in members)
    before: str | None = None
    for identity in members:
        event = events[identity]
        parent = event.get("parentUuid") or event.get("logicalParentUuid")
        if isinstance(parent, str) and parent in parents:
            parents[identity] = parent
        elif linked and "parentUuid" in event and not parent and _is_prompt(event):
            parents[identity] = None  # a first prompt
        else:
            parents[identity] = before  # the log was cut, or the events have no links
        before = identity
    last = next((identity for identity in reversed(members) if _is_said(events[identity])), None)
    kept: set[str] = set()
    while last is not None and last not in kept:
        kept.add(last)
        last = parents[last]
    if any(identity not in kept and _is_said(events[identity]) for identity in members):
        _add_siblings(kept, members, events)
    return kept


def _add_siblings(kept: set[str], members: list[str], events: dict[str, dict[str, Any]]) -> None:
    """Add the other lines of the messages on a branch, and the results of their calls."""
    messages = {_message_id(events[identity]) for identity in kept} - {None}
    kept.update(i for i in members if events[i].get("type") == "assistant" and _message_id(events[i]) in messages)
    calls = {str(block.get("id")) for identity in kept for block in _blocks(events[identity], "tool_use")}
    answered = {_answered(block) for identity in kept for block in _blocks(events[identity], "tool_result")}
    for identity in members:
        results = {_answered(block) for block in _blocks(events[identity], "tool_result")}
        if identity not in kept and results and results <= calls and not results & answered:
            kept.add(identity)
            answered |= results


def _answered(block: dict[str, Any]) -> str:
    return str(block.get("tool_use_id"))


def _message_id(event: dict[str, Any]) -> str | None:
    message = event.get("message")
    if not isinstance(message, dict) or event.get("type") != "assistant":
        return None
    identity = message.get("id") or event.get("requestId")
    return identity if isinstance(identity, str) and identity else None


def _content(event: dict[str, Any]) -> Json:
    if _is_queued(event):
        return event["attachment"].get("prompt")
    message = event.get("message")
    return message.get("content") if isinstance(message, dict) else None


def _blocks(event: dict[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    content = _content(event)
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict) and block.get("type") == kind:
            yield block


def _is_prompt(event: dict[str, Any]) -> bool:
    """Return whether an event is what the user wrote."""
    return (
        event.get("type") == "user"
        and _is_said(event)
        and not event.get("isCompactSummary")
        and next(_blocks(event, "tool_result"), None) is None
    )


def _read(item: Item, fallback: str) -> Recording:
    """Read a session: the lines of one message together, without what the program itself wrote."""
    log = Transcript()
    for kind, count in item.context["unknown"].items():
        for _ in range(count):
            log.leave_out(kind)
    abandoned = item.context["abandoned"]
    if abandoned:
        log.note("skipped", f"{abandoned} messages are left out: they are of branches that the user abandoned")
    if item.context["hidden"]:
        log.note(
            "skipped", f"{item.context['hidden']} calls of subagents are left out, which only their progress shows"
        )
    started: dict[str, list[Json]] = {}
    for event in item.value["events"]:
        _take(log, event, started)
    if not log.messages:
        raise Unreadable("has no messages")
    return log.recording({"id": item.context["id"]}, fallback, CLAUDE_CODE.name)


def _take(log: Transcript, event: dict[str, Any], started: dict[str, list[Json]]) -> None:
    content = _content(event)
    if event.get("isCompactSummary"):
        log.note("noted", "the context was compacted; the summary that replaced it is left out")
    elif event.get("isApiErrorMessage"):
        log.note("noted", f"an error of the API is left out: {str(content)[:60]!r}")
    elif event["type"] != "assistant":
        if isinstance(content, str) and content.lstrip().startswith(_HARNESS):
            log.note("noted", "texts that the program sent in the user's name are left out")
        else:
            log.say("user", content)
    else:
        blocks = content if isinstance(content, list) else [{"type": "text", "text": content}] if content else []
        identity = _message_id(event)
        if identity is None or identity not in started:
            own: list[Json] = []
            started[identity or f"\0{len(started)}"] = own
            log.say("assistant", own)
        else:
            own = started[identity]
        own.extend(_new(blocks, own))


def _new(blocks: Iterable[Json], known: list[Json]) -> list[Json]:
    """Return the blocks that are not there: some versions repeat a message's blocks on each of its lines."""
    return [block for block in blocks if block not in known]


CLAUDE_CODE = Format("claude-code", _unpack, _read, _is_event)
