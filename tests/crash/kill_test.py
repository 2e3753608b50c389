"""Kills a real server under load and checks it against an expectation kept outside (contract C1-C6).

Writers report scores, half of them DURABLE and half APPLIED (which survives a killed process too);
trainers draw batches and acknowledge them; then SIGKILL, restart on the same directory, and every
message without an answer is sent again with its sequence. After each cycle:

  * no acknowledged message is lost and none is applied twice (the run counts them, C1, C2);
  * every score is the last one reported, read back from exact draw probabilities (C3);
  * every address gives the batch it gave before (C6);
  * exactly the acknowledged positions are acknowledged (C4);
  * versions rise (C5).

With n cycles and no failure, the rate of failing kills is below 3/n with 95 % confidence.
The seed is printed; --seed replays it, --cycles runs more.
"""

from __future__ import annotations

import argparse
import itertools
import pathlib
import random
import signal
import sys
import tempfile
import threading
import time

import grpc
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "testing"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "client/python"))

from server_process import ServerProcess  # noqa: E402
from subset.v1 import dataset_pb2, dataset_pb2_grpc  # noqa: E402
from subset.v1 import sampler_pb2, sampler_pb2_grpc  # noqa: E402
from subset.v1 import training_pb2, training_pb2_grpc  # noqa: E402

SAMPLES = 2048
WRITERS = 8
TRAINERS = 4
ITEMS = 64
BATCH = 32
RPC_DEADLINE = 5.0  # seconds; a call to a killed server fails at once


