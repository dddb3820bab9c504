"""`python -m mcptasks demo` on servers of all kinds: questions, tools that are not there, and Ctrl-C.

A test presses Ctrl-C when the command has said a certain line; nothing goes by time.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal

import pytest

from mcptasks.__main__ import main
from mcptasks.sync import Client
from mcptasks.testing import Complete, NeedInput, TaskServer, Working, elicit, serve_http
from tests.helpers.command_line import Home, home, stand_ins, warm
from tests.helpers.stand_ins import StandIns
from tests.helpers.warm import Running, Warm

__all__ = ["home", "stand_ins", "warm"]

# A shell has its background jobs ignore SIGINT, and Python leaves that as it is.
MAIN = """
import signal, runpy, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv[0] = "mcptasks"
runpy.run_module("mcptasks", run_name="__main__")
"""
BACKENDS = ("asyncio", "trio")
Era = Literal["modern", "legacy"]
ERAS: tuple[Era, ...] = ("modern", "legacy")


@pytest.fixture(params=ERAS)
def server(request: pytest.FixtureRequest) -> TaskServer:
    """A server with a tool that takes its time, one that asks, and one without a task."""
    era: Era = request.param
    server = TaskServer("mine", era=era)
    server.add_tool("long", [Working("on its way")])
    server.add_tool("ask", [NeedInput({"q": elicit("Really delete?")}, "Really delete?"), Complete("deleted")])
    server.add_tool(
        "quick", [Working("half"), Complete("done", after=0.01)], input_schema={"type": "object", "required": ["n"]}
    )
    return server


@pytest.fixture
def url(server: TaskServer) -> Iterator[str]:
    """Where the server is."""
    with serve_http(server) as found:
        yield found


def fresh(*arguments: str) -> subprocess.Popen[str]:
    """Start the command as a program of its own, in pipes."""
    # In a session of its own, so that the signal reaches the command and nobody else.
    return subprocess.Popen(
        [sys.executable, "-u", "-W", "error", "-c", MAIN, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def pressed(start: Callable[..., subprocess.Popen[str] | Running], arguments: list[str], at: str) -> list[str]:
    """Run the command, press Ctrl-C when it says something, and return what it then says on stderr."""
    with start("demo", *arguments) as run:
        limit = threading.Timer(300, run.kill)
        limit.start()
        try:
            assert run.stdout is not None
            said = next((line for line in run.stdout if at in line), None)
            assert said is not None, run.communicate(timeout=300)[1]
            run.send_signal(signal.SIGINT)
            _, err = run.communicate(timeout=300)
        finally:
            limit.cancel()
            run.kill()
    assert run.returncode == 130, err
    return err.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_interrupted_task(home: Home, warm: Warm, server: TaskServer, url: str, backend: str) -> None:
    """After Ctrl-C the task of a server behind a URL works on, and the printed Python takes it up."""
    first, _, *program = pressed(home.start, ["--tool", "long", "--backend", backend, url], "meanwhile")
    (task,) = server.tasks.values()
    assert first == f"stopped; the work was not cancelled: the server has it as task {task.task_id}"
    assert task.status == "working"
    task.complete("found again")
    script = home.folder / "found.py"
    script.write_text("\n".join(line.strip() for line in program), encoding="utf-8")
    with warm.start_in_pipes((), home.variables(), home.folder, script=str(script)) as run:
        assert run.communicate(timeout=300) == ("found again\n", "")
    assert run.wait() == 0


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_interrupted_subprocess(home: Home, stand_ins: StandIns, backend: str) -> None:
    """A server that the command started has ended with it; so has the demo's own."""
    server = stand_ins.script(home.folder / "server.py", "from mcptasks.testing.__main__ import main\nmain()\n")
    slow = ["--backend", backend, "--arguments", '{"duration": 60}']
    assert pressed(home.start, slow, "step 1") == [
        "stopped; the demo's own server was started by this command and has ended with it, and so has the work there"
    ]
    (line,) = pressed(
        home.start, [*slow, "--tool", "slow_computation", "--", *server, "--transport", "stdio"], "step 1"
    )
    assert "was started by this command and has ended with it" in line
    said = pressed(
        home.start,
        [*slow, "--tool", "slow_computation", "--", *server, "--transport", "stdio", "--no-tasks"],
        "meanwhile",
    )
    # The SDK may warn, in either process, that it could not tell the other one of the end.
    assert "stopped; slow_computation was a plain call of this program, and was cancelled with it" in said
    assert not any("Traceback" in line for line in said)


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "start"), [("asyncio", "fresh"), ("trio", "forked")])
def test_interrupted_opening(home: Home, backend: str, start: str) -> None:
    """Ctrl-C while a server says nothing: no work was begun. One command is a fresh Python, as a user starts it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/mcp"
        how = fresh if start == "fresh" else home.start
        said = pressed(how, ["--backend", backend, url], f"connecting to {url}")
    assert said == [f"stopped while connecting to {url}; no work was begun"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_question(server: TaskServer, url: str, backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A task that asks: the words of the question, once, and how to answer; the task stays open."""
    assert main(["demo", "--tool", "ask", "--backend", backend, url]) == 1
    told = capsys.readouterr()
    assert told.out.count("input_required") == 1
    assert (told.out + told.err).count("Really delete?") == 1
    lines = told.err.splitlines()
    assert lines[:2] == ["the task asks: Really delete?", "this command cannot answer"]
    (task,) = server.tasks.values()
    assert task.task_id in lines[2]
    assert "elicitation_handler=..." in lines[-1]
    assert task.status == "input_required"
    if '"era": "2025-11-25"' in lines[-1]:
        return  # The server has asked the client that is gone, and does not ask again.
    with Client(url, elicitation_handler=lambda _context, _params: {"value": "yes"}) as client:
        reference = lines[-1].partition("client.resume('")[2].partition("')")[0]
        assert client.resume(reference).result(timeout=120).data == "deleted"


def test_no_such_tool(server: TaskServer, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt tool, none, or one without its arguments is told with what the server has; nothing is called."""
    for arguments, said in [
        (["--tool", "lonk"], "the server lists no tool lonk; the server's tools: long, ask, quick"),
        ([], "name a tool with --tool; the server's tools: long, ask, quick"),
        (["--tool", "quick"], "quick needs more arguments: give 'n' in --arguments, a JSON object"),
    ]:
        assert main(["demo", *arguments, url]) == 1
        assert capsys.readouterr().err.splitlines() == [said]
    assert not server.tasks
    assert main(["demo", "--tool", "quick", "--arguments", '{"n": 1}', url]) == 0


def test_older_server(stand_ins: StandIns, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A subprocess that speaks the older protocol: `--mode legacy` is named, and then not any more."""
    script = tmp_path / "server.py"
    stand_ins.script(
        script, "from mcptasks.testing.__main__ import main\nmain(['--transport', 'stdio', '--era', 'legacy'])\n"
    )
    assert main(["demo", str(script)]) == 0
    assert "--mode legacy" in capsys.readouterr().out
    assert main(["demo", "--mode", "legacy", str(script)]) == 0
    assert "--mode legacy" not in capsys.readouterr().out
