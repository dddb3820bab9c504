"""The commands in pipes: results on standard output and nothing else there, the rest on standard error, exit codes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mcptasks
from mcptasks.testing import Complete, Delay, RawResult, TaskServer, serve_http
from tests.helpers.command_line import COMMAND, LIMIT, Home

pytestmark = pytest.mark.slow

OUT_OF_TIME = "10"
"""Seconds that end a command which waits for ever. The time begins before the call is written down, which takes longer
on a busy machine."""


def test_call(home: Home, url: str) -> None:
    """`call` types the arguments, prints the result alone, and ends with 0."""
    done = home.run("call", url, "typed", "n=3", "names=a", "names=b")
    assert (done.code, json.loads(done.out)) == (0, {"n": 3, "names": ["a", "b"]})
    assert home.run("call", url, "add", "-q") == type(done)(0, "3\n", "")
    assert home.run("call", url, "typed", "-", stdin='{"n": 4}').json == {"n": 4}


def test_progress(home: Home, url: str) -> None:
    """Changes go to standard error, one line each, with the task's id and tool."""
    done = home.run("call", url, "short")
    assert (done.code, done.out) == (0, "done\n")
    lines = done.err.splitlines()
    assert lines[-1].split()[1:] == ["short", "completed"]
    assert len({line.split()[0] for line in lines}) == 1
    assert home.run("list", "-a").out.splitlines()[1].split()[0] == lines[0].split()[0]


def test_json(home: Home, url: str) -> None:
    """With `--json`, standard output has one object, and standard error nothing."""
    done = home.run("call", url, "short", "--json")
    assert (done.code, done.err) == (0, "")
    found = done.json
    assert (found["schema"], found["result"]["data"], found["task"]["name"]) == (1, "done", "short")
    assert mcptasks.TaskReference.from_json(found["task"]["reference"]).name == "short"
    bad = home.run("call", url, "fails", "--json")
    assert (bad.code, bad.json["error"]["type"]) == (1, "ToolError")
    assert bad.json["error"]["message"] == "no such month"
    assert bad.json["error"]["task"]["name"] == "fails"
    usage = home.run("list", "--no-such-option", "--json")
    assert (usage.code, usage.json["error"]["type"]) == (2, "UsageError")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["fails"], 1, "error: no such month"),
        (["breaks"], 1, "error: out of order"),
        (["lonk"], 2, "error: the server lists no tool 'lonk'; did you mean long?"),
        (["typed", "m=1"], 2, "error: the tool has no argument m; it has n, names"),
        (["typed"], 2, "error: the tool needs n: write n=..."),
        (["long", "--timeout", OUT_OF_TIME], 124, "the work goes on\nwatch it:   mcptasks watch "),
        (["ask"], 6, "error: the task asks: Which month?"),
        (["ask", "--no-input"], 6, "error: the task asks"),
    ],
    ids=str,
)
def test_failures(home: Home, server: TaskServer, url: str, words: list[str], code: int, said: str) -> None:
    """A call that comes to nothing ends with the code of the reason, and says the reason on standard error only."""
    done = home.run("call", url, *words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert "Traceback" not in done.err
    if code == 2:
        assert not server.tasks


def test_plain_call_out_of_time(home: Home, server: TaskServer, url: str) -> None:
    """A call that the server makes no task of is cancelled with the command: nothing is said of work that goes on. Its
    id is that of the store."""
    server.add_tool("plain", support="none", result=3)
    server.faults.add("tools/call", Delay(LIMIT))
    done = home.run("call", url, "plain", "--timeout", OUT_OF_TIME)
    assert done.out == ""
    assert "immediate:" not in done.err
    (known,) = home.run("list", "-a", "-q").out.split()
    if server.era == "legacy":
        assert done.err.splitlines()[0].startswith(f"{known[:8]}  plain  ")
        assert (done.code, "cancelled with it" in done.err, "watch" in done.err) == (124, True, False)
    else:  # The server decides with its answer whether there is a task.
        assert (done.code, f"settle {known[:8]} --none" in done.err) == (9, True)


def test_usage(home: Home) -> None:
    """A command line that cannot be right ends with 2 before anything is imported or sent."""
    for words in (["call"], ["call", "https://example.com/mcp"], ["watch", "ab"], ["wait"], ["settle", "abcd"]):
        done = home.run(*words)
        assert (done.code, done.out) == (2, ""), words
        assert done.err.startswith("error: "), words


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["call", "http://127.0.0.1:9/mcp", "x"], 7),
        (["call", "x", "--", "no-such-program"], 7),
        (["result", "beef"], 5),
    ],
)
def test_nobody_there(home: Home, words: list[str], code: int) -> None:
    """A server that is not there ends the command with 7, a task that is not there with 5."""
    done = home.run(*words)
    assert (done.code, done.out, done.err[:7]) == (code, "", "error: ")


