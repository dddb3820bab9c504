"""The commands at a terminal: questions, narrow and wide screens, colors, and text that attacks the terminal."""

from __future__ import annotations

import re

import pytest

from mcptasks.testing import TaskServer
from tests.helpers.command_line import Home

pytestmark = pytest.mark.slow

ESCAPE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
"""The escape sequences of our own: colors and movements of the live display (ECMA-48, CSI)."""


def test_form(home: Home, server: TaskServer, url: str) -> None:
    """A form is asked for field by field, with description, bounds, choices by number, and its default for Enter. A
    value that cannot be right is asked for again."""
    with home.terminal("call", url, "ask") as terminal:
        terminal.until("ask asks: Which month?", "Which month to report", "Month (whole number, 1 to 12): ")
        terminal.type("x\n")
        terminal.until("write a whole number")
        terminal.type("11\n")
        terminal.until("1. pdf", "2. html", "[pdf]: ")
        terminal.type("2\n")
        terminal.until("sure (yes or no, may be left out): ")
        terminal.type("\n")
        assert terminal.end() == 0
        assert '"ok": true' in terminal.text
    (task,) = server.tasks.values()
    assert task.answers["q"]["content"] == {"month": 11, "format": "html"}


def test_form_that_is_refused(home: Home, server: TaskServer, url: str) -> None:
    """An answer that does not keep to the form is not sent: the reason is shown, and the question put again."""
    with home.terminal("call", url, "ask") as terminal:
        terminal.until("Month (whole number")
        terminal.type("13\n")
        terminal.until("[pdf]: ")
        terminal.type("\n")
        terminal.until("sure (yes or no")
        terminal.type("y\n")
        terminal.until("must be at most 12")
        terminal.type("12\n\n\n")
        assert terminal.end() == 0
    (task,) = server.tasks.values()
    assert task.answers["q"]["content"] == {"month": 12, "format": "pdf"}
    assert len(task.received) == 1


@pytest.mark.parametrize(("typed", "code"), [("!\n", 0), ("\x04", 6)])
def test_declined_or_left_open(home: Home, server: TaskServer, url: str, typed: str, code: int) -> None:
    """`!` declines. Ctrl-D leaves the question open, ends with 6, and prints the command that answers."""
    with home.terminal("call", url, "ask") as terminal:
        terminal.until("Month (whole number")
        terminal.type(typed)
        assert terminal.end() == code
        (task,) = server.tasks.values()
        if code:
            assert task.status == "input_required"
            assert "answer it:  mcptasks answer " in terminal.text
        else:
            assert task.answers["q"]["action"] == "decline"


def test_page(home: Home, server: TaskServer, url: str) -> None:
    """A page is shown with its host and its whole address, and opened by nobody."""
    with home.terminal("call", url, "page", columns=200) as terminal:
        terminal.until("open this page at login.example:", "https://login.example/x", "press Enter")
        terminal.type("\n")
        assert terminal.end() == 0
    (task,) = server.tasks.values()
    assert task.answers["q"]["action"] == "accept"


def test_answered_at_another_terminal(home: Home, server: TaskServer, url: str) -> None:
    """`answer` without fields asks at the terminal, also for a task that another command has started."""
    if server.era == "legacy":
        return  # Such a server puts its question to the client that made the call.
    home.run("call", "-d", url, "ask")
    with home.terminal("answer", "@last") as terminal:
        terminal.until("Month (whole number")
        terminal.type("3\n\n\n")
        assert terminal.end() == 0
    assert home.run("watch", "@last").code == 0


@pytest.mark.parametrize("columns", [0, 20, 200])
def test_widths(home: Home, server: TaskServer, url: str, columns: int) -> None:
    """Tables fit the terminal: the id stays whole on a narrow one, and nothing is cut on a wide one."""
    known = home.run("call", "-d", url, "long").out.strip()
    with home.terminal("list", columns=columns) as terminal:
        assert terminal.end() == 0
        head, line = [each for each in terminal.lines if each][:2]
    assert line.startswith(known[:8])
    assert head.startswith("ID")
    assert len(line) <= (columns or 80)
    assert ("on its way" in line or url in line) is (columns != 20)


def test_live(home: Home, server: TaskServer, url: str) -> None:
    """The live display shows the task and its message while it runs, and is gone when the result is printed."""
    with home.terminal("call", url, "long") as terminal:
        terminal.until("long  working  on its way")
        terminal.resize(20)
        server.next_task_blocking(10).complete("the result")
        assert terminal.end() == 0
        assert [line for line in terminal.lines if line.strip()] == ["the result"]


