"""The map between the async and the blocking world: all that the generator cannot read from the async source.

People edit this file. An entry that nothing uses is an error, so that no outdated entry stays in the map.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields

COMMAND = "nox -s generate"
FACADE = "mcptasks._portal.facade"
"""The module, written by hand, with the base classes, `blocking` and `Backend`."""
GROUP = "mcptasks._portal.groups"
"""The module with `Group`, for functions that take tasks of any number of clients."""


@dataclass(frozen=True)
class Names:
    """The tables of the map.

    Methods are written "Class.method", functions "function", and parameters "Class.method.parameter".
    """

    modules: tuple[str, ...]
    """The modules of `mcptasks/_async/` whose public classes and functions are translated, each into one module."""

    bases: Mapping[str, str]
    """For each class without a translated base class: the base class, from the facade module."""

    returns: Mapping[str, str]
    """Types in return annotations, and the types that replace them, from the same module."""

    dunders: Mapping[str, str]
    """Special methods, and their names in the blocking world. Other special methods are an error unless they are in
    `by_hand` or `dropped`."""

    by_hand: Mapping[str, str]
    """Methods that are written by hand in the facade's base classes, with the reason."""

    dropped: Mapping[str, str]
    """Methods without a counterpart, with the reason."""

    background: frozenset[str]
    """Parameters that take callbacks: functions of the program that run on a worker thread."""

    waiting: frozenset[str]
    """Parameters that take handlers: functions of the program that run on the thread that waits."""

    pulled: frozenset[str]
    """Parameters of the type `Iterable[X] | AsyncIterable[X]`. In the blocking world they take an `Iterable[X]`, whose
    items the waiting thread takes."""

    tasks: frozenset[str]
    """Parameters that take a task of the client: in the blocking world the blocking one."""

    inline: frozenset[str]
    """Parameters that take functions which return at once: they run on the event loop's thread."""

    answers: frozenset[str]
    """Methods and functions that answer input requests while they wait, so that handlers may run on the calling
    thread."""

    phrases: Mapping[str, str]
    """Phrases of docstrings that are true in the async world only, with their replacements. A line end counts as a
    space."""

    kept: frozenset[str]
    """Phrases of docstrings with words of the async world that are true in both worlds."""


NAMES = Names(
    modules=(
        "about",
        "calls",
        "client",
        "displays",
        "group",
        "group_calls",
        "group_maps",
        "groups",
        "maps",
        "reads",
        "recovering",
        "store",
        "task",
    ),
    bases={
        "GroupCalls": "GroupFacade",
        "Reads": "ClientFacade",
        "Store": "StoreFacade",
        "Task": "TaskFacade[ResultT_co]",
    },
    returns={"AsyncIterator": "Iterator", "Results": "BlockingResults"},
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
        "Group.open": "starts the background thread",
        "Group.close": "ends the background thread with the last client",
        "Group.__aenter__": "is `open`",
        "Group.__aexit__": "is `close`",
        "Store.__reduce__": "says the same",
        "Store.memory": "is a class method",
        "Task.__init__": "wraps an async task",
        "Task._ipython_display_": "comes from a thread that is not the event loop's",
        "Task._repr_html_": "asks nobody, and works after the client is closed",
    },
    dropped={
        "About.as_session": "whatever takes a session of the SDK awaits its methods",
        "Client.__del__": "what keeps a blocking client open is its runner, which has a finalizer of its own",
        "Task.__await__": "there is nothing to await; `result()` is the same",
    },
    background=frozenset(
        {
            "Calls.call_tool.progress_handler",
            "Client.__init__.log_handler",
            "Client.__init__.patience",
            "Client.__init__.roots",
            "Group.__init__.log_handler",
            "Group.__init__.patience",
            "Group.__init__.roots",
            "GroupCalls.call_tool.progress_handler",
            "Task.on_progress.callback",
            "Task.on_status_change.callback",
        }
    ),
    waiting=frozenset(
        {
            "Client.__init__.elicitation_handler",
            "Client.__init__.sampling_handler",
            "Group.__init__.elicitation_handler",
            "Group.__init__.sampling_handler",
        }
    ),
    pulled=frozenset({"GroupMaps.map.arguments", "Maps.map.arguments"}),
    tasks=frozenset({"Group.release.task", "Recovers.release.task"}),
    inline=frozenset({"GroupMaps.map.label", "Maps.map.label"}),
    answers=frozenset(
        {
            "Calls.call_tool",
            "GroupCalls.call_tool",
            "GroupCalls.get_prompt",
            "GroupCalls.read_resource",
            "GroupMaps.map",
            "Maps.map",
            "Reads.get_prompt",
            "Reads.read_resource",
            "Task.result",
            "as_completed",
            "gather",
            "progress",
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
        (
            " Only gather has handles on the tasks of calls that were passed in, so it cancels these tasks if it raises"
            " or is cancelled."
        ): "",
        ", or calls with `task=True` that are not awaited yet; these calls start together.": ".",
        "An argument is neither a task nor a call.": "An argument is not a task.",
        "it is 0 and a call was passed in": "the tasks' clients have different backends",
        "Exception: A call that was passed in raises. The next step goes on with the other tasks.": "",
        (
            "Exception: A call that was passed in raises, or, with `TaskTimeoutError`, is not answered in time. The"
            " tasks of the other calls are then cancelled."
        ): "",
    },
    kept=frozenset({"sync or async", "sync (on the thread that waits) or async", "needs no event loop"}),
)

BACKEND_PARAMETER = 'backend: Backend = "asyncio"'
BACKEND_DOC = 'backend: The event loop of the background thread: "asyncio", "uvloop" (where it is installed) or "trio".'


@dataclass
class Uses:
    """Records which entries of a map are used, to find the others."""

    names: Names
    _used: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    def has(self, table: str, key: str) -> bool:
        """Whether a table has an entry. If so, the entry counts as used."""
        found = key in getattr(self.names, table)
        if found:
            self._used.add((table, key))
        return found

    def unused(self) -> Iterator[str]:
        """A line for each entry that was not used."""
        for table in fields(self.names):
            for key in sorted(getattr(self.names, table.name)):
                if (table.name, key) not in self._used:
                    yield f"mcptasks/_tools/names.py: nothing uses {key!r} in {table.name!r}; mend or remove the entry"
