"""Sends what training reports, in the background, exactly once per message."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from typing import Any, Callable, Deque, Dict, List, NamedTuple, Optional

from subset.connection import Connection
from subset.draw import Draw
from subset.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    ForkedProcess,
    GenerationPassed,
    InvalidArgument,
    LeaseExpired,
    NotFound,
    PermissionDenied,
    SubsetError,
)
from subset.leases import LeaseKeeper
from subset.report import MAX_ITEMS, Report, UnusableValue

_log = logging.getLogger("subset")

_EXIT_SECONDS = 5.0
_LISTED = 1_000  # unusable values kept for the user to look at
# Refusals that are about one piece of a message.
_OF_ONE_PIECE = {
    "EPOCH_NOT_OPEN",
    "GENERATION_PASSED",
    "INVALID_FIELD",
    "LEASE_EXPIRED",
    "LEASE_FOREIGN",
    "LEASE_UNKNOWN",
    "PARTLY_ACKNOWLEDGED",
}

_living: "weakref.WeakSet[Reporter]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    until = time.monotonic() + _EXIT_SECONDS
    for reporter in list(_living):
        reporter.close(timeout=max(0.0, until - time.monotonic()))


class _Piece(NamedTuple):
    feedback: Any
    size: int  # samples
    late: bool  # its lease ended before it was sent


class Reporter:
    """A bounded queue and one thread that empties it. Thread-safe; starts with the first report.

    Reports are sent in order, many in one message; a message that got no answer is sent again with
    its own sequence number, which the server applies once. Every sample is acknowledged; values
    that are not finite, and negative losses, are left out, counted and listed. What was drawn here
    in place of the server's batches is sent without a position, so it acknowledges nothing.

    A report comes too late where its lease ended and the block is with another worker now: that one
    will acknowledge it, so the report is counted (stale) and is no failure. One of a draw from
    before a rollback is a failure, unless this process rolled the run back itself.
    """

    def __init__(
        self,
        connection: Connection,
        run_uid: Callable[[], int],
        *,
        leases: Optional[LeaseKeeper] = None,
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
        self._leases = leases or LeaseKeeper(connection, run_uid)
        self._capacity = capacity
        self._linger = linger
        self._strict = strict
        self._pid = os.getpid()
        # Guarded by _changed.
        self._changed = threading.Condition()
        self._queue: Deque[Report] = deque()
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
            "late_samples": 0,
            "stale_samples": 0,
            "already_acknowledged_samples": 0,
        }
        self.generation = 0  # of the newest rollback by this process; reading needs no lock
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
        report = Report(draw, step, values, self._leases.failed(draw))
        with self._changed:
            if self._closed:
                raise ValueError("the run is closed")
            if self._waiting + report.count > self._capacity and self._queue:
                self._drop(report)
                return
            self._leases.report(draw)
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
            self.hurry()
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

    def hurry(self) -> None:
        """Sends what waits without waiting for company."""
        with self._changed:
            self._hurry = bool(self._queue)
            self._changed.notify_all()

    def rolled_back(self, generation: int) -> None:
        """Drops, counted as stale, what waits and was drawn before the run's `generation`."""
        with self._changed:
            self.generation = max(self.generation, generation)
            if isinstance(self._failure, GenerationPassed):
                self._failure = None  # refused while the rollback was being answered
            for report in self._queue:
                self._counts["stale_samples"] += report.count
            self._finished += len(self._queue)
            self._queue.clear()
            self._waiting = 0
            self._changed.notify_all()

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

    def _drop(self, report: Report) -> None:
        self._leases.settle(report.draw)
        self._counts["dropped_samples"] += report.count
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
            if not reports and self._closed:
                return
            try:
                for message in self._messages(reports):
                    self._send(message)
            except Exception as error:  # noqa: BLE001 - the thread must go on, flush() tells
                self._refused(SubsetError(f"reporting failed: {error!r}"), 0)
            for report in reports:
                self._leases.settle(report.draw)
            with self._changed:
                self._finished += len(reports)
                self._changed.notify_all()

    def _take(self) -> List[Report]:
        """Waits for reports and their company; none when closed or rolled back meanwhile."""
        with self._changed:
            while not self._queue and not self._closed:
                self._changed.wait()
            self._changed.wait_for(
                lambda: self._waiting >= MAX_ITEMS or self._hurry or self._closed, self._linger
            )
            reports: List[Report] = []
            taken = 0
            while self._queue and (not reports or taken + self._queue[0].count <= MAX_ITEMS):
                taken += self._queue[0].count
                reports.append(self._queue.popleft())
            self._waiting -= taken
            self._hurry = self._hurry and bool(self._queue)
            return reports

    def _messages(self, reports: List[Report]) -> List[List[_Piece]]:
        """Pieces of at most MAX_ITEMS samples together, in order."""
        messages: List[List[_Piece]] = [[]]
        count = 0
        for report in reports:
            unusable = report.read()
            if unusable:
                self._list_unusable(unusable)
            if unusable and self._strict:
                first = unusable[0]
                error = InvalidArgument(
                    f"{first.column} of sample {first.index} is {first.value}, reported at step"
                    f" {report.step}: nothing of its batch was sent",
                    field=first.column,
                )
                self._refused(error, report.count)
                continue
            late = self._leases.is_over(report.draw)
            for feedback, size in report.pieces():
                if count + size > MAX_ITEMS:
                    messages.append([])
                    count = 0
                messages[-1].append(_Piece(feedback, size, late))
                count += size
        return [message for message in messages if message]

    def _list_unusable(self, values: List[UnusableValue]) -> None:
        with self._changed:
            first = self._counts["unusable_values"] == 0
            self._counts["unusable_values"] += len(values)
            self._unusable.extend(values)
        if first:
            _log.warning(
                "%s of sample %d is %s: %s (run.unusable() lists such values)",
                values[-1].column,
                values[-1].index,
                values[-1].value,
                "refused" if self._strict else "acknowledged without it",
            )

    def _send(self, pieces: List[_Piece]) -> None:
        """Sends one message until it is answered, refused or given up.

        The server takes all of a message or nothing. So that one piece does not cost the others
        their acknowledgement, a message refused for what is in it is sent again in halves.
        """
        count = sum(piece.size for piece in pieces)
        try:
            try:
                reply = self._exchange([piece.feedback for piece in pieces])
            except FailedPrecondition as error:
                if error.reason != "SEQ_EXPIRED":
                    raise
                # The server no longer knows the session. Positions are acknowledged once whoever
                # reports them, so a new session cannot apply them twice.
                self._session = 0
                reply = self._exchange([piece.feedback for piece in pieces])
        except (FailedPrecondition, InvalidArgument, NotFound, PermissionDenied) as error:
            if len(pieces) > 1 and error.reason in _OF_ONE_PIECE:
                self._send(pieces[: len(pieces) // 2])
                self._send(pieces[len(pieces) // 2 :])
            elif self._is_stale(error, pieces[0]):
                with self._changed:
                    self._counts["stale_samples"] += count
                _log.info("%d reported samples came too late: %s", count, error)
            else:
                self._refused(error, count)
            return
        except SubsetError as error:
            self._refused(error, count)
            return
        with self._changed:
            self._counts["sent_messages"] += 1
            self._counts["reported_samples"] += count
            self._counts["duplicate_messages"] += int(reply.duplicate)
            self._counts["late_samples"] += sum(piece.size for piece in pieces if piece.late)
            self._counts["already_acknowledged_samples"] += reply.already_acknowledged_items

    def _is_stale(self, error: SubsetError, piece: _Piece) -> bool:
        if isinstance(error, GenerationPassed):
            return int(piece.feedback.generation) < self.generation
        return isinstance(error, LeaseExpired)

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