@pytest.mark.parametrize(
    ("env", "options", "colored"),
    [
        ({}, [], True),
        ({"NO_COLOR": "1"}, [], False),
        ({"NO_COLOR": ""}, [], True),
        ({"TERM": "dumb"}, [], False),
        ({"NO_COLOR": "1"}, ["--color", "always"], True),
        ({}, ["--color", "never"], False),
    ],
)
def test_colors(home: Home, env: dict[str, str], options: list[str], colored: bool) -> None:
    """Colors come by `--color`, else by the environment, else because this is a terminal."""
    with home.terminal("result", "abcdef", *options, env=env) as terminal:
        assert terminal.end() == 5
        assert (b"\x1b[31m" in terminal.raw) is colored
        assert "the store" in terminal.text


def test_colors_in_pipes(home: Home) -> None:
    """A pipe has no colors unless they are asked for."""
    assert "\x1b" not in home.run("result", "abcdef").err
    assert "\x1b[31m" in home.run("result", "abcdef", env={"FORCE_COLOR": "1"}).err


EVERYWHERE = [
    ["call", "{url}", "evil"],
    ["call", "{url}", "evilly"],
    ["tools", "{url}"],
    ["tools", "{url}", "evil"],
    ["call", "{url}", "evilask", "--no-input"],
    ["call", "-d", "{url}", "evil"],
    ["watch", "@last"],
    ["list", "-a"],
    ["show", "@last"],
    ["result", "@last"],
    ["result", "@last", "--json"],
    ["show", "@last", "--json"],
    ["watch", "@last", "--json"],
]


def attacks(raw: bytes) -> list[bytes]:
    """What of an attack is left in what a terminal got, once our own escape sequences are taken out."""
    rest = ESCAPE.sub(b"", raw)
    clear = [b"\x1b[2J", b"\x1b[1;1H"]
    return [each for each in clear if each in raw] + re.findall(
        rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8b-\x8f\xaa-\xae]|\xe2\x81[\xa6-\xa9]", rest
    )


def test_attacks(home: Home, server: TaskServer, url: str) -> None:
    """No field that a server can fill brings an escape sequence, a change of direction or hidden text to a terminal."""
    for words in EVERYWHERE:
        with home.terminal(*(word.format(url=url) for word in words)) as terminal:
            terminal.end()
            assert not attacks(terminal.raw), words
            assert "Traceback" not in terminal.text, words


def test_attacks_in_questions(home: Home, server: TaskServer, url: str) -> None:
    """Nor does a question: its text, its fields and their titles."""
    with home.terminal("call", url, "evilask") as terminal:
        terminal.until("\\x1b]52;c", "may be left out): ")
        terminal.type("\x04")
        assert terminal.end() == 6
        assert not attacks(terminal.raw.replace(b"^D\x08\x08", b""))


def test_attacks_in_logs(home: Home, url: str) -> None:
    """Nor does standard error in a pipe, which may be a log that somebody reads on a terminal."""
    for tool in ("evil", "evilly", "evilask"):
        assert not attacks(home.run("call", url, tool).err.encode())


def test_raw(home: Home, url: str) -> None:
    """A pipe gets a result as it came; a terminal does if `--raw` asks for that."""
    assert "\x1b]52;c" in home.run("call", url, "evil").out
    with home.terminal("call", url, "evil", "--raw") as terminal:
        terminal.end()
        assert b"\x1b]52;c" in terminal.raw


def test_consent(home: Home, url: str) -> None:
    """A server of a file of this folder is asked about once, by file and program; no is what Enter means."""
    work = home.folder
    (work / ".git").mkdir()
    folder = work / "repo"
    folder.mkdir()
    (folder / ".mcp.json").write_text(f'{{"mcpServers": {{"x": {{"url": "{url}"}}}}}}')
    here = Home(folder, {"HOME": str(work)}, home.warm)
    for typed, code in (("\n", 2), ("y\n", 0)):
        with here.terminal("tools", "claude-code:x", "-q", columns=200) as terminal:
            terminal.until(".mcp.json is a file of this folder; its entry 'x' connects to", "[y/N]")
            terminal.type(typed)
            assert terminal.end() == code
    assert here.run("tools", "claude-code:x", "-q").code == 0
