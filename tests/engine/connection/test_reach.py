"""Whether a server can be reached, by its answers and their absence; and what a deadline then says."""

from __future__ import annotations

import pytest

from mcptasks import TaskStatus
from mcptasks._core.lateness import late
from mcptasks._core.models import Status
from mcptasks._engine.connection.reach import Reach

GONE = TimeoutError("gone")


def test_a_failure_counts_until_an_answer() -> None:
    """A failed attempt shows that the server cannot be reached, until it answers anything."""
    reach = Reach()
    assert reach.failing(None) is None
    reach.failed(1.0, GONE)
    found = reach.failing(None)
    assert found is not None
    assert (found.since, found.cause) == (1.0, GONE)
    reach.answered(2.0)
    assert reach.failing(None) is None


def test_a_failure_of_an_attempt_before_the_latest_answer() -> None:
    """An attempt shows nothing if the server answered another one after it began."""
    reach = Reach()
    reach.answered(2.0)
    reach.failed(1.0, GONE)
    assert reach.failing(None) is None


def test_word_of_the_task_by_other_ways() -> None:
    """Word of the task that came after the attempt began, as a push does, counts as well."""
    reach = Reach()
    reach.failed(1.0, GONE)
    assert reach.failing(0.5) is not None
    assert reach.failing(1.5) is None


@pytest.mark.parametrize(
    ("status", "trouble", "silence", "words"),
    [
        (None, None, None, "the server has not said yet how the task stands; the work goes on"),
        (None, "no way", None, "no word of the task yet: no way"),
        ("working", None, 2.0, "the task is still working ('half'); the work goes on"),
        ("working", "no way", 3.004, "no word of the task for 3 s: no way; it was working ('half') when last seen"),
        ("completed", None, 1.0, "the task is completed ('half'), but its result has not come yet; ask for it again"),
        (
            "completed",
            "no way",
            1.0,
            "the task is completed ('half'), but its result has not come yet: no way; ask for it again",
        ),
    ],
)
def test_words(status: Status | None, trouble: str | None, silence: float | None, words: str) -> None:
    """The words say that the work goes on only where nothing speaks against it."""
    known = None if status is None else TaskStatus(task_id="t", status=status, status_message="half")
    assert late(known, trouble, silence) == words


def test_words_of_a_task_that_is_given_up() -> None:
    """The words do not say that the work goes on, or that the result may be asked for again, if the task is cancelled
    with the wait."""
    working = TaskStatus(task_id="t", status="working")
    assert late(working, None, None, owned=True) == "the task is still working; the server is asked to cancel it"
    assert late(None, None, None, owned=True).endswith("how the task stands; the server is asked to cancel it")
    over = TaskStatus(task_id="t", status="completed")
    assert late(over, None, None, owned=True) == "the task is completed, but its result has not come yet"
