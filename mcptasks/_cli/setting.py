"""The settings of a command, from its options and the environment."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

from mcptasks._cli.screen import Manner, Screen
from mcptasks._cli.sources import Scene

if TYPE_CHECKING:
    from mcptasks.store import Store


@define(kw_only=True, slots=False)
class Setting:
    """The options that many commands share."""

    manner: Manner
    store: str | None = None
    """The path or URL of `--store`."""
    config: Path | None = None
    server: str | None = None
    """The target of `--server`."""
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    auth_env: str | None = None
    mode: str | None = None
    trust: bool = False
    yes: bool = False
    sampling_command: str | None = None
    environ: Mapping[str, str] = field(factory=lambda: os.environ, repr=False)

    @cached_property
    def screen(self) -> Screen:
        """The streams of the command."""
        return Screen(self.manner, self.environ)

    @cached_property
    def scene(self) -> Scene:
        """The place and environment in which configurations are looked up."""
        return Scene(self.environ, Path.home(), Path.cwd())

    @property
    def place(self) -> str | None:
        """Where the store is: a path or a URL; None for the user's own file."""
        return self.store or self.environ.get("MCPTASKS_STORE") or None

    def open_store(self, *, migrate: bool = True) -> Store:
        """Return the store that the command works with. Nothing is opened yet.

        Raises:
            StoreError: The package for the database is not installed.
            ValueError: The store is neither a path nor a URL of PostgreSQL.
        """
        from mcptasks.store import Store

        return Store(self.place, migrate="auto" if migrate else "check")

    def command(self, *words: str) -> str:
        """Return a command line of this program that works with the same store, to be shown and copied."""
        store = [] if self.store is None else ["--store", self.store]
        return " ".join([program(), *map(shlex.quote, [*words, *store])])


def program() -> str:
    """Return the words with which this program was started."""
    return "mcptasks" if Path(sys.argv[0]).stem == "mcptasks" else "python -m mcptasks"
