"""Leased blocks from a real server: who gets what, how long, and what becomes of it."""

from __future__ import annotations

import os
import pathlib
import pickle
import subprocess
import sys
import threading
import time
from typing import Any, List

import numpy as np
import pytest
from fake_server import FakeServer
from leasing import acknowledgers, make_run, other, take_and_die, until
from server_process import ServerProcess

import subset
from subset.v1 import training_pb2

SAMPLES, SIZE = 40, 10


def test_blocks_go_to_whoever_asks_and_the_epoch_ends_with_the_last_report(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name)
    workers = [other(run).leased_batches(0, worker=w) for w in ("fast", "slow")]
    seen: List[int] = []
    for turn in (0, 1, 0, 0):  # their speeds differ
        draw = workers[turn].take()
        assert draw is not None and draw.lease is not None
        assert (draw.worker, draw.attempt, len(draw)) == (workers[turn].worker, 1, SIZE)
        assert draw.mean(np.ones(SIZE, np.float32)) == pytest.approx(1.0)
        workers[turn].run.report(draw, loss=np.ones(SIZE))
        seen += draw.indices.tolist()
    assert sorted(seen) == list(range(SAMPLES))
    for worker in workers:
        assert list(worker) == [] and worker.complete
    assert acknowledgers(run) == ["fast"] * 10 + ["slow"] * 10 + ["fast"] * 20
    assert run.info().scored_samples == SAMPLES
    assert run.leases(0) == subset.Leases((), (), 0, 0)
    workers[0].run.flush(timeout=60)
    assert workers[0].run.stats()["held_leases"] == 0


def test_leased_and_assigned_delivery_draw_the_same_positions(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name, samples=43)
    for draw in run.leased_batches(0):
        again = run.batch(0, draw.position, len(draw))
        assert draw.indices.tolist() == again.indices.tolist()
        assert draw.weights.tolist() == again.weights.tolist()
        run.report(draw)


def test_two_workers_of_one_name_still_have_leases_of_their_own(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name)
    twins = [other(run).leased_batches(0, worker="twin") for _ in range(2)]
    draws = [twin.take() for twin in twins]
    assert draws[0] is not None and draws[1] is not None
    assert draws[0].position != draws[1].position and draws[0].lease != draws[1].lease
    for twin, draw in zip(twins, draws):
        assert twin.run.acknowledge(draw).acknowledged_positions == SIZE
    for draw in twins[0]:
        twins[0].run.report(draw)
    assert acknowledgers(run) == ["twin"] * SAMPLES


def test_what_a_dead_worker_had_is_delivered_again_and_said_so(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name)
    lost = take_and_die(other(run), "dead", 0.1)
    attempts = {}
    for draw in run.leased_batches(0, worker="alive"):
        run.report(draw)
        attempts[draw.position] = draw.attempt
    assert attempts == {p: 2 if p == lost.position else 1 for p in range(0, SAMPLES, SIZE)}
    assert run.stats()["redelivered_batches"] == 1
    assert acknowledgers(run) == ["alive"] * SAMPLES


def test_the_leases_of_a_living_worker_last_however_long_a_step_takes(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name)
    mine, its = run.leased_batches(0, worker="slow", lease_time=3.0), other(run)
    slow = mine.take()
    assert slow is not None and slow.lease is not None

    def drain() -> None:
        for draw in its.leased_batches(0, worker="fast"):
            its.report(draw)

    fast = threading.Thread(target=drain)
    fast.start()
    until(lambda: run.open_epoch(0).acknowledged_positions == SAMPLES - SIZE)
    began = time.monotonic()
    while time.monotonic() < began + 7.0:  # more than twice what it lasts without renewal
        (block,) = run.leases(0).leased
        assert (block.lease.id, block.worker) == (slow.lease.id, "slow")
        threading.Event().wait(0.05)
    assert fast.is_alive()  # it waits for what is left
    run.report(slow)
    fast.join(60)
    assert acknowledgers(run) == ["slow"] * SIZE + ["fast"] * (SAMPLES - SIZE)
    stats = run.stats()
    assert (stats["lost_leases"], stats["late_samples"], stats["stale_samples"]) == (0, 0, 0)


def test_an_iteration_ends_rather_than_wait_with_unreported_draws(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name)
    its = other(run).leased_batches(0, worker="its")
    theirs = its.take()
    batches = run.leased_batches(0, worker="mine")
    held = list(batches)  # as one who accumulates
    assert len(held) == 3 and not batches.complete
    for draw in held:
        run.report(draw)
    assert theirs is not None
    its.run.report(theirs)
    assert list(batches) == [] and batches.complete


