"""Processes that share a store on PostgreSQL and are killed: nothing is lost, and nothing is decided twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import pytest

from mcptasks._store.postgres.backend import PostgresBackend
from mcptasks._store.records import Query
from tests.helpers.source_tree import ROOT
from tests.helpers.stores import alive, created

TASKS = 200
PROCESSES = 3
KILLS = 40
STATEMENTS = 200
"""The last statement at which a process is killed. A task takes about 20, so that 40 processes cannot do all tasks."""

pytestmark = pytest.mark.slow


def worker(dsn: str, log: Path, statements: int) -> subprocess.Popen[bytes]:
    """A process that dies at a statement, or at its own end."""
    return subprocess.Popen([sys.executable, "-m", "tests.store.claiming", dsn, log, str(statements)], cwd=ROOT)


def test_nothing_is_lost_or_decided_twice(dsn: str, tmp_path: Path) -> None:
    """Of tasks that three processes work on, which are killed at 40 random statements, each ends, each end is seen by
    one process, and all who sent an answer to a question sent the same one."""
    log, choose = tmp_path / "log", random.Random(14)
    with closing(PostgresBackend(dsn)) as backend:
        alive(backend, "starter", lease=0.0)
        tasks = [created(backend, "starter", task_id=f"t{number}").id for number in range(TASKS)]
        running = [worker(dsn, log, choose.randint(1, STATEMENTS)) for _ in range(PROCESSES)]
        for _ in range(KILLS):
            # A process that found no task left would have ended by itself.
            assert running.pop(0).wait(120) == -signal.SIGKILL
            running.append(worker(dsn, log, choose.randint(1, STATEMENTS)))
        for each in (*running, worker(dsn, log, 0)):
            assert each.wait(120) in (0, -signal.SIGKILL)
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
