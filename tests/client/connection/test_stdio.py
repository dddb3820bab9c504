"""Servers over stdio that write anything, end at any time, and leave things behind."""

from __future__ import annotations

import math
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from mcp import StdioServerParameters

from mcptasks import (
    Client,
    TaskConnectionError,
    TaskFailedError,
    TaskNotFoundError,
    TaskProtocolError,
    TaskTimeoutError,
)
from mcptasks._core.argument_checks import ANSWER_SIZE
from mcptasks._transport.stdio import process, transport
from mcptasks._transport.stdio.transport import stdio_transport
from tests.helpers import worlds
from tests.helpers.raw_stdio import raw_server
from tests.helpers.support import LONG_INTERVAL, PUSH_ONLY, Era, connected, legacy_only, modern_only
from tests.helpers.threads import eventually, has_ended
from tests.helpers.worlds import both_worlds

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

LIMIT = 120.0
"""Starting an interpreter takes its time on a busy machine."""
SOON = 40.0
"""Seconds that are less than any patience of these tests, on a busy machine too."""
VERSIONS = {"legacy": "2025-11-25", "modern": "2026-07-28"}


@asynccontextmanager
async def client_of(target: Any, **options: Any) -> AsyncGenerator[Client]:
    """A client of a server in a subprocess."""
    async with connected(target, limit=LIMIT, reconnect_timeout=60.0, **options) as client:
        yield client


@asynccontextmanager
async def own_transport(command: list[str], **options: Any) -> AsyncGenerator[Client]:
    """A client with a transport of its own making, which is used once."""
    parameters = StdioServerParameters(command=command[0], args=command[1:])
    async with client_of(stdio_transport(parameters, **{"max_size": ANSWER_SIZE, **options})) as client:
        yield client


async def text_of(client: Client, name: str = "a") -> str:
    """What a tool says."""
    return (await client.call_tool(name)).text


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers get little time to end."""
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.2)


@pytest.fixture
def told_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may take long to tell how a server ended that has closed its output."""
    monkeypatch.setattr(transport, "_STATUS_SECONDS", SOON)


@pytest.fixture
async def own_files(anyio_backend: object) -> AsyncGenerator[None]:
    """No file descriptor is left open."""
    before = len(os.listdir("/dev/fd"))  # noqa: PTH208
    yield
    assert len(os.listdir("/dev/fd")) <= before  # noqa: PTH208


async def until_gone(pid: int) -> None:
    """Wait until there is no such process, but for one that nobody reaps."""
    with anyio.fail_after(LIMIT):
        await anyio.to_thread.run_sync(eventually, lambda: has_ended(pid), f"{pid} is still there")


# --- any bytes ----------------------------------------------------------------------------------------------------


@both_worlds
async def test_noise(era: Era, tmp_path: Path) -> None:
    """Whatever else a server writes on stdout, at the beginning, between messages and in the midst of a call, each
    caller gets its answer; the protocol is found out at once."""
    code = r"""
        NOISE = [b"caf\xe9: Latin-1", b"", b"\r", b"\xef\xbb\xbf", b"\x00\xff", b"{", b"[" * 100000, b'{"a":' * 9000,
                 b"7", b"null", b"NaN", b'{"jsonrpc":"2.0","id":null,"result":{}}',
                 b'{"jsonrpc":"2.0","id":"x","result":{}}', b'{"level":"info","id":1}',
                 b'{"jsonrpc":"2.0","method":3}', b'[[]]', b"listening ..."]
        put(b"\xef\xbb\xbf")
        def seen(request):
            put(b"\n".join(NOISE), b"\n\xef\xbb\xbf")
    """
    async with client_of(raw_server(tmp_path, era, code)) as client:
        assert client.protocol_version == VERSIONS[era]
        for _ in range(3):
            assert await text_of(client) == "ok"


ODD = {
    "half a character": (rb'"result":{"content":[{"type":"text","text":"cut \ud83d"}]}', "cut \ufffd"),
    "Latin-1": (b'"result":{"content":[{"type":"text","text":"caf\xe9"}]}', "caf\ufffd"),
    "a key twice": (b'"result":{},"result":{"content":[{"type":"text","text":"ok"}]}', "ok"),
    "nulls": (b'"error":null,"method":null,"result":{"content":[{"type":"text","text":"ok"}]}', "ok"),
    "not a number": (
        b'"result":{"content":[{"type":"text","text":"ok"}],"_meta":{"x":NaN,"y":1%s}}' % (b"0" * 9000),
        "ok",
    ),
}


