"""Sends what training reports, in the background, exactly once per message."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from dataclasses import dataclass
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple

import numpy as np
import numpy.typing as npt

from subset.connection import Connection
from subset.draw import Draw
from subset.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    ForkedProcess,
    InvalidArgument,
    SubsetError,
)

_log = logging.getLogger("subset")

MAX_ITEMS = 16_384  # samples per message
_EXIT_SECONDS = 5.0
_LISTED = 1_000  # unusable values kept for the user to look at

_living: "weakref.WeakSet[Reporter]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    until = time.monotonic() + _EXIT_SECONDS
    for reporter in list(_living):
        reporter.close(timeout=max(0.0, until - time.monotonic()))


@dataclass(frozen=True)
class UnusableValue:
    """A reported value that was not sent: not finite, or a negative loss."""

    index: int
    column: str
    value: float


class _Snapshot:
    """A copy of reported values that is not waited for: the training step goes on at once."""

    __slots__ = ("_values", "_copied", "count")

    def __init__(self, name: str, source: Any) -> None:
        self._copied: Any = None  # a device event, where the copy is still under way
        if not hasattr(source, "detach"):
            with np.errstate(over="ignore"):  # too large for float32: infinite, so counted as such
                self._values: Any = np.array(source, np.float32)
        elif source.device.type == "cuda":
            import torch

            pinned = torch.empty(source.shape, dtype=source.dtype, pin_memory=True)
            self._values = pinned.copy_(source.detach(), non_blocking=True)
            self._copied = torch.cuda.Event()
            self._copied.record(torch.cuda.current_stream(source.device))
        else:
            self._values = source.detach().to("cpu", copy=True)
        if len(self._values.shape) != 1:
            raise ValueError(
                f"{name} has shape {tuple(self._values.shape)}: one value per sample is needed"
                ' (reduction="none")'
            )
        self.count = int(self._values.shape[0])

    def values(self) -> npt.NDArray[np.float32]:
        """Waits for the copy."""
        if self._copied is not None:
            self._copied.synchronize()
        if hasattr(self._values, "detach"):
            result: npt.NDArray[np.float32] = self._values.float().numpy()
            return result
        return np.asarray(self._values, np.float32)


class _Report:
    __slots__ = ("draw", "step", "columns", "count")

    def __init__(self, draw: Draw, step: int, columns: Dict[str, _Snapshot]) -> None:
        self.draw = draw
        self.step = step
        self.columns = columns
        self.count = len(draw) - draw.padding


class Reporter:
    """A bounded queue and one thread that empties it. Thread-safe; starts with the first report.

    Reports are sent in order, many in one message; a message that got no answer is sent again with
    its own sequence number, which the server applies once. Every sample is acknowledged; values
    that are not finite, and negative losses, are left out, counted and listed. What was drawn here
    in place of the server's batches is sent without a position, so it acknowledges nothing.
    """

    def __init__(
        self,
        connection: Connection,
        run_uid: Callable[[], int],
        *,
        capacity: int = 1 << 20,
        linger: float = 0.02,
        strict: bool = False,
    ) -> None:
        """`capacity`: samples that may wait; `linger`: seconds a lone report waits for company.

        `strict`: a report with a value that is not finite, or a negative loss, is refused whole.
        """
        if capacity < 1:
            raise ValueError(f"capacity {capacity} is not positive")
        self._connection = connection
        self._run_uid = run_uid
        self._capacity = capacity
        self._linger = linger
        self._strict = strict
        self._pid = os.getpid()
        # Guarded by _changed.
        self._changed = threading.Condition()
        self._queue: Deque[_Report] = deque()
        self._waiting = 0  # samples in the queue
        self._accepted = 0  # reports ever queued
        self._finished = 0  # of those, answered, refused or given up
        self._hurry = False
        self._closed = False
        self._give_up_at: Optional[float] = None
        self._thread: Optional[threading.Thread] = None
        self._failure: Optional[SubsetError] = None
        self._counts = {
            "reported_samples": 0,
            "sent_messages": 0,
            "duplicate_messages": 0,
            "dropped_samples": 0,
            "refused_samples": 0,
            "unusable_values": 0,
        }
        self._unusable: Deque[UnusableValue] = deque(maxlen=_LISTED)
        self._next_drop_warning = 1
        # Of the sending thread alone.
        self._session = 0
        self._sequence = 0
        _living.add(self)

    def report(self, draw: Draw, step: int, values: Dict[str, Any]) -> None:
        """Queues a copy and returns; drops it, counted and logged, if the queue is full.

        Raises ValueError for values that do not fit the draw.
        """
        self._check_process()
        columns = {name: _Snapshot(name, source) for name, source in values.items()}
        report = _Report(draw, step, columns)
        for name, snapshot in columns.items():
            if snapshot.count not in (len(draw), report.count):
                raise ValueError(
                    f"{name} has {snapshot.count} values, the draw {len(draw)} samples"
                )
        with self._changed:
            if self._closed:
                raise ValueError("the run is closed")
            if self._waiting + report.count > self._capacity and self._queue:
                self._drop(report.count)
                return
            self._queue.append(report)
            self._waiting += report.count
            self._accepted += 1
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="subset-reporter", daemon=True
                )
                self._thread.start()
            if len(self._queue) == 1 or self._waiting >= MAX_ITEMS:
                self._changed.notify_all()

    def flush(self, *, timeout: Optional[float] = None) -> None:
        """Returns when the server has everything reported before on disk.

        Raises DeadlineExceeded after `timeout` seconds, or the first refusal since the last flush:
        then what was refused is not stored.
        """
        self._check_process()
        with self._changed:
            target = self._accepted
            self._hurry = True
            self._changed.notify_all()
            done = self._changed.wait_for(lambda: self._finished >= target, timeout)
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure
            if not done:
                raise DeadlineExceeded(
                    f"{target - self._finished} reports are not on disk after {timeout} s"
                )

    def close(self, *, timeout: float) -> None:
        """Takes no more reports, sends what waits for at most `timeout` seconds. Safe to repeat."""
        if self._pid != os.getpid():
            return
        with self._changed:
            self._closed = True
            self._give_up_at = time.monotonic() + timeout
            self._changed.notify_all()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout + 1.0)
            with self._changed:
                lost = self._accepted - self._finished
            if lost:
                _log.warning("%d reports were not delivered before the end", lost)

    def stats(self) -> Dict[str, int]:
        """Counts since the start, and what waits now."""
        with self._changed:
            return {**self._counts, "waiting_samples": self._waiting}

    def unusable(self) -> List[UnusableValue]:
        """The newest values that were not sent, at most 1,000."""
        with self._changed:
            return list(self._unusable)

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            raise ForkedProcess(
                f"reports belong in process {self._pid}, which made the client; this is its child"
                f" {os.getpid()}"
            )

    def _drop(self, count: int) -> None:
        self._counts["dropped_samples"] += count
        if self._counts["dropped_samples"] >= self._next_drop_warning:
            self._next_drop_warning = 2 * self._counts["dropped_samples"]
            _log.warning(
                "the queue of %d samples is full: %d reported samples dropped so far",
                self._capacity,
                self._counts["dropped_samples"],
            )

    def _run(self) -> None:
        while True:
            reports = self._take()
            if not reports:
                return
            try:
                for feedback, count in self._messages(reports):
                    self._send(feedback, count)
            except Exception as error:  # noqa: BLE001 - the thread must go on, flush() tells
                self._refused(SubsetError(f"reporting failed: {error!r}"), 0)
            with self._changed:
                self._finished += len(reports)
                self._changed.notify_all()

    def _take(self) -> List[_Report]:
        """Waits for reports and for their company; empty when closed and all is sent."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            self._changed.wait_for(
                lambda: self._waiting >= MAX_ITEMS or self._hurry or self._closed, self._linger
            )
            reports: List[_Report] = []
            taken = 0
            while self._queue and (not reports or taken + self._queue[0].count <= MAX_ITEMS):
                taken += self._queue[0].count
                reports.append(self._queue.popleft())
            self._waiting -= taken
            self._hurry = self._hurry and bool(self._queue)
            return reports

    def _messages(self, reports: List[_Report]) -> List[Tuple[List[Any], int]]:
        """Feedback of at most MAX_ITEMS samples each, in order."""
        messages: List[Tuple[List[Any], int]] = []
        feedback: List[Any] = []
        count = 0
        for report in reports:
            try:
                pieces = self._pieces(report)
            except InvalidArgument as error:
                self._refused(error, report.count)
                continue
            for piece, size in pieces:
                if count + size > MAX_ITEMS:
                    messages.append((feedback, count))
                    feedback, count = [], 0
                feedback.append(piece)
                count += size
        if feedback:
            messages.append((feedback, count))
        return messages

    def _pieces(self, report: _Report) -> List[Tuple[Any, int]]:
        """One Feedback per range of samples that have the same usable columns."""
        from subset.v1 import training_pb2

        draw, count = report.draw, report.count
        names = list(report.columns)
        arrays = [report.columns[name].values()[:count] for name in names]
        usable = np.ones((len(names), count), bool)
        for row, (name, array) in enumerate(zip(names, arrays)):
            usable[row] = np.isfinite(array)
            if name == "loss":
                usable[row] &= ~(array < 0)
        if not usable.all():
            self._list_unusable(draw, names, arrays, usable)
            if self._strict:
                row, place = (int(found[0]) for found in np.nonzero(~usable))
                raise InvalidArgument(
                    f"{names[row]} of sample {draw.indices[place]} is {arrays[row][place]}, reported"
                    f" at step {report.step}: nothing of its batch was sent",
                    field=names[row],
                )
        # Ranges end where the set of usable columns changes, and at the message's bound.
        changes = np.flatnonzero((usable[:, 1:] != usable[:, :-1]).any(axis=0)) + 1
        edges = sorted({0, count, *changes.tolist(), *range(0, count, MAX_ITEMS)})
        width = draw.indices.itemsize
        raw = draw.indices.tobytes()
        pieces = []
        for begin, end in zip(edges[:-1], edges[1:]):
            feedback = training_pb2.Feedback(
                epoch=draw.epoch,
                position=None if draw.fallback else draw.position + begin,
                attempt=draw.attempt,
                step=report.step,
                index_width=width,
                indices=raw[begin * width : end * width],
            )
            for row, (name, array) in enumerate(zip(names, arrays)):
                if usable[row, begin]:
                    data = array[begin:end].astype("<f4", copy=False).tobytes()
                    feedback.values.add(name=name, values=data)
            pieces.append((feedback, end - begin))
        return pieces

    def _list_unusable(
        self,
        draw: Draw,
        names: List[str],
        arrays: List[npt.NDArray[np.float32]],
        usable: npt.NDArray[np.bool_],
    ) -> None:
        rows, places = np.nonzero(~usable)
        with self._changed:
            first = self._counts["unusable_values"] == 0
            self._counts["unusable_values"] += len(rows)
            for row, place in zip(rows[-_LISTED:], places[-_LISTED:]):
                self._unusable.append(
                    UnusableValue(int(draw.indices[place]), names[row], float(arrays[row][place]))
                )
            newest = self._unusable[-1]
        if first:
            _log.warning(
                "%s of sample %d is %s: %s (run.unusable() lists such values)",
                newest.column,
                newest.index,
                newest.value,
                "refused" if self._strict else "acknowledged without it",
            )

    def _send(self, feedback: List[Any], count: int) -> None:
        """Sends one message until it is answered, refused or given up."""
        try:
            reply = self._exchange(feedback)
        except FailedPrecondition as error:
            if error.reason != "SEQ_EXPIRED":
                self._refused(error, count)
                return
            # The server no longer knows the session. Positions are acknowledged once whoever
            # reports them, so a new session cannot apply them twice.
            self._session = 0
            try:
                reply = self._exchange(feedback)
            except SubsetError as again:
                self._refused(again, count)
                return
        except SubsetError as error:
            self._refused(error, count)
            return
        with self._changed:
            self._counts["sent_messages"] += 1
            self._counts["reported_samples"] += count
            self._counts["duplicate_messages"] += int(reply.duplicate)

    def _exchange(self, feedback: List[Any]) -> Any:
        from subset.v1 import training_pb2

        connection = self._connection
        if self._session == 0:
            request = training_pb2.OpenSessionRequest(run_uid=self._run_uid())
            self._session = self._call(connection.training.OpenSession, request).session_id
            self._sequence = 0
        self._sequence += 1
        return self._call(
            connection.training.ReportFeedback,
            training_pb2.ReportFeedbackRequest(
                run_uid=self._run_uid(),
                session_id=self._session,
                sequence=self._sequence,
                durability=training_pb2.DURABILITY_DURABLE,
                feedback=feedback,
            ),
        )

    def _call(self, method: Any, request: Any) -> Any:
        """Also goes on after a deadline: the same sequence is applied once."""
        patience = self._connection.retry.patience
        until = time.monotonic() + patience
        while True:
            try:
                return self._connection.call(
                    method, request, patience=patience, stopped=self._given_up
                )
            except DeadlineExceeded:
                if time.monotonic() >= until or self._given_up():
                    raise

    def _given_up(self) -> bool:
        return self._give_up_at is not None and time.monotonic() >= self._give_up_at

    def _refused(self, error: SubsetError, count: int) -> None:
        with self._changed:
            self._counts["refused_samples"] += count
            self._failure = self._failure or error
        _log.warning("%d reported samples were not taken: %s", count, error)