def test_what_nobody_has_any_more_is_given_back(client: subset.Client, name: str) -> None:
    run = make_run(client, name)
    draw = next(iter(run.leased_batches(0, worker="careless")))
    its = other(run).leased_batches(0, worker="its")
    for taken in its:
        its.run.report(taken)
        if taken.position == SAMPLES - SIZE:
            break
    assert [b.worker for b in run.leases(0).leased][:1] == ["careless"]  # the draw keeps its lease
    with run.leased_batches(0, worker="leaver") as left:
        pass
    draw._source.close()
    for taken in its:  # far sooner than in 60 s
        assert (taken.position, taken.attempt) == (draw.position, 2)
        its.run.report(taken)
    assert its.complete and not left.complete
    run.report(draw)
    run.flush(timeout=60)
    assert run.stats()["already_acknowledged_samples"] == SIZE


def test_closing_the_run_gives_everything_back(client: subset.Client, name: str) -> None:
    run, its = make_run(client, name), None
    leaver = other(run)
    held = [draw for draw in leaver.leased_batches(0, worker="leaver")]
    assert len(held) == 4
    leaver.close()
    its = run.leased_batches(0, worker="its")
    for draw in its:
        assert draw.attempt == 2
        run.report(draw)
    assert its.complete


# Late, stale, forged: each is told apart.


def test_a_late_report_is_taken_and_counted(client: subset.Client, name: str) -> None:
    run = make_run(client, name)
    mine = other(run)
    batches = mine.leased_batches(0, worker="paused", lease_time=0.1)
    draw = batches.take()
    assert draw is not None
    mine._leases._closed = True  # as a process that is stopped: nothing is renewed
    until(lambda: run.leases(0).num_leased == 0)
    mine.report(draw, loss=np.ones(SIZE))
    mine.flush(timeout=60)
    stats = mine.stats()
    assert (stats["late_samples"], stats["stale_samples"], stats["refused_samples"]) == (SIZE, 0, 0)
    assert run.open_epoch(0).acknowledged_positions == SIZE


def test_a_stale_report_is_left_to_the_new_holder_and_costs_the_others_nothing(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name)
    paused = other(run)
    batches = paused.leased_batches(0, worker="paused", lease_time=0.1)
    late, fresh = batches.take(), None
    assert late is not None
    paused._leases._closed = True
    until(lambda: run.leases(0).num_leased == 0)
    mine = run.leased_batches(0, worker="next")
    taken = mine.take()
    assert taken is not None and (taken.position, taken.attempt) == (late.position, 2)
    fresh = batches.take()
    assert fresh is not None
    paused.report(late, loss=np.ones(SIZE))  # one message with the next
    paused.report(fresh, loss=np.ones(SIZE))
    paused.flush(timeout=60)
    stats = paused.stats()
    assert (stats["stale_samples"], stats["refused_samples"]) == (SIZE, 0)
    assert stats["reported_samples"] == SIZE
    with pytest.raises(subset.LeaseExpired, match='with worker "next" now') as caught:
        paused.acknowledge(late)
    assert isinstance(caught.value, subset.FailedPrecondition)
    assert caught.value.reason == "LEASE_EXPIRED"
    run.report(taken)
    run.flush(timeout=60)
    assert acknowledgers(run)[: 2 * SIZE] == ["next"] * SIZE + ["paused"] * SIZE
    # Now it is finished: known, and no error.
    assert paused.acknowledge(late) == subset.Acknowledged(0, 0, 0, duplicate=True)


def forged(draw: subset.Draw, *, worker: str = "", **lease: int) -> subset.Draw:
    """The draw with another name, or other numbers in its lease."""
    batch = training_pb2.Batch()
    batch.CopyFrom(draw._batch)
    for field, value in lease.items():
        setattr(batch.lease, field, value)
    return subset.Draw.from_reply(
        batch.SerializeToString(), run_uid=draw.run_uid, worker=worker or draw.worker
    )


@pytest.mark.parametrize(
    ("kind", "code", "reason", "forge"),
    [
        (subset.LeaseUnknown, subset.NotFound, "LEASE_UNKNOWN", {"id": 2**40}),
        (subset.LeaseUnknown, subset.NotFound, "LEASE_UNKNOWN", {"incarnation": 2**40}),
        (subset.LeaseUnknown, subset.NotFound, "LEASE_UNKNOWN", {"id": 0}),
        (subset.LeaseForeign, subset.PermissionDenied, "LEASE_FOREIGN", {"worker": "thief"}),
        (subset.LeaseForeign, subset.PermissionDenied, "LEASE_FOREIGN", {"run_uid": 2**40}),
        (
            subset.GenerationPassed,
            subset.FailedPrecondition,
            "GENERATION_PASSED",
            {"generation": 9},
        ),
    ],
)
def test_a_forged_lease_is_refused_and_changes_nothing(
    client: subset.Client, name: str, kind: Any, code: Any, reason: str, forge: Any
) -> None:
    run = make_run(client, name)
    draw = run.leased_batches(0, worker="owner").take()
    assert draw is not None
    for act in (run.acknowledge, lambda d: run.fail(d, "no")):
        with pytest.raises(kind) as caught:
            act(forged(draw, **forge))
        assert isinstance(caught.value, code) and caught.value.reason == reason
    run.report(forged(draw, **forge), loss=np.ones(SIZE))
    with pytest.raises(kind):
        run.flush(timeout=60)
    assert run.stats()["refused_samples"] == SIZE
    assert run.open_epoch(0).acknowledged_positions == 0
    assert run.info().scored_samples == 0
    assert run.acknowledge(draw).acknowledged_positions == SIZE