async def test_odd_answers(era: Era, tmp_path: Path, subtests: pytest.Subtests) -> None:
    """What JSON allows, and what servers make of it, reaches its caller."""
    code = f"""
        ODD = {[line for line, _ in ODD.values()]!r}
        def call(request_id, name):
            put(b'\\xef\\xbb\\xbf{{"jsonrpc":"2.0","id":%d,' % request_id, ODD[int(name)], b"}}\\r\\n")
    """
    async with client_of(raw_server(tmp_path, era, code)) as client:
        for number, (name, (_, text)) in enumerate(ODD.items()):
            with subtests.test(name):
                assert await text_of(client, str(number)) == text
        result = await client.call_tool("4")
        assert math.isnan(result.meta["x"])


NONSENSE = {
    "both": b'{"jsonrpc":"2.0","id":$,"result":{"s3cr3t":1},"error":{"code":1,"message":"s3cr3t"}}',
    "no object": b'{"jsonrpc":"2.0","id":$,"result":"s3cr3t"}',
    "no version": b'{"id":$,"result":{"s3cr3t":1}}',
    "no error": b'{"jsonrpc":"2.0","id":$,"error":"s3cr3t"}',
    "cut": b'{"jsonrpc":"2.0","id":$,"result":{"content":[{"s3cr3t":',
    "deep": b'{"jsonrpc":"2.0","id":$,"result":{"s3cr3t":' + b"[" * 90_000 + b"]" * 90_000 + b"}}",
}


async def test_nonsense(era: Era, tmp_path: Path, subtests: pytest.Subtests) -> None:
    """An answer that makes no sense is a `TaskProtocolError` for its caller, in one line without values; the
    connection goes on."""
    code = f"""
        NONSENSE = {NONSENSE!r}
        def call(request_id, name):
            if name in NONSENSE:
                put(NONSENSE[name].replace(b"$", b"%d" % request_id), b"\\n")
            else:
                put(message(request_id, result=OK))
    """
    async with client_of(raw_server(tmp_path, era, code)) as client:
        for name in NONSENSE:
            with subtests.test(name):
                with pytest.raises(TaskProtocolError) as caught, anyio.fail_after(SOON):
                    await client.call_tool(name)
                assert "s3cr3t" not in str(caught.value)
                assert "\n" not in str(caught.value)
                assert len(str(caught.value)) < 300
        assert await text_of(client) == "ok"


async def test_nonsense_to_a_read(era: Era, tmp_path: Path) -> None:
    """A read that is answered by nonsense is repeated; when that does not help it is a `TaskProtocolError`."""
    code = r"""
        bad = 0
        def seen(request):
            global bad
            if request["method"] == "tools/list" and bad:
                bad -= 1
                put(message(request["id"], result=None))
        def call(request_id, name):
            global bad
            bad = int(name)
            put(message(request_id, result=OK))
    """
    async with client_of(raw_server(tmp_path, era, code)) as client:
        await client.call_tool("2")
        assert [tool.name for tool in await client.list_tools()] == ["a"]
        await client.call_tool("9")
        with pytest.raises(TaskProtocolError, match="result"):
            await client.list_tools()


async def test_several_in_one_line(era: Era, tmp_path: Path) -> None:
    """Messages in one array are taken one by one."""
    code = r"""
        waiting = []
        def call(request_id, name):
            waiting.append(message(request_id, result=OK).strip())
            if len(waiting) == 2:
                put(b"[", waiting[0], b",7,{},", waiting[1], b"]\n")
    """
    async with client_of(raw_server(tmp_path, era, code)) as client, anyio.create_task_group() as calls:
        for _ in range(2):
            calls.start_soon(text_of, client)


async def test_an_error_without_an_id(era: Era, tmp_path: Path) -> None:
    """An error with a null id is for the only request that waits."""
    code = r"""
        def call(request_id, name):
            put(message(None, error={"code": -32603, "message": "out of memory"}))
    """
    async with client_of(raw_server(tmp_path, era, code)) as client:
        with pytest.raises(TaskFailedError, match="out of memory"), anyio.fail_after(SOON):
            await client.call_tool("a")


