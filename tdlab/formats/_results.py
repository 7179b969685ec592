"""Results as tools returned them: MCP's wrapper is opened, so that the text and the error flag are the tool's own."""

from __future__ import annotations

import ast
import re
from typing import Any, NamedTuple

from tdlab.formats._json import json_text, text_of
from tdlab.formats._literal import loads_leniently
from tdlab.records import Json
from tdlab.tools import read_json

__all__ = ["Opened", "opened"]

_WRAPPER = {"content", "isError", "is_error", "_meta", "meta", "structuredContent", "structured_content"}
_TEXT_BLOCK = {"type", "text", "annotations", "meta", "_meta", "citations", "error", "isError", "is_error"}
_BLOCK_TYPES = {"text", "image", "audio", "resource", "resource_link", "embedded_resource"}
_REPR = re.compile(r"\s*(?:CallToolResult\()?(?:_?meta|content|structured_?[cC]ontent|is_?[eE]rror)=", re.DOTALL)
_REPR_LIST = re.compile(r"\s*\[(?:Text|Image|Audio)Content\(type='")
_REPR_ERROR = re.compile(r"\bis_?[eE]rror=(True|False)\)?\s*\Z")
_REPR_BLOCK = re.compile(r"\b(?:Text|Image|Audio|EmbeddedResource|ResourceLink)(?:Content)?\(type='(\w+)'")
_REPR_TEXT = re.compile(r",\s*text=('(?:[^'\\]|\\.)*+'|\"(?:[^\"\\]|\\.)*+\")", re.DOTALL)
_LONGEST = 4 << 20
_MOST_WRAPPERS = 3  # some clients wrap what a server has wrapped
_WENT_WELL = re.compile(r"\b(?:return|exit)[ _]?code:?[ ]?0\s*\Z", re.IGNORECASE)
_SIGN = re.compile(r"""["'](?:type|content|is_?[eE]rror|jsonrpc|Ok|Err)["']\s*:""")


class Opened(NamedTuple):
    """The text of a result, and whether it is an error; None where no flag says so."""

    text: str
    failed: bool | None


def opened(content: Json) -> Opened:
    """Return the text and the error flag of a recorded result.

    Known wrappers: a content block ``{"type": "text", "text": ...}``, a list of blocks, ``{"content": [...],
    "isError": ...}``, each as a value or as JSON text, and the ``repr`` of a CallToolResult. Anything else is the
    tool's own text.
    """
    failed = None
    for _ in range(_MOST_WRAPPERS):
        if isinstance(content, str):
            value = _decoded(content)
            unpacked = _unwrapped(value) if value is not None else _from_repr(content)
        else:
            unpacked = _unwrapped(content)
        if unpacked is None:
            break
        content, failed = unpacked.text, unpacked.failed if unpacked.failed is not None else failed
    return Opened(content if isinstance(content, str) else text_of(content), failed)


def _may_hold_sign(text: str) -> bool:
    """Return whether a text has a part of a wrapper's sign in it, which is found faster than the sign itself."""
    return "type" in text or "content" in text or "rror" in text or "jsonrpc" in text or "Ok" in text or "Err" in text


def _decoded(text: str) -> Json:
    """Return the value of a text that may be a wrapper, as JSON or as a Python repr; None for any other text."""
    start = text[:400] if text[:1] in ("{", "[") else text.lstrip()[:400]
    if not start.startswith(("{", "[")) or not _may_hold_sign(start):
        return None
    if _SIGN.search(start) is None or len(text) > _LONGEST:
        return None
    try:
        return loads_leniently(text) if start[1:].lstrip("{ ").startswith("'") else read_json(text)
    except ValueError:
        return None


