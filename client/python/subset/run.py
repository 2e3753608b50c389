"""One training job's use of a sampler."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Dict, Iterator, Optional

from subset import requests
from subset.accounts import Accounts
from subset.binding import Binding
from subset.connection import Connection
from subset.draw import Draw
from subset.errors import DeadlineExceeded, SubsetError
from subset.pools import Pools
from subset.resources import Epoch, RunInfo, epoch_from, stats_of

if TYPE_CHECKING:
    from subset.batch_sampler import BatchSampler
    from subset.leased import LeasedBatches, LeasedBatchSampler

_OPEN_SECONDS = 30.0  # one attempt at opening an epoch; the server may wait for feedback meanwhile


class Run(Accounts, Pools):
    """Draws batches and takes reports. Thread-safe. Made by Client.run().

    Where no global_batch_size was given to Client.run(), the run is created (or looked up) by the
    first call that needs it.
    """

    def __init__(
        self, connection: Connection, binding: Binding, *, capacity: int, strict: bool
    ) -> None:
        super().__init__(connection, binding, capacity=capacity, strict=strict)
        self.name = binding.name
        self.sampler = binding.sampler
        self.seed = binding.seed
        self.drop_last = binding.drop_last
        self._drawn = {"drawn_batches": 0, "drawn_samples": 0, "fallback_batches": 0}
        self._drawn["redelivered_batches"] = 0
        self._wait_seconds = 0.0

    @property
    def global_batch_size(self) -> int:
        """Samples per optimizer step over all ranks."""
        return self._binding.get().global_batch_size

    def info(self) -> RunInfo:
        """The run with its progress, as the server has it now."""
        self._binding.get()
        return self._binding.fetch()

    def open_epoch(
        self, epoch: int, *, now: bool = False, timeout: Optional[float] = None
    ) -> Epoch:
        """Opens an epoch, or returns it as it was opened.

        An epoch driven by scores waits until everything of the one before is reported, for at most
        the run's feedback_timeout; `now` does not wait. Raises FailedPrecondition (EPOCH_GONE,
        NOTHING_TO_DRAW), DeadlineExceeded after `timeout` seconds.
        """
        info = self._binding.get()
        if timeout is None:
            timeout = info.feedback_timeout + self._connection.retry.patience + _OPEN_SECONDS
        until = time.monotonic() + timeout
        request = requests.open_epoch(info.uid, epoch, now)
        while True:
            left = until - time.monotonic()
            try:
                reply = self._connection.call(
                    self._connection.training.OpenEpoch,
                    request,
                    timeout=max(0.01, min(left, _OPEN_SECONDS)),
                    patience=self._connection.retry.patience,
                )
                return epoch_from(reply)
            except DeadlineExceeded:
                if time.monotonic() >= until:
                    raise

    def provide_epoch(
        self, epoch: int, indices: Any, *, expected: Optional[Any] = None
    ) -> Epoch:
        """Opens an epoch whose samples and order are given, for a sampler whose draw is PROVIDED.

        `indices`: one sample a position, repeats allowed. `expected`: for each of them, how often
        that sample is expected in such an epoch (its inclusion probability, or the length times the
        probability of one draw), from which weights follow; without it they are 1 and called
        biased. Gets the same batches, replay and feedback as any epoch. All or nothing; repeating
        it is safe. Raises InvalidArgument (an index or expected count out of range, a sampler that
        is not PROVIDED), AlreadyExists (opened with other content), FailedPrecondition (EPOCH_GONE).
        """
        import numpy as np

        chosen = requests.sample_indices(indices)
        counts = None if expected is None else np.ascontiguousarray(expected, dtype="<f8")
        if counts is not None and counts.shape != chosen.shape:
            raise ValueError(f"expected of shape {counts.shape} for {chosen.shape} indices")
        uid = self.uid
        return epoch_from(
            self._connection.call(
                self._connection.training.ProvideEpoch,
                lambda: requests.provided_epoch(uid, epoch, chosen, counts),
            )
        )

    def batch(self, epoch: int, position: int, size: int, *, probabilities: bool = True) -> Draw:
        """`size` samples from `position` of the epoch, cut at its end. Always the same ones.

        Opens the epoch where it is not. Raises OutOfRange past the end.
        """
        request = requests.positions(self.uid, epoch, position, size, probabilities=probabilities)
        return self._draw(request)

    def share(
        self,
        epoch: int,
        step: int,
        *,
        rank: int = 0,
        world_size: int = 1,
        probabilities: bool = True,
    ) -> Draw:
        """The share of `rank` in one global batch. Raises OutOfRange past the last step."""
        request = requests.share(
            self.uid, epoch, step, rank, world_size, probabilities=probabilities
        )
        return self._draw(request, rank, world_size)

    def batches(
        self,
        epoch: int,
        *,
        first_step: int = 0,
        rank: int = 0,
        world_size: int = 1,
        probabilities: bool = True,
        in_flight: int = 8,
    ) -> Iterator[Draw]:
        """The shares of `rank` in every global batch of an epoch, `in_flight` asked ahead.

        Rides out outages for the client's patience: the same batches follow.
        """
        stream = self._stream(
            self.open_epoch(epoch),
            first_step,
            rank,
            world_size,
            probabilities,
            in_flight,
            self._connection.retry.patience,
        )
        began = self._generation
        for reply in stream:
            self._check_generation(began)
            yield self._received(reply, rank, world_size)

    def replay(
        self,
        epoch: int,
        *,
        position: Optional[int] = None,
        size: Optional[int] = None,
        step: Optional[int] = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> Draw:
        """A batch as it was served: by `position` and `size`, or the share of `rank` in a `step`.

        Opens nothing and counts nothing. Its `acknowledged` says which worker acknowledged what at
        which attempt. Raises FailedPrecondition for what is gone (EPOCH_NOT_OPEN, DRAW_GONE).
        """
        if (step is None) == (position is None) or (position is None) != (size is None):
            raise ValueError("give position and size, or step")
        if position is not None and size is not None:
            request = requests.positions(self.uid, epoch, position, size, replay=True)
        else:
            request = requests.share(self.uid, epoch, step or 0, rank, world_size, replay=True)
        reply = self._call(self._connection.get_batch, request)
        return Draw.from_reply(reply, run_uid=self.uid, rank=rank, world_size=world_size)

    def leased_batches(
        self,
        epoch: int,
        *,
        worker: Optional[str] = None,
        batch_size: Optional[int] = None,
        lease_time: float = 60.0,
        probabilities: bool = True,
        on_parked: str = "warn",
    ) -> "LeasedBatches":
        """Blocks that nobody else has, for workers that come, go, or differ in speed.

        `worker`: a name for lists and audits, HOST-PID by default; two with one name still have
        leases of their own. `batch_size`: samples per block, else the run's global_batch_size; a
        block that is delivered again keeps its own. `lease_time`: seconds after which a dead
        worker's blocks go to others, [0.1, 86400]; the leases of a living one are renewed in the
        background, however long a step takes. `on_parked`: what is said at the end about samples
        that failed five times: "warn" logs it, "raise" is SamplesParked, "ignore" nothing.

        Report each draw, or acknowledge() it, or fail() it. Rides out outages for the client's
        patience. Asks nothing of the server before it is first iterated.
        """
        from subset.leased import LeasedBatches

        return LeasedBatches(
            self,
            epoch,
            worker=worker,
            batch_size=batch_size,
            lease_time=lease_time,
            probabilities=probabilities,
            on_parked=on_parked,
        )

    def leased_batch_sampler(
        self,
        *,
        worker: Optional[str] = None,
        batch_size: Optional[int] = None,
        lease_time: float = 60.0,
        probabilities: bool = True,
        on_parked: str = "warn",
    ) -> "LeasedBatchSampler":
        """The same for subset.torch.DataLoader(IndexedDataset(...), batch_sampler=...)."""
        from subset.leased import LeasedBatchSampler

        return LeasedBatchSampler(
            self,
            worker=worker,
            batch_size=batch_size,
            lease_time=lease_time,
            probabilities=probabilities,
            on_parked=on_parked,
        )

    def batch_sampler(
        self,
        global_batch_size: Optional[int] = None,
        *,
        rank: Optional[int] = None,
        world_size: Optional[int] = None,
        prefetch: int = 8,
        probabilities: bool = True,
        on_outage: str = "wait",
        patience: Optional[float] = None,
    ) -> "BatchSampler":
        """What DataLoader(IndexedDataset(...), batch_sampler=...) wants.

        Rank and world size are those of torch.distributed where it is initialised, else of the
        environment (RANK, WORLD_SIZE), else 0 of 1. `prefetch`: steps read ahead, [1, 1024]; those
        read are given out whatever becomes of the server. Calls it only when first iterated.

        `on_outage`: what follows when the server stays away for `patience` seconds in an epoch.

            "wait"     Unavailable, with the address and the last code; the default patience is the
                       client's, 8 minutes. Once the server is back, the same batches follow.
            "raise"    the same, at once by default
            "uniform"  uniform batches drawn here from the run's seed, until the server is back: the
                       steps they stand for are not drawn again, Draw.fallback says which, stats()
                       counts them. After 10 s by default. All ranks fall back for the same steps,
                       which needs torch.distributed where there are several.
        """
        from subset.batch_sampler import BatchSampler

        if global_batch_size is not None:
            self._binding.set_global_batch_size(global_batch_size)
        return BatchSampler(
            self,
            rank=rank,
            world_size=world_size,
            prefetch=prefetch,
            probabilities=probabilities,
            on_outage=on_outage,
            patience=patience,
        )

    def stats(self) -> Dict[str, float]:
        """Numbers of this process and of the run on the server, flat, for W&B or TensorBoard.

        Asks the server once, for at most a second, and never raises: where it does not answer the
        server's part is missing and "server_answered" is 0.

            drawn_batches, drawn_samples, fallback_batches   given to this process since its start
            redelivered_batches            leased ones that were, or may have been, given before
            wait_seconds                                     it waited for batches
            held_leases, lost_leases       that this process has now; that ended before their report
            late_samples                   reported after their lease ended, with nobody else: taken
            stale_samples                  reported when another worker had them: not taken
            already_acknowledged_samples   reported before, by whomever: not applied again
            reported_samples, waiting_samples                of reports: on disk, and queued
            dropped_samples, refused_samples, unusable_values  never silently
            sent_messages, duplicate_messages, retries
            run/score_records, run/scored_samples, run/scored_ratio   of the whole run
            epoch/number, epoch/sampler_version, epoch/num_positions, epoch/num_steps,
            epoch/distinct_ratio, epoch/acknowledged_ratio, epoch/effective_sample_ratio,
            epoch/fell_back_to_uniform                       of the newest epoch
        """
        stats = {
            **{name: float(count) for name, count in self._drawn.items()},
            "wait_seconds": self._wait_seconds,
            **{name: float(count) for name, count in self._reporter.stats().items()},
            **{name: float(count) for name, count in self._leases.stats().items()},
            "retries": float(self._connection.retries),
            "server_answered": 0.0,
        }
        try:
            info = self._binding.fetch(timeout=1.0, patience=0.0)
        except SubsetError:
            return stats
        return {**stats, "server_answered": 1.0, **stats_of(info)}

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Run({self.name!r}, sampler={self.sampler!r}, seed={self.seed})"

    def __reduce__(self) -> Any:
        raise TypeError(
            f"{self!r} holds a connection and cannot go to another process: draw and report in the"
            " process that trains, not in a loader worker"
        )

    def _draw(self, request: Any, rank: int = 0, world_size: int = 1) -> Draw:
        return self._received(self._call(self._connection.get_batch, request), rank, world_size)

    def _stream(
        self,
        epoch: Epoch,
        first_step: int,
        rank: int,
        world_size: int,
        probabilities: bool,
        in_flight: int,
        patience: float,
    ) -> Any:
        if not 1 <= in_flight <= 1024:
            raise ValueError(f"in_flight {in_flight} is outside [1, 1024]")
        uid = self.uid

        def request(number: int, size: int) -> Any:
            step = first_step + number
            return requests.share(
                uid, epoch.epoch, step, rank, world_size, probabilities=probabilities, size=size
            )

        return self._connection.stream_batches(
            request, count=epoch.num_steps - first_step, in_flight=in_flight, patience=patience
        )

    def _received(
        self, reply: bytes, rank: int = 0, world_size: int = 1, *, worker: str = ""
    ) -> Draw:
        draw = Draw.from_reply(
            reply, run_uid=self.uid, rank=rank, world_size=world_size, worker=worker
        )
        if not draw.fallback:
            self._check_generation(draw.generation)
        self._drawn["drawn_batches"] += 1
        self._drawn["drawn_samples"] += len(draw) - draw.padding
        self._drawn["fallback_batches"] += draw.fallback
        self._drawn["redelivered_batches"] += draw.attempt > 1
        return draw

