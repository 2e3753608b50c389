"""CPU of the Python client per batch of 8192, against `repeated` fields decoded into numpy.

Ours: the package's stream from a real subsetd, uniform over 1e7 samples, 8 in flight, each batch
looked at as a numpy array. Peers: an echo server that streams one static reply of the same indices
as repeated uint64 (varints) and repeated fixed64, read with the same requests in flight, then
numpy.array(). Rounds are interleaved; only this process's CPU counts, all threads; the servers are
other processes.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent import futures
from typing import Any, Callable, Dict, Iterator, List

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
for path in (ROOT / "tests" / "testing", ROOT / "client" / "python"):
    sys.path.insert(0, str(path))

import grpc  # noqa: E402
import numpy as np  # noqa: E402
import subset  # noqa: E402
from server_process import ServerProcess  # noqa: E402

BATCH = 8192
IN_FLIGHT = 8
SAMPLES = 10_000_000
METHOD = "/subset.bench.Peer/"


def load_peer(folder: str) -> Any:
    """The messages of peer.proto."""
    subprocess.run(["protoc", f"-I{HERE}", f"--python_out={folder}", "peer.proto"], check=True)
    sys.path.insert(0, folder)
    return importlib.import_module("peer_pb2")


def serve() -> None:
    """The echo server: one static reply per kind; prints its port and serves until stdin closes."""
    with tempfile.TemporaryDirectory() as folder:
        peer = load_peer(folder)
        indices = np.random.default_rng(1).integers(0, SAMPLES, BATCH).tolist()
        replies = {
            kind: peer.PeerBatch(
                epoch=1, position=1, probability=1.0, weight=1.0, **{kind: indices}
            ).SerializeToString()
            for kind in ("varint", "fixed")
        }

        def handler(kind: str) -> Any:
            def stream(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
                for _ in requests:
                    yield replies[kind]

            return grpc.stream_stream_rpc_method_handler(stream)  # bytes in, bytes out

        server = grpc.server(futures.ThreadPoolExecutor(4))
        server.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler(
                    "subset.bench.Peer", {kind: handler(kind) for kind in replies}
                )
            ]
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        print(port, flush=True)
        sys.stdin.read()
        server.stop(None).wait()


def peer_batches(channel: Any, peer: Any, kind: str, batches: int) -> Iterator[np.ndarray]:
    """As the package's stream does it: IN_FLIGHT requests outstanding."""
    credits = threading.Semaphore(IN_FLIGHT)

    def requests() -> Iterator[Any]:
        for step in range(batches):
            credits.acquire()
            yield peer.PeerRequest(step=step)

    call = channel.stream_stream(
        METHOD + kind,
        request_serializer=peer.PeerRequest.SerializeToString,
        response_deserializer=peer.PeerBatch.FromString,
    )
    for reply in call(requests()):
        credits.release()
        yield np.array(getattr(reply, kind), np.uint64)


def our_batches(run: subset.Run, epoch: int, batches: int) -> Iterator[np.ndarray]:
    """The first `batches` of an epoch."""
    stream = run.batches(epoch, in_flight=IN_FLIGHT)
    for _ in range(batches):
        yield next(stream).indices
    stream.close()


def cpu_per_batch(batches: int, read: Callable[[], Iterator[np.ndarray]]) -> float:
    """Seconds of this process's CPU."""
    began = time.process_time()
    seen = 0
    for indices in read():
        assert indices.shape == (BATCH,)
        seen += int(indices[-1] >= 0)
    assert seen == batches
    return (time.process_time() - began) / batches


def measure(subsetd: str, rounds: int, batches: int) -> List[Dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        peer = load_peer(folder)
        echo = subprocess.Popen(
            [sys.executable, __file__, "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        server = ServerProcess(subsetd, f"{folder}/data")
        try:
            assert echo.stdout is not None
            channel = grpc.insecure_channel(f"127.0.0.1:{int(echo.stdout.readline())}")
            with subset.connect(server.grpc_address) as client:
                client.ensure_dataset("bench", num_samples=SAMPLES)
                client.ensure_sampler("bench/uniform", preset="uniform")
                run = client.run("bench", sampler="bench/uniform", global_batch_size=BATCH)
                run.open_epoch(0)
                readers: Dict[str, Callable[[], Iterator[np.ndarray]]] = {
                    "subset": lambda: our_batches(run, 0, batches),
                    "repeated uint64": lambda: peer_batches(channel, peer, "varint", batches),
                    "repeated fixed64": lambda: peer_batches(channel, peer, "fixed", batches),
                }
                took: Dict[str, List[float]] = {name: [] for name in readers}
                for _ in range(rounds + 1):  # the first warms up
                    for name, read in readers.items():
                        took[name].append(cpu_per_batch(batches, read))
            channel.close()
        finally:
            if echo.stdin is not None:
                echo.stdin.close()
            echo.wait(timeout=30)
            server.stop()
    ours = took["subset"][1:]
    return [
        {
            "client": name,
            "batch": BATCH,
            "cpu_us_per_batch": round(1e6 * statistics.median(times[1:]), 1),
            "times_subset": round(statistics.median(t / o for t, o in zip(times[1:], ours)), 2),
        }
        for name, times in took.items()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subsetd", help="the server's binary")
    parser.add_argument("--json", type=pathlib.Path, help="write the rows here")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batches", type=int, default=500, help="per round and client")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve()
        return 0
    if not args.subsetd:
        parser.error("--subsetd is required")
    rows = measure(args.subsetd, args.rounds, args.batches)
    print(f"{'client':<18} {'CPU per batch':>14} {'against ours':>13}")
    for row in rows:
        print(
            f"{row['client']:<18} {row['cpu_us_per_batch']:>11.1f} us {row['times_subset']:>12.2f}x"
        )
    if args.json:
        args.json.write_text(
            json.dumps({"benchmark": "python_client", "rows": rows}, indent=1) + "\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
