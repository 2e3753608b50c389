"""Reads a stream of batches ahead of training, in a thread."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections import deque
from typing import Deque, Optional

from subset.connection import BatchStream
from subset.errors import Cancelled

_EXIT_SECONDS = 5.0  # at most, for the threads to end: a nap between two attempts takes 1

_living: "weakref.WeakSet[Prefetch]" = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    # While grpc's threads still run: a call left for the dying interpreter to finalize takes a lock
    # there, which one of those threads may have died with (seen with 1.51).
    until = time.monotonic() + _EXIT_SECONDS
    living = list(_living)
    for prefetch in living:
        prefetch.close()
    for prefetch in living:
        prefetch.join(max(0.0, until - time.monotonic()))


class Prefetch:
    """The replies of a stream, read ahead. One thread takes; close() may come from any."""

    def __init__(self, stream: BatchStream, depth: int) -> None:
        """Starts at once. Keeps at most `depth` replies nobody has taken."""
        self._stream = stream
        self._depth = depth
        self._pid = os.getpid()
        # Guarded by _changed.
        self._changed = threading.Condition()
        self._ready: Deque[bytes] = deque()
        self._unwanted = 0  # of the replies still to come
        self._over = False
        self._error: Optional[BaseException] = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="subset-prefetch", daemon=True)
        self._thread.start()
        _living.add(self)

    def take(self) -> bytes:
        """The next reply, where there is one more. Raises what ended the stream early."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._over)
            if self._ready:
                self._changed.notify_all()
                return self._ready.popleft()
            if self._error is not None:
                raise self._error
            raise Cancelled("the batches were closed")

    def wait(self, count: int, timeout: float) -> bool:
        """Whether the next `count` replies, at most the depth, or the stream's end come in time."""
        with self._changed:
            return self._changed.wait_for(
                lambda: len(self._ready) >= count or self._over, timeout
            )

    def skip(self, count: int) -> None:
        """Drops the next `count` replies, those still to come included."""
        with self._changed:
            for _ in range(count):
                if self._ready:
                    self._ready.popleft()
                else:
                    self._unwanted += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Ends the stream and the thread. Safe to repeat."""
        if self._pid != os.getpid():
            return  # a forked child has neither the thread nor the locks
        with self._changed:
            self._closed = self._over = True
            self._changed.notify_all()
        self._stream.close()

    def join(self, timeout: float) -> None:
        """After close(): waits for the thread to end."""
        if self._pid == os.getpid():
            self._thread.join(timeout)

    def _run(self) -> None:
        error: Optional[BaseException] = None
        try:
            for reply in self._stream:
                if not self._put(reply):
                    return
        except BaseException as raised:  # noqa: B902 - raised again in take()
            error = raised
        with self._changed:
            self._over = True
            self._error = error
            self._changed.notify_all()

    def _put(self, reply: bytes) -> bool:
        """Waits for room; False once closed."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._unwanted or len(self._ready) < self._depth or self._closed
            )
            if self._unwanted:
                self._unwanted -= 1
            else:
                self._ready.append(reply)
                self._changed.notify_all()
            return not self._closed
