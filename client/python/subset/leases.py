"""Keeps the leases of the blocks that this process works on."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Deque, Dict, FrozenSet, List, Optional, Tuple

from subset import requests
from subset.connection import Connection
from subset.draw import Draw
from subset.errors import InvalidArgument, NotFound, PermissionDenied, SubsetError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_log = logging.getLogger("subset")

_MAX_LEASES = 1_024  # per call
_SHORTEST = 0.1  # seconds: the least a lease may last
_REMEMBERED = 4_096  # leases that were lost, or failed in part, until their draws are reported
_RELEASE_SECONDS = 1.0
_RENEWAL_SECONDS = 5.0  # at most: a release waits for a renewal of the same lease

Key = Tuple[int, int]  # (incarnation, id)

_living: "weakref.WeakSet[LeaseKeeper]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    # Imported after the connections and before the reporters, so it runs between their handlers.
    for keeper in list(_living):
        keeper.close()


def _forget_oldest(known: Dict[Key, Any]) -> None:
    while len(known) > _REMEMBERED:
        del known[next(iter(known))]


def key_of(draw: Draw) -> Optional[Key]:
    """None for a draw without a lease."""
    lease = draw.lease
    return (lease.incarnation, lease.id) if lease is not None else None


@dataclass
class _Held:
    lease: Any  # as it came
    worker: str
    lease_time: float
    renewed: float  # when the newest grant of it was asked for
    next: float  # when to ask again
    source: int
    reported: bool = False  # its report waits or is under way


class LeaseKeeper:
    """Renews leases until they are settled, in a thread that starts with the first. Thread-safe.

    Asks at a third of a lease's time, whatever training does meanwhile, and goes on asking while
    the server is away. Nothing outlives the process: who is killed loses his leases when their time
    is over. Leases of a source that was closed, or that nobody has any more, are given back.
    """

    def __init__(self, connection: Connection, run_uid: Callable[[], int]) -> None:
        self._connection = connection
        self._run_uid = run_uid
        self._pid = os.getpid()
        self._abandoned: Deque[int] = deque()  # sources; appended by finalizers, so without a lock
        # Guarded by _changed.
        self._changed = threading.Condition()
        self._held: Dict[Key, _Held] = {}
        self._renewing: FrozenSet[Key] = frozenset()  # with the server now
        self._lost: Dict[Key, None] = {}
        self._failed: "Dict[Key, npt.NDArray[np.bool_]]" = {}  # samples to be delivered again
        self._num_lost = 0
        self._sources = 0
        self._settled = 0
        self._due = float("inf")  # what the thread waits for
        self._closed = False
        self._thread: Optional[threading.Thread] = None
        _living.add(self)

    def open_source(self, owner: object) -> int:
        """A number for the leases that `owner` takes; they are given back when it is gone."""
        self._connection.check_process()
        with self._changed:
            self._sources += 1
            source = self._sources
        weakref.finalize(owner, self._abandoned.append, source).atexit = False
        return source

    def hold(self, draw: Draw, lease_time: float, asked: float, source: int) -> None:
        """Renews the draw's lease from now on; it was asked for at `asked` (monotonic)."""
        key = key_of(draw)
        assert key is not None
        next_time = asked + lease_time / 3
        with self._changed:
            self._held[key] = _Held(
                draw._batch.lease, draw.worker, lease_time, asked, next_time, source
            )
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="subset-leases", daemon=True)
                self._thread.start()
            if next_time < self._due:
                self._changed.notify_all()

    def unreported(self, source: int) -> int:
        """How many draws of a source were neither reported nor lost."""
        with self._changed:
            return sum(h.source == source and not h.reported for h in self._held.values())

    def report(self, draw: Draw) -> None:
        """Notes that the draw's report is on its way."""
        key = key_of(draw)
        with self._changed:
            if key is not None and key in self._held:
                self._held[key].reported = True

    def failed(self, draw: Draw) -> "Optional[npt.NDArray[np.bool_]]":
        """Which samples failed, None for none."""
        key = key_of(draw)
        with self._changed:
            return None if key is None else self._failed.get(key)

    def fail(self, draw: Draw, places: "npt.NDArray[np.bool_]") -> None:
        """Notes that these samples are to be delivered again; settles a draw without others."""
        key = key_of(draw)
        assert key is not None
        with self._changed:
            known = self._failed.get(key)
            self._failed[key] = places if known is None else known | places
            _forget_oldest(self._failed)
            if self._failed[key].all():
                self._settle(key)

    def is_over(self, draw: Draw) -> bool:
        """Whether the lease ended before its draw was reported, as far as this process knows."""
        key = key_of(draw)
        if key is None:
            return False
        with self._changed:
            held = self._held.get(key)
            if held is not None:
                return time.monotonic() >= held.renewed + held.lease_time
            return key in self._lost

    def settle(self, draw: Draw) -> None:
        """The draw needs its lease no more: acknowledged, failed, refused or dropped."""
        key = key_of(draw)
        if key is not None:
            with self._changed:
                self._settle(key)

    def settled(self) -> int:
        """Counts what settled so far, for wait()."""
        with self._changed:
            return self._settled

    def wait(self, seen: int, timeout: float) -> None:
        """Returns when more settled than `seen`, or after `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._settled != seen or self._closed, timeout)

    def release(self, keys: List[Key]) -> None:
        """Gives leases back at once, as far as the server can be reached: others need not wait."""
        if self._pid != os.getpid():
            return  # a forked child has neither the thread nor the locks
        with self._changed:
            held = [self._held.pop(key) for key in keys if key in self._held]
            self._settled += 1
            self._changed.notify_all()
            # A renewal that the server saw afterwards would revive them for their full time.
            self._changed.wait_for(lambda: self._renewing.isdisjoint(keys))
        for worker in {h.worker for h in held}:
            leases = [h.lease for h in held if h.worker == worker]
            try:
                for first in range(0, len(leases), _MAX_LEASES):
                    part = leases[first : first + _MAX_LEASES]
                    self._ask(worker, part, _SHORTEST, _RELEASE_SECONDS)
            except SubsetError as error:
                _log.info("%d leases will end by themselves: %s", len(leases), error)

    def release_source(self, source: int) -> None:
        """Gives back what a source holds and nobody reported."""
        if self._pid != os.getpid():
            return
        with self._changed:
            keys = [k for k, h in self._held.items() if h.source == source and not h.reported]
        if keys:
            self.release(keys)

    def forget(self) -> None:
        """Every lease has ended: the run was rolled back."""
        with self._changed:
            self._held.clear()
            self._lost.clear()
            self._failed.clear()
            self._settled += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Gives everything back and ends the thread. Safe to repeat."""
        if self._pid != os.getpid():
            return
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            keys = list(self._held)
        if keys:
            self.release(keys)

    def stats(self) -> Dict[str, int]:
        """What is held now, and what was lost so far."""
        with self._changed:
            return {"held_leases": len(self._held), "lost_leases": self._num_lost}

    def _settle(self, key: Key) -> None:
        self._held.pop(key, None)
        self._lost.pop(key, None)
        self._settled += 1
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._due = min((h.next for h in self._held.values()), default=float("inf"))
                left = self._due - time.monotonic()
                if left > 0 and not self._closed:
                    self._changed.wait(min(left, threading.TIMEOUT_MAX))
                if self._closed:
                    return
            while self._abandoned:
                self.release_source(self._abandoned.popleft())
            for keys in self._due_groups():
                self._renew(keys)

    def _due_groups(self) -> List[List[Key]]:
        """What one call each renews: of one worker and time, all where one is due."""
        now = time.monotonic()
        groups: Dict[Tuple[str, float], List[Key]] = {}
        with self._changed:
            due = {(h.worker, h.lease_time) for h in self._held.values() if h.next <= now}
            for key, held in self._held.items():
                if (held.worker, held.lease_time) in due:
                    groups.setdefault((held.worker, held.lease_time), []).append(key)
            return [
                keys[first : first + _MAX_LEASES]
                for keys in groups.values()
                for first in range(0, len(keys), _MAX_LEASES)
            ]

    def _renew(self, keys: List[Key]) -> None:
        with self._changed:
            held = {key: self._held[key] for key in keys if key in self._held}
            self._renewing = frozenset(held)
        try:
            if held:
                self._renew_held(held)
        finally:
            with self._changed:
                self._renewing = frozenset()
                self._changed.notify_all()

    def _renew_held(self, held: Dict[Key, _Held]) -> None:
        leases = [each.lease for each in held.values()]
        first = next(iter(held.values()))
        worker, lease_time = first.worker, first.lease_time
        asked = time.monotonic()
        timeout = max(_RELEASE_SECONDS, min(_RENEWAL_SECONDS, lease_time / 3))
        try:
            reply = self._ask(worker, leases, lease_time, timeout)
        except (InvalidArgument, NotFound, PermissionDenied) as error:
            _log.warning("%d leases of worker %r are lost: %s", len(held), worker, error)
            self._lose(list(held))
            return
        except SubsetError as error:
            _log.info("leases of worker %r are not renewed yet: %s", worker, error)
            with self._changed:
                for each in held.values():
                    each.next = time.monotonic() + max(0.02, min(5.0, lease_time / 6))
            return
        with self._changed:
            for each in held.values():
                each.renewed = asked
                each.next = asked + lease_time / 3
        self._lose([(lease.incarnation, lease.id) for lease in reply.lost])

    def _ask(self, worker: str, leases: List[Any], lease_time: float, timeout: float) -> Any:
        from subset.v1 import training_pb2

        return self._connection.call(
            self._connection.training.RenewLeases,
            training_pb2.RenewLeasesRequest(
                run_uid=self._run_uid(),
                worker=worker,
                leases=leases,
                lease_time=requests.duration(lease_time),
            ),
            timeout=timeout,
            patience=0.0,
        )

    def _lose(self, keys: List[Key]) -> None:
        with self._changed:
            for key in keys:
                if self._held.pop(key, None) is None:
                    continue  # settled meanwhile
                self._num_lost += 1
                self._lost[key] = None
            _forget_oldest(self._lost)
            self._settled += 1
            self._changed.notify_all()
