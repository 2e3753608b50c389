"""The one module that knows gRPC: a channel, its deadlines and retries, and its errors as ours."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import queue
import threading
import time
import weakref
from typing import Any, Callable, Iterable, Iterator, List, Optional, Tuple

from subset.errors import (
    BY_CODE,
    BY_REASON,
    Cancelled,
    DeadlineExceeded,
    ForkedProcess,
    Internal,
    SubsetError,
    Unavailable,
)
from subset.retry import Outage, Retry

_log = logging.getLogger("subset")

_OPTIONS: List[Tuple[str, int]] = [
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # The channel's own backoff (1 s to 2 min by default) would sleep through a server's return.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 700),
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 4 << 20),
    ("grpc.use_local_subchannel_pool", 1),
]
_MAX_BATCHES = 64  # of one request
_STREAM_SECONDS = 600.0  # a stream's deadline; it is then opened again where it stood

_living: "weakref.WeakSet[Connection]" = weakref.WeakSet()
_leaked: List[object] = (
    []
)  # in a forked child: kept, since closing a parent's channel there may hang


def _poison_after_fork() -> None:
    connections = list(_living)
    for connection in connections:
        connection._poison()
    if connections:
        # The parent's calls must not be finalized here: that takes locks which its threads may have
        # held at the fork, and no thread is left to let go of them.
        gc.freeze()


@atexit.register
def _close_all() -> None:
    # Threads that read ahead are daemons: they must not meet a dying interpreter inside grpc.
    # Registered before the reporters' own handler, so it runs after their last message.
    for connection in list(_living):
        connection.close()


os.register_at_fork(after_in_child=_poison_after_fork)


class Connection:
    """A channel to one address. Thread-safe. Unusable in a forked child, where calls raise."""

    def __init__(self, address: str, *, timeout: float, retry: Retry) -> None:
        """Opens no connection yet: the first call does."""
        # gRPC's own fork handlers wait for its threads to stop, now and then for ever (seen with
        # 1.51), in the process that starts loader workers. Those must not use this channel anyway.
        os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
        # A connection that is gone here stays in epoll while loader workers hold what they have
        # inherited of it, and its events then end this process (seen with 1.51). poll forgets it.
        os.environ.setdefault("GRPC_POLL_STRATEGY", "poll")
        import grpc

        from subset.v1 import dataset_pb2_grpc, sampler_pb2_grpc, training_pb2_grpc

        if not address or any(c.isspace() for c in address):
            raise ValueError(f"address {address!r} is not HOST:PORT, dns:///NAME:PORT or unix:PATH")
        if not timeout > 0:
            raise ValueError(f"timeout {timeout} is not positive")
        self.address = address
        self.timeout = timeout
        self.retry = retry
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._retries = 0
        self._closed = False
        self._grpc: Any = grpc
        self._channel: Any = grpc.insecure_channel(address, options=_OPTIONS)
        # The generated stubs have no types.
        self.datasets: Any = getattr(dataset_pb2_grpc, "DatasetServiceStub")(self._channel)
        self.samplers: Any = getattr(sampler_pb2_grpc, "SamplerServiceStub")(self._channel)
        self.training: Any = getattr(training_pb2_grpc, "TrainingServiceStub")(self._channel)
        from subset.v1 import training_pb2

        # Batches stay as bytes until somebody looks at them, and can be passed to other processes.
        self._stream_batches: Any = self._channel.stream_stream(
            "/subset.v1.TrainingService/StreamBatches",
            request_serializer=training_pb2.GetBatchRequest.SerializeToString,
            response_deserializer=None,
        )
        self.get_batch: Any = self._channel.unary_unary(
            "/subset.v1.TrainingService/GetBatch",
            request_serializer=training_pb2.GetBatchRequest.SerializeToString,
            response_deserializer=None,
        )
        _living.add(self)

    @property
    def retries(self) -> int:
        """Attempts after the first, of all calls so far."""
        return self._retries

    def close(self) -> None:
        """Ends every call. Safe to repeat."""
        self._closed = True
        if self._channel is not None and self._pid == os.getpid():
            self._channel.close()

    def check_process(self) -> None:
        """Raises ForkedProcess in a child of the process that made this."""
        if self._pid != os.getpid():
            raise ForkedProcess(
                f"the client for {self.address} belongs to process {self._pid} and was used in its"
                f" child {os.getpid()}: connect in the process that draws and reports, not in a"
                " loader worker"
            )

    def call(
        self,
        method: Any,
        request: Any,
        *,
        timeout: Optional[float] = None,
        patience: Optional[float] = None,
        stopped: Optional[Callable[[], bool]] = None,
    ) -> Any:
        """Calls until answered, refused, or unavailable for longer than `patience`.

        `method` is a stub's, `request` a message, or a callable giving an iterator of them, asked
        again for every attempt. `stopped` ends the retries when it turns true.
        """
        patience = self.retry.control_patience if patience is None else patience
        outage = Outage(self.retry, patience, self._nap)
        while True:
            self.check_process()
            message = request() if callable(request) else request
            try:
                return method(message, timeout=self.timeout if timeout is None else timeout)
            except self._grpc.RpcError as error:
                failure = self._error(error)
            except ValueError as error:  # the channel was closed
                raise Unavailable(f"the client for {self.address} is closed") from error
            if stopped is not None and stopped():
                raise failure
            self._wait(outage, failure)

    def stream_batches(
        self, request: Callable[[int, int], Any], *, count: int, in_flight: int, patience: float
    ) -> "BatchStream":
        """`count` batches, in order; request(number, size) asks for `size` from one on.

        Unavailable when no reply has come for `patience` seconds of retries.
        """
        return BatchStream(self, request, count, in_flight, patience)

    def _wait(self, outage: Outage, failure: SubsetError) -> None:
        """Sleeps before another attempt, or raises what ended this one."""
        if not isinstance(failure, Unavailable):
            raise failure
        if outage.attempts == 1:
            _log.warning("%s; trying again", failure)
        if not outage.wait():
            raise failure
        with self._lock:
            self._retries += 1

    def _nap(self, seconds: float) -> None:
        """Sleeps; less where the channel, not ready before, becomes ready.

        A channel in which no call is under way makes no progress with its connection (seen with
        1.51: 2 to 7 s after a server's return); while somebody watches its state it does.
        """
        if self._closed:
            return
        channel, ready = self._channel, self._grpc.ChannelConnectivity.READY
        until = time.monotonic() + seconds
        seen: List[Any] = []
        changed = threading.Event()

        def watch(state: Any) -> None:
            seen.append(state)
            if state is ready:
                changed.set()

        try:
            channel.subscribe(watch, try_to_connect=True)
            changed.wait(seconds)
            channel.unsubscribe(watch)
        except ValueError:  # the channel was closed
            return
        if seen and seen[0] is ready:
            time.sleep(max(0.0, until - time.monotonic()))

    def _error(self, error: Any) -> SubsetError:
        code = error.code()
        name = code.name if code is not None else "UNKNOWN"
        reason, field = _details(error)
        message = error.details() or name
        kind = BY_REASON.get(reason or "", BY_CODE.get(name, Internal))
        if kind is Cancelled and not self._closed:
            kind = Unavailable  # not by us: a server that drains cancels what is left
        if kind is Unavailable:
            message = f"{self.address} is unavailable: {message} ({name})"
        elif kind is DeadlineExceeded:
            message = f"{self.address} did not answer in time: {message} ({name})"
        result = kind(message, reason=reason, field=field)
        result.__cause__ = None  # grpc's own error stays inside
        return result

    def _poison(self) -> None:
        _leaked.append(
            (self._channel, self.datasets, self.samplers, self.training, self._stream_batches)
        )
        self._channel = None


def _details(error: Any) -> Tuple[Optional[str], Optional[str]]:
    """Reason and field out of the google.rpc.Status that came with an error."""
    from google.protobuf.message import DecodeError

    from subset.rpc import error_details_pb2, status_pb2

    reason = field = None
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        try:
            for detail in status_pb2.Status.FromString(value).details:
                if detail.type_url.endswith("/google.rpc.ErrorInfo"):
                    reason = error_details_pb2.ErrorInfo.FromString(detail.value).reason or reason
                elif detail.type_url.endswith("/google.rpc.BadRequest"):
                    bad = error_details_pb2.BadRequest.FromString(detail.value)
                    if bad.field_violations:
                        field = bad.field_violations[0].field
        except DecodeError:
            pass  # the message text still says it
    return reason, field


class BatchStream:
    """`count` batches in order, several in flight; goes on after an outage.

    They are asked for by half of those in flight at a time: a request costs about as much as a
    reply. After a failure it asks for one batch at a time, then for one more at once after every
    `in_flight` replies: a server that keeps failing is not asked for much that never arrives.

    One thread iterates; close() may come from any.
    """

    def __init__(
        self,
        connection: Connection,
        request: Callable[[int, int], Any],
        count: int,
        in_flight: int,
        patience: float,
    ) -> None:
        """`request(number, size)`: for `size` batches from one on."""
        self._connection = connection
        self._request = request
        self._count = count
        self._in_flight = in_flight
        self._patience = patience
        self._window = in_flight  # batches that may be asked for and not here
        self._answered = 0
        self._closed = False
        self._call: Any = None

    def __iter__(self) -> Iterator[bytes]:
        connection = self._connection
        outage = Outage(connection.retry, self._patience, connection._nap)
        while self._answered < self._count:
            connection.check_process()
            before = asked = self._answered
            asks: "queue.SimpleQueue[int]" = queue.SimpleQueue()
            call: Any = None
            try:
                # No lock: the collector may call close() in this thread, too, at any place.
                self._call = call = connection._stream_batches(
                    self._requests(before, asks), timeout=_STREAM_SECONDS
                )
                if self._closed:
                    return
                asked = self._ask(asks, asked)
                for reply in call:
                    self._answered += 1
                    if self._window < self._in_flight and self._answered % self._in_flight == 0:
                        self._window += 1
                    asked = self._ask(asks, asked)
                    outage.over()
                    yield reply
                    if self._answered == self._count:
                        return  # whatever the server's last word
                failure: SubsetError = Unavailable(f"{connection.address} ended the stream early")
            except connection._grpc.RpcError as error:
                error.__traceback__ = None  # it is the call, which would keep itself alive
                if self._closed:
                    return
                failure = connection._error(error)
                if isinstance(failure, DeadlineExceeded):
                    if self._answered > before:
                        continue  # only the stream's own age
                    failure = Unavailable(str(failure))
            except ValueError as error:
                raise Unavailable(f"the client for {connection.address} is closed") from error
            finally:
                asks.put(0)  # the asking thread then ends
                if call is not None:
                    call.cancel()
                self._call = call = None  # an error's traceback, which may be kept, keeps this frame
            self._window = 1
            connection._wait(outage, failure)

    def close(self) -> None:
        """Ends the iteration, also from another thread, or a finalizer. Safe to repeat."""
        self._closed = True
        call = self._call
        if call is not None:
            call.cancel()

    def _ask(self, asks: "queue.SimpleQueue[int]", asked: int) -> int:
        """Asks for what the window has room for; returns how many that makes in all."""
        while True:
            size = min(max(1, self._window // 2), _MAX_BATCHES, self._count - asked)
            if size == 0 or asked + size - self._answered > self._window:
                return asked
            asks.put(size)
            asked += size

    def _requests(self, number: int, asks: "queue.SimpleQueue[int]") -> Iterable[Any]:
        while size := asks.get():
            yield self._request(number, size)
            number += size
