"""The package against a real server: what each preset promises, refusals, restarts."""

from __future__ import annotations

import pathlib
import signal
import threading
from typing import Any, Dict, List

import numpy as np
import pytest
from server_process import ServerProcess

import subset
from subset.torch import draw_of
from subset.v1 import training_pb2

SAMPLES = 1_000
CLASSES = 5
# Uneven classes: 400, 300, 200, 75, 25.
LABELS = np.repeat(np.arange(CLASSES), [400, 300, 200, 75, 25]).astype(np.uint8)


def losses(indices: np.ndarray) -> np.ndarray:
    """A loss that differs from sample to sample, in (0, 2]."""
    return ((indices.astype(np.int64) * 7919 % SAMPLES + 1) / SAMPLES * 2).astype(np.float32)


def make_run(
    client: subset.Client, name: str, *, size: int = 64, seed: int = 3, **definition: Any
) -> subset.Run:
    client.ensure_dataset(name, label=LABELS)
    client.ensure_sampler(f"{name}/s", **definition)
    return client.run(name, sampler=f"{name}/s", seed=seed, global_batch_size=size)


def train_epoch(run: subset.Run, epoch: int) -> List[subset.Draw]:
    """Draws an epoch and reports the losses of its samples."""
    draws = list(run.batches(epoch))
    for draw in draws:
        run.report(draw, loss=losses(draw.indices))
    run.flush(timeout=60)
    return draws


def joined(draws: List[subset.Draw], what: str) -> np.ndarray:
    return np.concatenate([getattr(draw, what) for draw in draws])


# What each preset promises.


def test_uniform_covers_every_sample_once_an_epoch_in_another_order(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name, preset="uniform")
    epochs = [train_epoch(run, epoch) for epoch in range(3)]
    for draws in epochs:
        assert sorted(joined(draws, "indices").tolist()) == list(range(SAMPLES))
        assert set(joined(draws, "weights").tolist()) == {1.0}
        assert set(joined(draws, "probabilities").tolist()) == {1.0}
        assert {d.probability_kind for d in draws} == {"inclusion_epoch"}
        assert {d.unbiased_over for d in draws} == {"batch"}
    orders = {tuple(joined(draws, "indices").tolist()) for draws in epochs}
    assert len(orders) == 3
    assert run.open_epoch(2).acknowledged_positions == SAMPLES


def test_a_uniform_fraction_is_that_many_distinct_samples(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="uniform", fraction=0.1)
    draws = train_epoch(run, 0)
    indices = joined(draws, "indices").tolist()
    assert len(indices) == len(set(indices)) == 100
    assert set(joined(draws, "probabilities").tolist()) == {0.1}
    assert set(joined(draws, "weights").tolist()) == {1.0}