def test_credentials(home: Home, url: str) -> None:
    """A token comes from a variable; one that is not set, and credentials that are refused, end the command with 4."""
    done = home.run("call", url, "add", "--auth-env", "NONE")
    assert (done.code, "the variable NONE" in done.err) == (4, True)
    assert home.run("call", url, "add", "--auth-env", "TOKEN", env={"TOKEN": "s3cret"}).code == 0
    assert home.run("call", url, "add", "-H", "X-Key: s3cret", env={"MCPTASKS_TOKEN": "t"}).code == 0
    place = home.folder / ".local/state/mcptasks/tasks.db"
    assert b"s3cret" not in place.read_bytes()


def test_detached(home: Home, server: TaskServer, url: str) -> None:
    """A detached call prints the id; a later command needs no target to cancel it, and others see how it ended."""
    done = home.run("call", "-d", url, "long", "--label", "job=nightly")
    known = done.out.strip()
    assert (done.code, len(known)) == (0, 32)
    assert home.run("list", "-q").out.split() == [known]
    assert home.run("list", "-q", "--label", "job=nightly").out.split() == [known]
    assert home.run("list", "-q", "--label", "job=other").out == ""
    assert home.run("result", known[:8], "--no-wait").code == 8
    assert home.run("wait", known, "--timeout", "0").code == 124
    assert home.run("cancel", known[:6]).code == 0
    assert home.run("result", "@last").code == 3
    assert [task.status for task in server.tasks.values()] == ["cancelled"]


def test_taken_up(home: Home, server: TaskServer, url: str) -> None:
    """Any name of a task leads to its result: the beginning of its id, its key, `@last`, and its reference."""
    known = home.run("call", "-d", url, "long", "--key", "order 42").out.strip()
    reference = home.run("show", known, "--reference").out
    server.next_task_blocking(10).complete({"n": 1})
    for word in (known[:5], "key:order 42", "@last", reference):
        done = home.run("result", word)
        assert (done.code, json.loads(done.out)) == (0, {"n": 1}), done.err
    done = home.run("result", "-", stdin=reference)
    assert (done.code, json.loads(done.out)) == (0, {"n": 1}), done.err


def test_names_of_several_tasks(home: Home, server: TaskServer, url: str) -> None:
    """A name that several tasks have ends a command with 2, since the command line has to say more; the tasks are
    listed, by ids that lead to each. A name that no task has ends it with 5."""
    with serve_http(server) as other:
        ids = {home.run("call", "-d", place, "long", "--key", "order").out.strip() for place in (url, other)}
    done = home.run("show", "key:order")
    assert (done.code, "'order' may mean several tasks: " in done.err) == (2, True), done.err
    listed = set(re.findall(r"\b[0-9a-f]{8}\b", done.err))
    assert listed == {each[:8] for each in ids}
    for each in listed:
        assert home.run("show", each).code == 0
    assert home.run("show", "0" * 32).code == 5


def test_key(home: Home, server: TaskServer, url: str) -> None:
    """A call with the same key is made once; one with other arguments is refused with 2."""
    first = home.run("call", "-d", url, "typed", "n=1", "--key", "k")
    again = home.run("call", "-d", url, "typed", "n=1", "--key", "k")
    assert first.out == again.out != ""
    assert home.run("call", "-d", url, "typed", "n=2", "--key", "k").code == 2
    assert len(server.tasks) == 1


