"""The names that the public classes use of the rest of the client. Each is imported at its first use.

`from mcptasks import Client` imports only the class, whose methods are signatures and one call each. The two
hundred modules that carry the calls out are imported when the first client is made. The parts that few clients need
(subprocesses, notebooks, `map`) are imported when they are needed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Type checkers take `X as X` for an export; tests/house/test_exported_names.py holds these names equal to the table.
# ruff: noqa: PLC0414
if TYPE_CHECKING:
    from mcptasks._async.storing import find_store as find_store
    from mcptasks._async.storing import recovery_of as recovery_of
    from mcptasks._core.events import Seen as Seen
    from mcptasks._core.outcome import Decoding as Decoding
    from mcptasks._core.retention import kept_until as kept_until
    from mcptasks._core.task_text import task_text as task_text
    from mcptasks._core.trace import read_traceparent as read_traceparent
    from mcptasks._engine.connection.list_pages import every_prompt as every_prompt
    from mcptasks._engine.connection.list_pages import every_resource as every_resource
    from mcptasks._engine.connection.list_pages import every_template as every_template
    from mcptasks._engine.creating_calls import prepared as prepared
    from mcptasks._engine.creating_calls import shown as shown
    from mcptasks._engine.engine import Engine as Engine
    from mcptasks._engine.home import Home as Home
    from mcptasks._engine.lifetime import Host as Host
    from mcptasks._engine.notebook.display import Page as Page
    from mcptasks._engine.notebook.task_list import TaskList as TaskList
    from mcptasks._engine.options import ClientOptions as ClientOptions
    from mcptasks._engine.session.view import TaskSession as TaskSession
    from mcptasks._engine.waiting import acting as acting
    from mcptasks._engine.waiting.abandoning import abandon as abandon
    from mcptasks._engine.waiting.mapping import Mapped as Mapped
    from mcptasks._engine.waiting.mapping import Pulling as Pulling
    from mcptasks._engine.waiting.progress import elapsed_of as elapsed_of
    from mcptasks._engine.waiting.progress import expectation_of as expectation_of
    from mcptasks._engine.waiting.progress import follow_progress as follow_progress
    from mcptasks._engine.waiting.progress import progress_of as progress_of
    from mcptasks._engine.waiting.updates import ProgressUpdates as ProgressUpdates
    from mcptasks._engine.waiting.updates import Updates as Updates
    from mcptasks._engine.waiting.updates import subscribe as subscribe
    from mcptasks._transport.targets import Options as Options
    from mcptasks._transport.targets import resolve as resolve
else:
    HOMES = {
        "ClientOptions": "mcptasks._engine.options",
        "Decoding": "mcptasks._core.outcome",
        "Engine": "mcptasks._engine.engine",
        "Home": "mcptasks._engine.home",
        "Host": "mcptasks._engine.lifetime",
        "Mapped": "mcptasks._engine.waiting.mapping",
        "Options": "mcptasks._transport.targets",
        "Page": "mcptasks._engine.notebook.display",
        "ProgressUpdates": "mcptasks._engine.waiting.updates",
        "Pulling": "mcptasks._engine.waiting.mapping",
        "Seen": "mcptasks._core.events",
        "TaskList": "mcptasks._engine.notebook.task_list",
        "TaskSession": "mcptasks._engine.session.view",
        "Updates": "mcptasks._engine.waiting.updates",
        "abandon": "mcptasks._engine.waiting.abandoning",
        "acting": "mcptasks._engine.waiting",
        "elapsed_of": "mcptasks._engine.waiting.progress",
        "every_prompt": "mcptasks._engine.connection.list_pages",
        "every_resource": "mcptasks._engine.connection.list_pages",
        "every_template": "mcptasks._engine.connection.list_pages",
        "expectation_of": "mcptasks._engine.waiting.progress",
        "find_store": "mcptasks._async.storing",
        "follow_progress": "mcptasks._engine.waiting.progress",
        "kept_until": "mcptasks._core.retention",
        "prepared": "mcptasks._engine.creating_calls",
        "progress_of": "mcptasks._engine.waiting.progress",
        "read_traceparent": "mcptasks._core.trace",
        "recovery_of": "mcptasks._async.storing",
        "resolve": "mcptasks._transport.targets",
        "shown": "mcptasks._engine.creating_calls",
        "subscribe": "mcptasks._engine.waiting.updates",
        "task_text": "mcptasks._core.task_text",
    }
    """The names, sorted, each with the module that defines the name."""

    def __getattr__(name: str) -> Any:
        if name not in HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
        home = HOMES[name]
        module = importlib.import_module(home)
        # A name may name a module, which its package has as an attribute only after the import.
        value = getattr(module, name, None) or importlib.import_module(f"{home}.{name}")
        globals()[name] = value
        return value
