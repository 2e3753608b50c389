"""One training job's use of a sampler."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Tuple

from subset.connection import Connection
from subset.draw import Draw
from subset.errors import DeadlineExceeded, NotFound
from subset.reporter import Reporter, UnusableValue
from subset.resources import Epoch, RunInfo, epoch_from, run_from

if TYPE_CHECKING:
    from subset.batch_sampler import BatchSampler

_OPEN_SECONDS = 30.0  # one attempt at opening an epoch; the server may wait for feedback meanwhile


class Run:
    """Draws batches and takes reports. Thread-safe. Made by Client.run().

    Where no global_batch_size was given to Client.run(), the run is created (or looked up) by the
    first call that needs it.
    """

    def __init__(
        self,
        connection: Connection,
        name: str,
        *,
        sampler: str,
        seed: int,
        global_batch_size: Optional[int],
        drop_last: bool,
        feedback_timeout: Optional[float],
        capacity: int,
    ) -> None:
        self._connection = connection
        self.name = name
        self.sampler = sampler
        self.seed = seed
        self.drop_last = drop_last
        self._feedback_timeout = feedback_timeout
        self._global_batch_size = global_batch_size
        self._lock = threading.Lock()
        self._info: Optional[RunInfo] = None
        self._reporter = Reporter(connection, lambda: self.uid, capacity=capacity)
        self._reported: Optional[Tuple[int, int]] = None  # newest (epoch, step)
        self._drawn = {"batches": 0, "samples": 0}
        self._wait_seconds = 0.0

    @property
    def uid(self) -> int:
        """The server's immutable name for the run."""
        return self._bind().uid

    @property
    def global_batch_size(self) -> int:
        """Samples per optimizer step over all ranks."""
        return self._bind().global_batch_size

    def info(self) -> RunInfo:
        """The run with its progress, as the server has it now."""
        self._bind()
        return run_from(self._get())

    def open_epoch(
        self, epoch: int, *, now: bool = False, timeout: Optional[float] = None
    ) -> Epoch:
        """Opens an epoch, or returns it as it was opened.

        An epoch driven by scores waits until everything of the one before is reported, for at most
        the run's feedback_timeout; `now` does not wait. Raises FailedPrecondition (EPOCH_GONE,
        NOTHING_TO_DRAW), DeadlineExceeded after `timeout` seconds.
        """
        from subset.v1 import training_pb2

        info = self._bind()
        if timeout is None:
            timeout = info.feedback_timeout + self._connection.retry.patience + _OPEN_SECONDS
        until = time.monotonic() + timeout
        request = training_pb2.OpenEpochRequest(run_uid=info.uid, epoch=epoch, now=now)
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

    def batch(self, epoch: int, position: int, size: int, *, probabilities: bool = True) -> Draw:
        """`size` samples from `position` of the epoch, cut at its end. Always the same ones.

        Opens the epoch where it is not. Raises OutOfRange past the end.
        """
        from subset.v1 import training_pb2

        request = training_pb2.GetBatchRequest(
            run_uid=self.uid,
            epoch=epoch,
            positions=training_pb2.GetBatchRequest.Positions(position=position, batch_size=size),
            omit_probabilities=not probabilities,
        )
        return self._draw(request, rank=0, world_size=1)

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
        request = self._request(self.uid, epoch, step, rank, world_size, probabilities)
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
        uid = self.uid
        stream = self._stream(
            self.open_epoch(epoch), first_step, rank, world_size, probabilities, in_flight
        )
        for reply in stream:
            yield self._received(reply, uid, rank, world_size)

    def batch_sampler(
        self,
        global_batch_size: Optional[int] = None,
        *,
        rank: Optional[int] = None,
        world_size: Optional[int] = None,
        prefetch: int = 8,
        probabilities: bool = True,
    ) -> "BatchSampler":
        """What DataLoader(IndexedDataset(...), batch_sampler=...) wants.

        Rank and world size are those of torch.distributed where it is initialised, else of the
        environment (RANK, WORLD_SIZE), else 0 of 1. Calls the server only when first iterated.
        """
        from subset.batch_sampler import BatchSampler

        if global_batch_size is not None:
            self._set_global_batch_size(global_batch_size)
        return BatchSampler(
            self, rank=rank, world_size=world_size, prefetch=prefetch, probabilities=probabilities
        )

    def report(
        self, draw: Draw, *, loss: Any = None, step: Optional[int] = None, **named: Any
    ) -> None:
        """Reports values for the samples of a draw, and acknowledges them. Never blocks.

        `loss` and every further named value: one number per sample, as a tensor on any device, an
        array or a list; none at all acknowledges only. `step`: the optimizer step that computed
        them; the draw's own if left out. What is not finite is left out, counted and listed
        (`unusable()`); when too much waits for the server, reports are dropped, counted and logged.
        """
        if draw.run_uid != self.uid:
            raise ValueError(f"the draw is of run {draw.run_uid}, this is run {self.uid}")
        if loss is not None:
            named["loss"] = loss
        self._reporter.report(draw, draw.step if step is None else step, named)
        self._reported = (draw.epoch, draw.step)

    def flush(self, *, durable: bool = True, timeout: Optional[float] = None) -> None:
        """Returns when everything reported so far is on the server's disk.

        With durable=False it only hurries and returns at once. Raises DeadlineExceeded after
        `timeout` seconds, or the server's first refusal since the last flush.
        """
        try:
            self._reporter.flush(timeout=timeout if durable else 0)
        except DeadlineExceeded:
            if durable:
                raise

    def stats(self) -> Dict[str, float]:
        """Counts of this process, flat, for a tracker; asks nobody."""
        return {
            **{f"drawn_{name}": float(count) for name, count in self._drawn.items()},
            "wait_seconds": self._wait_seconds,
            **{name: float(count) for name, count in self._reporter.stats().items()},
            "retries": float(self._connection.retries),
        }

    def unusable(self) -> List[UnusableValue]:
        """The newest reported values that were not sent (not finite, or a negative loss)."""
        return self._reporter.unusable()

    def close(self, *, timeout: float = 30.0) -> None:
        """Sends what waits, for at most `timeout` seconds; then reports are refused."""
        self._reporter.close(timeout=timeout)

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

    def _set_global_batch_size(self, size: int) -> None:
        with self._lock:
            known = self._info.global_batch_size if self._info else self._global_batch_size
            if known is not None and known != size:
                raise ValueError(f"global_batch_size {size} differs from the run's {known}")
            self._global_batch_size = size

    def _get(self) -> Any:
        from subset.v1 import training_pb2

        return self._connection.call(
            self._connection.training.GetRun, training_pb2.GetRunRequest(name=self.name)
        )

    def _bind(self) -> RunInfo:
        """Creates the run on the server, or takes the one of that name."""
        with self._lock:
            if self._info is None:
                self._info = run_from(self._create())
            return self._info

    def _create(self) -> Any:
        from google.protobuf.duration_pb2 import Duration

        from subset.v1 import training_pb2

        size = self._global_batch_size
        if size is None:
            try:
                size = self._get().global_batch_size
            except NotFound:
                raise ValueError(
                    f"run {self.name!r} does not exist yet: give its global_batch_size to"
                    " client.run() or run.batch_sampler()"
                ) from None
        request = training_pb2.CreateRunRequest(
            name=self.name,
            sampler=self.sampler,
            seed=self.seed,
            global_batch_size=size,
            drop_last=self.drop_last,
        )
        if self._feedback_timeout is not None:
            timeout = Duration()
            timeout.FromNanoseconds(round(self._feedback_timeout * 1e9))
            request.feedback_timeout.CopyFrom(timeout)
        return self._connection.call(self._connection.training.CreateRun, request)

    def _request(
        self, uid: int, epoch: int, step: int, rank: int, world_size: int, probabilities: bool
    ) -> Any:
        from subset.v1 import training_pb2

        return training_pb2.GetBatchRequest(
            run_uid=uid,
            epoch=epoch,
            assigned=training_pb2.GetBatchRequest.Assigned(
                step=step, rank=rank, world_size=world_size
            ),
            omit_probabilities=not probabilities,
        )

    def _draw(self, request: Any, rank: int, world_size: int) -> Draw:
        reply = self._connection.call(
            self._connection.get_batch,
            request,
            timeout=self._connection.timeout,
            patience=self._connection.retry.patience,
        )
        return self._received(reply, request.run_uid, rank, world_size)

    def _stream(
        self,
        epoch: Epoch,
        first_step: int,
        rank: int,
        world_size: int,
        probabilities: bool,
        in_flight: int,
    ) -> Any:
        if not 1 <= in_flight <= 1024:
            raise ValueError(f"in_flight {in_flight} is outside [1, 1024]")
        uid = self.uid

        def request(number: int) -> Any:
            step = first_step + number
            if step >= epoch.num_steps:
                return None
            return self._request(uid, epoch.epoch, step, rank, world_size, probabilities)

        return self._connection.stream_batches(request, in_flight=in_flight)

    def _received(self, reply: bytes, uid: int, rank: int, world_size: int) -> Draw:
        draw = Draw.from_reply(reply, run_uid=uid, rank=rank, world_size=world_size)
        self._drawn["batches"] += 1
        self._drawn["samples"] += len(draw) - draw.padding
        return draw