def test_class_balanced_gives_every_class_the_same_slots(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="class_balanced")
    draws = train_epoch(run, 0)
    indices = joined(draws, "indices")
    slots = np.bincount(LABELS[indices], minlength=CLASSES)
    assert slots.tolist() == [SAMPLES // CLASSES] * CLASSES
    weights = joined(draws, "weights")
    assert np.bincount(LABELS[indices], weights, CLASSES) == pytest.approx(
        [SAMPLES / CLASSES] * CLASSES
    )


def test_importance_weights_undo_the_probabilities(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="importance", uniform_floor=0.1)
    train_epoch(run, 0)
    draws = train_epoch(run, 1)
    assert {d.probability_kind for d in draws} == {"per_draw"}
    probabilities, weights = joined(draws, "probabilities"), joined(draws, "weights")
    assert weights * probabilities * SAMPLES == pytest.approx(np.ones(len(weights)), rel=1e-5)
    assert weights.max() <= 10.0 * (1 + 1e-6)
    # The greater the loss that was reported, the greater the probability.
    scored = np.isin(joined(draws, "indices"), joined(list(run.batches(0)), "indices"))
    indices = joined(draws, "indices")[scored]
    order = np.argsort(losses(indices), kind="stable")
    assert np.all(np.diff(probabilities[scored][order]) >= -1e-12)
    assert run.info().scored_samples > 500


def test_infobatch_prunes_below_the_mean_and_keeps_the_sum_of_weights(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name, preset="infobatch", total_epochs=4, delta=0.75)
    first = train_epoch(run, 0)
    assert len(joined(first, "indices")) == SAMPLES
    loss = losses(np.arange(SAMPLES))
    low = np.flatnonzero(loss < loss.astype(np.float64).mean())
    for epoch in (1, 2):
        draws = train_epoch(run, epoch)
        indices, weights = joined(draws, "indices"), joined(draws, "weights")
        assert len(set(indices.tolist())) == len(indices) == SAMPLES - len(low) + len(low) // 2
        kept = np.isin(indices, low)
        assert kept.sum() == len(low) // 2
        assert weights[kept] == pytest.approx(np.full(kept.sum(), len(low) / kept.sum()), rel=1e-6)
        assert set(weights[~kept].tolist()) == {1.0}
        assert weights.sum() == pytest.approx(SAMPLES, rel=1e-5)
        assert run.open_epoch(epoch).opened == "feedback_complete"
    last = train_epoch(run, 3)  # annealing: everything, weight 1
    assert sorted(joined(last, "indices").tolist()) == list(range(SAMPLES))
    assert set(joined(last, "weights").tolist()) == {1.0}


def test_a_live_sampler_follows_the_newest_losses(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="importance", live=1)
    draws = []
    for draw in run.batches(0, in_flight=1):
        run.report(draw, loss=losses(draw.indices))
        run.flush(timeout=60)
        draws.append(draw)
    versions = [d.score_version.records for d in draws]
    assert versions == sorted(versions) and versions[-1] > versions[0]
    assert run.share(0, 5) == draws[5]  # drawn once, repeated ever after


# Names and definitions.


def test_datasets_are_made_once_and_sent_only_where_they_differ(
    client: subset.Client, name: str
) -> None:
    made = client.ensure_dataset(name, label=LABELS)
    assert made.num_samples == SAMPLES
    assert [(c.name, c.type, c.distinct_values) for c in made.columns] == [
        ("label", "uint8", CLASSES)
    ]
    assert client.ensure_dataset(name, label=LABELS) == made
    wider = client.ensure_dataset(name, label=LABELS, quality=np.linspace(0, 1, SAMPLES))
    assert [c.name for c in wider.columns] == ["label", "quality"]
    assert wider.columns_version == made.columns_version + 1
    assert client.ensure_dataset(name, num_samples=SAMPLES) == wider
    changed = client.ensure_dataset(name, label=LABELS[::-1])
    assert changed.fingerprint != wider.fingerprint
    assert client.describe_dataset(name) == changed
    assert changed in client.list_datasets()
    with pytest.raises(subset.FailedPrecondition):
        client.ensure_dataset(name, label=LABELS[:-1])
    client.delete_dataset(name)
    with pytest.raises(subset.NotFound):
        client.describe_dataset(name)


def test_a_large_column_travels_in_pieces(client: subset.Client, name: str) -> None:
    values = np.random.default_rng(1).random(400_000)
    made = client.ensure_dataset(name, quality=values)
    assert made.num_samples == 400_000


def test_samplers_and_presets(client: subset.Client, name: str) -> None:
    client.ensure_dataset(name, label=LABELS)
    assert {"uniform", "class_balanced", "importance", "infobatch"} <= {
        p.name for p in client.presets()
    }
    made = client.ensure_sampler(f"{name}/a", preset="importance", alpha=0.5)
    assert made.version == 1 and made.preset == "importance"
    assert made.spec["preference"]["score_power"]["alpha"] == 0.5
    assert client.ensure_sampler(f"{name}/a", preset="importance", alpha=0.5) == made
    with pytest.raises(subset.AlreadyExists):
        client.ensure_sampler(f"{name}/a", preset="uniform")
    assert client.ensure_sampler(f"{name}/a", preset="uniform", update=True).version == 2
    copy = client.ensure_sampler(f"{name}/b", spec=made.spec)
    assert copy.spec == made.spec and copy.preset == ""
    assert [s.name for s in client.list_samplers(name)] == [f"{name}/a", f"{name}/b"]
    client.delete_sampler(f"{name}/b")
    with pytest.raises(subset.NotFound):
        client.describe_sampler(f"{name}/b")


def test_runs_are_taken_up_where_they_stand(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="uniform")
    train_epoch(run, 0)
    again = make_run(client, name, preset="uniform")
    assert again.uid == run.uid
    assert [e.epoch for e in client.describe_run(name).epochs] == [0]
    assert name in [r.name for r in client.list_runs(name)]
    with pytest.raises(subset.AlreadyExists):
        make_run(client, name, preset="uniform", seed=4)
    with pytest.raises(subset.FailedPrecondition):
        client.delete_dataset(name)
    client.delete_run(name)
    with pytest.raises(subset.NotFound):
        client.describe_run(name)


# Order, world sizes, restarts.


def test_the_same_global_batches_at_any_world_size(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="importance")
    alone = list(run.batches(0))
    for world_size in (2, 3, 7):
        ranks = [list(run.batches(0, rank=r, world_size=world_size)) for r in range(world_size)]
        assert {len(draws) for draws in ranks} == {len(alone)}
        for step, whole in enumerate(alone):
            parts = [draws[step] for draws in ranks]
            together = np.concatenate([p.indices[: len(p) - p.padding] for p in parts])
            assert together.tolist() == whole.indices.tolist()
            weighted = np.mean([p.mean(losses(p.indices)) for p in parts])
            assert weighted == pytest.approx(whole.mean(losses(whole.indices)), rel=1e-5)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_that_comes_back_gives_the_same_batches(
    subsetd: str,
    tmp_path: pathlib.Path,
    name: str,
    number: signal.Signals,
    request: pytest.FixtureRequest,
) -> None:
    address = f"unix:{tmp_path}/socket"

    def start() -> ServerProcess:
        process = ServerProcess(subsetd, str(tmp_path / "data"), [f"--listen={address}"])
        request.addfinalizer(process.kill)  # whatever the test finds
        return process

    server = start()
    with subset.connect(address) as client:
        run = make_run(client, name, preset="importance", size=16)
        expected = [d.indices.tolist() for d in train_epoch(run, 0)]
        steps = len(expected)
        batches = run.batch_sampler(prefetch=2)
        batches.set_epoch(1)
        given = []
        restarted: List[ServerProcess] = []
        thread = None
        for step, indices in enumerate(batches):
            draw = draw_of(indices)
            given.append(draw)
            run.report(draw, loss=losses(draw.indices))
            if step == 5:
                server.kill(number)
                thread = threading.Timer(0.3, lambda: restarted.append(start()))
                thread.start()
                request.addfinalizer(thread.join)
        assert thread is not None
        thread.join()
        run.flush(timeout=60)
        assert [d.step for d in given] == list(range(steps))
        assert list(run.batches(1)) == given
        assert [d.indices.tolist() for d in run.batches(0)] == expected
        assert run.open_epoch(1).acknowledged_positions == SAMPLES  # each once, none lost
        assert run.stats()["refused_samples"] == 0
        assert run.stats()["retries"] > 0
    restarted[0].stop()


def test_feedback_sent_again_changes_nothing(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="importance")
    draw = run.share(0, 0)
    training = client._connection.training
    session = training.OpenSession(training_pb2.OpenSessionRequest(run_uid=run.uid)).session_id
    request = training_pb2.ReportFeedbackRequest(
        run_uid=run.uid,
        session_id=session,
        sequence=1,
        feedback=[
            training_pb2.Feedback(
                epoch=0,
                position=0,
                attempt=1,
                step=1,
                index_width=4,
                indices=draw.indices.tobytes(),
                values=[
                    training_pb2.FloatColumn(name="loss", values=losses(draw.indices).tobytes())
                ],
            )
        ],
    )
    first = training.ReportFeedback(request)
    again = training.ReportFeedback(request)
    assert not first.duplicate and again.duplicate
    assert run.info().score_version.records == first.score_version.records
    # A replicated rank reports the same range in a session of its own: it counts once.
    run.report(draw, loss=losses(draw.indices))
    run.flush(timeout=60)
    assert run.open_epoch(0).acknowledged_positions == len(draw)


def test_what_is_not_finite_still_completes_the_epoch(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="infobatch", total_epochs=4)
    for draw in run.batches(0):
        loss = losses(draw.indices)
        loss[::3] = np.nan
        run.report(draw, loss=loss)
    run.flush(timeout=60)
    assert run.open_epoch(0).acknowledged_positions == SAMPLES
    assert run.open_epoch(1).opened == "feedback_complete"
    info = run.info()
    assert info.scored_samples == SAMPLES - run.stats()["unusable_values"]


def test_an_epoch_waits_for_feedback_unless_told_not_to(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="infobatch", total_epochs=4)
    run.open_epoch(0)
    with pytest.raises(subset.DeadlineExceeded):
        run.open_epoch(1, timeout=0.3)
    assert run.open_epoch(1, now=True).opened == "explicit"


def test_stats_are_flat_floats_of_this_process_and_of_the_run(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name, preset="infobatch", total_epochs=4)
    before = run.stats()
    train_epoch(run, 0)
    run.open_epoch(1)
    run.report(run.share(1, 0), loss=[1.0] * 64)
    run.flush(timeout=60)
    stats = run.stats()
    assert all(type(value) is float for value in stats.values())
    assert not any(key.startswith("epoch/") for key in before)
    epoch = run.info().epochs[-1]
    assert {key: stats[key] for key in stats if "/" in key} == {
        "run/score_records": float(run.info().score_version.records),
        "run/scored_samples": float(SAMPLES),
        "run/scored_ratio": 1.0,
        "epoch/number": 1.0,
        "epoch/sampler_version": 1.0,
        "epoch/num_positions": float(epoch.num_positions),
        "epoch/num_steps": float(epoch.num_steps),
        "epoch/distinct_ratio": 1.0,
        "epoch/acknowledged_ratio": 64 / epoch.num_positions,
        "epoch/effective_sample_ratio": epoch.effective_sample_ratio,
        "epoch/fell_back_to_uniform": 0.0,
    }
    assert stats["reported_samples"] == SAMPLES + 64
    assert stats["drawn_samples"] == SAMPLES + 64
    assert stats["server_answered"] == 1.0


# Refusals: each names what was wrong, and changes nothing.


@pytest.mark.parametrize(
    ("kind", "field", "act"),
    [
        (subset.NotFound, None, lambda c, r: c.describe_dataset("nobody")),
        (subset.NotFound, None, lambda c, r: c.describe_sampler("nobody/s")),
        (subset.NotFound, None, lambda c, r: c.describe_run("nobody")),
        (subset.NotFound, None, lambda c, r: c.run("x", sampler="nobody/s", global_batch_size=1)),
        (subset.NotFound, None, lambda c, r: c.ensure_sampler("nobody/s", preset="uniform")),
        (
            subset.InvalidArgument,
            "dataset",
            lambda c, r: c.ensure_dataset("No Such", num_samples=1),
        ),
        (subset.InvalidArgument, "dataset", lambda c, r: c.ensure_dataset("../x", num_samples=1)),
        (
            subset.InvalidArgument,
            "num_samples",
            lambda c, r: c.ensure_dataset("zero", num_samples=0),
        ),
        (
            subset.InvalidArgument,
            "preset",
            lambda c, r: c.ensure_sampler(f"{r.name}/t", preset="infobetch"),
        ),
        (
            subset.InvalidArgument,
            "preset",
            lambda c, r: c.ensure_sampler(f"{r.name}/t", preset="uniform", fracton=0.1),
        ),
        (
            subset.InvalidArgument,
            "preset",
            lambda c, r: c.ensure_sampler(f"{r.name}/t", preset="uniform", fraction=1.5),
        ),
        (
            subset.InvalidArgument,
            "preset",
            lambda c, r: c.ensure_sampler(f"{r.name}/t", preset="infobatch"),
        ),
        (
            subset.NotFound,
            None,
            lambda c, r: c.ensure_sampler(f"{r.name}/t", preset="class_balanced", column="lable"),
        ),
        (subset.InvalidArgument, "batch_size", lambda c, r: r.batch(0, 0, 0)),
        (subset.InvalidArgument, "batch_size", lambda c, r: r.batch(0, 0, 65_537)),
        (subset.InvalidArgument, "rank", lambda c, r: r.share(0, 0, rank=2, world_size=2)),
        (subset.InvalidArgument, "world_size", lambda c, r: r.share(0, 0, world_size=0)),
        (subset.OutOfRange, None, lambda c, r: r.share(0, 10_000)),
        (subset.OutOfRange, None, lambda c, r: r.batch(0, SAMPLES, 1)),
    ],
)
def test_refusals(client: subset.Client, name: str, kind: Any, field: Any, act: Any) -> None:
    run = make_run(client, name, preset="uniform")
    run.open_epoch(0)
    before = (client.list_datasets(), client.list_samplers(name), client.describe_run(name))
    with pytest.raises(kind) as caught:
        act(client, run)
    assert field is None or field in (caught.value.field or ""), caught.value.field
    assert str(caught.value)
    assert (client.list_datasets(), client.list_samplers(name), client.describe_run(name)) == before


def feedback(**changes: Any) -> Dict[str, Any]:
    """A good Feedback over two samples, with changes."""
    return {
        "epoch": 0,
        "attempt": 1,
        "step": 1,
        "index_width": 4,
        "indices": np.array([1, 2], "<u4").tobytes(),
        "values": [{"name": "loss", "values": np.array([1, 2], "<f4").tobytes()}],
        **changes,
    }


def loss_of(*values: float) -> List[Dict[str, Any]]:
    return [{"name": "loss", "values": np.array(values, "<f4").tobytes()}]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"indices": np.array([1, SAMPLES], "<u4").tobytes()}, "indices"),
        ({"indices": b"123"}, "indices"),
        ({"values": loss_of(1)}, "values"),
        ({"values": loss_of(1, np.nan)}, "values"),
        ({"values": loss_of(1, np.inf)}, "values"),
        ({"values": loss_of(1, -np.inf)}, "values"),
        ({"values": loss_of(1, -1)}, "values"),
        ({"values": [{"name": "No Name", "values": bytes(8)}]}, "name"),
        (
            {
                "indices": bytes(4 * 16_385),
                "values": [{"name": "loss", "values": bytes(4 * 16_385)}],
            },
            "feedback",
        ),
    ],
)
def test_bad_feedback_is_refused_whole(
    client: subset.Client, name: str, changes: Any, field: str
) -> None:
    run = make_run(client, name, preset="importance")
    run.open_epoch(0)
    connection = client._connection
    session = connection.call(
        connection.training.OpenSession, training_pb2.OpenSessionRequest(run_uid=run.uid)
    ).session_id
    before = run.info()
    with pytest.raises(subset.InvalidArgument) as caught:
        connection.call(
            connection.training.ReportFeedback,
            training_pb2.ReportFeedbackRequest(
                run_uid=run.uid,
                session_id=session,
                sequence=1,
                feedback=[
                    training_pb2.Feedback(**feedback()),  # good, and not applied either
                    training_pb2.Feedback(**feedback(**changes)),
                ],
            ),
        )
    assert field in (caught.value.field or ""), caught.value.field
    assert run.info() == before


def test_a_later_epoch_closes_the_door(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="uniform")
    run.open_epoch(5)
    with pytest.raises(subset.FailedPrecondition) as caught:
        run.open_epoch(3)
    assert caught.value.reason == "EPOCH_GONE"


@pytest.mark.parametrize(
    "act",
    [
        lambda c: c.ensure_dataset("x"),
        lambda c: c.ensure_dataset("x", a=[1], b=[1, 2]),
        lambda c: c.ensure_dataset("x", num_samples=3, a=[1]),
        lambda c: c.ensure_sampler("x/s"),
        lambda c: c.ensure_sampler("x/s", preset="uniform", spec={}),
        lambda c: c.ensure_sampler("x/s", spec={"drawe": {}}),
        lambda c: c.ensure_sampler("x/s", spec={}, alpha=1),
        lambda c: c.run("x", sampler="x/s", seed=-1),
        lambda c: c.run("x", sampler="x/s", global_batch_size=0),
        lambda c: c.run("x", sampler="x/s", global_batch_size=65_537),
    ],
)
def test_misuse_needs_no_server(client: subset.Client, act: Any) -> None:
    with pytest.raises(ValueError):
        act(client)
