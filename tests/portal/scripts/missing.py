"""Asks for backends whose packages are not installed, and says what came of it. Arguments: the backends."""

from __future__ import annotations

import sys
from typing import Any

backends: list[Any] = sys.argv[1:]
hidden: Any = None
for name in ("uvloop", "trio"):
    sys.modules[name] = hidden

from mcptasks.sync import Client  # noqa: E402
from mcptasks.testing import TaskServer  # noqa: E402
from tests.helpers.threads import threads  # noqa: E402
from tests.portal.scripts.talk import say  # noqa: E402

for backend in backends:
    try:
        client = Client(TaskServer(), backend=backend)
    except ImportError as exc:
        say("error", exc)
    else:
        with client:
            say("works", client.backend)
    say("threads", len(threads()))
