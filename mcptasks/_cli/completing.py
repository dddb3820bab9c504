"""The offers of shell completion: ids of tasks, configured servers, tools that were called. Connects to nothing.

Completion reads the store's file if there is one, and makes none. Names come from servers and from other people's
files, and bash puts an offer into the command line unchanged. So a name is offered only if every shell reads it as a
single word.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from mcptasks._store.sqlite.glance import Glance

_MOST = 50
"""How many tasks are offered at most. A longer list does not help somebody who types."""
_WORD = re.compile(r"[\w@%+:,./-]+", re.ASCII)
"""A text that every shell reads as a single word."""
_LOOKED_AT = 1000
"""How many tasks are read to find names. Reading more would take longer than Python takes to start."""


def complete_tasks(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the newest tasks of the store."""
    from mcptasks._cli import records, untrusted

    return [
        CompletionItem(
            task.id[: records.SHORT],
            help=f"{untrusted.line(task.name or '', 40)} "
            f"{records.status_of(task.phase, task.status, failed=task.has_error)}",
        )
        for task in _newest(ctx, prefix=incomplete, limit=_MOST)
    ]


def complete_tools(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the tools of the server that were called before."""
    from mcptasks._cli import records

    target = ctx.params.get("target")
    names = [
        task.name
        for task in _newest(ctx)
        if task.name
        and task.kind in ("tool", None)
        and target in (records.server_of(task.labels, task.endpoint), task.endpoint)
    ]
    return _offers(names, incomplete)[:_MOST]


def complete_targets(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer configured servers, and files."""
    from mcptasks._cli import sources
    from mcptasks._cli.entries import Entry

    scene = sources.Scene(os.environ, Path.home(), Path.cwd())
    names: list[str] = []
    with suppress(ValueError, OSError):
        names += [entry.name for entry in sources.own_entries(scene, None)]
    if ":" in incomplete and (source := incomplete.partition(":")[0]) in sources.SOURCES:
        found = sources.entries_of(source, scene)
        names += [f"{source}:{entry.name}" for entry in found if isinstance(entry, Entry)]
    names += [f"{source}:" for source in sources.SOURCES if incomplete != f"{source}:"]
    # Servers in a project's files are offered too: only their names are used, which needs no consent.
    return _offers(names, incomplete) or [CompletionItem(incomplete, type="file")]


def _offers(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [
        CompletionItem(name) for name in dict.fromkeys(names) if name.startswith(incomplete) and _WORD.fullmatch(name)
    ]


def _newest(ctx: click.Context, *, prefix: str = "", limit: int | None = None) -> list[Glance]:
    """The newest tasks of the store, read without an event loop, whose import takes longer than a person likes."""
    from mcptasks._store.sqlite import glance

    place: Any = ctx.params.get("store") or os.environ.get("MCPTASKS_STORE") or None
    return glance.newest(place, among=_LOOKED_AT, prefix=prefix, limit=limit)
