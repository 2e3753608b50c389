"""One training job's use of a sampler."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Tuple

from subset.connection import Connection
from subset.draw import Draw
from subset.errors import DeadlineExceeded, NotFound, SubsetError
from subset.reporter import Reporter, UnusableValue
from subset.resources import Epoch, RunInfo, epoch_from, run_from, stats_of

if TYPE_CHECKING:
    from subset.batch_sampler import BatchSampler

_OPEN_SECONDS = 30.0  # one attempt at opening an epoch; the server may wait for feedback meanwhile
_PROVIDE_POSITIONS = 1 << 16  # of one message


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
        strict: bool,
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
        self._reporter = Reporter(connection, lambda: self.uid, capacity=capacity, strict=strict)
        # Newest (epoch, step) by (rank, world size).
        self._reported: Dict[Tuple[int, int], Tuple[int, int]] = {}
        self._drawn = {"drawn_batches": 0, "drawn_samples": 0, "fallback_batches": 0}
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

    def provide_epoch(
        self, epoch: int, indices: Any, *, expected: Optional[Any] = None
    ) -> Epoch:
        """Opens an epoch whose samples and order are given, for a sampler whose draw is PROVIDED.

        `indices`: one sample a position, repeats allowed. `expected`: for each of them, how often
        that sample is expected in such an epoch (its inclusion probability, or the length times the
        probability of one draw), from which weights follow; without it they are 1 and called
        biased. Gets the same batches, replay and feedback as any epoch. All or nothing; repeating
        it is safe. Raises InvalidArgument, FailedPrecondition (not PROVIDED, or opened otherwise).
        """
        import numpy as np

        from subset.v1 import training_pb2

        chosen = np.ascontiguousarray(indices, dtype="<u4")
        counts = None if expected is None else np.ascontiguousarray(expected, dtype="<f8")
        if chosen.ndim != 1 or not len(chosen):
            raise ValueError(f"indices of shape {chosen.shape}: one number for each position")
        if counts is not None and counts.shape != chosen.shape:
            raise ValueError(f"expected of shape {counts.shape} for {chosen.shape} indices")
        message = training_pb2.ProvideEpochRequest
        header = message.Header(
            run_uid=self.uid,
            epoch=epoch,
            num_positions=len(chosen),
            has_expected=counts is not None,
        )

        def messages() -> Iterator[Any]:
            yield message(header=header)
            for first in range(0, len(chosen), _PROVIDE_POSITIONS):
                part = slice(first, first + _PROVIDE_POSITIONS)
                yield message(
                    chunk=message.Chunk(
                        first_position=first,
                        indices=chosen[part].tobytes(),
                        expected=b"" if counts is None else counts[part].tobytes(),
                    )
                )

        return epoch_from(
            self._connection.call(self._connection.training.ProvideEpoch, messages)
        )

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
            self.open_epoch(epoch),
            first_step,
            rank,
            world_size,
            probabilities,
            in_flight,
            self._connection.retry.patience,
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
            self._set_global_batch_size(global_batch_size)
        return BatchSampler(
            self,
            rank=rank,
            world_size=world_size,
            prefetch=prefetch,
            probabilities=probabilities,
            on_outage=on_outage,
            patience=patience,
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
        self._reported[draw.rank, draw.world_size] = (draw.epoch, draw.step)

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
        """Numbers of this process and of the run on the server, flat, for W&B or TensorBoard.

        Asks the server once, for at most a second, and never raises: where it does not answer the
        server's part is missing and "server_answered" is 0.

            drawn_batches, drawn_samples, fallback_batches   given to this process since its start
            wait_seconds                                     it waited for batches
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
            "retries": float(self._connection.retries),
            "server_answered": 0.0,
        }
        try:
            info = run_from(self._get(timeout=1.0, patience=0.0))
        except SubsetError:
            return stats
        return {**stats, "server_answered": 1.0, **stats_of(info)}

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

    def _check_unrestricted(self) -> None:
        """Raises ValueError where the sampler leaves samples out: uniform batches would not."""
        from subset.fallback import restriction
        from subset.v1 import sampler_pb2

        request = sampler_pb2.GetSamplerRequest(name=self.sampler)
        limit = restriction(
            self._connection.call(self._connection.samplers.GetSampler, request).spec
        )
        if limit:
            raise ValueError(
                f'on_outage "uniform" would draw from all samples, and sampler {self.sampler!r} has'
                f" {limit}, which leaves some out"
            )

    def _known_batch_size(self) -> int:
        """The global batch size, 0 where only the server knows it; asks nobody."""
        return self._info.global_batch_size if self._info else self._global_batch_size or 0

    def _set_global_batch_size(self, size: int) -> None:
        with self._lock:
            known = self._known_batch_size()
            if known not in (0, size):
                raise ValueError(f"global_batch_size {size} differs from the run's {known}")
            self._global_batch_size = size

    def _get(self, *, timeout: Optional[float] = None, patience: Optional[float] = None) -> Any:
        from subset.v1 import training_pb2

        return self._connection.call(
            self._connection.training.GetRun,
            training_pb2.GetRunRequest(name=self.name),
            timeout=timeout,
            patience=patience,
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
        patience: float,
    ) -> Any:
        if not 1 <= in_flight <= 1024:
            raise ValueError(f"in_flight {in_flight} is outside [1, 1024]")
        uid = self.uid

        def request(number: int) -> Any:
            return self._request(
                uid, epoch.epoch, first_step + number, rank, world_size, probabilities
            )

        return self._connection.stream_batches(
            request, count=epoch.num_steps - first_step, in_flight=in_flight, patience=patience
        )

    def _received(self, reply: bytes, uid: int, rank: int, world_size: int) -> Draw:
        draw = Draw.from_reply(reply, run_uid=uid, rank=rank, world_size=world_size)
        self._drawn["drawn_batches"] += 1
        self._drawn["drawn_samples"] += len(draw) - draw.padding
        self._drawn["fallback_batches"] += draw.fallback
        return draw
