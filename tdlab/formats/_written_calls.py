"""Calls that models write into their text, each family in its own syntax.

==================  ================================================================================================
Hermes, Qwen        ``<tool_call>{"name": ..., "arguments": {...}}</tool_call>``, or a Python repr of that
Qwen3-Coder         ``<tool_call><function=name><parameter=key>value</parameter></function></tool_call>``
GLM-4.5             ``<tool_call>name<arg_key>k</arg_key><arg_value>v</arg_value></tool_call>``
Claude, MiniMax     ``<invoke name="x"><parameter name="k">v</parameter></invoke>``, also DeepSeek-V3.2's DSML
Mistral             ``[TOOL_CALLS] [{...}]`` and ``[TOOL_CALLS]name[ARGS]{...}``
DeepSeek            ``<｜tool▁call▁begin｜>function<｜tool▁sep｜>name`` with a fenced JSON, and V3.1's shorter form
Kimi-K2             ``<|tool_call_begin|>functions.name:0<|tool_call_argument_begin|>{...}<|tool_call_end|>``
Llama 3             ``<|python_tag|>{...}`` or ``name.call(k="v")``, ``<function=name>{...}</function>``, bare JSON
Granite, Phi        ``<|tool_call|>[{...}]``, ``functools[{...}]``
Jamba, OLMo, LFM2   ``<tool_calls>[{...}]</tool_calls>``, ``<function_calls>f(a=1)</function_calls>``, and LFM2's
Gemma               ``tool_code`` in a fence; ``<start_function_call>call:f{a:<escape>x<escape>}<end_function_call>``
Glaive              ``<functioncall> {"name": ..., "arguments": '{...}'}``
Nemotron            ``<TOOLCALL>[{...}]</TOOLCALL>``
InternLM            ``<|action_start|><|plugin|>{...}<|action_end|>``
Functionary         ``>>>name`` on a line, its arguments below
Command R           ``<|START_ACTION|>[{...}]<|END_ACTION|>``, ``Action:`` before a list in a fence
gpt-oss             ``<|channel|>commentary to=functions.name <|message|>{...}<|call|>`` (Harmony)
ReAct               ``Action: name`` and ``Action Input: {...}`` on lines of their own
==================  ================================================================================================

Forms without a mark of their own (bare JSON, ``[f(a=1)]``, ReAct) are read as calls only where a result follows or the
name is that of an offered tool: prose may show the same words. Whatever cannot be read as a call stays in the text, and
a mark that names a call and yields none becomes a note. So does a call in a fence that no result follows and whose tool
is not offered: it is an example.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from tdlab.formats._json import Exact, Untyped, json_text, object_of, typed_value
from tdlab.formats._literal import calls_of, loads_leniently
from tdlab.formats._parts import RawCall, call_of
from tdlab.records import Json
from tdlab.tools import read_json

__all__ = ["Written", "calls_in_value", "written_calls"]


class Written(NamedTuple):
    """A text without its calls, the calls, what was thought beside them, and what could not be read."""

    text: str
    calls: tuple[RawCall, ...]
    thoughts: str = ""
    notes: tuple[str, ...] = ()


_BAR, _GAP = "[|｜]", "[▁_ ]"
_ANGLE = re.compile(
    r"<(?:tool_call>|\|tool_call\|>|function=|(?:\w+:)?invoke |(?:\w+:)?function_calls>|｜DSML｜|\|python_tag\|>"
    r"|\|tool_call_begin\|>|\|START_ACTION\|>|\|channel\|>|｜tool▁call|\|tool[▁_]calls?[▁_]begin\|>|TOOLCALL>"
    r"|\|action_start\|>|functioncall>|\|tool_call_start\|>|tool_calls>|start_function_call>)"
)
_PROMPT_TO_ALL = re.compile(r"^>>>all\n", re.MULTILINE)
_PROMPT = re.compile(r"^>>>\w", re.MULTILINE)


def _mark_in(text: str) -> str:
    """Return the first mark of a call in any family's syntax; empty where there is none."""
    if "<" in text and (angle := _ANGLE.search(text)) is not None:
        return angle.group()
    if "[TOOL_CALLS]" in text:
        return "[TOOL_CALLS]"
    if "functools[" in text and text.lstrip().startswith("functools["):
        return "functools["
    return ">>>" if ">>>" in text and _PROMPT.search(text) is not None else ""


