"""Tasks of other programs, taken into the store."""

from __future__ import annotations

import click
import pytest

import mcptasks
from mcptasks._cli.app import cli
from mcptasks.testing import TaskServer
from tests.helpers.command_line import Home


@pytest.mark.slow
def test_adopted(home: Home, server: TaskServer, url: str) -> None:
    """A task of another program is taken into the store by its reference or its id."""
    with mcptasks.sync.Client(url) as client:
        reference = client.call_tool("long", task=True).reference
    done = home.run("adopt", reference.to_json())
    assert done.code == 0, done.err
    assert home.run("list", "-q").out == done.out
    home.run("forget", done.out.strip())
    done = home.run("adopt", reference.task_id, "--server", url)
    assert done.code == 0, done.err
    assert home.run("adopt", "no-such-task", "--server", url).code == 5
    server.next_task_blocking(10).complete("found")
    assert home.run("result", "@last").out == "found\n"


@pytest.mark.parametrize(
    "words", [["adopt", "{}", "--server", "x"], ["settle", "3f2a", "{}"], ["settle", "3f2a", "--", "{}"]]
)
def test_ids_that_look_like_options(words: list[str]) -> None:
    """An id of a server that begins with a hyphen is an id: one of 64 does on fastmcp 4."""
    task = "-J-lO5chwB9Q0W3Pq8-4-vfXJas_je0BAk8zad8JRg0"
    name, *rest = [word.format(task) for word in words]
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.make_context(name, rest).params["reference"] == task
    assert all(len(option) < 20 for each in command.params for option in each.opts)
