"""What training pays for our batches in a PyTorch DataLoader, against torch's own RandomSampler.

A step "trains" for 50 ms (a sleep, as on a GPU) on 256 samples that two worker processes fetch. Epochs
of both samplers are interleaved, each over workers that already run; `waits` is the time in the
loader's next() over that of the steps, the epoch's first batch included; `sampler` is the part of it
that the server's batches were waited for. Beside that: what state_dict()
and report() cost the training thread, and how long after a killed server serves again a batch comes.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import statistics
import sys
import tempfile
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, Tuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
for path in (ROOT / "tests" / "testing", ROOT / "client" / "python"):
    sys.path.insert(0, str(path))

import subset  # noqa: E402
import torch  # noqa: E402
import torch.utils.data as data  # noqa: E402
from server_process import ServerProcess  # noqa: E402
from subset.torch import DataLoader, IndexedDataset  # noqa: E402

BATCH = 256
STEP_SECONDS = 0.05
WORKERS = 2


class Samples(data.Dataset):  # type: ignore[type-arg]
    """What costs nothing to fetch, so that only the sampler is left to wait for."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._sample = torch.zeros(16)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._sample


def train(loader: Any, report: Callable[[Any], None]) -> Tuple[float, float]:
    """(seconds of an epoch, seconds of it spent waiting for batches)."""
    began = time.perf_counter()
    waited = 0.0
    batches = iter(loader)
    while True:
        asked = time.perf_counter()
        batch = next(batches, None)
        waited += time.perf_counter() - asked
        if batch is None:
            return time.perf_counter() - began, waited
        time.sleep(STEP_SECONDS)
        report(batch)


def median_us(act: Callable[[], Any], repeats: int) -> float:
    took = []
    for _ in range(repeats):
        began = time.perf_counter()
        act()
        took.append(time.perf_counter() - began)
    return 1e6 * statistics.median(took)


def epochs(client: subset.Client, rounds: int, steps: int) -> List[Dict[str, Any]]:
    samples = Samples(BATCH * steps)
    client.ensure_dataset("loader", num_samples=len(samples))
    client.ensure_sampler("loader/s", preset="importance")
    run = client.run(
        "loader", sampler="loader/s", global_batch_size=BATCH, feedback_timeout=3_600
    )
    options = {"num_workers": WORKERS, "persistent_workers": True}
    ours = DataLoader(IndexedDataset(samples), batch_sampler=run.batch_sampler(), **options)
    theirs = data.DataLoader(samples, batch_size=BATCH, shuffle=True, **options)
    loss = torch.rand(BATCH)

    def report(batch: Any) -> None:
        run.report(batch[1], loss=loss)

    took: Dict[str, List[Tuple[float, float]]] = {"subset": [], "RandomSampler": []}
    served = []  # seconds that the server's batches were waited for
    for _ in range(rounds + 1):  # the first starts the workers
        before = run.stats()["wait_seconds"]
        took["subset"].append(train(ours, report))
        served.append(run.stats()["wait_seconds"] - before)
        run.flush()
        took["RandomSampler"].append(train(theirs, lambda batch: None))
    peer = [seconds for seconds, _ in took["RandomSampler"][1:]]
    rows: List[Dict[str, Any]] = [
        {
            "what": f"epoch of {steps} steps, {name}",
            "seconds": round(statistics.median(s for s, _ in times[1:]), 3),
            "waits_percent": round(
                100 * statistics.median(w for _, w in times[1:]) / (steps * STEP_SECONDS), 3
            ),
            "times_peer": round(
                statistics.median(s / p for (s, _), p in zip(times[1:], peer)), 4
            ),
        }
        for name, times in took.items()
    ]
    rows[0]["sampler_percent"] = round(
        100 * statistics.median(served[1:]) / (steps * STEP_SECONDS), 3
    )
    return rows


def thread_costs(client: subset.Client) -> Iterator[Dict[str, Any]]:
    run = client.run("costs", sampler="loader/s", global_batch_size=BATCH)
    batches = run.batch_sampler()
    next(iter(batches))
    yield {"what": "state_dict()", "us": round(median_us(batches.state_dict, 2_000), 1)}
    draws = iter(list(run.batches(0)))
    loss = torch.rand(BATCH, requires_grad=True)
    yield {
        "what": f"report() of {BATCH}",
        "us": round(median_us(lambda: run.report(next(draws), loss=loss), 60), 1),
    }
    run.flush()


def resumption(subsetd: str, folder: str, repeats: int) -> Dict[str, Any]:
    """Seconds from a server's return to the next batch, which a client waits for all the while."""
    address = f"unix:{folder}/socket"

    def start() -> ServerProcess:
        return ServerProcess(subsetd, f"{folder}/again", [f"--listen={address}"])

    server = start()
    took = []
    with subset.connect(address) as client:
        client.ensure_dataset("d", num_samples=100_000)
        client.ensure_sampler("d/s", preset="uniform")
        run = client.run("r", sampler="d/s", global_batch_size=BATCH)
        batches = run.batches(0, in_flight=1)
        for _ in range(repeats):
            next(batches)
            server.kill()
            arrived: List[float] = []
            waiting = threading.Thread(
                target=lambda: arrived.append((next(batches), time.perf_counter())[1])
            )
            waiting.start()
            time.sleep(3.0)  # the backoff is at its longest by then
            server = start()
            serves = time.perf_counter()
            waiting.join()
            took.append(max(0.0, arrived[0] - serves))
    server.stop()
    return {"what": "a batch after the server's return", "seconds": round(max(took), 3)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subsetd", required=True, help="the server's binary")
    parser.add_argument("--json", type=pathlib.Path, help="write the rows here")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60, help="per epoch")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(args.subsetd, f"{folder}/data")
        with subset.connect(server.grpc_address) as client:
            rows = epochs(client, args.rounds, args.steps)
            rows += thread_costs(client)
        server.stop()
        rows.append(resumption(args.subsetd, folder, args.rounds))
    print(f"{'':<40} {'time':>10} {'waits':>8} {'sampler':>8} {'against RandomSampler':>22}")
    for row in rows:
        cost = f"{row['us']:.1f} us" if "us" in row else f"{row['seconds']:.3f} s"
        waits = f"{row['waits_percent']:.2f} %" if "waits_percent" in row else ""
        peer = f"{row['times_peer']:.3f}x" if "times_peer" in row else ""
        part = f"{row['sampler_percent']:.2f} %" if "sampler_percent" in row else ""
        print(f"{row['what']:<40} {cost:>10} {waits:>8} {part:>8} {peer:>22}")
    if args.json:
        args.json.write_text(json.dumps({"benchmark": "loader", "rows": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