async def test_too_much(era: Era, tmp_path: Path) -> None:
    """An answer that is larger than allowed is an error before it ends, which names the option; others go on."""
    code = r"""
        def call(request_id, name):
            if name == "huge":
                put(message(request_id, result={"content": [{"type": "text", "text": "x" * 200_000}]})[:-20])
            elif name == "end":
                put(b'"}\n', message(request_id, result=OK))
            else:
                put(message(request_id, result=OK))
    """
    async with own_transport(raw_server(tmp_path, era, code), max_size=100_000) as client:
        with pytest.raises(TaskProtocolError, match="max_answer_size"), anyio.fail_after(SOON):
            await client.call_tool("huge")
        assert await text_of(client, "end") == "ok"


async def test_other_encodings(era: Era, tmp_path: Path) -> None:
    """`StdioServerParameters.encoding` is honoured in both directions."""
    code = r"""
        def call(request_id, name):
            result = {"content": [{"type": "text", "text": name}]}
            line = json.dumps({"jsonrpc": "2.0", "id": request_id, "result": result}, ensure_ascii=False)
            put(line.encode("latin-1"), b"\n")
    """
    command = raw_server(tmp_path, era, code)
    parameters = StdioServerParameters(command=command[0], args=command[1:], encoding="latin-1")
    async with client_of(parameters) as client:
        assert await text_of(client, "caf\u00e9") == "caf\u00e9"
    with pytest.raises(TaskConnectionError, match="no encoding 'klingon'"):
        async with client_of(StdioServerParameters(command=command[0], encoding="klingon")):
            raise AssertionError("connected")


# --- servers that end ---------------------------------------------------------------------------------------------

ENDS = {
    "sys.exit(3)": "exit status 3",
    "sys.exit(0)": "exit status 0",
    "os.kill(os.getpid(), signal.SIGKILL)": "ended by SIGKILL",
    "os.close(1); time.sleep(60)": "closed the connection",
}


