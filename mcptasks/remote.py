"""Calls and waits in the workers of other systems: Dask, Temporal, Airflow, Celery. Import it where it is used.

`run` and `follow` block; `arun` and `afollow` are their async twins. All values pickle. `mcptasks.contrib` has adapters
for engines, and docs/cluster.md shows them.
"""

from __future__ import annotations

from mcptasks._core.public_names import live_in as _live_in
from mcptasks._remote.blocking import follow, run
from mcptasks._remote.calls import Beat, Heartbeat, afollow, arun
from mcptasks._remote.connect import Connect, FromEnv

__all__ = ["Beat", "Connect", "FromEnv", "Heartbeat", "afollow", "arun", "follow", "run"]

_live_in(__name__, afollow, arun, follow, run)


def __dir__() -> list[str]:
    return sorted(__all__)
