"""A private server for one process: notebooks, tests, training on one machine."""

from __future__ import annotations

import atexit
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from typing import Optional, Union

from subset.client import Client, connect
from subset.errors import Unavailable
from subset.retry import Retry

_STOP_SECONDS = 30.0


def local(
    path: Union[str, "os.PathLike[str]"],
    *,
    subsetd: Optional[str] = None,
    timeout: float = 30.0,
    retry: Optional[Retry] = None,
) -> Client:
    """A client of a server of its own, which keeps its data in the directory `path`.

    The server listens on a unix socket only, and is drained and stopped when the client is closed
    or the process ends. `subsetd`: its binary; else the SUBSETD variable, the subset-server
    package, or PATH. Raises Unavailable, with the server's own words, where it does not start: such
    as when another process uses the directory.
    """
    server = _Server(_find(subsetd), pathlib.Path(path))
    client = connect(server.address, timeout=timeout, retry=retry)
    client._at_close.append(server.stop)
    # Closing the client first lets its runs report what waits.
    atexit.register(client.close)
    client._at_close.append(lambda: atexit.unregister(client.close))
    return client


def _find(given: Optional[str]) -> str:
    try:
        import subset_server

        packaged = str(subset_server.BINARY)
    except ImportError:
        packaged = None
    for candidate in (given, os.environ.get("SUBSETD"), packaged, shutil.which("subsetd")):
        if candidate:
            if not os.access(candidate, os.X_OK):
                raise ValueError(f"{candidate} is not an executable")
            return candidate
    raise ValueError(
        "no subsetd: pip install subset[server], put subsetd on PATH, or name it in SUBSETD"
    )


class _Server:
    """One server process. stop() is thread-safe; only the process that started it can."""

    def __init__(self, binary: str, data_dir: pathlib.Path) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="subset-"))  # sockets need short paths
        self._ports = self._folder / "ports"
        self.address = f"unix:{self._folder / 'socket'}"
        self._command = [
            binary,
            f"--data_dir={data_dir}",
            f"--listen={self.address}",
            "--metrics_listen=",
            f"--port_file={self._ports}",
            "--drain_delay=0s",
        ]
        setpriv = shutil.which("setpriv")
        if setpriv:  # stopped with this process even if that is killed
            self._command = [setpriv, "--pdeathsig=TERM", "--", *self._command]
        # The kernel ties that signal to the thread that starts the server: one that stays.
        self._started: "queue.Queue[Union[subprocess.Popen[bytes], OSError]]" = queue.Queue()
        self._ended = threading.Event()
        threading.Thread(target=self._keep, name="subset-local", daemon=True).start()
        started = self._started.get()
        if isinstance(started, OSError):
            shutil.rmtree(self._folder, ignore_errors=True)
            raise started
        self._process = started
        while not self._ports.exists():
            if self._process.poll() is not None:
                words = (self._folder / "log").read_text(errors="replace").strip()
                code = self._process.returncode
                self.stop()
                raise Unavailable(f"{binary} ended with {code}: {words[-2000:]}")
            time.sleep(0.01)

    def _keep(self) -> None:
        try:
            with open(self._folder / "log", "wb") as log:
                process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C in a notebook is not for the server
                )
        except OSError as error:
            self._started.put(error)
            return
        self._started.put(process)
        self._ended.wait()

    def stop(self) -> None:
        """Drains the server and waits for its end. Safe to repeat."""
        if self._pid != os.getpid():
            return
        with self._lock:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
                try:
                    self._process.wait(_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
            self._ended.set()
            shutil.rmtree(self._folder, ignore_errors=True)