class Services:
    """Stubs on a fresh channel to wherever the server listens now."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])
        self.datasets = dataset_pb2_grpc.DatasetServiceStub(self.channel)
        self.samplers = sampler_pb2_grpc.SamplerServiceStub(self.channel)
        self.training = training_pb2_grpc.TrainingServiceStub(self.channel)


class Writer:
    """Reports scores of the samples it owns: those congruent to its number."""

    def __init__(self, number: int, run_uid: int, session: int, rng: np.random.Generator) -> None:
        self.owned = np.arange(number, SAMPLES, WRITERS, dtype="<u4")
        self.run_uid, self.session, self.rng = run_uid, session, rng
        self.durability = (
            training_pb2.DURABILITY_DURABLE if number % 2 else training_pb2.DURABILITY_APPLIED
        )
        self.scores = np.zeros(SAMPLES, dtype=np.float32)  # what must be on the server
        self.sequence = 0
        self.unanswered: training_pb2.ReportFeedbackRequest | None = None

    def step(self, services: Services) -> None:
        """Sends the unanswered message again, or a new one; raises grpc.RpcError if it fails."""
        if self.unanswered is None:
            self.sequence += 1
            indices = self.rng.choice(self.owned, ITEMS)  # repeats are legal: values apply in order
            values = self.rng.uniform(0.5, 8.0, ITEMS).astype("<f4")
            for index, value in zip(indices, values):
                self.scores[index] = value
            self.unanswered = training_pb2.ReportFeedbackRequest(
                run_uid=self.run_uid,
                session_id=self.session,
                sequence=self.sequence,
                durability=self.durability,
                feedback=[
                    training_pb2.Feedback(
                        indices=indices.astype("<u4").tobytes(),
                        values=[training_pb2.FloatColumn(name="loss", values=values.tobytes())],
                    )
                ],
            )
        services.training.ReportFeedback(self.unanswered, timeout=RPC_DEADLINE)
        self.unanswered = None


class Trainer:
    """Takes the next step of a shared counter, remembers its batch, and acknowledges it."""

    def __init__(self, steps, run_uid: int, session: int, rng: random.Random) -> None:
        self.steps, self.run_uid, self.session, self.rng = steps, run_uid, session, rng
        self.taken: int | None = None  # a step that is drawn but not yet acknowledged
        self.batches: dict[tuple[int, int], bytes] = {}
        self.sequence = 0
        self.unanswered: training_pb2.ReportFeedbackRequest | None = None
        self.acknowledged: dict[int, int] = {}  # epoch -> positions

    def draw(self, services: Services, epoch: int, step: int) -> training_pb2.Batch:
        return services.training.GetBatch(
            training_pb2.GetBatchRequest(
                run_uid=self.run_uid,
                epoch=epoch,
                assigned=training_pb2.GetBatchRequest.Assigned(step=step, rank=0, world_size=1),
            ),
            timeout=RPC_DEADLINE,
        )

    def step(self, services: Services) -> None:
        if self.unanswered is None:
            if self.taken is None:
                self.taken = next(self.steps)  # one step at a time under the interpreter's lock
            epoch, step = divmod(self.taken, SAMPLES // BATCH)
            batch = self.draw(services, epoch, step)
            known = self.batches.setdefault((epoch, step), batch.indices)
            assert known == batch.indices, f"epoch {epoch} step {step} changed"
            if self.rng.random() < 0.3:  # and an older address again
                old = self.rng.choice([key for key in self.batches if key[0] >= epoch - 1])
                assert self.draw(services, *old).indices == self.batches[old], f"{old} changed"
            self.sequence += 1
            self.unanswered = training_pb2.ReportFeedbackRequest(
                run_uid=self.run_uid,
                session_id=self.session,
                sequence=self.sequence,
                feedback=[
                    training_pb2.Feedback(
                        epoch=epoch, position=batch.position, attempt=1, indices=batch.indices
                    )
                ],
            )
        services.training.ReportFeedback(self.unanswered, timeout=RPC_DEADLINE)
        epoch = self.unanswered.feedback[0].epoch
        self.acknowledged[epoch] = self.acknowledged.get(epoch, 0) + BATCH
        self.taken = self.unanswered = None


def work_until_killed(clients: list[Writer | Trainer], services: Services, seconds: float, kill) -> None:
    """Runs every client on a thread of its own, kills the server after `seconds`, joins."""
    failures: list[BaseException] = []

    def loop(client: Writer | Trainer) -> None:
        try:
            while True:
                client.step(services)
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                failures.append(error)
        except BaseException as error:  # shown by the main thread
            failures.append(error)

    threads = [threading.Thread(target=loop, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    threads[0].join(seconds)
    kill()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def expected_scores(writers: list[Writer]) -> np.ndarray:
    return np.sum([writer.scores for writer in writers], axis=0)  # owned samples are disjoint


def check(services: Services, writers: list[Writer], trainers: list[Trainer], cycle: int) -> int:
    """Compares the server with the expectation; returns the incarnation."""
    scored = services.training.GetRun(training_pb2.GetRunRequest(name="scored"))
    messages = sum(writer.sequence for writer in writers)
    assert scored.score_version.records == messages, (scored.score_version.records, messages)

    # With every score_power probability exact for its 16-bit leaf (within 2^-13 of the score), the
    # probabilities of a fresh epoch say what each score is.
    expectation = expected_scores(writers)
    epoch = services.training.OpenEpoch(
        training_pb2.OpenEpochRequest(run_uid=scored.uid, epoch=cycle, now=True), timeout=RPC_DEADLINE
    )
    batch = services.training.GetBatch(
        training_pb2.GetBatchRequest(
            run_uid=scored.uid,
            epoch=cycle,
            positions=training_pb2.GetBatchRequest.Positions(batch_size=epoch.num_positions),
        ),
        timeout=RPC_DEADLINE,
    )
    indices = np.frombuffer(batch.indices, "<u4")
    probabilities = np.frombuffer(batch.probabilities, "<f8")
    assert np.all(expectation[indices] > 0), "a sample that was never scored was drawn"
    scale = probabilities / expectation[indices]
    spread = scale.max() / scale.min() - 1
    assert spread < 2**-11, f"scores differ from the expectation by a factor of {1 + spread}"
    assert scored.scored_samples == np.count_nonzero(expectation)

    uniform = services.training.GetRun(training_pb2.GetRunRequest(name="uniform"))
    for state in uniform.epochs:
        acknowledged = sum(trainer.acknowledged.get(state.epoch, 0) for trainer in trainers)
        assert state.acknowledged_positions == acknowledged, (state, acknowledged)
    return scored.score_version.incarnation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subsetd", required=True)
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--seed", type=int, default=20261123)
    args = parser.parse_args()
    print(f"seed {args.seed}")
    rng = random.Random(args.seed)

    with tempfile.TemporaryDirectory() as folder:
        # A small log limit, so that kills also meet folds.
        server = ServerProcess(args.subsetd, folder, extra=["--min_fold_bytes=262144"])
        services = Services(server.grpc_address)
        header = dataset_pb2.ImportDatasetRequest.Header(dataset="kill", num_samples=SAMPLES)
        services.datasets.ImportDataset(iter([dataset_pb2.ImportDatasetRequest(header=header)]))
        prior = sampler_pb2.Guard(unscored=sampler_pb2.Guard.PRIOR, unscored_prior=0)
        power = sampler_pb2.Preference.ScorePower(alpha=1)
        specs = {
            "scored": sampler_pb2.SamplerSpec(
                preference=sampler_pb2.Preference(score_power=power), guard=prior
            ),
            "uniform": sampler_pb2.SamplerSpec(),
        }
        runs = {}
        for name, spec in specs.items():
            services.samplers.CreateSampler(
                sampler_pb2.CreateSamplerRequest(name=f"kill/{name}", spec=spec)
            )
            runs[name] = services.training.CreateRun(
                training_pb2.CreateRunRequest(
                    name=name, sampler=f"kill/{name}", seed=args.seed, global_batch_size=BATCH
                )
            ).uid

        def session(run: str) -> int:
            request = training_pb2.OpenSessionRequest(run_uid=runs[run])
            return services.training.OpenSession(request).session_id

        writers = [
            Writer(i, runs["scored"], session("scored"), np.random.default_rng([args.seed, i]))
            for i in range(WRITERS)
        ]
        steps = itertools.count()
        trainers = [
            Trainer(steps, runs["uniform"], session("uniform"), random.Random(args.seed + i))
            for i in range(TRAINERS)
        ]
        clients: list[Writer | Trainer] = [*writers, *trainers]
        incarnation = 0
        started = time.monotonic()
        for cycle in range(args.cycles):
            work_until_killed(
                clients, services, rng.uniform(0.2, 1.5), lambda: server.kill(signal.SIGKILL)
            )
            server = ServerProcess(args.subsetd, folder, extra=["--min_fold_bytes=262144"])
            services.channel.close()
            services = Services(server.grpc_address)
            resent = 0
            for client in clients:
                if client.unanswered is not None:
                    client.step(services)
                    resent += 1
            now = check(services, writers, trainers, cycle)
            assert now > incarnation, (now, incarnation)
            incarnation = now
            print(
                f"cycle {cycle}: {sum(w.sequence for w in writers)} messages, {resent} sent again, "
                f"{sum(len(t.batches) for t in trainers)} batches, incarnation {incarnation}",
                flush=True,
            )
        server.stop()
        print(
            f"{args.cycles} kills in {time.monotonic() - started:.0f} s: nothing acknowledged was lost, "
            f"nothing applied twice; failing kills < {3 / args.cycles:.3f} with 95 % confidence"
        )


if __name__ == "__main__":
    main()
