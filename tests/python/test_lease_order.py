"""A lease that is given back stays given back, whatever renewal of it is due or under way."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any, Callable, List, Tuple

from leasing import until

import subset
from subset.leases import LeaseKeeper
from subset.v1 import training_pb2

LEASE_TIME = 60.0
Call = Tuple[str, float, List[int]]  # "begin" or "end", the time asked for, the leases


class Connection:
    """In place of a server: `during` is what happens while it is asked."""

    training = SimpleNamespace(RenewLeases=None)

    def __init__(self, during: Callable[[float, List[int]], None]) -> None:
        self.calls: List[Call] = []
        self._during = during

    def check_process(self) -> None:
        pass

    def call(self, method: Any, request: Any, **options: Any) -> Any:
        seconds = request.lease_time.seconds + request.lease_time.nanos / 1e9
        leases = [lease.id for lease in request.leases]
        self.calls.append(("begin", seconds, leases))
        self._during(seconds, leases)
        self.calls.append(("end", seconds, leases))
        return training_pb2.RenewLeasesResponse()


def keeper_of(connection: Connection) -> LeaseKeeper:
    return LeaseKeeper(connection, lambda: 1)  # type: ignore[arg-type]


def hold(keeper: LeaseKeeper, number: int, worker: str = "worker") -> None:
    """A lease whose renewal is due."""
    batch = training_pb2.Batch(index_width=4, indices=bytes(4), weight=1.0, attempt=1)
    batch.lease.incarnation = 1
    batch.lease.id = number
    draw = subset.Draw.from_reply(
        batch.SerializeToString(), run_uid=1, rank=0, world_size=1, worker=worker
    )
    keeper.hold(draw, LEASE_TIME, time.monotonic() - LEASE_TIME / 2, source=1)


class SlowRenewals(Connection):
    """Renewals take until the test lets them end."""

    def __init__(self) -> None:
        super().__init__(self._wait)
        self.under_way, self.may_end = threading.Event(), threading.Event()

    def _wait(self, seconds: float, leases: List[int]) -> None:
        if seconds == LEASE_TIME:
            self.under_way.set()
            self.may_end.wait(60)


def test_a_release_waits_for_the_renewal_under_way() -> None:
    connection = SlowRenewals()
    keeper = keeper_of(connection)
    hold(keeper, 7)
    assert connection.under_way.wait(60)
    release = threading.Thread(target=keeper.release, args=([(1, 7)],))
    release.start()
    until(lambda: keeper.stats()["held_leases"] == 0)
    release.join(0.2)
    assert release.is_alive(), "the server might see the renewal last"
    connection.may_end.set()
    release.join(60)
    assert connection.calls == [
        ("begin", LEASE_TIME, [7]),
        ("end", LEASE_TIME, [7]),
        ("begin", 0.1, [7]),
        ("end", 0.1, [7]),
    ]
    keeper.close()


def test_a_release_does_not_wait_for_renewals_of_other_leases() -> None:
    connection = SlowRenewals()
    keeper = keeper_of(connection)
    hold(keeper, 7)
    assert connection.under_way.wait(60)
    hold(keeper, 8)
    keeper.release([(1, 8)])
    assert connection.calls[-1] == ("end", 0.1, [8])
    connection.may_end.set()
    keeper.close()


def test_a_lease_released_before_its_renewal_was_sent_is_not_renewed() -> None:
    held = threading.Event()

    def during(seconds: float, leases: List[int]) -> None:
        if seconds != LEASE_TIME:
            return
        if leases == [1]:
            held.wait(60)  # so that 2 and 3 fall due together
        elif leases in ([2], [3]):
            keeper.release([(1, 5 - leases[0])])

    connection = Connection(during)
    keeper = keeper_of(connection)
    hold(keeper, 1, "gate")
    until(lambda: bool(connection.calls))
    hold(keeper, 2, "one")
    hold(keeper, 3, "another")
    held.set()
    until(lambda: ("end", 0.1, [3]) in connection.calls or ("end", 0.1, [2]) in connection.calls)
    hold(keeper, 4, "last")
    until(lambda: ("end", LEASE_TIME, [4]) in connection.calls)
    (released,) = (call[2] for call in connection.calls if call[:2] == ("end", 0.1))
    assert ("begin", LEASE_TIME, released) not in connection.calls
    keeper.close()
