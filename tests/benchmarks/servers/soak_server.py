"""The soak's server: the scriptable one over HTTP, with faults that come at random, but never on a creating call.

Arguments: the era and a seed. It says its address as one line of JSON, and ends when its stdin closes.
"""

from __future__ import annotations

import json
import random
import sys
import threading

import anyio

from mcptasks.testing import (
    Disconnect,
    Fault,
    HttpBody,
    HttpStatus,
    NoHttpAnswer,
    Options,
    TaskServer,
    ToolContext,
    Truncate,
    serve_http,
)

_FAULTS: tuple[tuple[Fault, int], ...] = (
    (HttpStatus(503), 4),
    (HttpStatus(503, retry_after="1"), 1),
    (HttpStatus(429, retry_after="1"), 1),
    (HttpStatus(502), 4),
    (Disconnect(), 4),
    (Disconnect(reset=False), 4),
    (Truncate(), 4),
    (HttpBody(), 4),
    (NoHttpAnswer(), 1),
)
"""What may happen, and how often beside the others."""
_METHODS = {"modern": ("tasks/get", "subscriptions/listen", "tasks/cancel"), "legacy": ("tasks/get", "tasks/result")}
_EVERY = 0.1


async def work(ctx: ToolContext, seconds: float, number: int) -> int:
    """Take that long, and return what only this call can return."""
    await anyio.sleep(seconds)
    return number * 2 + 1


def trouble(server: TaskServer, era: str, seed: int, over: threading.Event) -> None:
    """Have something go wrong again and again."""
    chance = random.Random(seed)
    faults, weights = zip(*_FAULTS, strict=True)
    while not over.wait(_EVERY):
        server.faults.clear()  # What met no request by now.
        server.requests.clear()
        server.faults.add(chance.choice(_METHODS[era]), chance.choices(faults, weights)[0])


def main() -> None:
    """Serve until stdin closes."""
    era, seed = sys.argv[1], int(sys.argv[2])
    server = TaskServer("soak", era="modern" if era == "modern" else "legacy", options=Options(poll_interval_ms=2000))
    server.tool("work")(work)
    over = threading.Event()
    with serve_http(server) as url:
        thread = threading.Thread(target=trouble, args=(server, era, seed, over))
        thread.start()
        print(json.dumps({"url": url}), flush=True)
        sys.stdin.read()
        over.set()
        thread.join()


if __name__ == "__main__":
    main()
