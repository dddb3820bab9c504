"""Runs the conformance suite against the client and the testing server: `nox -s conformance`.

    python -m tests.conformance [SCENARIO ...] [--check | --install]

The exit code is 1 if anything comes out otherwise than tests/conformance/expected.py says. A run of all scenarios
writes the table in docs/protocols.md; with `--check` the page stays as it is, and a table that is not up to date fails.
`--install` runs nothing, and only sees to it that the suite is there: without a word if it is, with exit code 75 and a
sentence if npm's registry cannot be reached.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from tests.conformance.expected import EXPECTED, Case, Outcome, differences, unknown
from tests.conformance.page import table, with_table
from tests.conformance.suite import HERE, ROOT, Finding, Suite, SuiteError, UnreachableError, version

PAGE = ROOT / "docs" / "protocols.md"
UNREACHABLE = 75
"""The exit code if npm's registry cannot be reached: that of programs which may do better at another time."""
Job: TypeAlias = tuple[Case, str]
"""A case, and the event loop on which the client runs."""


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description="Run the conformance suite.")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="default: all")
    parser.add_argument("--check", action="store_true", help="leave the page as it is, and fail if it is not right")
    parser.add_argument("--install", action="store_true", help="install the suite if it is not there, and run nothing")
    chosen = parser.parse_args(arguments)
    if wrong := set(chosen.scenarios) - {case.scenario for case in EXPECTED}:
        parser.error(f"no such scenario: {', '.join(sorted(wrong))}")
    return chosen


@contextmanager
def serving() -> Generator[str]:
    """The URL of the server under test, in a process of its own."""
    with _started("the server under test", "tests.conformance.server") as url:
        yield url


@contextmanager
def client_command() -> Generator[str]:
    """The command that starts the client under test. The suite hands it to a shell, and appends a URL.

    The client starts as a fork of a process that has imported it where processes can be forked: that saves one second
    for each scenario.
    """
    if not hasattr(os, "fork"):
        yield shlex.join([sys.executable, "-m", "tests.conformance.client"])
        return
    with tempfile.TemporaryDirectory(prefix="mcptasks-") as folder:
        place = str(Path(folder, "forks"))
        with _started("the program that forks the client under test", "tests.conformance.forks", place):
            yield shlex.join([sys.executable, "-I", "-S", str(HERE / "ask.py"), place])


@contextmanager
def _started(what: str, module: str, *arguments: str) -> Generator[str]:
    """Run a program until the end of the block. The first line that it prints, which says that it is ready."""
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline().strip()
            if not line:
                raise SuiteError(f"{what} did not start; its words are above")
            yield line
        finally:
            process.stdin.close()


def jobs_of(cases: Iterable[Case]) -> list[Job]:
    """What is to be run: each case, and those of the client without authorization on both event loops."""
    jobs = [(case, "asyncio") for case in cases]
    ours = [case for case, _ in jobs if case.role == "client" and not case.scenario.startswith("auth/")]
    return jobs + [(case, "trio") for case in ours]


def run_all(jobs: Sequence[Job], run: Callable[[Job], Finding]) -> dict[Case, Outcome]:
    """What came out of each case: of all its jobs, the worst.

    Several run at once. A job that does not come out as expected is run again, alone, and that counts: some checks of
    the suite are about time, and a busy machine is not what they are to find.
    """

    def run_and_tell(job: Job) -> Finding:
        finding = run(job)
        print(f"{job[0].scenario} at {job[0].revision} on {job[1]}: {finding.outcome}", flush=True)
        return finding

    with ThreadPoolExecutor(max_workers=(os.cpu_count() or 2) + 1) as pool:
        findings = dict(zip(jobs, pool.map(run_and_tell, jobs), strict=True))
    for job, finding in findings.items():
        if finding.outcome != EXPECTED[job[0]]:
            print(f"not as expected: {finding.details}\nagain, alone:", flush=True)
            findings[job] = run_and_tell(job)
    found: dict[Case, Outcome] = {}
    order: list[Outcome] = ["passes", "checks nothing", "fails"]
    for (case, _), finding in findings.items():
        found[case] = max(found.get(case, order[0]), finding.outcome, key=order.index)
    return found


def write_page(text: str, *, check: bool) -> list[str]:
    """Write the table; with `check`, a sentence in place of that if another table stands there."""
    old = PAGE.read_text(encoding="utf-8")
    new = with_table(old, text)
    if check and new != old:
        return [f"{PAGE.relative_to(ROOT)} has another table: run `nox -s conformance` and commit what it writes"]
    PAGE.write_text(new, encoding="utf-8")
    return []


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    chosen = read_arguments(arguments)
    begun = time.monotonic()
    try:
        suite = Suite.installed()
        if chosen.install:
            return 0
        wrong = [
            f"the suite has a {role} scenario that nobody has judged: {name} (tests/conformance/expected.py)"
            for role in ("client", "server")
            for name in unknown(role, suite.scenarios(role))
        ]
        cases = {case for case in EXPECTED if not chosen.scenarios or case.scenario in chosen.scenarios}
        with serving() as url, client_command() as command:

            def run(job: Job) -> Finding:
                case, backend = job
                return (
                    suite.run_client(case, backend, command) if case.role == "client" else suite.run_server(case, url)
                )

            found = run_all(jobs_of(sorted(cases)), run)
    except SuiteError as exc:
        print(exc)
        return UNREACHABLE if isinstance(exc, UnreachableError) else 1
    wrong += differences(found, cases)
    if not chosen.scenarios and not wrong:
        wrong += write_page(table(found, version()), check=chosen.check)
    passed = sum(outcome == "passes" for outcome in found.values())
    print(f"{passed} of {len(found)} cases pass, in {time.monotonic() - begun:.0f} s")
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