_TAG, _TAG_END = "<tool_call>", "</tool_call>"
_CALL = re.compile(r"<tool_call>(.*?)(?:</tool_call>|(?=<tool_call>)|\Z)", re.DOTALL)
_FUNCTION = re.compile(r"<function=([^>\n]+)>(.*?)(?:</function>|(?=<function=)|\Z)", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([^>\n]+)>\n?(.*?)\n?(?:</parameter>|(?=<parameter=)|\Z)", re.DOTALL)
_ARGUMENT = re.compile(r"<arg_key>([^<]*)</arg_key>\s*<arg_value>(.*?)(?:</arg_value>|\Z)", re.DOTALL)
_INVOKE = re.compile(
    r"<(?:\w+:|｜DSML｜)?invoke name=\"([^\"\n]+)\">"
    r"(.*?)(?:</(?:\w+:|｜DSML｜)?invoke>|(?=<(?:\w+:|｜DSML｜)?invoke )|\Z)",
    re.DOTALL,
)
_INVOKE_PARAMETER = re.compile(
    r"<(?:\w+:|｜DSML｜)?parameter name=\"([^\"\n]+)\"(?: string=\"(true|false)\")?>"
    r"(.*?)(?:</(?:\w+:|｜DSML｜)?parameter>|\Z)",
    re.DOTALL,
)
_INVOKE_WRAPPER = re.compile(r"</?(?:\w+:|｜DSML｜)?(?:function_calls|tool_calls|tool_call)>")
_MISTRAL = re.compile(r"\[TOOL_CALLS\]\s*(.*?)(?=\[TOOL_CALLS\]|</s>|\Z)", re.DOTALL)
_MISTRAL_NAMED = re.compile(r"([\w./:-]+)\s*(?:\[CALL_ID\]\s*([\w-]+)\s*)?(?:\[ARGS\]\s*)?(?=\{)")
_DEEPSEEK = re.compile(
    f"<{_BAR}tool{_GAP}call{_GAP}begin{_BAR}>(.*?)(?:<{_BAR}tool{_GAP}call{_GAP}end{_BAR}>|\\Z)", re.DOTALL
)
_DEEPSEEK_WRAPPER = re.compile(f"<{_BAR}tool{_GAP}calls{_GAP}(?:begin|end){_BAR}>")
_DEEPSEEK_SEPARATOR = re.compile(f"<{_BAR}tool{_GAP}sep{_BAR}>")
_KIMI = re.compile(
    r"<\|tool_call_begin\|>\s*(?:functions\.)?([\w./-]+?)(?::(\d+))?\s*<\|tool_call_argument_begin\|>(.*?)"
    r"(?:<\|tool_call_end\|>|\Z)",
    re.DOTALL,
)
_KIMI_WRAPPER = re.compile(r"<\|tool_calls_section_(?:begin|end)\|>")
_PYTHON_TAG = re.compile(r"<\|python_tag\|>(.*?)(?:<\|eom_id\|>|<\|eot_id\|>|\Z)", re.DOTALL)
_LISTED = re.compile(
    r"<\|tool_call\|>(.*?)(?:<\|/tool_call\|>|\Z)|<\|START_ACTION\|>(.*?)(?:<\|END_ACTION\|>|\Z)"
    r"|<TOOLCALL>(.*?)(?:</TOOLCALL>|\Z)|<\|action_start\|>\s*<\|plugin\|>(.*?)(?:<\|action_end\|>|\Z)"
    r"|<\|tool_call_start\|>(.*?)(?:<\|tool_call_end\|>|\Z)|<tool_calls>(.*?)(?:</tool_calls>|\Z)"
    r"|<function_calls>(.*?)(?:</function_calls>|\Z)"
    r"|<functioncall>(.*?)(?:</functioncall>|\Z)|\A\s*functools(\[.*\])\s*\Z",
    re.DOTALL,
)
_GEMMA = re.compile(r"<start_function_call>\s*call:([\w./-]+)(\{.*?\})\s*(?:<end_function_call>|\Z)", re.DOTALL)
_GEMMA_PIECE = re.compile(r"<escape>(.*?)<escape>|(\w+)\s*:", re.DOTALL)
_LEFT_WRAPPER = re.compile(r"</?\w+:tool_calls?>")
_FENCED = re.compile(r"^```.*?^```[ \t]*$", re.DOTALL | re.MULTILINE)
_ACTION_LIST = re.compile(r"^Action:\s*```json\s*(\[.*\])\s*```\s*\Z", re.DOTALL | re.MULTILINE)
_FUNCTIONARY = re.compile(r"^>>>(\w[\w./-]*)\n(.*?)(?=^>>>\w|\Z)", re.DOTALL | re.MULTILINE)
_TURN_ENDS = re.compile(
    r"(?:<\|(?:eom_id|eot_id|im_end|end|return|endoftext|end_of_text)\|>|</s>|<｜end▁of▁sentence｜>)\Z"
)
_HARMONY = re.compile(
    r"(?:<\|start\|>(?P<role>[^<]*?))?<\|channel\|>(?P<channel>\w+)(?P<to>[^<]*?)(?:<\|constrain\|>[^<]*)?<\|message\|>"
    r"(?P<body>.*?)(?:<\|(?:end|call|return)\|>|(?=<\|start\|>)|\Z)",
    re.DOTALL,
)
_RECIPIENT = re.compile(r"to=(?:functions\.)?([\w./-]+)")
_FENCE = re.compile(r"\A```(?:json|tool_call|tool_code|python)?\s*(.*?)\s*```\Z", re.DOTALL)
_REACT = re.compile(
    r"^[ \t]*Action[ \t]*:[ \t]*(?P<name>[^\n\[(]{1,128}?)[ \t]*(?:\[(?P<single>[^\n]*)\][ \t]*)?\n?"
    r"(?:^[ \t]*Action[ _]?Input[ \t]*:[ \t]*(?P<input>.*?))?(?=^[ \t]*(?:Observation|Thought|Action)[ \t]*:|\Z)",
    re.DOTALL | re.MULTILINE | re.IGNORECASE,
)
_REACT_LINE = re.compile(r"^[ \t]*Action[ \t]*:", re.MULTILINE | re.IGNORECASE)


def written_calls(text: str, *, offered: Collection[str] = (), answered: bool = False) -> Written:
    """Return the calls in an assistant's text, and the text without them.

    Args:
        text: The text, without its thoughts.
        offered: The names of the offered tools.
        answered: Whether a tool's result follows.
    """
    if text.rstrip()[-1:] == ">":
        text = _TURN_ENDS.sub("", text.rstrip())
    if _mark_in(text):
        written = _marked(text)
        if written.calls and not answered and "```" in text and _is_example(text, written.calls, offered):
            return Written(text, (), notes=("a call in a fence, which nothing answers, is read as an example",))
        return written
    return _bare(text, offered, answered)


def _is_example(text: str, calls: Collection[RawCall], offered: Collection[str]) -> bool:
    """Return whether calls are in fences with text around them, and none is of an offered tool."""
    outside = _FENCED.sub("", text)
    return bool(outside.strip()) and not _mark_in(outside) and not any(call.name in offered for call in calls)


def _marked(text: str) -> Written:
    if "<|channel|>" in text:
        return _harmony(text)
    marks = _ANGLE.findall(text)
    start = len(text) - len(_TAG_END)
    calls: list[RawCall] = []
    rest = text
    if len(marks) == 1 and marks[0] == _TAG and text.find(_TAG_END) == start:  # one call at the end, as most have it
        begin = text.find(_TAG)
        calls = _tagged(text[begin + len(_TAG) : start].strip())
        rest = text[:begin] if calls else text
    else:
        for pattern, read in _families(text, marks):
            rest = _take_tags(rest, calls) if pattern is _CALL else _take(pattern, read, rest, calls)
    if "invoke " in text:
        rest = _INVOKE_WRAPPER.sub("", rest) if calls else rest
    if calls and "tool_call" in rest:
        rest = _LEFT_WRAPPER.sub("", rest)
        rest = rest if _TAG in rest else rest.replace(_TAG_END, "")
    if calls and ("tool" in rest or ">>>" in rest):
        rest = _DEEPSEEK_WRAPPER.sub("", _KIMI_WRAPPER.sub("", rest))
        rest = rest.replace("<tool_calls>", "").replace("</tool_calls>", "")
        rest = _PROMPT_TO_ALL.sub("", rest)
    left = _mark_in(rest) if rest.strip() else ""
    notes = (f"{left} names a call that cannot be read; it stays in the text",) if left else ()
    return Written(rest.strip() if calls else text, tuple(calls), notes=notes)


def _take(
    pattern: re.Pattern[str], read: Callable[[re.Match[str]], list[RawCall]], text: str, calls: list[RawCall]
) -> str:
    """Return the text without the calls that a pattern finds, which are added to ``calls``."""

    def replace(match: re.Match[str]) -> str:
        own = read(match)
        calls.extend(own)
        return "" if own else match.group()

    return pattern.sub(replace, text)


def _take_tags(text: str, calls: list[RawCall]) -> str:
    """Return the text without its tagged calls. One whose arguments hold the tags themselves ends with its JSON."""
    kept, position = [], 0
    while (match := _CALL.search(text, position)) is not None:
        own, end = _read_tagged(match), match.end()
        if not own:
            own, end = _whole_call(text, match.start(1), end)
        calls.extend(own)
        kept.append(text[position : match.start() if own else end])
        position = end
    return "".join([*kept, text[position:]])


def _whole_call(text: str, start: int, end: int) -> tuple[list[RawCall], int]:
    """Return the call of the JSON object at a place, and where its closing tag ends; nothing and ``end`` if none is."""
    start += len(text[start:end]) - len(text[start:end].lstrip())
    if not text.startswith("{", start):
        return [], end
    try:
        stop = _DECODER.raw_decode(text, start)[1]
        value = read_json(text[start:stop])
    except (ValueError, RecursionError):
        return [], end
    closing = text.find(_TAG_END, stop)
    if closing < 0 or text[stop:closing].strip():
        return [], end
    return calls_in_value(value), closing + len(_TAG_END)


_DECODER = json.JSONDecoder()


def _read_tagged(match: re.Match[str]) -> list[RawCall]:
    return _tagged(match.group(1).strip())


def _tagged(body: str) -> list[RawCall]:
    if body.startswith(("{", "[")):
        try:
            return calls_in_value(loads_leniently(body))
        except ValueError:
            pass
    if _FUNCTION.search(body) is not None:
        return [call for function in _FUNCTION.finditer(body) for call in _read_function(function)]
    if _INVOKE.search(body) is not None:
        return [call for invoke in _INVOKE.finditer(body) for call in _read_invoke(invoke)]
    if "<arg_key>" in body:
        name = body.partition("<arg_key>")[0].strip()
        return (
            [RawCall(None, name, Untyped((key.strip(), value) for key, value in _ARGUMENT.findall(body)))]
            if name
            else []
        )
    try:
        return calls_in_value(loads_leniently(body))
    except ValueError:
        name, _, rest = body.strip().partition("\n")  # GLM-4.5 without arguments, or with JSON below the name
        if not re.fullmatch(r"[\w./-]+", name):
            return []
        return [RawCall(None, name, rest.strip() or {})] if not rest.strip() or rest.lstrip().startswith("{") else []


def _read_function(match: re.Match[str]) -> list[RawCall]:
    name, body = match.group(1).strip(), match.group(2).strip()
    if not name:
        return []
    if body.startswith("{"):
        return [RawCall(None, name, body)]
    return [RawCall(None, name, Untyped((key.strip(), value) for key, value in _PARAMETER.findall(body)))]


def _read_invoke(match: re.Match[str]) -> list[RawCall]:
    found = _INVOKE_PARAMETER.findall(match.group(2))
    if any(is_text for _, is_text, _ in found):  # DSML says which values are texts
        typed = {name: value if is_text == "true" else typed_value(value, {}) for name, is_text, value in found}
        return [RawCall(None, match.group(1), typed)]
    return [RawCall(None, match.group(1), Untyped((name, value.strip("\n")) for name, _, value in found))]


def _read_mistral(match: re.Match[str]) -> list[RawCall]:
    body = match.group(1).strip()
    named = _MISTRAL_NAMED.match(body)
    if named is not None:
        return [RawCall(named.group(2), named.group(1), body[named.end() :].strip())]
    return _calls_in_text(body)


def _read_deepseek(match: re.Match[str]) -> list[RawCall]:
    first, separator, rest = _split_once(_DEEPSEEK_SEPARATOR, match.group(1))
    if not separator:
        return []
    name, body = first.strip(), rest.strip()
    if name == "function":  # V3 and R1: the kind of the tool, then its name on the line
        name, _, body = body.partition("\n")
        name = name.strip()
    fenced = _FENCE.match(body.strip())
    return [RawCall(None, name, (fenced.group(1) if fenced else body).strip())] if name else []


def _split_once(pattern: re.Pattern[str], text: str) -> tuple[str, str, str]:
    match = pattern.search(text)
    return (text, "", "") if match is None else (text[: match.start()], match.group(), text[match.end() :])


def _read_kimi(match: re.Match[str]) -> list[RawCall]:
    name, number = match.group(1), match.group(2)
    return [RawCall(None if number is None else f"functions.{name}:{number}", name, match.group(3).strip())]


def _read_python_tag(match: re.Match[str]) -> list[RawCall]:
    body = match.group(1).strip()
    calls = _calls_in_text(body)
    if calls or body.startswith("{"):
        return calls
    try:
        return [RawCall(None, name.removesuffix(".call"), arguments) for name, arguments in calls_of(body)]
    except ValueError:  # code for Llama's interpreter
        return [RawCall(None, "code_interpreter", {"code": body})] if body else []


def _read_listed(match: re.Match[str]) -> list[RawCall]:
    body = match.group(match.lastindex or 0).strip()
    calls = _calls_in_text(body)
    return calls or _pythonic(body[1:-1] if body.startswith("[") else ",".join(body.splitlines()))


def _read_gemma(match: re.Match[str]) -> list[RawCall]:
    def quoted(piece: re.Match[str]) -> str:
        text = piece.group(1)
        return json_text(text) if text is not None else f"{json_text(piece.group(2))}:"

    return [RawCall(None, match.group(1), _GEMMA_PIECE.sub(quoted, match.group(2)))]


def _read_functionary(match: re.Match[str]) -> list[RawCall]:
    return [] if match.group(1) == "all" else [RawCall(None, match.group(1), match.group(2).strip())]


_Family = tuple[re.Pattern[str], Callable[[re.Match[str]], list[RawCall]]]

_FAMILIES: tuple[tuple[tuple[str, ...], _Family], ...] = (
    (("<tool_call>",), (_CALL, _read_tagged)),
    (("invoke ",), (_INVOKE, _read_invoke)),
    (("<function=",), (_FUNCTION, _read_function)),
    (("[TOOL_CALLS]",), (_MISTRAL, _read_mistral)),
    (("tool▁call", "tool_call_begin"), (_DEEPSEEK, _read_deepseek)),
    (("<|tool_call_begin|>",), (_KIMI, _read_kimi)),
    (("<|python_tag|>",), (_PYTHON_TAG, _read_python_tag)),
    (
        (
            "<|tool_call|>",
            "<|START_ACTION|>",
            "<TOOLCALL>",
            "<|action_start|>",
            "functools[",
            "<functioncall>",
            "<|tool_call_start|>",
            "<tool_calls>",
            "<function_calls>",
        ),
        (_LISTED, _read_listed),
    ),
    (("<start_function_call>",), (_GEMMA, _read_gemma)),
    ((">>>",), (_FUNCTIONARY, _read_functionary)),
)
"""The marks of each family, the pattern of its calls, and how one is read."""


def _families(text: str, found: list[str]) -> list[_Family]:
    """Return the families whose marks are in a text; most texts have one family's."""
    if set(found) == {_TAG}:
        return [_FAMILIES[0][1]]
    return [family for marks, family in _FAMILIES if any(mark in text for mark in marks)]


def _harmony(text: str) -> Written:
    """Read gpt-oss's channels: ``analysis`` was thought, ``commentary to=...`` is a call, the rest was said."""
    said, thoughts, calls = [], [], []
    before = text[: match.start()] if (match := _HARMONY.search(text)) else text
    for message in _HARMONY.finditer(text):
        recipient = _RECIPIENT.search((message["role"] or "") + (message["to"] or ""))
        body = message["body"].strip()
        if recipient is not None and recipient.group(1) != "assistant":
            calls.append(RawCall(None, recipient.group(1), body))
        elif message["channel"] == "analysis":
            thoughts.append(body)
        else:
            said.append(body)
    notes = () if said or thoughts or calls else ("<|channel|> opens no message that can be read",)
    return Written("\n".join([before.strip(), *said]).strip(), tuple(calls), "\n".join(thoughts), notes)


# --------------------------------------------------------------------------------------------------- without own marks


def _bare(text: str, offered: Collection[str], answered: bool) -> Written:
    if ":" in text and _REACT_LINE.search(text) is not None:
        calls, rest = _react(text, offered, answered)
        if not calls and (listed := _ACTION_LIST.search(text)) is not None:  # Command R
            calls, rest = _calls_in_text(listed.group(1)), text[: listed.start()].strip()
        if calls and (answered or all(call.name in offered for call in calls)):
            return Written(rest, tuple(calls))
    stripped = text.strip()
    fenced = _FENCE.match(stripped) if stripped.startswith("```") else None
    body = fenced.group(1) if fenced else stripped
    if not (answered or offered):
        return Written(text, ())
    if not body.startswith(("{", "[")):
        calls = _named(body, offered) if body.endswith("}") else []
        if not calls and stripped.startswith("```tool_code"):
            calls = _pythonic(body)
        fits = answered or all(call.name in offered for call in calls)
        return Written("", tuple(calls)) if calls and fits else Written(text, ())
    calls = _calls_in_text(body)
    if not calls and body.startswith("[") and body.endswith(")]"):
        calls = _pythonic(body[1:-1])
    if calls and (all(call.name in offered for call in calls) or (answered and not offered)):
        return Written("", tuple(calls))
    return Written(text, ())


def _named(text: str, offered: Collection[str]) -> list[RawCall]:
    """Return the call of a text that is an offered tool's name on a line, with an object below it (GLM-4)."""
    name, line_end, rest = text.partition("\n")
    if not line_end or name.strip() not in offered or not rest.lstrip().startswith("{") or not object_of(rest):
        return []
    return [RawCall(None, name.strip(), rest.strip())]


_OPENING, _CLOSING = "([{", ")]}"
_PYTHONIC = re.compile(r"\A\s*([^\W\d][\w ./:-]*?)\s*\((.*)\)\s*\Z", re.DOTALL)


def _pythonic(text: str) -> list[RawCall]:
    """Return the calls in ``f(a=1), g()``, whose names may hold blanks (ToolACE's do); none if anything is no call."""
    calls = []
    for piece in _split_at_commas(text):
        match = _PYTHONIC.match(piece)
        if match is None:
            return []
        try:
            calls += [RawCall(None, match.group(1), arguments) for _, arguments in calls_of(f"f({match.group(2)})")]
        except ValueError:
            return []
    return calls


def _split_at_commas(text: str) -> Iterator[str]:
    """Yield the parts between the commas that stand outside of brackets and quotes."""
    depth, quote, start, escaped = 0, "", 0, False
    for index, character in enumerate(text):
        if quote:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == quote:
                quote = ""
        elif character in "\"'":
            quote = character
        elif character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
        elif character == "," and depth == 0:
            yield text[start:index]
            start = index + 1
    yield text[start:]


def _react(text: str, offered: Collection[str], answered: bool) -> tuple[list[RawCall], str]:
    """Return the last call of a ReAct step, and the text before it; a text that has observations inside is no step."""
    blob = _REACT_BLOB.search(text)
    if blob is not None:
        return _react_blob(text, blob, offered, answered)
    steps = list(_REACT.finditer(text))
    if len(steps) != 1:
        return [], text
    step = steps[0]
    name = step["name"].strip().strip("`\"'*")
    written = step["input"] if step["input"] is not None else step["single"]
    if name.lower() in ("", "none", "n/a") or not (name in offered or (answered and written is not None)):
        return [], text
    body = (written or "").strip()
    fenced = _FENCE.match(body)
    return [RawCall(None, name, fenced.group(1) if fenced else body)], (
        text[: step.start()] + text[step.end() :]
    ).strip()


_REACT_BLOB = re.compile(
    r"^[ \t]*(?:Action[ \t]*:\s*)?```(?:json)?\s*(\{[^`]*\"action\"\s*:[^`]*\})\s*```", re.MULTILINE | re.IGNORECASE
)


def _react_blob(text: str, blob: re.Match[str], offered: Collection[str], answered: bool) -> tuple[list[RawCall], str]:
    """Return the call of LangChain's structured chat, ``{"action": name, "action_input": {...}}`` in a fence."""
    try:
        value = loads_leniently(blob.group(1))
    except ValueError:
        return [], text
    name = value.get("action") if isinstance(value, dict) else None
    if not isinstance(name, str) or not (name in offered or answered):
        return [], text
    return [RawCall(None, name, value.get("action_input"))], (text[: blob.start()] + text[blob.end() :]).strip()


def _calls_in_text(text: str) -> list[RawCall]:
    """Return the calls in a JSON text or a Python repr: one object, a list, or several objects in a row."""
    try:
        return calls_in_value(loads_leniently(text.strip()))
    except ValueError:
        pass
    calls: list[RawCall] = []
    for piece in _objects_in_a_row(text):
        calls += calls_in_value(piece)
    return calls


def _objects_in_a_row(text: str) -> Iterator[Json]:
    """Yield the JSON objects in a row, with blanks, commas or semicolons between; none if there is other text."""
    pieces = re.split(r"(?<=\})\s*[;,\n]\s*(?=\{)", text.strip())
    if len(pieces) < 2:
        return
    values = []
    for piece in pieces:
        try:
            values.append(read_json(piece))
        except ValueError:
            return
    yield from values


def calls_in_value(value: Json) -> list[RawCall]:
    """Return the calls in a decoded value: one object or a list; entries that name no tool are left out."""
    entries = value if isinstance(value, list) else [value]
    calls = (call for entry in entries if (call := call_of(entry)) is not None)
    return [
        RawCall(call.id, call.name, Exact(call.arguments)) if isinstance(call.arguments, dict) else call
        for call in calls
    ]
