"""The program: its version, its help, and what `demo` says to a command line that means something else."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import click
import pytest

import mcptasks
from mcptasks.__main__ import main
from mcptasks._cli.app import COMMANDS, cli
from mcptasks._cli.demo_target import target_of


def parse(arguments: list[str]) -> dict[str, Any]:
    """What `demo` understands of a command line."""
    command = cli.get_command(click.Context(cli), "demo")
    assert command is not None
    found: dict[str, Any] = command.make_context("demo", arguments[1:]).params
    return found


def complaint(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command line is refused with."""
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    return said.err.splitlines()[0].partition("error: ")[2]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints the version, in one line, and ends well."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"mcptasks {mcptasks.__version__}\n"


def test_help_has_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The help lists each command once, and each command has a help of its own."""
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    for name in COMMANDS:
        assert len(re.findall(rf"^  {name}  ", said, re.MULTILINE)) == 1, name
        assert main([name, "--help"]) == 0
        assert f" {name} " in capsys.readouterr().out


def test_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command, the program prints its help where errors go, and ends with 2. A misspelt one is corrected."""
    assert main([]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err[:6]) == ("", "Usage:")
    assert complaint(["lsit"], capsys) == "there is no command 'lsit'; did you mean list?"


@pytest.mark.parametrize("place", ["https://example.com/mcp", "localhost:8000/mcp", "server.py", "servers.json"])
def test_tool_after_a_place(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A tool that follows a URL or a file is refused with the line to write, which is then understood."""
    said = complaint(["demo", place, "my tool"], capsys)
    options = parse(shlex.split(said.partition("python -m mcptasks ")[2]))
    assert (target_of(options["words"]), options["tool"], options["arguments"]) == (place, "my tool", None)


def test_arguments_after_the_tool(capsys: pytest.CaptureFixture[str]) -> None:
    """So are arguments that follow the tool."""
    said = complaint(["demo", "https://example.com/mcp", "add", '{"a": 1}'], capsys)
    options = parse(shlex.split(said.partition("python -m mcptasks ")[2]))
    assert (options["tool"], options["arguments"]) == ("add", {"a": 1})
    assert "'{...}'" in complaint(["demo", "https://example.com/mcp", "add", "1", "2"], capsys)


def test_tool_in_place_of_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    """One word that is no server is taken for a tool of the embedded one."""
    assert complaint(["demo", "failing_computation"], capsys).endswith(" demo --tool failing_computation")


def test_empty_target(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty word is told to be one."""
    assert complaint(["demo", ""], capsys).startswith("the target is empty")
    assert complaint(["demo", " ", "x"], capsys).startswith("the target is empty")


def test_command_in_one_string(capsys: pytest.CaptureFixture[str]) -> None:
    """A command in quotes gets the shell's advice, which does not repeat what may be a secret."""
    said = complaint(["demo", "python server.py --token s3cret"], capsys)
    assert said.endswith(": python -m mcptasks demo -- python ...")
    assert complaint(["demo", "python it's"], capsys).endswith(" -- python ...")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["localhost:8000/mcp"], "a URL begins with http:// or https://; did you mean http://localhost:8000/mcp?"),
        (["a:b c"], "no URL, and no file that ends in .py, .js or .json; "),
        (["user:s3cret@host/a b"], "no URL, and no file that ends in .py, .js or .json; "),
        (["--mode", "modern"], "mode must be one of auto, legacy, "),
        (["--backend", "curio"], "Invalid value for '--backend': 'curio' is not one of"),
        (["--wait", "-1", "http://127.0.0.1:9/mcp"], "Invalid value for '--wait': not a number of seconds: -1"),
        (["--wait", "nan"], "Invalid value for '--wait': not a number of seconds: nan"),
        (["--wait", "5"], "--wait is for URLs"),
        (["/no/such/file.py"], "no such file: "),
        (["http://[/mcp"], "not a url that can be connected to"),
    ],
)
def test_usage_errors(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be right ends with status 2, in the words of a command line, before anything is connected to."""
    told = complaint(["demo", *arguments], capsys)
    assert told.startswith(words)
    assert "s3cret" not in told
    assert "list of strings" not in told


def test_trio_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without trio, `--backend trio` says in one line what to install."""
    monkeypatch.setitem(sys.modules, "trio", None)
    assert main(["demo", "--backend", "trio"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install trio" in line


def test_interrupt_before_anything(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C while modules are imported is one line, too."""

    class Pressed:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "mcptasks._cli.demo":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "mcptasks._cli.demo", raising=False)
    monkeypatch.delattr("mcptasks._cli.demo", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Pressed(), *sys.meta_path])
    assert main(["demo"]) == 130
    assert capsys.readouterr().err == "stopped; nothing was sent\n"


@pytest.mark.parametrize(
    ("words", "target"),
    [
        ([], []),
        (["https://example.com/mcp"], "https://example.com/mcp"),
        (["localhost:8000/mcp"], "localhost:8000/mcp"),
        (["server.py"], "server.py"),
        ([sys.executable], [sys.executable]),
        (["no-such-program", "server.py"], ["no-such-program", "server.py"]),
        ([sys.executable, "server.py", "tool"], [sys.executable, "server.py", "tool"]),
    ],
)
def test_targets(words: list[str], target: str | list[str]) -> None:
    """URLs and files are targets, all else is a command with its arguments."""
    assert target_of(parse(["demo", *words])["words"]) == target


def test_executable_scripts_are_commands(tmp_path: Path) -> None:
    """A script that can be run may take arguments of its own; it is a command then."""
    script = tmp_path / "server.py"
    script.write_text("#!/usr/bin/env python3\n")
    assert target_of(parse(["demo", str(script)])["words"]) == str(script)
    script.chmod(0o755)
    assert target_of(parse(["demo", str(script)])["words"]) == str(script)
    assert target_of(parse(["demo", str(script), "--", "--port", "3"])["words"]) == [str(script), "--port", "3"]
