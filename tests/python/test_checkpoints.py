"""Commit, rollback and replay against a real server."""

from __future__ import annotations

from typing import Any, List

import grpc
import numpy as np
import pytest
from fake_server import FakeServer
from leasing import make_run, other, take_and_die

import subset
from subset.torch import draw_of

SAMPLES, SIZE = 40, 10


def train(run: subset.Run, steps: int, epoch: int = 0, loss: float = 1.0) -> List[subset.Draw]:
    draws = []
    for draw in run.batches(epoch):
        if len(draws) == steps:
            break
        run.report(draw, loss=np.full(len(draw), loss))
        draws.append(draw)
    return draws


def test_a_commit_ties_what_was_reported_to_the_checkpoint(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name)
    train(run, 2)
    made = run.commit("step-2")  # flushes
    assert (made.checkpoint_id, made.epoch, made.acknowledged_positions) == ("step-2", 0, 2 * SIZE)
    assert not made.scores_kept and made.generation == 0
    assert run.commit("step-2").commit_time >= made.commit_time  # the newer state from now on
    train(run, 3)
    run.commit("step-3")
    assert [c.checkpoint_id for c in run.info().checkpoints] == ["step-2", "step-3"]
    assert client.describe_run(name).checkpoints[-1].acknowledged_positions == 3 * SIZE


def test_a_rollback_returns_what_came_after_and_raises_the_generation(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name)
    train(run, 2)
    run.commit("a")
    train(run, 4)
    run.flush(timeout=60)
    assert run.open_epoch(0).acknowledged_positions == SAMPLES
    back = run.rollback("a")
    assert back == subset.RolledBack(generation=1, returned_positions=2 * SIZE, duplicate=False)
    assert run.open_epoch(0).acknowledged_positions == 2 * SIZE
    assert run.info().generation == 1
    draws = list(run.batches(0))  # the same plan
    assert {d.generation for d in draws} == {1}
    for draw in draws[2:]:
        run.report(draw)
    run.flush(timeout=60)
    assert run.open_epoch(0).acknowledged_positions == SAMPLES


@pytest.mark.parametrize(("kept", "reverted"), [(True, True), (True, False), (False, False)])
def test_scores_stay_unless_kept_and_asked_for(
    client: subset.Client, name: str, kept: bool, reverted: bool
) -> None:
    run = make_run(client, name, preset="importance")
    run.open_epoch(0)
    train(run, 4, loss=1.0)
    assert run.commit("a", keep_scores=kept).scores_kept == kept

    def score() -> Any:
        explained = client.explain_sample(f"{name}/s", 0, run=name)
        del explained["score_version"]  # a reverted table is a new version
        return explained

    before = score()
    draw = run.share(0, 0)
    run.report(subset.Draw.from_reply(_unplaced(draw), run_uid=run.uid), loss=np.full(SIZE, 9.0))
    run.flush(timeout=60)
    changed = score()
    assert changed != before
    run.rollback("a", revert_scores=reverted)
    assert score() == (before if reverted else changed)
    if not reverted:
        with pytest.raises(subset.FailedPrecondition) as caught:
            run.commit("b")
            run.rollback("b", revert_scores=True)
        assert caught.value.reason == "SCORES_GONE"


def _unplaced(draw: subset.Draw) -> bytes:
    """The batch as one drawn by the client itself: its values count, its positions do not."""
    from subset.v1 import training_pb2

    batch = training_pb2.Batch()
    batch.CopyFrom(draw._batch)
    batch.attempt = 0
    return batch.SerializeToString()


def test_reports_of_older_draws_are_refused_wherever_they_come_from(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name)
    straggler = other(run)
    run.commit("start")
    old, mine = straggler.share(0, 0), run.share(0, 1)
    run.rollback("start")
    straggler.report(old, loss=np.ones(SIZE))
    with pytest.raises(subset.GenerationPassed, match="generation 0") as caught:
        straggler.flush(timeout=60)
    assert caught.value.reason == "GENERATION_PASSED"
    with pytest.raises(subset.GenerationPassed):
        straggler.acknowledge(old)
    assert straggler.stats()["refused_samples"] == SIZE
    with pytest.raises(subset.GenerationPassed, match="load the checkpoint"):
        run.report(mine)  # this process knows without asking
    assert run.open_epoch(0).acknowledged_positions == 0
    assert run.info().scored_samples == 0


def test_reports_that_wait_when_their_own_process_rolls_back_are_dropped_and_counted(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name)
    run.commit("start")
    run._reporter._linger = 60.0  # they wait for company
    for draw in run.batches(0):
        run.report(draw)
    run.rollback("start")
    run.flush(timeout=60)  # and that is no failure
    assert run.stats()["stale_samples"] == SAMPLES
    assert run.open_epoch(0).acknowledged_positions == 0
    run.report(run.share(0, 0))
    run.flush(timeout=60)
    assert run.open_epoch(0).acknowledged_positions == SIZE


