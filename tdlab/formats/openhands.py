"""OpenHands: lists of actions and observations, rows of its evaluation, and the events of the newer SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tdlab.formats._json import list_of, text_of
from tdlab.formats._parts import call_of
from tdlab.formats._transcript import Transcript, shown
from tdlab.formats.base import Format, Item, Recording
from tdlab.records import Json

__all__ = ["OPENHANDS"]

_SDK_KINDS = {
    "ActionEvent", "ObservationEvent", "MessageEvent", "SystemPromptEvent", "AgentErrorEvent", "UserRejectObservation",
    "ConversationStateUpdateEvent", "PauseEvent", "Condensation", "CondensationRequest", "CondensationSummaryEvent",
    "ConversationErrorEvent", "LLMCompletionLogEvent", "TokenEvent", "InterruptEvent",
}  # fmt: skip
_QUIET_SDK = {
    "ConversationStateUpdateEvent", "PauseEvent", "CondensationRequest", "LLMCompletionLogEvent", "TokenEvent",
    "InterruptEvent", "StreamingDeltaEvent",
}  # fmt: skip
_QUIET_ACTIONS = {"recall", "change_agent_state", "condensation_request", "start", "null", "pause", "resume", "stop"}
_QUIET_OBSERVATIONS = {"agent_state_changed", "recall", "null", "chat", "agent_delegate_started", "loop_detection"}
_LISTS = ("history", "trajectory", "events")
_RUNTIME = {"thought", "confirmation_state", "security_risk", "impl_source", "translated_ipython_code"}
"""Arguments that the runtime adds to an action."""


def _is_event(value: Json) -> bool:
    if not isinstance(value, dict) or "role" in value:
        return False
    kind = value.get("kind")
    if isinstance(kind, str) and (kind in _SDK_KINDS or (kind.endswith("Event") and "source" in value)):
        return True
    if isinstance(value.get("action"), str):
        return isinstance(value.get("args"), dict)
    return isinstance(value.get("observation"), str) and ("extras" in value or "cause" in value)


def _unpack(value: Json) -> Iterator[Item] | None:
    if _is_event(value):
        return iter([Item("", {"history": [value]})])
    if isinstance(value, list):
        events = _flat(value)
        return iter([Item("", {"history": events})]) if any(_is_event(event) for event in events[:20]) else None
    if isinstance(value, dict):
        for key in _LISTS:
            listed = _flat(list_of(value.get(key)))
            if any(_is_event(event) for event in listed[:20]):
                return iter([Item("", {**value, "history": listed})])
    return None


def _flat(history: list[Any]) -> list[Any]:
    """Return the events of a history; older evaluations keep pairs of an action and its observation."""
    events: list[Any] = []
    for entry in history:
        events += entry if isinstance(entry, list) else [entry]
    return events


def _read(item: Item, fallback: str) -> Recording:
    """Read the events. An action is a call of the tool that it names, and ``finish`` is the closing reply.

    Calls of one answer of the model are one turn. A command that ended with another exit code than 0 failed.
    """
    value = item.value
    log = Transcript()
    reader = _Reader(log)
    instruction = value.get("instruction")
    if isinstance(instruction, str) and instruction and not any(_is_user_message(event) for event in value["history"]):
        log.say("user", instruction)
    for index, event in enumerate(value["history"]):
        if not isinstance(event, dict):
            log.note("skipped", f"event {index} is {shown(event)}, not an object")
        elif isinstance(event.get("kind"), str):
            reader.take_sdk(event)
        elif isinstance(event.get("action"), str):
            reader.take_action(event)
        elif isinstance(event.get("observation"), str):
            reader.take_observation(event)
        elif event:
            log.leave_out(", ".join(list(event)[:4]))
    reader.close()
    record = {key: value[key] for key in ("instance_id", "id", "session_id") if value.get(key)}
    return log.recording(record, fallback, OPENHANDS.name)


def _is_user_message(event: Json) -> bool:
    return isinstance(event, dict) and event.get("source") == "user" and (
        event.get("action") == "message" or event.get("kind") == "MessageEvent"
    )  # fmt: skip


class _Reader:
    """Reads events into a transcript; the results of parallel calls wait until all calls of the answer are there."""

    def __init__(self, log: Transcript) -> None:
        self._log = log
        self._calls: dict[str, str] = {}  # the calls by the event's id
        self._answer: str | None = None  # the model's answer that is being read
        self._results: list[dict[str, Any]] = []

    def close(self) -> None:
        """Add the results that are waiting."""
        for result in self._results:
            self._log.answer(result["id"], result["content"], failed=result["failed"])
        self._results = []
        self._answer = None

    def _open(self, answer: Json) -> bool:
        """Begin an answer of the model; return whether it is the one before, whose calls go on."""
        same = isinstance(answer, str) and bool(answer) and answer == self._answer
        if not same:
            self.close()
            self._answer = answer if isinstance(answer, str) else None
        return same

    def _hold(self, call_id: str | None, content: Json, failed: bool | None) -> None:
        self._results.append({"id": call_id, "content": content, "failed": failed})

    # ------------------------------------------------------------------------------------------------------- V0

    def take_action(self, event: dict[str, Any]) -> None:
        """Add an action of the older events."""
        action, args = event["action"], event.get("args")
        args = args if isinstance(args, dict) else {}
        source = event.get("source")
        thought = text_of(args.get("thought"))
        if action in _QUIET_ACTIONS:
            return
        if action == "condensation":
            self._log.note("noted", "the history was condensed; it is read as it was")
        elif action == "system":
            self.close()
            self._log.say("system", args.get("content", event.get("message")))
            self._log.definitions += list_of(args.get("tools"))
        elif action == "message":
            self.close()
            self._log.say("user" if source == "user" else "assistant", args.get("content", event.get("message")))
        elif action in ("finish", "reject"):
            self.close()
            self._log.say("assistant", _last_words(args, event))
        else:
            self._call(event, action, args, thought)

    def _call(self, event: dict[str, Any], action: str, args: dict[str, Any], thought: str) -> None:
        metadata = event.get("tool_call_metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        response = metadata.get("model_response")
        same = self._open(response.get("id") if isinstance(response, dict) else None)
        service: Json = None
        arguments = {key: value for key, value in args.items() if key not in _RUNTIME and value is not None}
        if action in ("call_tool_mcp", "mcp") and isinstance(args.get("name"), str):
            action, arguments, service = args["name"], args.get("arguments") or {}, args.get("mcp_server")
        elif action == "think":
            arguments, thought = {"thought": thought}, ""
        else:
            made = _made_call(response, metadata.get("tool_call_id"))
            arguments = arguments if made is None else made
        if thought and not same:
            self._log.say("assistant", thought)
        call_id = str(metadata.get("tool_call_id") or f"event-{event.get('id', len(self._calls))}")
        if event.get("source") == "user":
            self._log.note("noted", f"the user ran {shown(action)}")
        if self._log.call(call_id, action, arguments, service=service) and event.get("id") is not None:
            self._calls[str(event["id"])] = call_id

    def take_observation(self, event: dict[str, Any]) -> None:
        """Add an observation of the older events: the result of the call that caused it."""
        cause = event.get("cause")
        call_id = self._calls.get(str(cause)) if cause is not None else None
        metadata = event.get("tool_call_metadata")
        if call_id is None and isinstance(metadata, dict):
            call_id = metadata.get("tool_call_id")
        kind = event["observation"]
        if call_id is None and (kind in _QUIET_OBSERVATIONS or kind in _QUIET_ACTIONS):
            return
        if call_id is None and cause is not None and kind in ("success", "message", "finish", "system"):
            return
        extras = event.get("extras")
        extras = extras if isinstance(extras, dict) else {}
        inner = extras.get("metadata")
        code = extras.get("exit_code", inner.get("exit_code") if isinstance(inner, dict) else None)
        failed = None if not isinstance(code, int) else code != 0
        if kind == "error" or extras.get("error") is True or event.get("success") is False:
            failed = True
        if kind == "error" and call_id is None and cause is None and not self._results and not self._calls:
            self._log.note("noted", f"the session reports an error: {shown(event.get('content'))}")
            return
        self._hold(call_id, event.get("content"), failed)

    # ------------------------------------------------------------------------------------------------------ SDK

    def take_sdk(self, event: dict[str, Any]) -> None:
        """Add an event of the newer SDK."""
        kind = event["kind"]
        if kind in _QUIET_SDK:
            return
        if kind == "ActionEvent":
            self._take_sdk_action(event)
        elif kind in ("ObservationEvent", "AgentErrorEvent", "UserRejectObservation"):
            self._take_sdk_result(event)
        elif kind == "MessageEvent":
            self.close()
            message = event.get("llm_message")
            message = message if isinstance(message, dict) else {}
            role = message.get("role") or ("user" if event.get("source") == "user" else "assistant")
            self._log.messages.append({key: message[key] for key in ("content", "reasoning_content") if key in message})
            self._log.messages[-1]["role"] = role
        elif kind == "SystemPromptEvent":
            prompt = event.get("system_prompt")
            self._log.say("system", prompt.get("text") if isinstance(prompt, dict) else prompt)
            self._log.definitions += [_sdk_tool(tool) for tool in list_of(event.get("tools"))]
        elif kind in ("Condensation", "CondensationSummaryEvent"):
            self._log.note("noted", "the history was condensed; it is read as it was")
        elif kind == "ConversationErrorEvent":
            self._log.note("noted", f"the session reports an error: {shown(event.get('detail', event.get('code')))}")
        else:
            self._log.leave_out(kind)

    def _take_sdk_action(self, event: dict[str, Any]) -> None:
        same = self._open(event.get("llm_response_id"))
        call = event.get("tool_call")
        call = call if isinstance(call, dict) else {}
        function = call.get("function")
        call = function if isinstance(function, dict) else call
        action = event.get("action")
        name = event.get("tool_name") or call.get("name")
        arguments = call.get("arguments")
        if arguments is None and isinstance(action, dict):
            arguments = {key: value for key, value in action.items() if key != "kind" and value is not None}
        reasoning = text_of(event.get("reasoning_content"))
        said = text_of(event.get("thought"))
        if name == "finish":
            self.close()
            self._log.think(reasoning)
            message = action.get("message") if isinstance(action, dict) else None
            self._log.say("assistant", "\n".join(part for part in (said, text_of(message)) if part))
            return
        if not same:
            self._log.think(reasoning)
            if said.strip():
                self._log.say("assistant", said)
        call_id = event.get("tool_call_id")
        if self._log.call(call_id, name, arguments) and call_id:
            self._calls[str(event.get("id"))] = str(call_id)

    def _take_sdk_result(self, event: dict[str, Any]) -> None:
        call_id = event.get("tool_call_id") or self._calls.get(str(event.get("action_id")))
        if event.get("tool_name") == "finish":
            return
        observation = event.get("observation")
        if event["kind"] != "ObservationEvent" or not isinstance(observation, dict):
            content = event.get("error", event.get("rejection_reason", observation))
            self._hold(call_id, content, True if event["kind"] != "ObservationEvent" else None)
            return
        code = observation.get("exit_code")
        metadata = observation.get("metadata")
        if code is None and isinstance(metadata, dict):
            code = metadata.get("exit_code")
        failed = observation.get("is_error", observation.get("error"))
        flag = failed if isinstance(failed, bool) else True if failed else None
        if isinstance(code, int) and code != 0:
            flag = True
        content = next((observation[key] for key in ("content", "output", "result") if observation.get(key)), None)
        if content is None:
            content = {key: value for key, value in observation.items() if key != "kind" and value is not None}
        self._hold(call_id, content, flag)


def _made_call(response: Json, call_id: Json) -> Json:
    """Return the arguments that the model wrote; the action has others, and of an edit it has not the text."""
    for choice in list_of(response.get("choices")) if isinstance(response, dict) else ():
        message = choice.get("message") if isinstance(choice, dict) else None
        for call in list_of(message.get("tool_calls")) if isinstance(message, dict) else ():
            raw = call_of(call)
            if raw is not None and raw.id == call_id:
                return raw.arguments
    return None


def _last_words(args: dict[str, Any], event: dict[str, Any]) -> str:
    outputs = args.get("outputs")
    inner = outputs.get("content") if isinstance(outputs, dict) else None
    texts = (args.get("final_thought"), args.get("message"), inner, args.get("thought"), event.get("message"))
    return next((text for text in texts if isinstance(text, str) and text.strip()), "")


def _sdk_tool(tool: Json) -> Json:
    """Return a definition in a form that is known: the SDK's own has the schema beside its title."""
    if isinstance(tool, dict) and "function" not in tool and isinstance(tool.get("action_type"), str):
        return {"name": tool.get("name", tool.get("title")), "description": tool.get("description")}
    return tool


OPENHANDS = Format("openhands", _unpack, _read, _is_event, frozenset({"kind", "action", "observation", *_LISTS}))
