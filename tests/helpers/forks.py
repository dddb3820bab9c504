"""A plugin of pytest with which several processes share the tests of a run.

    python -m pytest -p tests.helpers.forks --forks 8 -m "not interop and not slow"

The processes are forked once the tests are collected. pytest-xdist starts processes that each collect all tests, which
takes 10 s of processor time in each.

The first process hands out runs of neighbouring tests, so that the tests of a module share its fixtures. The fewer
tests are left, the shorter is a run: near the end no process waits long for another one. The others send back their
reports. A test in which its process dies has failed, and another process goes on with the tests after it. The same
holds for a test that calls `pytest.exit`.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest
from attrs import define, field

SHARE = 4
"""A block is a fourth of what each process would still have to do, if all did the same number of tests."""
_GRACE = 10.0
"""Seconds that a process has to end its fixtures if the run is broken off. Then it is killed."""
_RUN = pytest.StashKey[Path]()
Block = list[int]
"""The indices of the tests that one process runs next."""
Line = Connection
"""The connection between the first process and another one."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say how many processes run tests."""
    group = parser.getgroup("forks")
    group.addoption("--forks", type=int, default=0, metavar="NUMBER", help="run tests in that many forked processes")
    group.addoption("--whole-files", action="store_true", help="leave the tests of each file to one of the processes")


class Hooks:
    """The hooks that this plugin calls."""

    @pytest.hookspec
    def pytest_fork_ends(self, session: pytest.Session) -> object:
        """What a forked process leaves for the first one. It is pickled."""

    @pytest.hookspec
    def pytest_fork_ended(self, config: pytest.Config, left: list[Any]) -> None:
        """Take what the plugins of a forked process left."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the hooks."""
    pluginmanager.add_hookspecs(Hooks)