def test_several(home: Home, server: TaskServer, url: str) -> None:
    """`wait` and `watch` follow several tasks at once; the code is that of the worst, `--any` that of the first."""
    ids = [home.run("call", "-d", url, tool).out.strip() for tool in ("short", "fails")]
    waited = home.run("wait", *ids)
    assert (waited.code, waited.out) == (1, "")
    watched = home.run("watch", *ids)
    assert watched.code == 1
    assert "no such month" in watched.err
    lines = [json.loads(line) for line in home.run("watch", "--json", *ids).out.splitlines()]
    assert {line["task"]["id"] for line in lines if "result" in line} == {ids[0]}
    assert [line["error"]["type"] for line in lines if "error" in line] == ["ToolError"]
    endless = home.run("call", "-d", url, "long").out.strip()
    assert home.run("wait", "--any", ids[0], endless).code == 0


def test_answer(home: Home, server: TaskServer, url: str) -> None:
    """A question is answered from another process, with fields that are typed and checked by its form."""
    if server.era == "legacy":
        return  # The server has asked the client that is gone: tests/cli/test_terminal.py answers there.
    known = home.run("call", "-d", url, "ask").out.strip()
    assert home.run("wait", known, "--for", "input_required").code == 0
    for words, said in (
        (["month=13"], "must be at most 12"),
        (["month=x"], "month must be a whole number"),
        (["munth=3"], "the question has no field munth; did you mean month?"),
        (["nokey", "month=3"], "the task has no open question 'nokey'; it has: q: Which month?"),
        ([], "give field=value, --decline or --cancel"),
    ):
        done = home.run("answer", known, *words)
        assert done.code == (6 if not words else 2)
        assert said in done.err
    assert home.run("answer", known, "q", "month=3", "sure=true").code == 0
    assert json.loads(home.run("result", known).out) == {"ok": True}
    (task,) = server.tasks.values()
    assert task.answers["q"]["content"] == {"month": 3, "sure": True, "format": "pdf"}


@pytest.mark.parametrize(("option", "action"), [("--decline", "decline"), ("--cancel", "cancel")])
def test_declined(home: Home, server: TaskServer, url: str, option: str, action: str) -> None:
    """A question is declined or dismissed by an option."""
    if server.era == "legacy":
        return  # See `test_answer`.
    known = home.run("call", "-d", url, "ask").out.strip()
    assert home.run("answer", known, option).code == 0
    (task,) = server.tasks.values()
    assert task.answers["q"]["action"] == action


def test_yes(home: Home, server: TaskServer, url: str) -> None:
    """`--yes` answers with defaults and yes; a field that needs more leaves the question open."""
    done = home.run("call", url, "ask", "--yes")
    assert (done.code, "--yes has no answer for the field month" in done.err) == (6, True)


def test_tools(home: Home, url: str) -> None:
    """`tools` lists the tools, and for one of them the arguments, on a line that works when copied."""
    done = home.run("tools", url)
    assert done.out.splitlines()[0].split() == ["TOOL", "TASK", "DESCRIPTION"]
    assert home.run("tools", url, "-q").out.split()[:2] == ["typed", "long"]
    line = home.run("tools", url, "typed").out.splitlines()[0]
    assert line == f"mcptasks call {url} typed n=INTEGER [names=TEXT...]"
    assert home.run("tools", url, "--json").json["tools"][0]["name"] == "typed"


def test_command_as_target(home: Home) -> None:
    """A command after `--` is the server; the tool and its arguments come before it."""
    server = ["--", sys.executable, "-m", "mcptasks.testing", "--transport", "stdio"]
    done = home.run("call", "add", "a=1", "b=2", *server)
    assert (done.code, done.out) == (0, "3.0\n"), done.err
    assert "slow_computation" in home.run("tools", *server).out
    assert home.run("tools", "add", *server).out.startswith("mcptasks call add a=NUMBER b=NUMBER -- ")


