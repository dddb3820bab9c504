"""Small stdio servers that need only the standard library. They start quickly, and write whatever bytes a test
wants."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

_SERVER = """
import json, os, signal, subprocess, sys, time
out = sys.stdout.buffer
OK = {"content": [{"type": "text", "text": "ok"}]}
CAPABILITIES = {"tools": {}}
INFO = {"name": "raw", "version": "1"}
TOOL = {"name": "a", "inputSchema": {"type": "object"}}

def put(*parts):
    out.write(b"".join(parts))
    out.flush()

def message(request_id, **parts):
    return json.dumps({"jsonrpc": "2.0", "id": request_id, **parts}).encode() + b"\\n"

def refuse(request_id):
    put(message(request_id, error={"code": -32601, "message": "no such method"}))

def probe(request_id):
    if ERA == "legacy":
        return refuse(request_id)
    put(message(request_id, result={"supportedVersions": ["2026-07-28"], "capabilities": CAPABILITIES,
                                    "serverInfo": INFO, "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}))

def hello(request_id):
    put(message(request_id, result={"protocolVersion": "2025-11-25", "capabilities": CAPABILITIES, "serverInfo": INFO}))

def call(request_id, name):
    put(message(request_id, result=OK))

def about_task(request_id, method, task_id):
    refuse(request_id)

def seen(request):
    pass

def end():
    pass
"""
_LOOP = """
for line in sys.stdin:
    request = json.loads(line)
    method, request_id = request.get("method"), request.get("id")
    if method is not None:
        seen(request)
    if method is None or request_id is None:
        continue
    if method == "server/discover":
        probe(request_id)
    elif method == "initialize":
        hello(request_id)
    elif method == "tools/call":
        call(request_id, request["params"]["name"])
    elif method == "tools/list":
        put(message(request_id, result={"tools": [TOOL], "ttlMs": 0, "cacheScope": "private"}))
    elif method.startswith("tasks/"):
        about_task(request_id, method, request.get("params", {}).get("taskId"))
    else:
        refuse(request_id)
end()
"""


def raw_server(tmp_path: Path, era: str, code: str = "") -> list[str]:
    """Write a server's program, and return the command that starts it.

    Args:
        tmp_path: The folder for the program.
        era: "legacy" or "modern".
        code: Replaces some of the program's functions: `probe`, `hello`, `call`, `about_task`, `seen` (for each
            request), `end` (at the end of the input).
    """
    program = tmp_path / "raw_server.py"
    program.write_text(f"ERA = {era!r}\n{_SERVER}\n{textwrap.dedent(code)}\n{_LOOP}", encoding="utf-8")
    return [sys.executable, "-S", "-E", str(program)]