def _unwrapped(value: Json) -> Opened | None:
    """Return what a wrapper holds; None for a value that is none."""
    if isinstance(value, list):
        if not value or not all(_is_block(block) for block in value):
            return None
        text = "\n".join(_block_text(block) for block in value)
        flags = [flag for block in value if (flag := _block_flag(block)) is not None]
        if any(flags) and _WENT_WELL.search(text) is not None:  # what a program that went well wrote to stderr
            return Opened(text, False)
        return Opened(text, any(flags) if flags else None)
    if not isinstance(value, dict):
        return None
    if _is_block(value):
        return Opened(_block_text(value), _block_flag(value))
    if value.get("jsonrpc") == "2.0" and len(value) <= 4:
        return _from_envelope(value)
    if len(value) == 1 and ("Ok" in value or "Err" in value):  # Rust's Result, as Codex logs it
        return _of_rust(value)
    if len(value) == 1 and isinstance(value.get("result"), dict) and "content" in value["result"]:
        return _unwrapped(value["result"])
    if "content" not in value and {"structuredContent", "isError"} <= set(
        value
    ):  # the text that repeats it is left out
        value = {**value, "content": []}
    if "content" not in value or not set(value) <= _WRAPPER:
        return None
    if len(value) == 1 and not (isinstance(value["content"], list) and any(map(_is_block, value["content"]))):
        return None
    flag = value.get("isError", value.get("is_error"))
    inner = value["content"]
    if isinstance(inner, list) and not inner:
        structured = value.get("structuredContent", value.get("structured_content"))
        return Opened("" if structured is None else json_text(structured), flag if isinstance(flag, bool) else None)
    blocks = _unwrapped(inner) if isinstance(inner, (list, dict)) else None
    text = blocks.text if blocks is not None else text_of(inner)
    return Opened(text, flag if isinstance(flag, bool) else None if blocks is None else blocks.failed)


def _from_envelope(message: dict[str, Any]) -> Opened | None:
    """Return what a JSON-RPC response holds."""
    if "result" in message:
        result = message["result"]
        return _unwrapped(result) or Opened(text_of(result), None)
    error = message.get("error")
    if error is None:
        return None
    text = error.get("message") if isinstance(error, dict) else None
    return Opened(text if isinstance(text, str) and text else text_of(error), True)


def _of_rust(value: dict[str, Any]) -> Opened:
    if "Err" in value:
        return Opened(text_of(value["Err"]), True)
    return _unwrapped(value["Ok"]) or Opened(text_of(value["Ok"]), None)


def _is_block(value: Json) -> bool:
    """Return whether a value is one of MCP's content blocks; a tool's own object with more keys is not."""
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(kind, str) or kind not in _BLOCK_TYPES:
        return False
    return value["type"] != "text" or (isinstance(value.get("text"), str) and set(value) <= _TEXT_BLOCK)


def _block_flag(block: dict[str, Any]) -> bool | None:
    """Return whether a block is flagged as an error, as some servers do beside MCP's own flag."""
    return next((block[key] for key in ("error", "isError", "is_error") if isinstance(block.get(key), bool)), None)


def _block_text(block: dict[str, Any]) -> str:
    if block["type"] == "text":
        return str(block["text"])
    resource = block.get("resource")
    if isinstance(resource, dict) and isinstance(resource.get("text"), str):
        return str(resource["text"])
    return f"[{block['type']}]"


def _from_repr(text: str) -> Opened | None:
    """Return what the ``repr`` of a CallToolResult holds; None for any other text.

    Its texts are Python literals. They are found by their own quotes, never evaluated as code.
    """
    if text.startswith(("{", "<")) or len(text) > _LONGEST:
        return None
    flag = None
    if _REPR_LIST.match(text) is None:
        if _REPR.match(text) is None or "content=[" not in text:
            return None
        flag = _REPR_ERROR.search(text)
        if flag is None and not text.lstrip().startswith("CallToolResult("):
            return None
    texts: list[str] = []
    position = text.find("content=[") if flag is not None else 0
    while (block := _REPR_BLOCK.search(text, position)) is not None:
        position = block.end()
        if block.group(1) != "text":
            texts.append(f"[{block.group(1)}]")
            continue
        quoted = _REPR_TEXT.match(text, position)
        if quoted is None:
            return None
        texts.append(_literal(quoted.group(1)))
        position = quoted.end()
    return Opened("\n".join(texts), None if flag is None else flag.group(1) == "True")


def _literal(quoted: str) -> str:
    try:
        return str(ast.literal_eval(quoted))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return quoted[1:-1]
