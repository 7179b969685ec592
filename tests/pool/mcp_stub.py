"""A little MCP server on stdin and stdout, in plain Python so that it starts at once; run as ``mcp_stub.py MODE``.

Modes: ``good``; ``pages`` (tools in three pages); ``endless`` (each page leads to the first); ``malformed`` (some tools
are); ``dies`` (before it answers); ``dies-on-call``; ``hangs``; ``hangs-on-call``; ``garbage`` (noise in between);
``noise`` (noise and no message); ``deaf`` (ignores the end of its input and SIGTERM); ``none`` (no tools);
``large`` (``echo`` answers with as many bytes as its word says, in letters of three bytes); ``gauge`` (one tool, whose
answer has 600,000 bytes); ``long-line`` (an answer of 40 MB on one line); ``many`` (1,000 tools a page, always another
page); ``slow-pages`` (the second page never comes); ``prose`` (descriptions of megabytes); ``leaks`` (prints its
environment and arguments, exits with 7); ``tells`` (results hold them); ``killed`` (by SIGKILL);
``says`` (its last words, and its token, on stdout); ``map`` (its tools are a map);
``gone-on-call FILE`` (answers as many calls as the file says, then dies and does not start again while it says 0).
"""
# ruff: noqa: T201 (what it prints is the protocol)

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

MODE = sys.argv[1]
GRAVE = Path(sys.argv[2] if len(sys.argv) > 2 else "")
WORD = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}
CALLS = 0
WRITTEN = object()


def tool(name, **facts):
    return {"name": name, "description": f"Answer with {name}.", "inputSchema": WORD, **facts}


