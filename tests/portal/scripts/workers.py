"""Starts a process of `multiprocessing` that opens a client of a stdio server and leaves it open.

Arguments: the backend; how processes are started; by what ("process", "pool" or "executor"); where the server writes
its pid; its manner.
"""

from __future__ import annotations

import multiprocessing
import sys
import threading
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from mcptasks.sync import Client
from tests.portal.scripts.talk import make_client, say

kept: list[Client] = []


def go_on(file: str) -> None:
    """Use the client when the process's main thread has done its work."""
    threading.main_thread().join(0.5)
    Path(f"{file}.tools").write_text(str(len(kept[0].list_tools())), encoding="utf-8")


def leave_open(backend: str, file: str, manner: str) -> None:
    """In the other process."""
    tiny = str(Path(__file__).with_name("tiny_server.py"))
    kept.append(make_client([sys.executable, tiny, file, manner], backend).open())
    threading.Thread(target=go_on, args=(file,)).start()


def main() -> None:
    """In the parent."""
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    backend, method, kind, file, manner = sys.argv[1:]
    context = multiprocessing.get_context(method)
    arguments = (backend, file, manner)
    match kind:
        case "process":
            process: Any = getattr(context, "Process")(target=leave_open, args=arguments)  # noqa: B009
            process.start()
            process.join()
        case "pool":
            pool = context.Pool(1)
            pool.apply(leave_open, arguments)
            pool.close()
            pool.join()
        case _:
            with ProcessPoolExecutor(1, mp_context=context) as executor:
                executor.submit(leave_open, *arguments).result()
    say("done")


if __name__ == "__main__":
    main()
