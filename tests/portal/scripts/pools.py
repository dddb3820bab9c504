"""Hands references of tasks to the processes of a pool, each of which takes its task up and returns what came of it.

Arguments: the URL of a server with the tool `work`; the backend; how the processes are started; the kind of pool.
"""

from __future__ import annotations

import multiprocessing
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from mcptasks import TaskReference
from tests.portal.scripts.talk import make_client, say


def finish(url: str, backend: str, reference: TaskReference) -> tuple[Any, TaskReference]:
    """In a process of the pool: the result of the parent's task."""
    with make_client(url, backend) as client:
        task = client.resume(reference)
        return task.result(timeout=120).data, task.reference


def main() -> None:
    """In the parent."""
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    url, backend, method, kind = sys.argv[1:]
    context = multiprocessing.get_context(method)
    processes = 1 if method == "spawn" else 2  # Each spawned one imports everything.
    with make_client(url, backend) as client:
        tasks = [client.call_tool("work", {"n": n}, task=True) for n in range(4)]
        arguments = [(url, backend, task.reference) for task in tasks]
        if kind == "pool":
            pool = context.Pool(processes)
            found = pool.starmap_async(finish, arguments)
            say("started")
            answers = found.get(timeout=180)
            pool.close()
            pool.join()
        else:
            with ProcessPoolExecutor(processes, mp_context=context) as executor:
                futures = [executor.submit(finish, *each) for each in arguments]
                say("started")
                answers = [future.result(timeout=180) for future in futures]
        assert [reference for _, reference in answers] == [task.reference for task in tasks]
        say("found", *(data for data, _ in answers))
        say("own", *(task.result(timeout=120).data for task in tasks))


if __name__ == "__main__":
    main()