@pytest.mark.usefixtures("own_files", "impatient")
@pytest.mark.parametrize("way", ENDS)
async def test_a_server_that_ends(
    era: Era, way: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for an answer hears at once how the server ended, with the last lines of its stderr, which is passed
    on as it is. The next call starts it again, and asks it for no protocol."""
    if ENDS[way].startswith(("exit", "ended")):
        monkeypatch.setattr(transport, "_STATUS_SECONDS", SOON)
    code = rf"""
        def seen(request):
            with open({str(tmp_path / "methods")!r}, "a") as file:
                print(request["method"], file=file)
        def call(request_id, name):
            if name == "end":
                print("one\n\x1b[31mno key\x1b[0m", file=sys.stderr, flush=True)
                {way}
            put(message(request_id, result=OK))
    """
    async with client_of(raw_server(tmp_path, era, code)) as client:
        with pytest.raises(TaskConnectionError) as caught, anyio.fail_after(SOON):
            await client.call_tool("end")
        assert ENDS[way] in str(caught.value)
        assert str(caught.value).count("the last on its stderr: one | no key; the request may or may not have") == 1
        assert await text_of(client) == "ok"
    assert "one\n\x1b[31mno key\x1b[0m\n" in capfd.readouterr().err
    methods = (tmp_path / "methods").read_text().split()
    assert methods.count("server/discover") == 1
    assert methods.count("initialize") == (2 if era == "legacy" else 0)


@pytest.mark.usefixtures("own_files", "impatient")
@pytest.mark.parametrize("way", ["sys.exit(1)", "os.kill(os.getpid(), signal.SIGABRT)", "os.close(1); time.sleep(60)"])
async def test_the_probe_kills_it(way: str, tmp_path: Path) -> None:
    """A server that ends when it is asked for its protocol is started again, and spoken to in the older one."""
    code = rf"""
        def probe(request_id):
            {way}
    """
    async with client_of(raw_server(tmp_path, "legacy", code)) as client:
        assert client.protocol_version == "2025-11-25"
        assert await text_of(client) == "ok"


@pytest.mark.usefixtures("own_files", "told_status")
@pytest.mark.parametrize("last", ["sys.exit(7)", "os.unlink(__file__); sys.exit(7)"])
async def test_the_older_protocol_kills_it_too(last: str, tmp_path: Path) -> None:
    """Where a server ends at both protocols, the words are those of the second time."""
    code = rf"""
        def probe(request_id):
            print("first", file=sys.stderr)
            {last}
        def hello(request_id):
            print("second", file=sys.stderr)
            sys.exit(8)
    """
    with pytest.raises(TaskConnectionError) as caught:
        async with client_of(raw_server(tmp_path, "legacy", code)):
            raise AssertionError("connected")
    assert "first" not in str(caught.value)
    assert ("exit status 8; the last on its stderr: second" in str(caught.value)) == (last == "sys.exit(7)")


@pytest.mark.usefixtures("told_status")
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_it_ends_at_once(mode: str, tmp_path: Path) -> None:
    """A server that ends before it has read anything did not end of the probe: it is started once, and the error
    says how it ended."""
    code = f"open({str(tmp_path / 'starts')!r}, 'a').write('x'); print('no key', file=sys.stderr); sys.exit(3)"
    with pytest.raises(TaskConnectionError, match="exit status 3; the last on its stderr: no key"):
        async with client_of(raw_server(tmp_path, "legacy", code), mode=mode):
            raise AssertionError("connected")
    assert (tmp_path / "starts").read_text() == "x"


@modern_only
@pytest.mark.usefixtures("told_status")
async def test_it_ends_at_once_without_a_probe(era: Era, tmp_path: Path) -> None:
    """Where nothing is sent when the connection is made, the first call says how the server ended."""
    command = raw_server(tmp_path, era, "print('no key', file=sys.stderr); sys.exit(3)")
    async with client_of(command, mode="2026-07-28") as client:
        with pytest.raises(TaskConnectionError, match="exit status 3; the last on its stderr: no key"):
            await client.call_tool("a")


def pid_in(file: str | Path) -> int:
    """The number of a process."""
    return int(Path(file).read_text(encoding="utf-8"))


def broken_script(tmp_path: Path) -> list[str]:
    """A script whose interpreter is not there."""
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    return [str(script)]


@pytest.mark.usefixtures("own_files")
async def test_no_start(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """A server that cannot be started: the error says why, at once, and shows no argument."""
    (tmp_path / "plain").write_text("text")
    (tmp_path / "odd").write_text("text")
    (tmp_path / "odd").chmod(0o755)
    cases: list[tuple[list[str], dict[str, Any], str]] = [
        (["/no/such/foo", "s3cr3t"], {}, "cannot start 'foo': no such program"),
        (["foo-is-nowhere", "s3cr3t"], {}, "cannot start 'foo-is-nowhere': no such program"),
        ([str(tmp_path / "plain"), "s3cr3t"], {}, "cannot start 'plain': it is not executable"),
        ([str(tmp_path / "odd"), "s3cr3t"], {}, "cannot start 'odd': it is not executable"),
        ([str(tmp_path), "s3cr3t"], {}, "it is a folder"),
        (broken_script(tmp_path), {}, "cannot start 'script': the program that its first line names does not exist"),
        ([sys.executable], {"cwd": tmp_path / "nowhere"}, "its folder (cwd) does not exist"),
        ([sys.executable], {"cwd": tmp_path / "plain"}, "its folder (cwd) cannot be used"),
        ([sys.executable, "x" * 10_000_000], {}, "Argument list too long"),
    ]
    for command, options, words in cases:
        with subtests.test(words), pytest.raises(TaskConnectionError) as caught:
            async with client_of(command, **options):
                raise AssertionError("connected")
        assert words in str(caught.value)
        assert "s3cr3t" not in str(caught.value)
    parameters = StdioServerParameters(command="foo --token s3cr3t", args=["\0"])
    with pytest.raises(TaskConnectionError, match=r"cannot start 'foo': .* no program can be given"):
        async with stdio_transport(parameters, max_size=ANSWER_SIZE):
            raise AssertionError("started")
    with pytest.raises(TaskConnectionError, match=r"cannot start 'foo': no such .* strings of their own"):
        async with stdio_transport(StdioServerParameters(command="foo --token s3cr3t"), max_size=ANSWER_SIZE):
            raise AssertionError("started")


# --- what it leaves behind ----------------------------------------------------------------------------------------

CHILD = """
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    open({file!r}, "w").write(str(child.pid))
"""


@pytest.mark.usefixtures("own_files")
@pytest.mark.parametrize("pidfd", [True, False])
async def test_children(era: Era, pidfd: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Children that a server leaves behind, which hold its pipes, keep no client from closing, and end with it; also
    where the system tells of no process's end."""
    monkeypatch.setattr(process, "GRACE_SECONDS", LIMIT)
    if not pidfd:
        monkeypatch.delattr(os, "pidfd_open")
    file = str(tmp_path / "pid")
    async with client_of(raw_server(tmp_path, era, CHILD.format(file=file))) as client:
        assert await text_of(client) == "ok"
        begun = anyio.current_time()
    assert anyio.current_time() - begun < SOON
    await until_gone(pid_in(file))


@pytest.mark.usefixtures("own_files", "told_status")
async def test_children_of_a_server_that_crashes(era: Era, tmp_path: Path) -> None:
    """A server that crashes has ended, though a child of it holds its output; the child ends too."""
    file = str(tmp_path / "pid")
    code = CHILD.format(file=file) + "    call = lambda *_: sys.exit(3)\n"
    async with client_of(raw_server(tmp_path, era, code)) as client:
        with pytest.raises(TaskConnectionError, match="exit status 3"), anyio.fail_after(SOON):
            await client.call_tool("a")
        await until_gone(pid_in(file))


async def test_a_program_that_only_starts_the_server(era: Era, tmp_path: Path) -> None:
    """A program may start the server, leave its pipes to it, and end well."""
    server = raw_server(tmp_path, era)
    starter = f"import subprocess; subprocess.Popen({server!r})"
    async with client_of([sys.executable, "-S", "-c", starter]) as client:
        assert await text_of(client) == "ok"


@pytest.mark.usefixtures("own_files", "impatient")
@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_server_that_will_not_end(era: Era, cancelled: bool, tmp_path: Path) -> None:
    """A server that heeds neither the end of its input nor SIGTERM is killed in time, also under cancellation."""
    code = f"""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
        def end():
            while True:
                signal.pause()
    """
    with anyio.CancelScope() as scope:
        async with client_of(raw_server(tmp_path, era, code)) as client:
            assert await text_of(client) == "ok"
            if cancelled:
                scope.cancel()
    await until_gone(pid_in(tmp_path / "pid"))


@pytest.mark.usefixtures("own_files")
async def test_a_process_that_is_not_stopped(tmp_path: Path) -> None:
    """Where a mistake of ours keeps a server from being stopped, it is killed."""
    command = raw_server(tmp_path, "legacy", f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))")
    started = process.start(StdioServerParameters(command=command[0], args=command[1:]))
    await anyio.to_thread.run_sync(eventually, (tmp_path / "pid").exists, "it does not start")
    started.close()
    assert await anyio.to_thread.run_sync(started._popen.wait, LIMIT) == -signal.SIGKILL


