"""The map between the two worlds: all that the generator cannot read from the async source. People edit this file.

An entry that nothing uses is an error, so that the map never holds what is no longer true.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields

COMMAND = "nox -s generate"
FACADE = "mcptasks._portal.facade"
"""The module, written by hand, with the base classes and `blocking`, `Backend`."""
GROUP = "mcptasks._portal.group"
"""The one with `Group`, for functions that take tasks of any number of clients."""


@dataclass(frozen=True)
class Names:
    """Methods are written "Class.method", functions "function", parameters with their own name after that."""

    modules: tuple[str, ...]
    """The modules of `mcptasks/_async/` whose public classes and functions are translated, each into one module."""

    bases: Mapping[str, str]
    """The base of each class that has none of the translated ones: a class of the facade module."""

    returns: Mapping[str, str]
    """Types in return annotations, and what stands for them; from the same module."""

    dunders: Mapping[str, str]
    """Special methods, and their names in the blocking world. Others are an error unless by hand or dropped."""

    by_hand: Mapping[str, str]
    """Methods that the facade's base classes have, with the reason."""

    dropped: Mapping[str, str]
    """Methods without a counterpart, with the reason."""

    background: frozenset[str]
    """Parameters that take callbacks: functions of the program that run on a worker thread."""

    waiting: frozenset[str]
    """Parameters that take handlers: functions of the program that run on the thread that waits."""

    pulled: frozenset[str]
    """Parameters that take `Iterable[X] | AsyncIterable[X]`: in the blocking world the first of these, whose items are
    got on the thread that waits."""

    answers: frozenset[str]
    """Methods and functions that answer input requests while they wait, so that handlers may run on the calling
    thread."""

    phrases: Mapping[str, str]
    """Words of docstrings that are true in the async world only. A line end counts as a space."""

    kept: frozenset[str]
    """Words of docstrings that look like the async world and are true in both."""


NAMES = Names(
    modules=("calls", "client", "groups", "task"),
    bases={"Calls": "ClientFacade", "Task": "TaskFacade[ResultT_co]"},
    returns={"AsyncIterator": "Iterator"},
    dunders={
        "__init__": "__init__",
        "__repr__": "__repr__",
        "__aenter__": "__enter__",
        "__aexit__": "__exit__",
    },
    by_hand={
        "Client.open": "starts the background thread",
        "Client.close": "ends the background thread with the last client",
        "Client.__aenter__": "is `open`",
        "Client.__aexit__": "is `close`",
        "Task.__init__": "wraps an async task",
        "Task._ipython_display_": "comes from a thread that is not the event loop's",
        "Task._repr_html_": "asks nobody, and works after the client is closed",
    },
    dropped={"Task.__await__": "there is nothing to await; `result()` is the same"},
    background=frozenset(
        {
            "Calls.call_tool.progress_handler",
            "Client.__init__.log_handler",
            "Client.__init__.roots",
            "Task.on_status_change.callback",
        }
    ),
    waiting=frozenset({"Client.__init__.elicitation_handler", "Client.__init__.sampling_handler"}),
    pulled=frozenset({"Calls.map.arguments"}),
    answers=frozenset(
        {
            "Calls.call_tool",
            "Calls.get_prompt",
            "Calls.map",
            "Calls.read_resource",
            "Task.result",
            "as_completed",
            "gather",
        }
    ),
    phrases={
        "an iterable, or an async one, of mappings": "an iterable of mappings",
        "for `async with`, on asyncio or trio.": "for `with` or `open()`; it blocks, and needs no event loop.",
        "sync (in a worker thread) or async": "sync (on the thread that waits) or async (on the background thread)",
        "Awaiting a task is the same as awaiting `result()`.": (
            "`future()` is the same as a `concurrent.futures.Future`."
        ),
        "It is called on the event loop": "It is called on a worker thread",
    },
    kept=frozenset({"sync or async", "sync (on the thread that waits) or async", "needs no event loop"}),
)

BACKEND_PARAMETER = 'backend: Backend = "asyncio"'
BACKEND_DOC = 'backend: The event loop of the background thread: "asyncio", "uvloop" (where it is installed) or "trio".'


@dataclass
class Uses:
    """Which entries of a map were used, to tell the ones that were not."""

    names: Names
    _used: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    def has(self, table: str, key: str) -> bool:
        """Whether the table has the entry, which counts as using it."""
        found = key in getattr(self.names, table)
        if found:
            self._used.add((table, key))
        return found

    def unused(self) -> Iterator[str]:
        """A line for each entry that nothing used."""
        for table in fields(self.names):
            for key in sorted(getattr(self.names, table.name)):
                if (table.name, key) not in self._used:
                    yield f"mcptasks/_tools/names.py: nothing uses {key!r} in {table.name!r}; mend or remove the entry"