TOOLS = [
    tool("echo", annotations={"readOnlyHint": True}),
    tool("count"),
    tool("fail"),
    tool("picture"),
    tool("structured", outputSchema={"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}),
    tool("lies", outputSchema={"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}),
    tool("environment"),
    tool("nonsense"),
]
MALFORMED = [
    tool("echo"),
    {"description": "It has no name."},
    "no object at all",
    {"name": "remote", "inputSchema": {"type": "object", "$ref": "http://example.invalid/schema.json"}},
    {"name": "bare"},
]


def list_tools(cursor):
    if MODE == "pages":
        page = int(cursor or 0)
        more = {"nextCursor": str(page + 1)} if page < 2 else {}
        return {"tools": TOOLS[page::3], **more}
    if MODE == "gauge":
        unit = {"type": "object", "properties": {"unit": {"type": "string", "enum": ["cm", "m"]}}}
        return {"tools": [tool("get_gauge", inputSchema=unit, annotations={"readOnlyHint": True})]}
    if MODE == "many":
        page = int(cursor or 0)
        return {"tools": [tool(f"t{page}_{n}") for n in range(1000)], "nextCursor": str(page + 1)}
    if MODE == "slow-pages":
        if cursor:
            time.sleep(1000)
        return {"tools": TOOLS[:2], "nextCursor": "2"}
    if MODE == "prose":
        long = {**WORD, "properties": {"word": {"type": "string", "description": "é" * 2_000_000}}}
        values = {"type": "object", "properties": {"word": {"enum": ["x" * 3_000_000]}}}
        return {"tools": [TOOLS[0], tool("long", inputSchema=long), tool("wide", inputSchema=values), TOOLS[1]]}
    if MODE == "map":
        return {"tools": {"echo": TOOLS[0]}}
    if MODE == "endless":
        return {"tools": TOOLS[:1], "nextCursor": "again"}
    return {"tools": {"malformed": MALFORMED, "none": []}.get(MODE, TOOLS)}


def call(name, arguments):
    global CALLS
    CALLS += 1
    if MODE == "dies-on-call":
        print("the disk is on fire", file=sys.stderr, flush=True)
        os._exit(3)
    if MODE == "gone-on-call":
        left = int(GRAVE.read_text())
        if not left:
            os._exit(3)
        GRAVE.write_text(str(left - 1))
    if MODE == "hangs-on-call":
        time.sleep(1000)
    if MODE == "gauge":
        return {"content": [{"type": "text", "text": "level 412 " * 60_000}]}
    if MODE == "large":
        if name == "structured":
            return {"content": [], "structuredContent": {"text": "漢" * 100_000}}
        return {"content": [{"type": "text", "text": "漢" * (int(arguments["word"]) // 3)}]}
    if MODE == "long-line":
        sys.stdout.write('{"jsonrpc": "2.0", "result": {"content": [{"type": "text", "text": "')
        for _ in range(40):
            sys.stdout.write("x" * 1_000_000)
        sys.stdout.write('"}]}, "id": ' + str(arguments["id"]) + "}\n")
        sys.stdout.flush()
        return WRITTEN
    if MODE == "tells":
        return {"content": [{"type": "text", "text": json.dumps(dict(os.environ)) + " ".join(sys.argv)}]}
    if name == "echo":
        return {"content": [{"type": "text", "text": arguments["word"]}]}
    if name == "count":
        return {"content": [{"type": "text", "text": f"{CALLS} {os.getpid()}"}]}
    if name == "fail":
        return {"content": [{"type": "text", "text": "no such word"}], "isError": True}
    if name == "picture":
        return {
            "content": [
                {"type": "text", "text": "here"},
                {"type": "image", "mimeType": "image/png", "data": "AAECAw=="},
                {"type": "resource_link", "name": "r", "uri": "file:///r"},
                {"type": "resource", "resource": {"uri": "file:///t", "text": "inside"}},
                {"type": "resource", "resource": {"uri": "file:///b", "mimeType": "audio/ogg", "blob": "AAE="}},
            ]
        }
    if name == "structured":
        return {"content": [], "structuredContent": {"n": 3}}
    if name == "lies":
        return {"content": [{"type": "text", "text": "x"}], "structuredContent": {"n": "three"}}
    if name == "environment":
        return {"content": [{"type": "text", "text": json.dumps(dict(os.environ))}]}
    if name == "nonsense":
        return {"content": "no list"}
    return None


def answer(message):
    method, params = message.get("method"), message.get("params") or {}
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "stub", "title": "A stub", "version": "1"},
            "instructions": "Weather forecasts and   storms.",
        }
    if method == "tools/list":
        return list_tools(params.get("cursor"))
    if method == "tools/call":
        return call(params["name"], params.get("arguments") or {})
    return {} if method == "ping" else None


def main():
    if MODE == "dies":
        print("cannot find the \x1b[31mlicence\x1b[0m", file=sys.stderr)
        sys.exit(3)
    if MODE == "gone-on-call" and GRAVE.exists() and GRAVE.read_text() == "0":
        print("buried", file=sys.stderr)
        sys.exit(3)
    if MODE == "says":
        sys.stdout.write("starting\n\nError: set WEIR_KEY first, not " + os.environ.get("TOKEN", ""))
        sys.exit(1)
    if MODE == "leaks":
        print("cannot start:", dict(os.environ), sys.argv, file=sys.stderr)
        sys.exit(7)
    if MODE == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if MODE == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if MODE == "hangs":
        print("waiting for a tape", file=sys.stderr, flush=True)
    if MODE in ("hangs", "deaf"):
        time.sleep(1000)
    if MODE == "noise":
        for _ in range(50):
            print("Hello, I am not a protocol", flush=True)
        time.sleep(1000)
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            continue
        if MODE == "long-line" and message["method"] == "tools/call":
            message["params"]["arguments"]["id"] = message["id"]
        result = answer(message)
        if result is WRITTEN:
            continue
        reply = {"jsonrpc": "2.0", "id": message["id"]}
        reply |= {"result": result} if result is not None else {"error": {"code": -32601, "message": "not known"}}
        if MODE == "garbage":
            print("loading model… 17%\n\n{]", flush=True)
        print(json.dumps(reply), flush=True)


main()