@pytest.mark.usefixtures("own_files")
async def test_a_server_in_the_middle_of_writing(era: Era, tmp_path: Path) -> None:
    """A server that writes without end is left like any other."""
    code = r"""
        def call(request_id, name):
            put(message(request_id, result=OK))
            while True:
                put(b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}\n' * 1000)
    """
    async with client_of(raw_server(tmp_path, era, code)) as client:
        assert await text_of(client) == "ok"


# --- stderr -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("own_files")
async def test_nobody_reads_stderr(era: Era, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where this program's stderr is a pipe that nobody reads, neither the server nor the client stands still. What
    was taken of it is what the server wrote."""
    code = r"""
        def call(request_id, name):
            for number in range(20_000):
                print("line", number, "x" * 50, file=sys.stderr)
            put(message(request_id, result=OK))
    """
    reading, writing = os.pipe()
    with open(reading, "rb") as source, open(writing, "w") as own:  # noqa: ASYNC230, PTH123
        monkeypatch.setattr(sys, "stderr", own)
        async with client_of(raw_server(tmp_path, era, code)) as client:
            assert await text_of(client) == "ok"
            monkeypatch.undo()
        own.close()
        lines = source.read().split(b"\n")
    assert len(lines) > 500
    assert lines[:-1] == [b"line %d %s" % (number, b"x" * 50) for number in range(len(lines) - 1)]


@pytest.mark.parametrize("own", ["none", "closed", "broken"])
async def test_no_stderr(era: Era, own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program without a stderr, or with one that nobody takes from any more, has its servers all the same."""
    code = r"""
        def call(request_id, name):
            print("words", file=sys.stderr, flush=True)
            put(message(request_id, result=OK))
    """
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as stream:  # noqa: ASYNC230, PTH123
        if own == "closed":
            stream.close()
        monkeypatch.setattr(sys, "stderr", None if own == "none" else stream)
        async with client_of(raw_server(tmp_path, era, code)) as client:
            for _ in range(3):
                assert await text_of(client) == "ok"
            monkeypatch.undo()


# --- uvloop -------------------------------------------------------------------------------------------------------


@legacy_only
@pytest.mark.parametrize("anyio_backend", [pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop")])
@pytest.mark.usefixtures("own_files", "told_status")
async def test_uvloop(era: Era, tmp_path: Path) -> None:
    """All of it works on uvloop: the probe that kills, stderr, the end, the children."""
    file = str(tmp_path / "pid")
    code = (
        CHILD.format(file=file)
        + """
    def probe(request_id):
        sys.exit(1)
    def call(request_id, name):
        if name == "end":
            print("words", file=sys.stderr)
            sys.exit(3)
        put(message(request_id, result=OK))
    """
    )
    async with client_of(raw_server(tmp_path, era, code)) as client:
        assert await text_of(client) == "ok"
        with pytest.raises(TaskConnectionError, match="exit status 3; the last on its stderr: words"):
            await client.call_tool("end")
        assert await text_of(client) == "ok"
    await until_gone(pid_in(file))


TASKS = """
    WAYS = {{"modern": {{"extensions": {{"io.modelcontextprotocol/tasks": {{}}}}}},
             "legacy": {{"tasks": {{"requests": {{"tools": {{"call": {{}}}}}}}}}}}}
    CAPABILITIES |= WAYS[ERA]
    TOOL["execution"] = {{"taskSupport": "optional"}}
    known = []
    open({file!r}, "w").write(str(os.getpid()))

    def task():
        end = "Ms" if ERA == "modern" else ""
        born = "2026-12-01T00:00:00Z"
        return {{"taskId": "t", "status": "working", "createdAt": born, "lastUpdatedAt": born, "ttl" + end: None,
                "pollInterval" + end: {interval}}}

    def call(request_id, name):
        known.append("t")
        put(message(request_id, result={{"resultType": "task", **task()}} if ERA == "modern" else {{"task": task()}}))

    def about_task(request_id, method, task_id):
        if task_id not in known:
            put(message(request_id, error={{"code": -32602, "message": "Task not found"}}))
        elif method == "tasks/get":
            put(message(request_id, result={{"resultType": "complete", **task()}}))
"""
"""A server whose tool is a task without an end. `tasks/result` gets no answer."""


@both_worlds
@pytest.mark.usefixtures("own_files")
async def test_a_wait_learns_of_the_end(era: Era, tmp_path: Path) -> None:
    """A server that ends wakes who waits for one of its tasks, also where no look was due for an hour: another one is
    started, which does not know the task."""
    file = tmp_path / "pid"
    server = raw_server(tmp_path, era, TASKS.format(file=str(file), interval=LONG_INTERVAL))
    async with client_of(server, mode=VERSIONS[era], polling=PUSH_ONLY) as client:
        task = await client.call_tool("a", task=True)
        assert not task.returned_immediately
        with pytest.raises(TaskTimeoutError, match="still working"):
            await task.result(timeout=0.5)
        first = pid_in(file)
        async with anyio.create_task_group() as group:

            async def end() -> None:
                await worlds.present.settle()
                os.kill(first, signal.SIGKILL)

            group.start_soon(end)
            with pytest.raises(TaskNotFoundError):
                await task.result()
        assert pid_in(file) != first
