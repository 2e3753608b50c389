"""What becomes of reports on a real server: once, complete, or refused whole."""

from __future__ import annotations

from typing import Any, Dict, List

import numpy as np
import pytest
from real_runs import SAMPLES, losses, make_run, train_epoch

import subset
from subset.v1 import training_pb2


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
        "epoch/leased_ratio": 0.0,
        "epoch/parked_positions": 0.0,
    }
    assert stats["reported_samples"] == SAMPLES + 64
    assert stats["drawn_samples"] == SAMPLES + 64
    assert stats["server_answered"] == 1.0


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
