"""What in the benchmarks can be wrong without being slow: their numbers, their table and its place in the page.

Benchmarks are not tests, so no test here looks at a time. One runs the smallest load through real processes, so that
the code does not rot.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.benchmarks import numbers, report
from tests.benchmarks.__main__ import FIGURES, PAGE, read_arguments
from tests.benchmarks.figures import durable, imports, lateness, learning, many, overhead
from tests.benchmarks.processes import ROOT, Asked
from tests.benchmarks.report import BEGIN, END, Row

ROW = Row(figure="2 lateness", ours="1 s", other="2 s", ratio="0.50", limit="3 s", reached=True)


def lateness_of(median: float, p90: float, gets: float, trip: float = 0.01) -> lateness.Lateness:
    """What a run might have come to."""
    return lateness.Lateness(median, p90, gets, trip)


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "part", "expected"),
    [([7.0], 0.9, 7.0), ([3.0, 1.0, 2.0], 0.5, 2.0), ([1.0, 2.0], 0.5, 1.5), ([*map(float, range(11))], 0.9, 9.0)],
)
def test_percentile(values: list[float], part: float, expected: float) -> None:
    """A percentile lies between its neighbours in proportion, whatever the order of the values."""
    assert numbers.percentile(values, part) == pytest.approx(expected)


@pytest.mark.parametrize(("values", "part"), [([], 0.5), ([1.0], 1.5), ([1.0], -0.1)])
def test_percentile_of_nothing(values: list[float], part: float) -> None:
    """No values, or a part beyond the whole, is an error."""
    with pytest.raises(ValueError, match=r"no values|a part is"):
        numbers.percentile(values, part)


def test_median_and_p90() -> None:
    """Both come out together."""
    assert numbers.median_and_p90([*map(float, range(11))]) == pytest.approx((5.0, 9.0))


def test_paired_ratio_is_deaf_to_common_noise() -> None:
    """A slow moment that hits both sides of a pair does not count."""
    assert numbers.paired_ratio([1.0, 10.0, 1.0], [2.0, 20.0, 2.0]) == 0.5


def test_plan_is_the_same_each_time() -> None:
    """One seed, one plan; lengths and moments within their bounds; the tools in turn."""
    one, two = (numbers.plan("long", 20, (5.0, 15.0), 8.0, tools=["a", "b"], seed=1) for _ in range(2))
    assert one == two != numbers.plan("long", 20, (5.0, 15.0), 8.0, tools=["a", "b"], seed=2)
    assert all(5 <= task["seconds"] <= 15 and 0 <= task["at"] <= 8 for task in one)
    assert [task["tool"] for task in one[:3]] == ["a", "b", "a"]
    assert {task["seconds"] for task in numbers.plan("x", 3, 2.5, 1.0, tools=["a"], seed=1)} == {2.5}


# --- the table --------------------------------------------------------------------------------------------------------


def test_table_for_a_terminal() -> None:
    """The columns are in line, and what was not reached is said in a plain word."""
    lines = report.for_terminal([ROW, Row(figure="6 a longer name", ours="9", reached=False)]).splitlines()
    assert len(lines) == 4
    assert len({line.find(word) for line, word in zip(lines[2:], ("1 s", "9"), strict=True)}) == 1
    assert lines[2].split()[-1] == "yes"
    assert lines[3].split()[-1] == "no"


def test_table_for_a_page() -> None:
    """A row is a line of Markdown, which no cell can break."""
    (line,) = report.for_page([Row(figure="1 a|b", ours="x\ny")])
    assert line == "| 1 a/b | x y | - | - | - | - |"


def test_section_is_replaced() -> None:
    """What stands between the markers is replaced, and nothing else; doing it twice changes nothing more."""
    page = f"# Title\n\n{BEGIN}\nold words\n| 9 old | - | - | - | - | - |\n{END}\n\nThe end.\n"
    written = report.with_table(page, [ROW], "Measured.", whole=True)
    assert written.startswith(f"# Title\n\n{BEGIN}\nMeasured.\n\n| figure |")
    assert written.endswith(f"\n{END}\n\nThe end.\n")
    assert "old" not in written
    assert report.with_table(written, [ROW], "Measured.", whole=True) == written


def test_rows_of_other_figures_stay() -> None:
    """A run of some figures replaces their rows, adds new ones in their place, and leaves the others."""
    old = [Row(figure=figure, ours="old") for figure in ("1 first", "2 lateness", "6 last")]
    page = report.with_table(f"{BEGIN}\n{END}", old, "Measured.", whole=True)
    written = report.with_table(page, [ROW, Row(figure="3 new", ours="n")], "Measured.", whole=False)
    rows = report.section_of(written).splitlines()[5:]
    assert [report.figure_in(row) for row in rows] == ["1 first", "2 lateness", "3 new", "6 last"]
    assert rows[1] == report.for_page([ROW])[0]


@pytest.mark.parametrize("page", ["", BEGIN, f"{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}"])
def test_page_without_a_place(page: str) -> None:
    """A page whose markers are missing, repeated or in the wrong order is refused."""
    with pytest.raises(ValueError, match="the page must have"):
        report.with_table(page, [ROW], "", whole=True)


def test_the_page_has_a_place() -> None:
    """The page of the documentation has the markers, and names each figure that can be asked for."""
    text = PAGE.read_text(encoding="utf-8")
    report.section_of(text)
    assert all(f"| `{name}` |" in text for name in FIGURES)


# --- figures ----------------------------------------------------------------------------------------------------------


def test_lateness_is_by_group_and_without_the_pings() -> None:
    """The looks of each task are those at its own id; what measured the round trip is not among them."""
    records = [
        {"group": g, "late": late, "task_id": t} for g, late, t in (("a", 1.0, "1"), ("a", 3.0, "2"), ("b", 9.0, "3"))
    ]
    asked = Asked({"tasks/get": 60}, {"1": 2, "2": 4, "ping": 54})
    found = lateness.evaluate({"records": records, "trips": [0.01, 0.02, 0.03]}, asked)
    assert found == {"a": lateness_of(2.0, 2.8, 3.0, 0.02), "b": lateness_of(9.0, 9.0, 0.0, 0.02)}


def test_pushed_rows() -> None:
    """Lateness is held against round trips, looks against their limit."""
    other = lateness_of(1.0, 2.0, 10)
    for ours, reached in ((lateness_of(0.03, 0.06, 2), True), (lateness_of(0.03, 0.07, 3), False)):
        assert [row.reached for row in lateness.pushed_rows("x", "peer", ours, other)] == [reached, reached]


def test_unseen_rows() -> None:
    """A tool never seen: neither later nor more requests. A peer that failed is no limit."""
    other = lateness_of(1.0, 2.0, 10)
    assert [row.reached for row in lateness.unseen_rows("x", lateness_of(1.0, 2.0, 10), other)] == [True, True]
    assert [row.reached for row in lateness.unseen_rows("x", lateness_of(1.0, 2.2, 11), other)] == [False, False]
    failed = lateness.unseen_rows("x", lateness_of(1.0, 2.0, 10), lateness.Failure("failed: why"))
    assert [(row.reached, row.other) for row in failed] == [(None, "failed: why"), (None, "-")]


def test_learned_rows() -> None:
    """After five runs there are limits of their own."""
    other = lateness_of(1.0, 2.0, 10)
    assert [row.reached for row in lateness.learned_rows("x", lateness_of(0.3, 9.0, 5), other)] == [True, True]
    assert [row.reached for row in lateness.learned_rows("x", lateness_of(0.4, 0.4, 6), other)] == [False, False]


def test_learning_rows() -> None:
    """The first three runs of each length teach it; runs that began at once count for the mean alone."""
    lengths = [[5.0, 6.0], *[[3.0]] * 5]
    regular = learning.Learned(((1.0, 1.0), *[(1.0,)] * 5), 2.0)
    ours = learning.Learned(((2.0, 2.0), (0.9,), (0.9,), (0.9,), (0.2,), (0.3,)), 3.0)
    assert ours.later(lengths) == pytest.approx(0.25)
    assert ours.mean == pytest.approx(7.2 / 7)
    assert [row.reached for row in learning.learning_rows("x", lengths, ours, regular)] == [True, False]
    late = learning.Learned(((0.0, 0.0), *[(0.0,)] * 3, (0.4,), (0.4,)), 3.0)
    assert [row.reached for row in learning.learning_rows("x", lengths, late, regular)] == [False, True]


def run_of(count: int, cpu: float, finished: int | None = None) -> many.Many:
    """What a run of many tasks might have come to."""
    return many.Many(count, count if finished is None else finished, cpu, 2.0)


def test_cpu_row() -> None:
    """The limit depends on the server and the length; a peer that did not finish is no measure; ours must finish."""
    other = run_of(1000, 10.0)
    assert many.cpu_row("fastmcp 4", 1000, 2, run_of(1000, 8.5), other).reached
    assert not many.cpu_row("fastmcp 4", 1000, 20, run_of(1000, 8.5), other).reached
    assert many.cpu_row("fastmcp 4", 1000, 20, run_of(1000, 8.5), run_of(1000, 1.0, finished=0)).reached
    row = many.cpu_row("fastmcp 4", 1000, 2, run_of(1000, 1.0, finished=999), other)
    assert (row.reached, row.finished) == (False, False)
    assert "only 999 finished" in row.ours
    assert row.ratio == "-"


def test_growth_memory_and_local_rows() -> None:
    """The other rows about many tasks."""
    assert many.growth_row("x", run_of(500, 1.0), run_of(5000, 12.0)).reached
    assert not many.growth_row("x", run_of(500, 1.0), run_of(5000, 13.0)).reached
    row = many.growth_row("x", run_of(500, 1.0), run_of(5000, 1.0, finished=4))
    assert (row.reached, row.finished, row.ratio) == (False, False, "-")
    row = many.memory_row("x", 12_000.0, 24_000.0)
    assert (row.reached, row.ratio, row.ours) == (True, "0.50", "12.0 KB")
    assert many.memory_row("x", None, 1.0).reached is None
    assert many.local_row("stdio", "trio", run_of(10, 1.0), run_of(20, 2.0)).ratio == "1.00"


def test_middle_of_runs() -> None:
    """The median of several runs; a run that did not finish is what counts where there is one."""
    assert many.middle([run_of(5, 1.0), run_of(5, 3.0), run_of(5, 2.0)]) == run_of(5, 2.0)
    assert many.middle([run_of(5, 1.0), run_of(5, 3.0, finished=4)]).finished == 4


def test_rows_of_the_other_figures() -> None:
    """Limits from above and from below; both of what stands beside a task in process are on the page."""
    result = {"ours": [1.3], "streams": [1.1], "direct": [1.0], "sent": {"tools/call": 1.0}}
    rows = overhead.in_process_rows("trio", 1, result)
    assert [row.reached for row in rows] == [True, False]
    assert len(report.merged([], rows)) == len(rows)
    assert overhead.threads_row({"threads": [8.0], "tasks": [10.0]}).reached
    assert not overhead.threads_row({"threads": [7.0], "tasks": [10.0]}).reached
    assert overhead.looks_row("2026-07-28", "trio", {"ours": [1.25], "bare": [1.0]}).reached
    assert not overhead.looks_row("2026-07-28", "trio", {"ours": [1.3], "bare": [1.0]}).reached
    assert [row.reached for row in overhead.telemetry_rows("none", "trio", {"on": [1.01], "off": [1.0]})] == [True]
    rows = overhead.telemetry_rows("memory", "trio", {"on": [1.07], "off": [1.0], "by hand": [1.06]})
    assert [row.reached for row in rows] == [False, True]
    assert len(report.merged([], rows)) == len(rows)
    assert overhead.display_row({"display": [0.021], "without": [0.001]}).reached
    assert not overhead.display_row({"display": [0.03], "without": [0.001]}).reached
    times = {"mcp": [1.0, 2.0], "Client": [1.2, 2.4], "lazy": [0.1, 0.1]}
    assert [row.reached for row in imports.import_rows(times)] == [False, True]
    assert not imports.help_row([0.31], [0.1]).reached


def test_rows_about_a_store() -> None:
    """What a store costs is held against the same work without it; what it takes, against its limit."""
    times = {"with": [0.0114], "without": [0.01], "with cpu": [1.01, 2.02], "without cpu": [1.0, 2.0]}
    assert durable.lone_row(times, task=False, journal="truncate").reached
    assert durable.cpu_row(times, task=True).reached
    worse = {"with": [0.012], "without": [0.01], "with cpu": [1.1], "without cpu": [1.0]}
    assert not durable.lone_row(worse, task=True, journal="wal").reached
    assert not durable.cpu_row(worse, task=False).reached
    assert [row.reached for row in durable.reading_rows({"tasks": [0.14], "recover": [1.1]}, 10)] == [True, False]
    assert durable.idle_row({"statements": 6}, 60.0).reached
    assert not durable.idle_row({"statements": 7}, 60.0).reached
    assert durable.takeover_row([3.9, 3.2]).reached
    assert not durable.takeover_row([3.2, 4.1]).reached


# --- the command ------------------------------------------------------------------------------------------------------


def test_unknown_figure(capsys: pytest.CaptureFixture[str]) -> None:
    """A figure that does not exist is a mistake in the command."""
    with pytest.raises(SystemExit):
        read_arguments(["pushing", "nonsense"])
    assert "no such figure: nonsense" in capsys.readouterr().err


@pytest.mark.interop
@pytest.mark.slow
def test_a_figure_is_measured() -> None:
    """The smallest version of one figure runs through all layers: servers, both clients, counting, the table."""
    before = PAGE.read_text(encoding="utf-8")
    command = [sys.executable, "-m", "tests.benchmarks", "pushing", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sum(line.startswith("1 ") for line in done.stdout.splitlines()) == 4
    assert "failed" not in done.stdout
    assert PAGE.read_text(encoding="utf-8") == before
