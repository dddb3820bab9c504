"""A small MCP server over stdio on the standard library alone, so that it starts at once. It writes its pid to a file.

Arguments: that file; how it takes the end of its input: "gentle" (ends) or "stubborn" (waits to be terminated).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request: 2025-11-25, and nothing but a tool that is never called."""
    match request["method"]:
        case "initialize":
            info = {"name": "tiny", "version": "1"}
            return {
                "result": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info},
            }
        case "tools/list":
            return {"result": {"tools": [{"name": "work", "inputSchema": {"type": "object"}}]}}
        case "ping":
            return {"result": {}}
        case _:
            return {"error": {"code": -32601, "message": "Method not found"}}


file, manner = sys.argv[1:]
# Complete at the moment that it is there.
Path(f"{file}.new").write_text(str(os.getpid()), encoding="utf-8")
Path(f"{file}.new").rename(file)
for line in sys.stdin:
    message = json.loads(line)
    if "id" in message and "method" in message and message["method"] != "tools/call":
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer(message)}) + "\n")
        sys.stdout.flush()
while manner == "stubborn":
    signal.pause()
