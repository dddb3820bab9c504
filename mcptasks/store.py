"""The durable store: what outlives the program. Import it where it is used; nothing else of the package imports it.

`Store` has a blocking twin, `mcptasks.sync.Store`. All other names are the same in both worlds.
"""

from __future__ import annotations

from mcptasks._async.store import Store
from mcptasks._core.public_names import live_in as _live_in
from mcptasks._store.codec import Codec, FernetCodec
from mcptasks._store.records import Keep, Phase, QuestionRecord, TaskEvent, TaskRecord
from mcptasks._store.recovery import Recovery

__all__ = ["Codec", "FernetCodec", "Keep", "Phase", "QuestionRecord", "Recovery", "Store", "TaskEvent", "TaskRecord"]

_live_in(__name__, Store, Codec)


def __dir__() -> list[str]:
    return sorted(__all__)
