"""The runner of the conformance suite, without the suite: what it makes of findings, tables and pages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import __main__ as runner
from tests.conformance import suite
from tests.conformance.expected import (
    EXPECTED,
    LEGACY,
    MODERN,
    NO_DPOP,
    NOT_RUN,
    OTHERWISE,
    PASSING,
    Case,
    Outcome,
    differences,
    unknown,
)
from tests.conformance.page import BEGIN, END, table, with_table
from tests.conformance.suite import Finding, Suite, SuiteError, UnreachableError, judge, not_installed, version

CALL = Case("client", "tools_call", MODERN)
PROOF = Case("client", "auth/dpop", LEGACY)
PUSH = Case("server", "tasks-status-notifications", MODERN)


def test_the_page_has_what_is_expected() -> None:
    """The table in docs/protocols.md is that of the expected outcomes, since a run with others fails."""
    page = runner.PAGE.read_text(encoding="utf-8")
    assert with_table(page, table(EXPECTED, version())) == page


def test_each_scenario_stands_once() -> None:
    """No case is expected twice, and every outcome that is not a pass has a reason."""
    names = [(role, name) for role, groups in PASSING.items() for text in groups.values() for name in text.split()]
    assert len(names) == len(set(names))
    assert not {case for case in OTHERWISE if (case.role, case.scenario) in names}
    assert {case for case, outcome in EXPECTED.items() if outcome != "passes"} == OTHERWISE.keys()
    assert all(reason for _, reason in OTHERWISE.values())
    assert all(reason for reasons in NOT_RUN.values() for reason in reasons.values())


def test_a_new_scenario_is_noticed() -> None:
    """A scenario of a newer suite that no table has is named, and those that are left out on purpose are not."""
    assert unknown("client", ["tools_call", "auth/dpop", "sep-2640-client-no-prefetch", "brand-new"]) == ["brand-new"]
    assert unknown("server", ["tasks-lifecycle", "prompts-list"]) == []


@pytest.mark.parametrize(
    ("case", "outcome"), [(CALL, "fails"), (CALL, "checks nothing"), (PROOF, "passes"), (PUSH, "passes")]
)
def test_any_difference_is_told(case: Case, outcome: Outcome) -> None:
    """A pass that fails, and a failure that passes, are both named with what should have come out."""
    assert differences(dict(EXPECTED), set(EXPECTED)) == []
    (line,) = differences({**EXPECTED, case: outcome}, set(EXPECTED))
    assert all(word in line for word in (case.scenario, case.revision, outcome, EXPECTED[case]))


def test_what_did_not_run_is_a_difference() -> None:
    """A case without a finding does not count as passed."""
    assert len(differences({}, {CALL})) == 1


@pytest.mark.parametrize(
    ("exit_code", "statuses", "outcome"),
    [
        (0, ["SUCCESS", "SKIPPED", "INFO"], "passes"),
        (0, ["SKIPPED", "INFO"], "checks nothing"),
        (0, [], "checks nothing"),
        (1, ["SUCCESS"], "fails"),
        (1, [], "fails"),
    ],
)
def test_judging(exit_code: int, statuses: list[str], outcome: Outcome) -> None:
    """A scenario passes if the suite says so and has checked something; a client that ended with an error fails."""
    checks = [{"id": "one", "status": status} for status in statuses]
    assert judge(exit_code, checks, "said").outcome == outcome


def test_a_failure_has_its_words() -> None:
    """A failure names the checks that failed, and without such a check what the suite printed."""
    failed: dict[str, Any] = {"id": "the-check", "status": "FAILURE", "errorMessage": "no header"}
    assert judge(1, [failed], "said").details == "the-check: no header"
    assert judge(1, [], "said").details == "said"


def test_the_worst_of_two_event_loops_counts() -> None:
    """A case that fails on one event loop fails; a case that comes out otherwise is tried again, and that counts."""
    tried: list[runner.Job] = []

    def run(job: runner.Job) -> Finding:
        tried.append(job)
        return Finding("passes" if job[1] == "asyncio" or job[0] != CALL else "fails")

    jobs = runner.jobs_of([CALL, PUSH])
    assert jobs == [(CALL, "asyncio"), (PUSH, "asyncio"), (CALL, "trio")]
    assert runner.run_all(jobs, run) == {CALL: "fails", PUSH: "passes"}
    assert sorted(tried[:3]) == sorted(jobs)
    assert tried[3:] == [(PUSH, "asyncio"), (CALL, "trio")]

    def run_well_alone(job: runner.Job) -> Finding:
        tried.append(job)
        return Finding("passes" if len(tried) > 1 else "fails")

    tried.clear()
    assert runner.run_all([(CALL, "asyncio")], run_well_alone) == {CALL: "passes"}
    assert len(tried) == 2


def test_the_table() -> None:
    """A row for each scenario, a dash where it belongs to no revision, and a number that leads to the reason."""
    found: dict[Case, Outcome] = {CALL: "passes", PROOF: "fails", PUSH: "checks nothing"}
    lines = table(found, "1.2.3").splitlines()
    assert lines[0] == "Version 1.2.3 of the suite:"
    assert lines[4:7] == [
        "| the client | `tools_call` | - | passes |",
        "| the client | `auth/dpop` | fails (1) | - |",
        "| the server of `mcptasks.testing` | `tasks-status-notifications` | - | checks nothing (2) |",
    ]
    assert lines[8].lower() == f"1. {NO_DPOP}.".lower()


def test_the_table_keeps_to_its_place() -> None:
    """The table replaces what stands between the markers and nothing else; a page without them is an error."""
    page = f"before\n{BEGIN}\n\nold\n\n{END}\nafter\n"
    assert with_table(page, "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    for cut in (page.replace(BEGIN, ""), page.replace(END, "")):
        with pytest.raises(ValueError, match="no place"):
            with_table(cut, "new")


def test_checking_leaves_the_page_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `--check` another table is a failure and the page stays; without it the table is written."""
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n\nold\n\n{END}\n", encoding="utf-8")
    monkeypatch.setattr(runner, "PAGE", page)
    monkeypatch.setattr(runner, "ROOT", tmp_path)
    (line,) = runner.write_page("new", check=True)
    assert "page.md has another table" in line
    assert "old" in page.read_text(encoding="utf-8")
    assert runner.write_page("new", check=False) == []
    assert "new" in page.read_text(encoding="utf-8")
    assert runner.write_page("new", check=True) == []


