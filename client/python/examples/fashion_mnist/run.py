"""Trains two PyTorch workers on Fashion-MNIST with each of five samplers, and compares them.

    run.py --subsetd PATH         # starts a server of its own
    run.py --address HOST:PORT    # uses one that runs

One model, two ranks (DistributedDataParallel over gloo), the same epochs for each sampler. --smoke
is the same in small.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any, Dict, Iterator, List, Optional

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

import subset  # noqa: E402
from data import read_labels  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import (  # noqa: E402
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table  # noqa: E402

RANKS = 2
STOP_SECONDS = 15.0


class WorkerFailed(Exception):
    """A training worker ended with an error; its own words are in the message."""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--subsetd", help="the server's binary: started here, on free ports")
    where.add_argument("--address", help="a server that runs")
    parser.add_argument("--data-dir", help="of the server started here; default: a temporary one")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--samples", type=int, help="the first of the 60,000")
    parser.add_argument("--global-batch-size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--smoke", action="store_true", help="few epochs on few samples")
    parser.add_argument("--json", help="also write the results to this file")
    parser.add_argument("--keep", action="store_true", help="keep the server until Ctrl-C")
    options = parser.parse_args()
    options.epochs = options.epochs or (3 if options.smoke else 12)
    options.samples = options.samples or (6_000 if options.smoke else 60_000)
    return options


def samplers(epochs: int) -> Dict[str, Dict[str, Any]]:
    """What is compared: the name, and how it is made."""
    return {
        "all": {"preset": "uniform"},
        "uniform-10": {"preset": "uniform", "fraction": 0.1},
        "balanced": {"preset": "class_balanced"},
        "importance": {"preset": "importance"},
        "infobatch": {"preset": "infobatch", "total_epochs": epochs},
    }


@contextlib.contextmanager
def started(binary: str, data_dir: Optional[str]) -> Iterator[Dict[str, str]]:
    """A server on free loopback ports; gives its addresses. Drains it at the end."""
    with contextlib.ExitStack() as stack:
        scratch = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="subset-")))
        ports = scratch / "ports"
        log = stack.enter_context(open(scratch / "log", "w+"))
        process = subprocess.Popen(
            [
                binary,
                f"--data_dir={data_dir or scratch / 'data'}",
                "--listen=127.0.0.1:0",
                "--metrics_listen=127.0.0.1:0",
                f"--port_file={ports}",
                "--drain_delay=0s",
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for us; the server is stopped last
        )
        try:
            while not ports.exists():
                if process.poll() is not None:
                    log.seek(0)
                    raise SystemExit(f"{binary} ended with {process.returncode}: {log.read()}")
                time.sleep(0.02)
            yield dict(line.split("=", 1) for line in ports.read_text().split())
        finally:
            stop([process])


def stop(processes: List["subprocess.Popen[Any]"]) -> None:
    """SIGTERM to each process group, then waits; what has not ended by then is killed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
        until = time.monotonic() + STOP_SECONDS
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, until - time.monotonic()))


