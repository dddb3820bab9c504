"""The background threads of the process: one for each backend, as long as a client leases it. Handles fork and exit.

This module holds the package's only process-wide state.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from concurrent.futures import InvalidStateError
from contextlib import suppress
from functools import partial

from mcptasks._core.exceptions import TaskConnectionError
from mcptasks._engine.home import inherited
from mcptasks._portal.call import Call
from mcptasks._portal.portal import Backend, Portal, current_portal


class _Registry:
    """The portals of this process. Each portal keeps its own leases, on its own thread, and decides when to end."""

    def __init__(self) -> None:
        # Reentrant: a signal handler or finalizer may interrupt this code and use a client of its own. It may even wait
        # for that client, since the event loops never take this lock.
        self._lock = threading.RLock()
        self._leases: dict[object, Portal] = {}
        self._inherited: list[Portal] = []
        self._ends_in_time = False
        """Whether `shut_down` is sure to be called at the end of this process."""

    def acquire(self, backend: Backend, lessee: object) -> Portal:
        """Lease the portal of a backend, and start it if there is none. Not for the portal's own thread.

        The caller must call `release` even if this method is interrupted or raises.
        """
        with self._lock:
            self._notice_the_end()
            while True:
                for portal in set(self._leases.copy().values()):
                    if portal.backend == backend and self._lease(portal, lessee):
                        return portal
                portal = self._leases[lessee] = Portal(backend)
                portal.start()
                if self._lease(portal, lessee):
                    return portal
                # A signal handler or finalizer ran between the two lines: it leased the new portal, and ended it.

    def _lease(self, portal: Portal, lessee: object) -> bool:
        async def lease() -> bool:
            # An interrupted thread may have given its lease back before this code runs.
            return self._leases.get(lessee) is portal and portal.lease(lessee)

        self._leases[lessee] = portal
        try:
            return Call(portal, lease).wait()
        except TaskConnectionError:
            return False

    def release(self, lessee: object) -> None:
        """Give a lease back, if there is one; the last one ends the portal. For any thread; never waits."""
        portal = self._leases.pop(lessee, None)
        if portal is None:
            return
        if current_portal() is portal:
            portal.release(lessee)
            return
        try:
            portal.post(partial(portal.release, lessee))
        except RuntimeError:
            portal.stop()  # The event loop has ended, or is about to start.

    def _notice_the_end(self) -> None:
        """Register with `multiprocessing`: its child processes run no exit handlers, but finalizers of their own."""
        # If `multiprocessing` is not imported, this process is not its child.
        process = sys.modules.get("multiprocessing.process")
        if self._ends_in_time or process is None or process.parent_process() is None:
            return
        from multiprocessing.util import Finalize

        # At a priority below 0, this runs after the daemonic processes have ended, for which threads may wait;
        # below -5, also after the finalizers of queues.
        Finalize(None, self._end_of_child, exitpriority=-100)
        self._ends_in_time = True

    def _end_of_child(self) -> None:
        # Python waits for these threads only later, but their clients must stay open until they have ended.
        for thread in threading.enumerate():
            if not thread.daemon and thread is not threading.current_thread():
                thread.join()
        self.shut_down()

    def shut_down(self) -> None:
        """End all portals, at the end of the program. An interrupt is raised after that, a second interrupt at once.

        All waits are bounded: a server in a subprocess, for example, has 2 s to end by itself, and then gets a signal.
        """
        portals = set(self._leases.copy().values())
        try:
            _end(portals)
        except BaseException:
            _end(portals)
            raise

    def forget(self) -> None:
        """Forget the parent's portals, in a child process, which does not have the parent's threads.

        The objects are kept, untouched, so that no finalizer closes connections that the parent still uses.
        """
        self._lock = threading.RLock()
        for portal in set(self._leases.values()):
            _break_off(portal)
        self._inherited.extend(self._leases.values())
        self._leases = {}
        self._ends_in_time = False


def _end(portals: set[Portal]) -> None:
    for portal in portals:
        portal.shut_down()
    for portal in portals:
        portal.join_if_stopping()


def _break_off(portal: Portal) -> None:
    """Fail the parent's futures in a child process, where no thread would settle them."""
    for future in list(portal.futures):
        # A thread of the parent may have held the future's lock. The parent's callbacks must not run in this process.
        vars(future).update(_condition=threading.Condition(), _done_callbacks=[], _waiters=[])
        with suppress(InvalidStateError):  # The future was settled before the fork.
            future.set_exception(TaskConnectionError(inherited(portal.pid)))


_registry = _Registry()
acquire = _registry.acquire
release = _registry.release

atexit.register(_registry.shut_down)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_registry.forget)