def test_detached_from_a_command(home: Home) -> None:
    """A detached call says so if its server ends with the command: nobody finds that task again."""
    server = ["--", sys.executable, "-m", "mcptasks.testing", "--transport", "stdio"]
    done = home.run("call", "-d", "slow_computation", "duration=60", *server)
    assert (done.code, len(done.out.strip())) == (0, 32), done.err
    assert "was started by this command and ends with it, and so may the work there" in done.err


def test_configured_server(home: Home, url: str) -> None:
    """A configured server is called by its name, and so is written down: later commands find it by the name."""
    path = home.folder / ".config/mcptasks/servers.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"mcpServers": {"mine": {"url": url}}}))
    known = home.run("call", "-d", "mine", "long").out.strip()
    assert home.run("show", known, "--json").json["task"]["server"] == "mine"
    assert home.run("list", "-q", "--server", "mine").out.split() == [known]
    assert home.run("cancel", known).code == 0
    assert [line.split()[0] for line in home.run("servers").out.splitlines()] == ["TARGET", "mine"]


def test_files_of_a_folder(home: Home, url: str) -> None:
    """A server that a file of a folder configures is used only with consent: without a terminal, `--trust` gives it."""
    work = home.folder / "work"
    work.mkdir()
    evil = home.folder / "started"
    entry = {"command": sys.executable, "args": ["-c", f"open({str(evil)!r}, 'w')"]}
    (work / ".mcp.json").write_text(json.dumps({"mcpServers": {"x": entry, "web": {"url": url}}}))
    here = Home(home.folder, {"PWD": str(work)})
    for name in ("x", "web"):
        done = subprocess.run(
            [*COMMAND, "tools", f"claude-code:{name}"],
            cwd=work,
            env=here.variables(),
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 2
        assert "give --trust to use it" in done.stderr
    assert not evil.exists()
    trusted = subprocess.run(
        [*COMMAND, "tools", "claude-code:web", "--trust", "-q"],
        cwd=work,
        env=here.variables(),
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    assert "typed" in trusted.stdout


def test_blobs(home: Home, server: TaskServer, url: str) -> None:
    """A blob is one line on standard output; `-o` writes it to a file, byte for byte."""
    image = {"type": "image", "data": "AAEC/w==", "mimeType": "image/png"}
    content = [{"type": "text", "text": "here"}, image]
    server.add_tool("image", [Complete(RawResult({"content": content}), after=0.01)])
    assert home.run("call", url, "image").out == "here\n[image/png, 4 B; -o FILE]\n"
    assert home.run("result", "@last", "-o", "picture.png").code == 0
    assert (home.folder / "picture.png").read_bytes() == b"\x00\x01\x02\xff"


def test_large_results(home: Home, server: TaskServer, url: str) -> None:
    """Ten megabytes come through a pipe as they are."""
    server.add_tool("large", [Complete("日x\n" * 2_000_000, after=0.01)])
    done = home.run("call", url, "large")
    assert (done.code, done.out == "日x\n" * 2_000_000) == (0, True)


def test_store_commands(home: Home, url: str) -> None:
    """The commands that look after the store say what they did, as text and as JSON."""
    known = home.run("call", "-d", url, "long").out.strip()
    assert home.run("store", "info").out.splitlines()[1].split() == ["1", "created"]
    assert home.run("store", "info", "--json").json["tasks"] == {"created": 1}
    assert home.run("store", "check").code == 0
    assert home.run("store", "backup", "copy.db").code == 0
    assert home.run("list", "-q", "--store", "copy.db").out.strip() == known
    assert home.run("list", "-q", env={"MCPTASKS_STORE": "copy.db"}).out.strip() == known
    assert home.run("store", "backup", "copy.db").code == 1
    assert home.run("store", "purge", "--older-than", "0", "--json").json == {"schema": 1, "purged": 0}
    assert home.run("forget", known).code == 0
    assert home.run("list", "-a", "-q").out == ""
    Path(home.folder / "spoilt.db").write_text("no database" * 1000)
    spoilt = home.run("list", "--store", "spoilt.db")
    assert (spoilt.code, "Traceback" in spoilt.err) == (1, False)