def test_batches_fetched_before_a_rollback_are_not_given_out_after_it(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name)
    batches = run.batch_sampler(prefetch=4)
    run.commit("start")
    start = batches.state_dict()
    iterator = iter(batches)
    first = draw_of(next(iterator))
    run.rollback("start")
    with pytest.raises(subset.GenerationPassed, match="iterate anew"):
        list(iterator)
    batches.load_state_dict(start)
    again = [draw_of(b) for b in batches]
    assert [d.step for d in again] == [0, 1, 2, 3]
    assert again[0].indices.tolist() == first.indices.tolist()
    for draw in again:
        run.report(draw)
    run.flush(timeout=60)
    assert run.open_epoch(0).acknowledged_positions == SAMPLES


def test_a_rollback_ends_leases_and_delivers_again(client: subset.Client, name: str) -> None:
    run = make_run(client, name)
    batches = run.leased_batches(0, worker="w")
    kept = batches.take()
    assert kept is not None
    run.report(kept)
    run.commit("a")
    for draw in batches:
        run.report(draw)
    gone = take_and_die(run, "x", 60.0, epoch=1)
    run.flush(timeout=60)
    run.rollback("a")
    with pytest.raises(subset.GenerationPassed):
        run.acknowledge(gone)
    again = run.leased_batches(0, worker="w")
    for draw in again:
        assert (draw.generation, draw.attempt) == (1, 2)
        run.report(draw)
    assert again.complete
    run.flush(timeout=60)
    assert run.open_epoch(0).acknowledged_positions == SAMPLES


def test_unknown_checkpoints_are_refused_and_change_nothing(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name)
    run.commit("a")
    train(run, 1)
    run.flush(timeout=60)
    before = run.info()
    with pytest.raises(subset.CheckpointGone, match='"b" is not known') as caught:
        run.rollback("b")
    assert caught.value.reason == "CHECKPOINT_GONE"
    for checkpoint_id in ("", "x" * 257):
        with pytest.raises(subset.InvalidArgument) as bad:
            run.commit(checkpoint_id)
        assert bad.value.field == "checkpoint_id"
    assert run.info() == before
    for number in range(17):
        run.commit(f"c{number}")
    assert len(run.info().checkpoints) == 16
    with pytest.raises(subset.CheckpointGone):
        run.rollback("c0")


def test_a_report_the_server_refuses_keeps_the_commit_from_being_made(
    client: subset.Client, name: str
) -> None:
    run = client.run(
        make_run(client, name).name, sampler=f"{name}/s", seed=3, unusable="raise"
    )
    run.report(run.share(0, 0), loss=np.full(SIZE, np.nan))
    with pytest.raises(subset.InvalidArgument):
        run.commit("a")
    assert run.info().checkpoints == ()


def test_a_replay_is_the_batch_as_it_was_served_and_who_acknowledged_it(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name, preset="importance")
    draws = list(run.leased_batches(0, worker="w"))
    run.report(draws[0], loss=np.ones(SIZE))
    run.acknowledge(draws[1])
    run.flush(timeout=60)
    for draw in draws:
        replay = run.replay(0, position=draw.position, size=len(draw))
        for what in ("indices", "weights", "probabilities"):
            assert getattr(replay, what).tolist() == getattr(draw, what).tolist()
        assert replay.sampler_version == draw.sampler_version
        assert replay.score_version == draw.score_version
    served = run.replay(0, position=0, size=3 * SIZE).acknowledged
    assert [(b.worker, b.attempt) for b in served] == [("w", 1)] * len(served)
    assert sum(b.num_positions for b in served) == 2 * SIZE
    share = run.replay(0, step=1, rank=1, world_size=3)
    assert share.indices.tolist() == run.share(0, 1, rank=1, world_size=3).indices.tolist()
    with pytest.raises(subset.FailedPrecondition) as caught:
        run.replay(7, step=0)
    assert caught.value.reason == "EPOCH_NOT_OPEN"
    assert [e.epoch for e in run.info().epochs] == [0]  # it opened nothing
    for arguments in ({}, {"position": 0}, {"size": 1}, {"step": 0, "position": 0, "size": 1}):
        with pytest.raises(ValueError, match="give position and size, or step"):
            run.replay(0, **arguments)


def test_a_run_can_start_with_the_scores_of_another(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="importance")
    train(run, 4, loss=2.0)
    run.flush(timeout=60)
    copy = client.run(
        f"{name}-copy",
        sampler=f"{name}/s",
        global_batch_size=SIZE,
        copy_scores_from=name,
        score_ema={"loss": 0.5},
        time_to_live=3600.0,
    )
    assert copy.info().scored_samples == run.info().scored_samples > 0
    with pytest.raises(subset.NotFound):
        client.run(
            f"{name}-x", sampler=f"{name}/s", global_batch_size=1, copy_scores_from="nobody"
        )


def test_a_rollback_whose_answer_was_lost_is_done_once(fake: FakeServer) -> None:
    # The request names the generation the run had: sent again it is known as done.
    from fake_server import Fault

    run = subset.connect(fake.address).run("run", sampler="d/s", global_batch_size=10)
    fake.faults["Rollback"].append(Fault(grpc.StatusCode.UNAVAILABLE, handled=True))
    assert run.rollback("a") == subset.RolledBack(1, 0, duplicate=True)
    assert fake.calls["Rollback"] == 2
