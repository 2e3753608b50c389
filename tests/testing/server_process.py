"""A real subsetd on free loopback ports, for tests in Python."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import tempfile


class ServerProcess:
    """Starts subsetd on `data_dir` and returns once it serves. Not thread-safe."""

    def __init__(self, subsetd: str, data_dir: str, extra: list[str] | None = None) -> None:
        """Raises RuntimeError with the server's own words if it ends before it serves."""
        self._folder = tempfile.TemporaryDirectory()
        ports = pathlib.Path(self._folder.name) / "ports"
        self._log = open(pathlib.Path(self._folder.name) / "log", "w+b")
        command = [
            subsetd,
            f"--data_dir={data_dir}",
            "--listen=127.0.0.1:0",
            "--metrics_listen=127.0.0.1:0",
            f"--port_file={ports}",
            "--drain_delay=0s",
            *(extra or []),
        ]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        while not ports.exists():
            try:
                self._process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            raise RuntimeError(f"subsetd exited with {self._process.returncode}: {self.log()}")
        addresses = dict(line.split("=", 1) for line in ports.read_text().split())
        self.grpc_address = addresses["grpc"]
        self.metrics_address = addresses["metrics"]
        self.pid = self._process.pid

    def log(self) -> str:
        """What the server has written so far."""
        self._log.flush()
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def kill(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Sends a signal and waits for the end; returns the exit code."""
        self._process.send_signal(number)
        return self._process.wait(timeout=60)

    def stop(self) -> None:
        """Drains the server; raises AssertionError unless it exits with 0."""
        code = self.kill(signal.SIGTERM)
        assert code == 0, f"exit code {code}: {self.log()}"
        self._log.close()
        self._folder.cleanup()
