"""Reads a stream of batches ahead of training, in a thread."""

from __future__ import annotations

import queue
import threading
from typing import Optional, Union

from subset.connection import BatchStream


class Prefetch:
    """The replies of a stream, read ahead. One thread takes; close() may come from any."""

    def __init__(self, stream: BatchStream, depth: int) -> None:
        """Starts at once. Keeps at most `depth` replies nobody has taken."""
        self._stream = stream
        self._ready: "queue.Queue[Union[bytes, BaseException, None]]" = queue.Queue(depth)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="subset-prefetch", daemon=True)
        self._thread.start()

    def take(self) -> Optional[bytes]:
        """The next reply, None at the end. Raises what ended the stream early."""
        item = self._ready.get()
        if isinstance(item, BaseException):
            raise item
        return item

    @property
    def depth(self) -> int:
        """Replies that wait to be taken."""
        return self._ready.qsize()

    def close(self) -> None:
        """Ends the stream and the thread. Safe to repeat."""
        self._closed.set()
        self._stream.close()
        try:
            while True:
                self._ready.get_nowait()  # lets a thread that waits for room see the end
        except queue.Empty:
            pass

    def _run(self) -> None:
        try:
            for reply in self._stream:
                self._put(reply)
                if self._closed.is_set():
                    return
            self._put(None)
        except BaseException as error:  # noqa: B902 - raised again in take()
            self._put(error)

    def _put(self, item: Union[bytes, BaseException, None]) -> None:
        while not self._closed.is_set():
            try:
                self._ready.put(item, timeout=0.5)
                return
            except queue.Full:
                continue
