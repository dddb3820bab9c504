"""Which background threads there are: one for each backend, as long as a client leases it. Knows of fork and of exit.

The state of this module is the only one that the package has.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from concurrent.futures import InvalidStateError
from contextlib import suppress
from functools import partial

from mcptasks._exceptions import TaskConnectionError
from mcptasks._portal.call import Call
from mcptasks._portal.thread import Backend, Portal, current_portal, inherited


class _Registry:
    """The portals of this process. Each of them knows on its own thread who leases it, and when it is to end."""

    def __init__(self) -> None:
        # A signal's handler or a finalizer that runs in the midst of this may use a client of its own, and wait for
        # one: the event loops never take this lock.
        self._lock = threading.RLock()
        self._leases: dict[object, Portal] = {}
        self._inherited: list[Portal] = []
        self._ends_in_time = False
        """Whether the end of this process is known to be noticed."""

    def acquire(self, backend: Backend, lessee: object) -> Portal:
        """Lease the portal of a backend; it is started where there is none. Not for the portal's own thread.

        Whoever is interrupted in here, or meets an error, must `release` as well.
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
                # What ran in the midst of this has shared it, and was the last to give it back.

    def _lease(self, portal: Portal, lessee: object) -> bool:
        async def lease() -> bool:
            # An interrupted thread may have given it back before it came to this.
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
            portal.stop()  # It has ended, or is only about to start.

    def _notice_the_end(self) -> None:
        """A process that `multiprocessing` has forked ends without exit handlers, but with finalizers of its own."""
        # Where it is not imported, this is no such process.
        process = sys.modules.get("multiprocessing.process")
        if self._ends_in_time or process is None or process.parent_process() is None:
            return
        from multiprocessing.util import Finalize

        # Below 0, and below those of queues (-5): after the daemonic processes that its threads may wait for.
        Finalize(None, self._end_of_child, exitpriority=-100)
        self._ends_in_time = True

    def _end_of_child(self) -> None:
        # Python waits for these a moment later, and their clients are to be open until then.
        for thread in threading.enumerate():
            if not thread.daemon and thread is not threading.current_thread():
                thread.join()
        self.shut_down()

    def shut_down(self) -> None:
        """End all portals, at the end of the program; an interrupt is raised when that is done, a second one at once.

        All waits in there are bounded: a server in a subprocess has 2 s to go by itself, and then is made to.
        """
        portals = set(self._leases.copy().values())
        try:
            _end(portals)
        except BaseException:
            _end(portals)
            raise

    def forget(self) -> None:
        """In a child process: the parent's threads are not here. What belongs to them is kept, untouched, so that no
        finalizer closes what the parent still uses."""
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
    """In a child process, settle what nobody settles there."""
    for future in list(portal.futures):
        # Some thread of the parent may have held its lock. That one's callbacks and waits are not for this process.
        vars(future).update(_condition=threading.Condition(), _done_callbacks=[], _waiters=[])
        with suppress(InvalidStateError):  # It has been settled.
            future.set_exception(TaskConnectionError(inherited(portal.pid)))


_registry = _Registry()
acquire = _registry.acquire
release = _registry.release

atexit.register(_registry.shut_down)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_registry.forget)