def test_unknown_names_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The command runs only scenarios that it knows."""
    with pytest.raises(SystemExit):
        runner.read_arguments(["tool_call"])
    assert "no such scenario: tool_call" in capsys.readouterr().err


@pytest.mark.parametrize("code", ["ECONNREFUSED", "ENOTFOUND", "ETIMEDOUT", "E403", "E503"])
def test_no_network_is_said_in_a_sentence(code: str) -> None:
    """Without a way to npm's registry the error says that; another failure of npm is another error."""
    error = not_installed(code, "words")
    assert isinstance(error, UnreachableError)
    assert "npm's registry, which it is installed from, could not be reached" in str(error)
    assert str(error).endswith(f"(npm says {code})")
    other = not_installed("EINTEGRITY", "words")
    assert not isinstance(other, UnreachableError)
    assert str(other).startswith("npm could not install the conformance suite. npm said")


def test_a_slow_installation_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If npm does not come to an end, the error does not say that the registry is out of reach."""

    def run(command: list[str], **_: object) -> None:
        raise subprocess.TimeoutExpired(command, suite.INSTALL_LIMIT)

    monkeypatch.setenv("MCPTASKS_TEST_CACHE", str(tmp_path))
    monkeypatch.setattr(suite, "node_folder", lambda: tmp_path)
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(UnreachableError, match=r"has not run: .*, and npm has not installed it within 900 s"):
        Suite.installed()


@pytest.mark.parametrize("arguments", [[], ["--install"]])
@pytest.mark.parametrize(("error", "code"), [(SuiteError, 1), (UnreachableError, 75)])
def test_the_run_ends_with_that_sentence(
    arguments: list[str],
    error: type[SuiteError],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A suite that cannot be installed ends the command without a traceback; without a network the code is 75."""

    def installed() -> Suite:
        raise error("the reason")

    monkeypatch.setattr(Suite, "installed", installed)
    assert runner.main(arguments) == code
    assert capsys.readouterr().out == "the reason\n"


def test_a_kept_suite_needs_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the suite is kept, npm is not asked, and `--install` says nothing."""

    def install(*_: object) -> None:
        raise AssertionError("npm is asked")

    monkeypatch.setenv("MCPTASKS_TEST_CACHE", str(tmp_path))
    monkeypatch.setattr(suite, "node_folder", lambda: tmp_path)
    monkeypatch.setattr(suite, "_install", install)
    with pytest.raises(AssertionError, match="npm is asked"):
        runner.main(["--install"])
    program = suite.place() / suite.PROGRAM
    program.parent.mkdir(parents=True)
    program.touch()
    assert runner.main(["--install"]) == 0
    assert capsys.readouterr().out == ""


def test_the_server_under_test_starts_and_ends() -> None:
    """The server's program says its URL, and ends when nobody holds its standard input."""
    with runner.serving() as url:
        assert url.startswith("http://127.0.0.1:")


def test_a_server_that_does_not_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without a URL ends the run with a sentence."""
    monkeypatch.setattr(sys, "executable", "/bin/true")
    with pytest.raises(SuiteError, match="did not start"), runner.serving():
        pass


@pytest.mark.parametrize(
    ("run", "code", "said"), [("show", 0, "a b, x is 1\n"), ("fail", 1, "it broke")], ids=["ends", "fails"]
)
def test_a_forked_client(run: str, code: int, said: str, tmp_path: Path) -> None:
    """A forked client has the arguments, the environment and the output of the program that the suite has started. The
    program ends with the client's exit code."""
    source = (
        "import os, socket, sys\n"
        "from tests.conformance import forks\n"
        "def show(): print(*sys.argv[1:], end=', '); print('x is', os.environ['X'])\n"
        "def fail(): raise ValueError('it broke')\n"
        "listener = socket.socket(socket.AF_UNIX)\n"
        f"listener.bind({str(tmp_path / 's')!r})\n"
        "listener.listen(1)\n"
        "print('ready', flush=True)\n"
        f"forks.serve(listener, 0, {run})\n"
    )
    with subprocess.Popen(
        [sys.executable, "-S", "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=suite.ROOT
    ) as forking:
        assert forking.stdin is not None
        assert forking.stdout is not None
        assert forking.stdout.readline() == b"ready\n"
        command = [sys.executable, "-I", "-S", str(suite.HERE / "ask.py"), str(tmp_path / "s"), "a", "b"]
        asked = subprocess.run(command, env={"X": "1"}, capture_output=True, text=True, check=False, timeout=60)
        forking.stdin.close()
    assert (asked.returncode, said in asked.stdout + asked.stderr) == (code, True)