def train(
    sampler: str, address: str, dataset: str, options: argparse.Namespace, told: Any
) -> Dict[str, Any]:
    """Trains with one sampler; passes events of rank 0 to `told` and returns the result."""
    with tempfile.TemporaryDirectory(prefix="subset-train-") as scratch:
        command = [
            sys.executable,
            str(HERE / "train.py"),
            f"--address={address}",
            f"--sampler={dataset}/{sampler}",
            f"--run={dataset}-{sampler}-{options.seed}-{os.getpid()}",
            f"--world-size={RANKS}",
            f"--rendezvous={scratch}/rendezvous",
            f"--epochs={options.epochs}",
            f"--samples={options.samples}",
            f"--global-batch-size={options.global_batch_size}",
            f"--seed={options.seed}",
        ]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                [str(HERE.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
            "GLOO_SOCKET_IFNAME": "lo",
            "OMP_NUM_THREADS": "1",
        }
        workers: List["subprocess.Popen[Any]"] = []
        lines: "queue.Queue[Any]" = queue.Queue()
        try:
            for rank in range(RANKS):
                with open(f"{scratch}/stderr-{rank}", "w") as errors:
                    worker = subprocess.Popen(
                        [*command, f"--rank={rank}"],
                        stdout=subprocess.PIPE,
                        stderr=errors,
                        text=True,
                        env=environment,
                        start_new_session=True,
                    )
                workers.append(worker)
                threading.Thread(target=forward, args=(rank, worker, lines), daemon=True).start()
            return follow(workers, lines, scratch, told)
        finally:
            stop(workers)


def forward(rank: int, worker: "subprocess.Popen[Any]", lines: "queue.Queue[Any]") -> None:
    """Every line a worker writes, then None when it has ended."""
    assert worker.stdout is not None
    for line in worker.stdout:
        lines.put((rank, line))
    worker.wait()
    lines.put((rank, None))


def follow(
    workers: List["subprocess.Popen[Any]"], lines: "queue.Queue[Any]", scratch: str, told: Any
) -> Dict[str, Any]:
    """Until all have ended well, or one has not."""
    result: Dict[str, Any] = {}
    running = len(workers)
    while running:
        rank, line = lines.get()
        if line is None:
            running -= 1
            if workers[rank].returncode != 0:
                words = pathlib.Path(f"{scratch}/stderr-{rank}").read_text().strip()
                raise WorkerFailed(
                    f"worker {rank} ended with {workers[rank].returncode}:\n{words[-2000:]}"
                )
        elif rank == 0:
            event = json.loads(line)
            if event["event"] == "result":
                result = event
            else:
                told(event)
    if not result:
        raise WorkerFailed("the workers ended without a result")
    return result


class Board:
    """What is shown while it works: bars on a terminal, else a line per epoch."""

    def __init__(self, console: Console, names: List[str], epochs: int) -> None:
        self._console = console
        self._epochs = epochs
        self._progress: Optional[Progress] = None
        self._tasks: Dict[str, TaskID] = {}
        if console.is_terminal:
            self._progress = Progress(
                TextColumn("{task.description:<12}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("epochs  {task.fields[note]}"),
                TimeElapsedColumn(),
                console=console,
            )
            for name in names:
                self._tasks[name] = self._progress.add_task(
                    name, total=epochs, start=False, note=""
                )

    def __enter__(self) -> "Board":
        if self._progress:
            self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._progress:
            self._progress.stop()

    def start(self, name: str) -> None:
        if self._progress:
            self._progress.start_task(self._tasks[name])

    def tell(self, name: str, event: Dict[str, Any]) -> None:
        if self._progress:
            done = event["epoch"] + (event.get("step", event["steps"]) / event["steps"])
            self._progress.update(
                self._tasks[name], completed=round(done, 1), note=f"loss {event['loss']:.3f}"
            )
        elif event["event"] == "epoch":
            self._console.print(
                f"{name}: epoch {event['epoch'] + 1}/{self._epochs}, {event['steps']} batches,"
                f" loss {event['loss']:.3f}"
            )


def table(results: Dict[str, Dict[str, Any]], options: argparse.Namespace) -> Table:
    shown = Table(
        title=f"Fashion-MNIST, {options.samples:,} images, {options.epochs} epochs, {RANKS} workers"
    )
    shown.add_column("sampler")
    for header in ("samples used", "test accuracy", "batches", "wait p50", "wait p99"):
        shown.add_column(header, justify="right")
    for name, result in results.items():
        shown.add_row(
            name,
            f"{100 * result['share']:.1f} %",
            f"{100 * result['test_accuracy']:.2f} %",
            f"{result['batches']:,}",
            f"{1e3 * result['wait_p50']:.2f} ms",
            f"{1e3 * result['wait_p99']:.2f} ms",
        )
    return shown


def compare(address: str, options: argparse.Namespace, console: Console) -> None:
    dataset = "fashion" if options.samples == 60_000 else f"fashion-{options.samples}"
    chosen = samplers(options.epochs)
    with subset.connect(address) as client:
        labels = read_labels("train", options.samples)
        imported = client.ensure_dataset(dataset, label=labels)
        console.print(
            f"imported {dataset}: {imported.num_samples:,} indices and labels,"
            f" fingerprint {imported.fingerprint[:12]}"
        )
        for name, definition in chosen.items():
            client.ensure_sampler(f"{dataset}/{name}", update=True, **definition)
    results: Dict[str, Dict[str, Any]] = {}
    with Board(console, list(chosen), options.epochs) as board:
        for name in chosen:
            board.start(name)
            results[name] = train(
                name, address, dataset, options, lambda event, name=name: board.tell(name, event)
            )
    console.print(table(results, options))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(results, indent=2) + "\n")


def interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def main() -> int:
    options = parse()
    console = Console()
    signal.signal(signal.SIGTERM, interrupt)
    try:
        with contextlib.ExitStack() as stack:
            address, metrics = options.address, None
            if options.subsetd:
                ports = stack.enter_context(started(options.subsetd, options.data_dir))
                address, metrics = ports["grpc"], ports["metrics"]
                console.print(f"subsetd serves {address}, metrics at http://{metrics}/metrics")
            compare(address, options, console)
            beside = pathlib.Path(options.subsetd or "subsetd").with_name("subsetctl")
            console.print(f"look around:  {beside} --endpoint={address} run list", soft_wrap=True)
            if metrics:
                console.print(f"              http://{metrics}/metrics")
            if metrics and (options.keep or (console.is_terminal and not options.smoke)):
                console.print("the server stays until Ctrl-C")
                threading.Event().wait()
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    except (WorkerFailed, subset.SubsetError) as error:
        console.print(f"failed: {error}", markup=False, style="red")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
