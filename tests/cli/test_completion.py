"""Completion, as the shells do it: each reads its script, and somebody types and presses Tab at its terminal.

Shells that this machine does not have are left out; bash is everywhere.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcptasks.store import Store
from tests.cli.storing import filled
from tests.helpers.command_line import Home, Terminal

pytestmark = pytest.mark.slow

SHELLS = {
    "bash": (["bash", "--norc", "-i"], 'eval "$(mcptasks completion bash)"'),
    "zsh": (["zsh", "-f", "-i"], 'eval "$(mcptasks completion zsh)"'),
    "fish": (["fish", "--no-config", "-i"], "mcptasks completion fish | source"),
}
FOUND = [name for name in SHELLS if name == "bash" or shutil.which(name) is not None]
OWN_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
)
"""Makes standard input the terminal of the session, without which fish does not start."""
URL = "https://example.com/mcp"
HOSTILE = ["$(touch pwned)", "a;touch pwned", "`touch pwned`", "a b", "a\nb", "*", "\x1b[2J"]


@pytest.fixture
def task(home: Home) -> str:
    """The id of a task of a tool "report" in the user's store."""
    return filled(Store(home.folder / ".local/state/mcptasks/tasks.db"), target=URL)


@pytest.fixture(params=FOUND)
def shell(request: pytest.FixtureRequest, home: Home, task: str) -> Iterator[Terminal]:
    """A shell at a terminal, with its script, in a home with configured servers."""
    programs = home.folder / "bin"
    programs.mkdir()
    (programs / "mcptasks").write_text(f'#!/bin/sh\nexec {sys.executable} -W error -m mcptasks "$@"\n')
    (programs / "mcptasks").chmod(0o755)
    configure(home.folder / ".cursor/mcp.json", ["real"])
    (home.folder / "a-file").touch()
    words, script = SHELLS[request.param]
    environ = {**home.variables(), "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
    with Terminal([sys.executable, "-c", OWN_TERMINAL, *words], environ, home.folder, 100) as terminal:
        # What is typed has no "ready" in it.
        terminal.type(f"{script}; echo rea''dy\n")
        terminal.until("ready")
        yield terminal


def configure(path: Path, names: list[str]) -> None:
    """Configure servers of these names in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"mcpServers": {name: {"url": URL} for name in names}}))


def test_words(shell: Terminal, task: str) -> None:
    """Commands, options, values, ids, tools of a URL, and servers after a colon are completed: also where bash sees
    several words in one. After `--` come files."""
    for typed, whole in (
        ("mcptasks rec", "mcptasks recover"),
        ("mcptasks list --lab", "mcptasks list --label"),
        ("mcptasks list --status wor", "mcptasks list --status working"),
        ("mcptasks list --status=wor", "mcptasks list --status=working"),
        (f"mcptasks show {task[:5]}", f"mcptasks show {task[:8]}"),
        (f"mcptasks call {URL} re", f"mcptasks call {URL} report"),
        ("mcptasks tools cursor:re", "mcptasks tools cursor:real"),
        ("mcptasks wait --server=cursor:re", "mcptasks wait --server=cursor:real"),
        ("mcptasks call tool -- cat a-f", "mcptasks call tool -- cat a-file"),
    ):
        shell.type(f"{typed}\t")
        shell.until(whole)
        shell.type("\x15")


def offers(home: Home, line: str, **variables: str) -> list[str]:
    """What bash is offered for a line."""
    done = home.run(env={"_MCPTASKS_COMPLETE": "bash_complete", "COMP_WORDS": line, **variables})
    assert done.err == ""
    return [each.partition(",")[2] for each in done.out.splitlines() if each.startswith("plain,")]


def test_hostile_names(home: Home) -> None:
    """A name that would do something if a shell read it is not offered: bash does not quote what it inserts."""
    (home.folder / "work").mkdir()
    configure(home.folder / ".cursor/mcp.json", [*HOSTILE, "good-1"])
    configure(home.folder / ".config/mcptasks/servers.json", [*HOSTILE, "mine"])
    assert offers(home, "mcptasks tools cursor:") == ["cursor:good-1"]
    assert [each for each in offers(home, "mcptasks tools ") if not each.endswith(":")] == ["mine"]


@pytest.mark.parametrize("spoilt", ["{", '{"mcpServers": 3}', "[" * 100_000, "\xff"])
def test_silence(home: Home, spoilt: str) -> None:
    """Whatever is wrong with files, with the store or with the line, nothing is written over what somebody types."""
    path = home.folder / ".config/mcptasks/servers.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(spoilt.encode("latin-1"))
    store = home.folder / "tasks.db"
    store.write_bytes(spoilt.encode("latin-1") * 100)
    assert "cursor:" in offers(home, "mcptasks tools ")
    assert offers(home, "mcptasks show ", MCPTASKS_STORE=str(store)) == []
    assert offers(home, "mcptasks show ", MCPTASKS_STORE="postgresql://nobody@127.0.0.1:9/x") == []
    assert offers(home, 'mcptasks show "') == []
    assert offers(home, "") != []
    assert home.run(env={"_MCPTASKS_COMPLETE": "no_shell"}).err == ""


def test_no_store_is_made(home: Home) -> None:
    """Completing ids makes no store."""
    assert offers(home, "mcptasks show ") == []
    assert not (home.folder / ".local").exists()
