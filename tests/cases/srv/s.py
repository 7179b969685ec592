"""A tiny MCP stdio server without any SDK (python3 s.py MODE)."""

import sys, json

mode = sys.argv[1]


def out(o):
    sys.stdout.write(json.dumps(o) + "\n")
    sys.stdout.flush()


if mode == "die":
    for i in range(40):
        print(f"step {i}", file=sys.stderr)
    print("FATAL: cannot open /etc/lock.conf", file=sys.stderr)
    sys.exit(7)
TOOL = {
    "name": "get_depth",
    "description": "Read the depth",
    "inputSchema": {"type": "object", "properties": {"lock": {"type": "string"}}},
    "annotations": {"readOnlyHint": True},
}
for line in sys.stdin:
    m = json.loads(line)
    i = m.get("id")
    k = m.get("method")
    if k == "initialize":
        if mode == "refuse":
            out({"jsonrpc": "2.0", "id": i, "error": {"code": -32000, "message": "licence has run out"}})
            continue
        out(
            {
                "jsonrpc": "2.0",
                "id": i,
                "result": {
                    "protocolVersion": m["params"]["protocolVersion"],
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": mode, "version": "1"},
                },
            }
        )
    elif k == "tools/list":
        out({"jsonrpc": "2.0", "id": i, "result": {"tools": [TOOL]}})
    elif k == "tools/call":
        if mode == "huge":
            r = {"content": [], "structuredContent": {"rows": [{"depth": n, "note": "x" * 200} for n in range(30000)]}}
        elif mode == "many":
            r = {"content": [{"type": "text", "text": "row %d" % n} for n in range(200000)]}
        elif mode == "image":
            r = {"content": [{"type": "image", "mimeType": "image/png", "data": "A" * 6000000}]}
        else:
            r = {"content": [{"type": "text", "text": "depth 4"}]}
        out({"jsonrpc": "2.0", "id": i, "result": r})
    elif i is not None:
        out({"jsonrpc": "2.0", "id": i, "result": {}})
