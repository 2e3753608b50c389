"""Blocks of an epoch for a worker that comes, goes, or has a speed of its own."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Deque, Dict, Iterator, List, Optional

from subset import requests
from subset import state as tokens
from subset.batch_sampler import index_list
from subset.draw import Draw
from subset.errors import OutOfRange, SamplesParked
from subset.leases import Key, key_of
from subset.resources import seconds_of

if TYPE_CHECKING:
    from subset.run import Run

_log = logging.getLogger("subset")

LEASE_TIME = 60.0


def worker_name(given: Optional[str] = None) -> str:
    """The name, checked; without one HOST-PID. It is a label: leases are told apart without it."""
    name = given if given is not None else f"{socket.gethostname()[:100]}-{os.getpid()}"
    if not 1 <= len(name.encode()) <= 128:
        raise ValueError(f"worker has {len(name.encode())} bytes, outside [1, 128]")
    return name


class LeasedBatches:
    """The blocks of one epoch that nobody else has, one after the other.

    Made by Run.leased_batches(). Belongs to the process that trains; not thread-safe.

        for draw in batches: ...; run.report(draw, loss=loss)

    An iteration ends when everything is acknowledged or parked: then `complete` is true. Where all
    that is left is with others it waits, for they may die. It never waits while the caller has
    draws that it did not report yet, for another worker may be waiting for those: it ends, with
    `complete` false, and the next iteration goes on.
    """

    def __init__(
        self,
        run: "Run",
        epoch: int,
        *,
        worker: Optional[str] = None,
        batch_size: Optional[int] = None,
        lease_time: float = LEASE_TIME,
        probabilities: bool = True,
        on_parked: str = "warn",
    ) -> None:
        """See Run.leased_batches()."""
        if not 0 <= epoch < 2**32:
            raise ValueError(f"epoch {epoch} is outside [0, 2^32)")
        if batch_size is not None and not 1 <= batch_size <= 65_536:
            raise ValueError(f"batch_size {batch_size} is outside [1, 65536]")
        if not 0.1 <= lease_time <= 86_400:
            raise ValueError(f"lease_time {lease_time} is outside [0.1, 86400] seconds")
        if on_parked not in ("warn", "raise", "ignore"):
            raise ValueError(f'on_parked {on_parked!r} is not "warn", "raise" or "ignore"')
        self.run = run
        self.epoch = epoch
        self.worker = worker_name(worker)
        self.lease_time = lease_time
        self.complete = False
        self._batch_size = batch_size or 0
        self._probabilities = probabilities
        self._on_parked = on_parked
        self._request: Any = None
        self._source = run._leases.open_source(self)

    def __iter__(self) -> Iterator[Draw]:
        while True:
            draw = self.take()
            if draw is None:
                return
            yield draw

    def take(self) -> Optional[Draw]:
        """The next block, or None where an iteration ends."""
        run, keeper = self.run, self.run._leases
        connection = run._connection
        connection.check_process()
        began = time.monotonic()
        try:
            while not self.complete:
                if self._request is None:
                    run.open_epoch(self.epoch)
                    self._request = requests.block(
                        run.uid,
                        self.epoch,
                        self.worker,
                        self._batch_size,
                        self.lease_time,
                        probabilities=self._probabilities,
                    )
                seen, asked = keeper.settled(), time.monotonic()
                try:
                    reply = connection.call(
                        connection.get_batch, self._request, patience=connection.retry.patience
                    )
                except OutOfRange as error:
                    if error.reason != "EPOCH_END":
                        raise
                    self._end()
                    return None
                pause = _retry_after(reply)
                if pause is None:
                    draw = run._received(reply, worker=self.worker)
                    draw._source = self  # its lease lasts as long as somebody has either
                    keeper.hold(draw, self.lease_time, asked, self._source)
                    return draw
                if keeper.unreported(self._source):
                    return None
                run._reporter.hurry()
                keeper.wait(seen, pause)
            return None
        finally:
            run._wait_seconds += time.monotonic() - began

    def close(self) -> None:
        """Gives back the blocks that were not reported: others need not wait. Safe to repeat."""
        self.run._leases.release_source(self._source)

    def __enter__(self) -> "LeasedBatches":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _end(self) -> None:
        self.complete = True
        parked = self.run.open_epoch(self.epoch).parked_positions
        if not parked or self._on_parked == "ignore":
            return
        blocks = self.run.leases(self.epoch).parked
        message = (
            f"epoch {self.epoch} of run {self.run.name!r} is complete but for {parked} samples that"
            " failed too often and are parked"
        )
        if blocks:
            message += f", the first at position {blocks[0].position}: {blocks[0].reason}"
        if self._on_parked == "raise":
            raise SamplesParked(message, reason="REST_PARKED")
        _log.warning("%s (run.leases() lists them, run.release_parked() tries again)", message)


def _retry_after(reply: bytes) -> Optional[float]:
    from subset.v1 import training_pb2

    batch = training_pb2.Batch.FromString(reply)
    return seconds_of(batch.retry_after) if batch.HasField("retry_after") else None


class LeasedBatchSampler:
    """Leased blocks as lists of sample indices, for subset.torch.DataLoader; needs no torch itself.

    Made by Run.leased_batch_sampler(). Belongs to the process that trains; not thread-safe.

    Epochs are those of set_epoch(), else they follow each other. An iteration gives what is to be
    had at once of one epoch: a loader that fetches ahead holds blocks which other workers may be
    waiting for, so it must not wait for theirs. `complete` says whether the epoch has come to its
    end; subset.torch.DataLoader iterates until it has. Nothing is asked of the server before the
    first batch is taken.
    """

    def __init__(self, run: "Run", **options: Any) -> None:
        """See Run.leased_batch_sampler()."""
        self.run = run
        self._options = options
        self._batches = LeasedBatches(run, 0, **options)  # checks the options
        self._ahead: Optional[Draw] = None  # taken by wait()
        self._given: Deque[Key] = deque()  # not yet yielded by a loader that counts
        self._counting = False
        self._loaded: Optional[Dict[str, Any]] = None  # a state, until the run is known

    @property
    def epoch(self) -> int:
        """The epoch to go on with: the one under way, or the one after it has ended."""
        return self._batches.epoch + int(self._batches.complete)

    @property
    def complete(self) -> bool:
        """Whether everything of the epoch last iterated is acknowledged or parked."""
        return self._batches.complete

    @property
    def worker(self) -> str:
        """The name of its leases."""
        return self._batches.worker

    def set_epoch(self, epoch: int) -> None:
        """The next iteration is of this epoch: of what is left of it."""
        if epoch != self._batches.epoch or self._batches.complete:
            self.close()
            self._batches = LeasedBatches(self.run, epoch, **self._options)

    def state_dict(self) -> Dict[str, Any]:
        """The epoch to go on with; what is left of it, the server knows. Local, JSON-able."""
        return tokens.make(self._identity(), self.epoch, 0)

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """The next iteration is of the state's epoch.

        After a crash roll the run back as well, or what the lost model had seen does not come
        again. Raises ValueError as BatchSampler.load_state_dict().
        """
        epoch, _ = tokens.read(state, self._identity())
        self._loaded = dict(state) if self.run._binding.known() is None else None
        self.set_epoch(epoch)

    def wait(self) -> bool:
        """Returns once there is a block to be had, or False: the epoch has come to its end."""
        if self._loaded is not None:  # now everything in it can be checked
            self.run._binding.get()
            tokens.read(self._loaded, self._identity())
            self._loaded = None
        if self._ahead is None:
            self._ahead = self._batches.take()
        return self._ahead is not None

    def __iter__(self) -> Iterator[List[int]]:
        self._next_epoch()
        while self.wait():
            draw, self._ahead = self._ahead, None
            assert draw is not None
            if self._counting:
                key = key_of(draw)
                assert key is not None
                self._given.append(key)
            yield index_list(draw)

    def close(self) -> None:
        """Gives back the blocks that were not reported. Safe to repeat."""
        self._ahead = None
        self._given.clear()
        self._batches.close()

    def _identity(self) -> Dict[str, Any]:
        return {**self.run._binding.identity(), **tokens.LEASED}

    def _next_epoch(self) -> None:
        if self._batches.complete:
            self.set_epoch(self._batches.epoch + 1)

    def _begin_loading(self) -> None:
        """From now on a loader says which batches it has yielded."""
        self._counting = True
        self._next_epoch()

    def _note_yield(self) -> None:
        if self._given:
            self._given.popleft()

    def _end_loading(self) -> None:
        """Gives back what the loader fetched and did not yield."""
        keys = list(self._given)
        self._given.clear()
        if self._ahead is not None:
            keys.append(key_of(self._ahead) or (0, 0))
            self._ahead = None
        if keys:
            self.run._leases.release(keys)
