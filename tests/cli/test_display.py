"""What is shown of tasks that are followed: which lines are written, and when."""

from __future__ import annotations

import sys

import pytest

from mcptasks._cli.course import Course, goodbye
from mcptasks._cli.display import Lines, Moving, Row, Silent, display_of, words
from mcptasks._cli.screen import Manner, Screen


def shown(capsys: pytest.CaptureFixture[str], *moments: tuple[float, str, str]) -> list[str]:
    """The lines about one task whose statuses and messages come at these moments; each later second has a beat."""
    now = 0.0
    display = Lines(Screen(Manner(), {}), lambda: now)
    for at, status, message in moments:
        while now + 1 < at:
            now += 1
            display.beat()
        now = at
        display.update(Row("3f2a", "report", status, message))
    return [line.removeprefix("3f2a  report  ") for line in capsys.readouterr().err.splitlines()]


def test_changes_of_status_are_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Each status has a line at once, and the first message too; a task that is over when first seen has none."""
    assert shown(capsys, (0, "working", ""), (0, "working", "a"), (0, "completed", "b")) == [
        "working",
        "working  a",
        "completed  b",
    ]
    assert shown(capsys, (0, "completed", "")) == []


def test_messages_are_told_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    """Messages come at most every 10 s, the latest of them, also if nothing comes after it."""
    many = [(second / 10, "working", f"step {second}") for second in range(300)]
    assert shown(capsys, *many) == ["working  step 0", "working  step 100", "working  step 200"]
    assert shown(capsys, (0, "working", "a"), (1, "working", "b"), (30, "completed", ""))[1] == "working  b"


def test_many_tasks_are_drawn_together(capsys: pytest.CaptureFixture[str]) -> None:
    """A table is drawn once in a beat, however many tasks are followed: each of them has beats of its own."""
    now = 100.0
    display = Moving(Screen(Manner(), {"TERM": "xterm"}), lambda: now)
    for number in range(3):
        display.update(Row(f"{number}", "report", "working"))
    display.beat()
    assert capsys.readouterr().err.count("report") == 3
    for _ in range(5):
        display.beat()
    assert capsys.readouterr().err == ""
    now += 60
    display.beat()
    assert capsys.readouterr().err.count("report") == 3
    display.close()


def test_texts_of_servers_are_legible() -> None:
    """A line holds no control character, whatever a server calls its tools and says."""
    line = words(Row("3f2a", "\x1b[2J", "working", "\u202e\n\x07", 0.5))
    assert line == "3f2a  \\x1b[2J  working   50%  \\u202e\\n\\x07"


def test_which_display(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that can move has a display that moves, if rich is there; everything else has lines."""
    assert isinstance(display_of(Screen(Manner(), {})), Lines)
    assert isinstance(display_of(Screen(Manner(json=True), {})), Silent)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert isinstance(display_of(Screen(Manner(), {"TERM": "xterm"})), Moving)
    for environ in ({}, {"TERM": "dumb"}, {"TERM": "xterm", "CI": "true"}):
        assert isinstance(display_of(Screen(Manner(), environ)), Lines)

    def nothing(_name: str) -> None:
        """No package is installed."""

    monkeypatch.setattr("mcptasks._cli.display.find_spec", nothing)
    assert isinstance(display_of(Screen(Manner(), {"TERM": "xterm"})), Lines)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, ["stopped; nothing was sent"]),
        ({"sent": True}, ["stopped; the call of t may exist: S had not answered yet", "look:       recover"]),
        ({"sent": True, "plain": True}, ["stopped; t was a plain call of this command, and was cancelled with it"]),
        ({"sent": True, "known": "3f2a", "over": True}, ["stopped; the work was over"]),
        (
            {"sent": True, "known": "3f2a"},
            ["stopped; t is still running at S", "watch it:   watch 3f2a", "cancel it:  cancel 3f2a"],
        ),
    ],
)
def test_goodbye(facts: dict[str, object], said: list[str]) -> None:
    """At each stage of a call, the goodbye says what becomes of the work, and how to come back to it if it goes on."""
    given: dict[str, object] = {"tool": "t", "server": "S", "is_lasting": True, **facts}
    assert goodbye(Course(**given), lambda *line: " ".join(line)) == said  # type: ignore[arg-type]