def test_a_server_that_restarts_ends_all_leases_and_loses_no_acknowledgement(
    subsetd: str, tmp_path: pathlib.Path, request: pytest.FixtureRequest
) -> None:
    address = f"unix:{tmp_path}/socket"

    def start() -> ServerProcess:
        process = ServerProcess(subsetd, str(tmp_path / "data"), [f"--listen={address}"])
        request.addfinalizer(process.kill)
        return process

    server = start()
    with subset.connect(address) as client:
        run = make_run(client, "d")
        batches = run.leased_batches(0, worker="w", lease_time=3.0)
        draw = batches.take()
        assert draw is not None
        server.kill()
        start()
        until(lambda: run.stats()["lost_leases"] == 1)  # the keeper went on asking
        run.report(draw)
        run.flush(timeout=60)  # before it takes the same block anew
        for taken in batches:
            run.report(taken)
        assert run.stats()["late_samples"] == SIZE
        assert acknowledgers(run) == ["w"] * SAMPLES


# Processes and misuse.


def test_leases_stay_in_their_process(client: subset.Client, name: str) -> None:
    run = make_run(client, name)
    batches = run.leased_batches(0)
    draw = batches.take()
    assert draw is not None
    busy, done = threading.Event(), threading.Event()

    def hold_the_lock() -> None:
        with run._leases._changed:
            busy.set()
            done.wait(60)

    holder = threading.Thread(target=hold_the_lock)  # as the keeper may when a worker is forked
    holder.start()
    busy.wait(60)
    child = os.fork()
    if child == 0:
        told = 0
        for call in (
            batches.take,
            lambda: run.report(draw),
            lambda: run.acknowledge(draw),
            lambda: run.fail(draw, "no"),
            lambda: run.leases(0),
            lambda: run.commit("c"),
        ):
            try:
                call()
            except subset.ForkedProcess:
                told += 1
        batches.close()
        run.close()
        os._exit(told)
    done.set()
    holder.join(60)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 6
    for thing in (batches, run.leased_batch_sampler()):
        with pytest.raises(TypeError, match="process"):
            pickle.dumps(thing)
    copy = pickle.loads(pickle.dumps(draw))  # a draw is a value, and may travel
    assert copy == draw and copy.lease == draw.lease and copy.worker == batches.worker
    run.report(copy)
    run.flush(timeout=60)
    assert run.stats()["held_leases"] == 0


def test_a_process_that_ends_gives_back_what_it_did_not_report(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name)
    script = (
        "import subset, sys\n"
        "run = subset.connect(sys.argv[1]).run(sys.argv[2], sampler=sys.argv[2] + '/s', seed=3)\n"
        "first, second = (run.leased_batches(0, worker='leaver').take() for _ in range(2))\n"
        "run.report(first)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, client.address, name],
        timeout=60,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    batches = run.leased_batches(0, worker="next")
    attempts = []
    for draw in batches:  # far sooner than in 60 s
        run.report(draw)
        attempts.append(draw.attempt)
    assert sorted(attempts) == [1, 1, 2]
    assert acknowledgers(run) == ["leaver"] * SIZE + ["next"] * (SAMPLES - SIZE)


def test_nothing_is_asked_before_the_first_block(fake: FakeServer) -> None:
    run = subset.connect(fake.address).run("run", sampler="d/s")
    run.leased_batches(0)
    iter(run.leased_batch_sampler())
    assert not fake.calls


@pytest.mark.parametrize(
    "settings",
    [
        {"worker": ""},
        {"worker": "w" * 129},
        {"batch_size": 0},
        {"batch_size": 65_537},
        {"lease_time": 0.05},
        {"lease_time": 86_401},
        {"lease_time": float("nan")},
        {"on_parked": "shout"},
    ],
)
def test_misuse_of_leased_batches(fake: FakeServer, settings: Any) -> None:
    run = subset.connect(fake.address).run("run", sampler="d/s", global_batch_size=10)
    (wrong,) = settings
    with pytest.raises(ValueError, match=wrong):
        run.leased_batches(0, **settings)
    with pytest.raises(ValueError, match=wrong):
        run.leased_batch_sampler(**settings)
