"""Leased epochs of a real server, with workers that die and pause and a server that is killed.

After each epoch: every index was acknowledged exactly once, and what was delivered more than once is
at most the leases that ended: their worker died, their server was killed, or their time ran out
before the acknowledgement was answered. A worker is a thread; it dies by forgetting what it holds,
and comes back under another name. Acknowledgements whose answer is lost are sent again, and counted
when the server says what became of them.

The seed is printed; --seed replays the workers' choices (not the threads' timing).
"""

from __future__ import annotations

import argparse
import pathlib
import random
import sys
import tempfile
import threading
import time

import grpc
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "testing"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "client/python"))

from google.protobuf import duration_pb2  # noqa: E402
from server_process import ServerProcess  # noqa: E402
from subset.v1 import dataset_pb2, dataset_pb2_grpc  # noqa: E402
from subset.v1 import sampler_pb2, sampler_pb2_grpc  # noqa: E402
from subset.v1 import training_pb2, training_pb2_grpc  # noqa: E402

AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)
LEASE_SECONDS = 2
STEPS_TO_DEATH = 150  # mean
STEPS_TO_PAUSE = 300  # mean, past the lease


class Server:
    """The server and how to reach it now."""

    def __init__(self, subsetd: str, data_dir: str) -> None:
        self._subsetd, self._data_dir = subsetd, data_dir
        self.incarnation = 1
        self.up = threading.Event()
        self._start()

    def _start(self) -> None:
        self.process = ServerProcess(self._subsetd, self._data_dir)
        options = [("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.insecure_channel(self.process.grpc_address, options)
        self.training = training_pb2_grpc.TrainingServiceStub(self.channel)
        self.up.set()

    def kill_and_restart(self) -> None:
        self.up.clear()
        self.process.kill()
        self.incarnation += 1  # before anybody can hear from the next one
        self._start()


class Epoch:
    """What was delivered and acknowledged in one epoch. Thread-safe."""

    def __init__(self, samples: int) -> None:
        self._changed = threading.Condition()
        self.acknowledged = np.zeros(samples, dtype=np.int32)
        self.deliveries: dict[int, int] = {}  # by position
        self.leases_ended = 0
        self.complete = threading.Event()
        self.error: BaseException | None = None

    def delivered(self, batch: training_pb2.Batch) -> None:
        with self._changed:
            times = self.deliveries.get(batch.position, 0) + 1
            self.deliveries[batch.position] = times
            self._changed.notify_all()
        assert times == 1 or batch.attempt > 1, f"position {batch.position} again, attempt 1"

    def finish(self, error: BaseException | None = None) -> None:
        with self._changed:
            self.error = self.error or error
            self.complete.set()
            self._changed.notify_all()

    def wait_for_blocks(self, blocks: int) -> bool:
        """Waits until so many different blocks were delivered; False if the epoch ends before."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.deliveries) >= blocks or self.complete.is_set())
        return not self.complete.is_set()

    def count(self, indices: np.ndarray) -> None:
        with self._changed:
            np.add.at(self.acknowledged, indices, 1)

    def ended(self, leases: int) -> None:
        with self._changed:
            self.leases_ended += leases

    def check(self) -> str:
        wrong = np.flatnonzero(self.acknowledged != 1)
        assert not len(wrong), f"{len(wrong)} indices, such as {wrong[0]}: {self.acknowledged[wrong[0]]}"
        duplicates = sum(self.deliveries.values()) - len(self.deliveries)
        assert duplicates <= self.leases_ended, (duplicates, self.leases_ended)
        return f"{len(self.deliveries)} blocks, {duplicates} again, {self.leases_ended} leases ended"


class Worker:
    """Takes blocks and acknowledges them, dies and pauses, until the epoch is complete."""

    def __init__(self, server: Server, run_uid: int, number: int, epoch: int, state: Epoch,
                 rng: random.Random) -> None:
        self._server, self._run_uid, self._epoch, self._state = server, run_uid, epoch, state
        self._number, self._rng = number, rng
        self._lives = 0
        self._held: list[tuple[training_pb2.Batch, float]] = []  # and when it was asked for

    @property
    def name(self) -> str:
        return f"w{self._number}.{self._lives}"

    def work(self) -> None:
        try:
            while not self._state.complete.is_set():
                self._step()
            self._state.ended(sum(self._is_over(*held) for held in self._held))
        except BaseException as error:  # the main thread raises it
            self._state.finish(error)

    def _step(self) -> None:
        if self._rng.random() < 1 / STEPS_TO_DEATH:
            self._state.ended(len(self._held))
            self._held, self._lives = [], self._lives + 1
        elif self._held and self._rng.random() < 1 / STEPS_TO_PAUSE:
            self._state.complete.wait(LEASE_SECONDS + 0.2)
        elif self._held and (len(self._held) == 3 or self._rng.random() < 0.5):
            batch, asked = self._held.pop(0)
            self._acknowledge(batch)
            self._state.ended(self._is_over(batch, asked))
        else:
            self._acquire()

    def _is_over(self, batch: training_pb2.Batch, asked: float) -> bool:
        """Whether the lease may have ended by now, though its worker lives."""
        return (time.monotonic() - asked >= LEASE_SECONDS
                or batch.lease.incarnation != self._server.incarnation)

    def _acquire(self) -> None:
        asked = time.monotonic()
        request = training_pb2.GetBatchRequest(
            run_uid=self._run_uid,
            epoch=self._epoch,
            leased=training_pb2.GetBatchRequest.Leased(
                worker=self.name, lease_time=duration_pb2.Duration(seconds=LEASE_SECONDS)
            ),
        )
        try:
            batch = self._server.training.GetBatch(request, timeout=5)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.OUT_OF_RANGE:
                self._state.finish()
            elif error.code() in AWAY:
                self._state.ended(1)  # the answer may have been on its way
                self._server.up.wait()
            else:
                raise
            return
        if batch.HasField("retry_after"):
            if not self._held:
                self._state.complete.wait(batch.retry_after.ToTimedelta().total_seconds())
            return
        self._state.delivered(batch)
        self._held.append((batch, asked))

    def _acknowledge(self, batch: training_pb2.Batch) -> None:
        indices = np.frombuffer(batch.indices, "<u4")
        request = training_pb2.AcknowledgeRequest(
            run_uid=self._run_uid,
            acknowledgements=[
                training_pb2.Acknowledgement(
                    epoch=batch.epoch, position=batch.position, num_positions=len(indices),
                    lease=batch.lease, worker=self.name, attempt=batch.attempt,
                )
            ],
        )
        unanswered = False
        while True:
            try:
                reply = self._server.training.Acknowledge(request, timeout=5)
            except grpc.RpcError as error:
                if error.code() in AWAY:
                    unanswered = True
                    self._server.up.wait()
                    continue
                assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
                return  # somebody else has it now
            # Unanswered, it may have counted the first time: whether this worker's did, the replay
            # of the epoch's audit says.
            if not reply.duplicate or (unanswered and self._is_ours(batch)):
                self._state.count(indices)
            return

    def _is_ours(self, batch: training_pb2.Batch) -> bool:
        request = training_pb2.GetBatchRequest(
            run_uid=self._run_uid, epoch=batch.epoch, replay=True,
            positions=training_pb2.GetBatchRequest.Positions(
                position=batch.position, batch_size=len(batch.indices) // 4
            ),
        )
        while True:
            try:
                replay = self._server.training.GetBatch(request, timeout=5)
                break
            except grpc.RpcError as error:
                if error.code() not in AWAY:
                    raise
                self._server.up.wait()
        assert replay.indices == batch.indices
        return [entry.worker for entry in replay.acknowledged] == [self.name]


def run_epoch(server: Server, run_uid: int, epoch: int, workers: int, flags: argparse.Namespace,
              kills: int, rng: random.Random) -> str:
    state = Epoch(flags.samples)
    team = [
        Worker(server, run_uid, number, epoch, state, random.Random(rng.random()))
        for number in range(workers)
    ]
    threads = [threading.Thread(target=worker.work, daemon=True) for worker in team]
    for thread in threads:
        thread.start()
    for blocks in sorted(rng.randrange(1, flags.samples // flags.batch) for _ in range(kills)):
        if not state.wait_for_blocks(blocks):
            break
        server.kill_and_restart()
    for thread in threads:
        thread.join()
    if state.error is not None:
        raise state.error
    return state.check()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--subsetd", required=True)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--kills", type=int, default=1, help="of the server, in every third epoch")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    flags = parser.parse_args()
    print(f"--seed {flags.seed}", flush=True)
    rng = random.Random(flags.seed)
    with tempfile.TemporaryDirectory() as data_dir:
        server = Server(flags.subsetd, data_dir)
        header = dataset_pb2.ImportDatasetRequest.Header(dataset="d", num_samples=flags.samples)
        dataset_pb2_grpc.DatasetServiceStub(server.channel).ImportDataset(
            iter([dataset_pb2.ImportDatasetRequest(header=header)])
        )
        sampler_pb2_grpc.SamplerServiceStub(server.channel).CreateSampler(
            sampler_pb2.CreateSamplerRequest(name="d/u", preset=sampler_pb2.PresetChoice(name="uniform"))
        )
        run = server.training.CreateRun(
            training_pb2.CreateRunRequest(
                name="r", sampler="d/u", seed=flags.seed, global_batch_size=flags.batch
            )
        )
        for epoch in range(flags.epochs):
            workers = (1, 4, 64)[epoch % 3]
            kills = flags.kills if (epoch // 3) % 2 == 0 else 0
            began = time.monotonic()
            said = run_epoch(server, run.uid, epoch, workers, flags, kills, rng)
            print(f"epoch {epoch}, {workers} workers: {said}, {time.monotonic() - began:.1f} s",
                  flush=True)
        now = server.training.GetRun(training_pb2.GetRunRequest(name="r"))
        assert now.score_version.incarnation == server.incarnation
        print(f"{flags.epochs} epochs of {flags.samples}, {server.incarnation - 1} kills: no violation")
        server.process.stop()


if __name__ == "__main__":
    main()
