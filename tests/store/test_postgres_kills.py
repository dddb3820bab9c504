"""Processes that share a store on PostgreSQL and are killed: nothing is lost, and nothing is decided twice."""

from __future__ import annotations

import random
import signal
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import pytest

from mcptasks._store.postgres.backend import PostgresBackend
from mcptasks._store.records import Query
from tests.helpers.command_line import warm
from tests.helpers.stores import alive, created
from tests.helpers.warm import Running, Warm
from tests.store import claiming

__all__ = ["warm"]

TASKS = 200
PROCESSES = 3
KILLS = 40
STATEMENTS = 200
"""The last statement at which a process is killed. A task takes about 20, so that 40 processes cannot do all tasks."""

pytestmark = pytest.mark.slow


def end_of(process: Running) -> int:
    """Wait for the end of a process; how it has ended."""
    with process:
        return process.wait(120)


def test_nothing_is_lost_or_decided_twice(dsn: str, tmp_path: Path, warm: Warm) -> None:
    """Of tasks that three processes work on, which are killed at 40 random statements, each ends, each end is seen by
    one process, and all who sent an answer to a question sent the same one."""
    log, choose = tmp_path / "log", random.Random(14)
    with closing(PostgresBackend(dsn)) as backend:
        alive(backend, "starter", lease=0.0)
        tasks = [created(backend, "starter", task_id=f"t{number}").id for number in range(TASKS)]
        running = [claiming.start(warm, dsn, log, choose.randint(1, STATEMENTS)) for _ in range(PROCESSES)]
        for _ in range(KILLS):
            # A process that found no task left would have ended by itself.
            assert end_of(running.pop(0)) == -signal.SIGKILL
            running.append(claiming.start(warm, dsn, log, choose.randint(1, STATEMENTS)))
        for each in (*running, claiming.start(warm, dsn, log, 0)):
            assert end_of(each) in (0, -signal.SIGKILL)
        rows = backend.rows(Query())
        questions = backend.questions(tasks, all_of_them=True)
    assert [row.phase for row in rows] == ["over"] * TASKS
    sent, over = defaultdict[str, set[str]](set), list[str]()
    for line in log.read_text(encoding="utf-8").splitlines():
        word, task, *answer = line.split()
        if word == "sent":
            sent[task].add(" ".join(answer))
        else:
            over.append(task)
    assert len(over) == len(set(over))
    # Whoever was killed after the commit told nobody, so not every end is in the log.
    assert len(over) > TASKS / 2
    assert {len(answers) for answers in sent.values()} == {1}
    stored = {question.task: (question.answer or b"").decode() for question in questions}
    assert {task: next(iter(answers)) for task, answers in sent.items()} == stored