def folder_of_run(config: pytest.Config) -> Path:
    """The temporary folder that all processes of a run share."""
    base: Path = cast(Any, config)._tmp_path_factory.getbasetemp()
    return config.stash.get(_RUN, base)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run the tests in forked processes if `--forks` asks for several and there are several tests."""
    number = min(int(session.config.option.forks), len(session.items))
    if number < 2 or session.config.option.collectonly or session.testsfailed:
        return None
    session.config.stash[_RUN] = folder_of_run(session.config)
    _Run(session, number, whole_files=bool(session.config.option.whole_files)).run()
    return True


@define(eq=False)
class _Worker:
    """A forked process, as the first process sees it."""

    pid: int
    line: Line[Any, Any]
    block: Block = field(factory=Block)
    """The tests that the process has been given and has not finished."""
    running: int | None = None
    """The test that runs now."""
    is_proven: bool = False
    """Whether the process has finished a test."""
    has_ended: bool = False
    """Whether the process has said that it ends."""
    broken: str = ""
    """The traceback of the exception that ended it."""


class _Run:
    """One run of the tests.

    Args:
        session: What has been collected.
        number: How many processes run tests.
        whole_files: Whether a file's tests run in one process.
    """

    def __init__(self, session: pytest.Session, number: int, *, whole_files: bool) -> None:
        self._session = session
        self._hook = session.config.hook
        self._number = number
        self._blocks = _blocks_of_files(session.items) if whole_files else _blocks(len(session.items), number)
        self._again: list[Block] = []
        """What processes that died have left."""
        self._workers: list[_Worker] = []
        self._started = 0
        self._left = set(range(len(session.items)))

    def run(self) -> None:
        """Run all tests.

        Raises:
            pytest.Session.Failed: As many tests have failed as `--maxfail` admits, or no process can run tests.
            pytest.Session.Interrupted: A hook has asked for the end of the run.
        """
        terminal: Any = self._session.config.pluginmanager.getplugin("terminalreporter")
        if terminal is not None:
            # The next report may be that of a test in another file.
            terminal.showfspath = False
        try:
            for _ in range(self._number):
                self._start()
            while self._workers:
                by_line = {worker.line: worker for worker in self._workers}
                for ready in wait(list(by_line)):
                    self._hear(by_line[cast(Any, ready)])
        finally:
            self._break_off()
        if self._left:
            raise self._session.Failed(f"{len(self._left)} tests have not run")

    def _start(self) -> None:
        """Fork one more process."""
        ours, theirs = Pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self._started += 1
        pid = os.fork()
        if pid == 0:
            # Held here too, those lines would not end with the first process.
            for line in (ours, *(other.line for other in self._workers)):
                line.close()
            _work(self._session, theirs, self._started)
        theirs.close()
        self._workers.append(_Worker(pid, ours))

    def _hear(self, worker: _Worker) -> None:
        """Take one message of a process."""
        try:
            what, value = worker.line.recv()
        except (EOFError, OSError):
            self._gone(worker)
        else:
            self._take(worker, what, value)
        if self._session.shouldfail and worker.running is None:
            raise self._session.Failed(self._session.shouldfail)
        if self._session.shouldstop and worker.running is None:
            raise self._session.Interrupted(self._session.shouldstop)

    def _take(self, worker: _Worker, what: str, value: Any) -> None:
        match what:
            case "ask":
                block = self._again.pop() if self._again else next(self._blocks, Block())
                worker.block += block
                with suppress(OSError):  # If the process has died, its line ends.
                    worker.line.send(block)
            case "start":
                worker.running = value
                self._hook.pytest_runtest_logstart(**self._named(value))
            case "report":
                self._report(self._hook.pytest_report_from_serializable(config=self._session.config, data=value))
            case "finish":
                worker.running, worker.is_proven = None, True
                worker.block.remove(value)
                self._left.discard(value)
                self._hook.pytest_runtest_logfinish(**self._named(value))
            case "broken":
                worker.broken = value
            case _:
                worker.has_ended = True
                self._hook.pytest_fork_ended(config=self._session.config, left=value)

    def _named(self, number: int) -> dict[str, Any]:
        item: pytest.Item = self._session.items[number]
        return {"nodeid": item.nodeid, "location": item.location}

    def _report(self, report: pytest.TestReport) -> None:
        self._hook.pytest_runtest_logreport(report=report)

    def _gone(self, worker: _Worker) -> None:
        """A process has ended. If that was too early, a test has failed, and another process takes its place.

        Raises:
            pytest.Session.Failed: The process has finished no test, so another one would not either.
        """
        self._workers.remove(worker)
        worker.line.close()
        code = os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])
        if worker.has_ended:
            return
        words = worker.broken or f"The process that ran this test has ended with {code}."
        name: dict[str, Any] = {"nodeid": "a process between tests", "location": (__name__, None, "")}
        if worker.running is not None:
            name = self._named(worker.running)
            worker.block.remove(worker.running)
            self._left.discard(worker.running)
        elif not worker.is_proven:
            raise self._session.Failed(words)
        self._report(pytest.TestReport(**name, keywords={}, outcome="failed", longrepr=words, when="call"))
        worker.running = None
        if worker.block:
            self._again.append(worker.block)
            self._start()

    def _break_off(self) -> None:
        """End the processes that are left, if the run is broken off. Each ends its fixtures."""
        for worker in self._workers:
            worker.line.close()
            # Like Ctrl-C, which also ends a test that waits.
            os.kill(worker.pid, signal.SIGINT)
        end = time.monotonic() + _GRACE
        for worker in self._workers:
            while os.waitpid(worker.pid, os.WNOHANG) == (0, 0):
                if time.monotonic() > end:
                    os.kill(worker.pid, signal.SIGKILL)
                time.sleep(0.02)


def _blocks(tests: int, processes: int) -> Iterator[Block]:
    """Runs of neighbouring tests, none longer than the one before."""
    start = 0
    while start < tests:
        end = start + max(1, (tests - start) // (SHARE * processes))
        yield [*range(start, end)]
        start = end


def _blocks_of_files(items: list[pytest.Item]) -> Iterator[Block]:
    """The tests of each file."""
    starts = [number for number, (one, other) in enumerate(pairwise(items), 1) if one.path != other.path]
    for start, end in pairwise([0, *starts, len(items)]):
        yield [*range(start, end)]


class _Reports:
    """What a forked process has in place of pytest's terminal: it sends the reports to the first process."""

    def __init__(self, config: pytest.Config, line: Line[Any, Any]) -> None:
        self._config = config
        self._line = line
        # pytest asks its terminal for this, to show how two values differ.
        self._tw = config.get_terminal_writer()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Send a report."""
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._line.send(("report", data))


def _work(session: pytest.Session, line: Line[Any, Any], number: int) -> NoReturn:
    """Run tests in this process, a forked one, until there are no more, and end the process.

    Neither handlers of `atexit` nor `pytest_unconfigure` run here.

    Args:
        session: What has been collected.
        line: To the first process.
        number: Names this process.
    """
    code = 1
    config = session.config
    plugins = config.pluginmanager
    # A process that a test forks would keep the line open after the end of this one.
    os.register_at_fork(after_in_child=line.close)
    try:
        # The first process ends this one by an interrupt, which a program in the background may ignore.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        reports = _Reports(config, line)
        plugins.unregister(name="terminalreporter")
        plugins.register(reports, "terminalreporter")
        _print_elsewhere(plugins.getplugin("capturemanager"))
        # Each process has a temporary folder of its own.
        folder = folder_of_run(config) / f"process-{number}"
        folder.mkdir()
        cast(Any, config)._tmp_path_factory._basetemp = folder
        try:
            _run_all(session, line)
        except BaseException:
            # The fixtures that are left end undisturbed.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            cast(Any, plugins.getplugin("runner")).pytest_sessionfinish(session)
            raise
        line.send(("end", config.hook.pytest_fork_ends(session=session)))
        code = 0
    except BaseException:
        with suppress(OSError):  # The first process may have broken off the run.
            line.send(("broken", traceback.format_exc()))
    finally:
        os._exit(code)


def _print_elsewhere(capture: Any) -> None:
    """Let pytest keep what tests print in other files than those of the process that has forked this one.

    The file objects stay, since modules may have taken `sys.stderr` when they were imported."""
    capturing = capture._global_capturing
    for each in filter(None, (capturing.out, capturing.err)):
        with suppress(io.UnsupportedOperation), tempfile.TemporaryFile(buffering=0) as own:
            os.dup2(own.fileno(), each.tmpfile.fileno())


def _run_all(session: pytest.Session, line: Line[Any, Any]) -> None:
    """Run what the first process hands out."""

    def ask() -> Block:
        line.send(("ask", None))
        return cast(Block, line.recv())

    block = ask()
    while block:
        number, *block = block
        # What the next test needs too is kept for it.
        block = block or ask()
        following = session.items[block[0]] if block else None
        item = session.items[number]
        line.send(("start", number))
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        line.send(("finish", number))
