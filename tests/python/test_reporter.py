"""The reporter: never blocks, never loses silently, applies once."""

from __future__ import annotations

import logging
import math
import threading
from typing import Any

import grpc
import numpy as np
import pytest
import torch
from fake_server import FakeServer, Fault

import subset
from subset.reporter import MAX_ITEMS

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
FAST = subset.Retry(initial_backoff=0.0, max_backoff=0.0)


def open_run(fake: FakeServer, size: int = 10, **settings: Any) -> subset.Run:
    client = subset.connect(fake.address, retry=FAST)
    return client.run("run", sampler="d/s", global_batch_size=size, **settings)


@pytest.mark.parametrize(
    "make",
    [
        list,
        lambda v: np.array(v, np.float64),
        lambda v: torch.tensor(v, requires_grad=True),
        lambda v: torch.tensor(v, dtype=torch.bfloat16),
        lambda v: torch.tensor(v, dtype=torch.float16),
        lambda v: torch.tensor(v, dtype=torch.float64),
        lambda v: torch.tensor([v, v]).T[:, 0],
    ],
)
def test_values_of_any_kind_arrive_with_their_indices(fake: FakeServer, make: Any) -> None:
    run = open_run(fake)
    draw = run.share(0, 2)
    run.report(draw, loss=make([float(i) for i in range(10)]), step=77)
    run.flush(timeout=30)
    assert fake.values() == [(i, "loss", float(n)) for n, i in enumerate(draw.indices.tolist())]
    (message,) = fake.messages.values()
    assert message.feedback[0].step == 77
    assert message.feedback[0].position == 20
    assert message.feedback[0].attempt == 1


def test_what_is_masked_has_no_value_and_is_acknowledged(fake: FakeServer) -> None:
    run = open_run(fake)
    draw = run.share(0, 2)
    loss = np.ma.masked_invalid([0, np.nan, 2, 3, np.nan, np.nan, 6, 7, 8, np.nan])
    run.report(draw, loss=loss, margin=np.arange(10))
    run.flush(timeout=30)
    known = [(int(i), float(n)) for n, i in enumerate(draw.indices) if not loss.mask[n]]
    assert [(i, value) for i, name, value in fake.values() if name == "loss"] == known
    assert [value for _, name, value in fake.values() if name == "margin"] == list(range(10))
    (message,) = fake.messages.values()
    assert [(f.position, len(f.indices) // 4) for f in message.feedback] == [
        (20, 1), (21, 1), (22, 2), (24, 2), (26, 3), (29, 1),
    ]  # fmt: skip
    assert run.stats()["unusable_values"] == 0


def test_a_report_is_a_copy(fake: FakeServer) -> None:
    run = open_run(fake)
    for loss in (np.ones(10, np.float32), torch.ones(10)):
        run.report(run.share(0, 0), loss=loss)
        loss[:] = 9
    run.flush(timeout=30)
    assert {value for _, _, value in fake.values()} == {1.0}


def test_a_lost_reply_is_sent_again_with_its_sequence_and_applied_once(fake: FakeServer) -> None:
    run = open_run(fake)
    fake.faults["ReportFeedback"].extend(
        [
            Fault(UNAVAILABLE, handled=True),
            Fault(UNAVAILABLE),
            Fault(grpc.StatusCode.DEADLINE_EXCEEDED, handled=True),
        ]
    )
    run.report(run.share(0, 0), loss=[1.0] * 10)
    run.flush(timeout=30)
    assert fake.calls["ReportFeedback"] == 4
    assert list(fake.messages) == [(1, 1)]
    assert fake.acknowledged() == list(range(10))
    assert run.stats()["duplicate_messages"] == 1


def test_sequences_rise_in_one_session(fake: FakeServer) -> None:
    run = open_run(fake)
    for step in range(3):
        run.report(run.share(0, step), loss=[1.0] * 10)
        run.flush(timeout=30)
    assert list(fake.messages) == [(1, 1), (1, 2), (1, 3)]


def test_an_expired_session_is_replaced_once(fake: FakeServer) -> None:
    from google.protobuf import any_pb2

    from subset.rpc import error_details_pb2, status_pb2

    info = error_details_pb2.ErrorInfo(reason="SEQ_EXPIRED", domain="subset")
    status = status_pb2.Status(
        details=[
            any_pb2.Any(
                type_url="type.googleapis.com/google.rpc.ErrorInfo", value=info.SerializeToString()
            )
        ]
    )
    fake.faults["ReportFeedback"].append(
        Fault(
            grpc.StatusCode.FAILED_PRECONDITION,
            details=(("grpc-status-details-bin", status.SerializeToString()),),
        )
    )
    run = open_run(fake)
    run.report(run.share(0, 0), loss=[1.0] * 10)
    run.flush(timeout=30)
    assert list(fake.messages) == [(2, 1)]


def test_many_reports_share_a_message_and_none_exceeds_the_limit(fake: FakeServer) -> None:
    fake.num_samples = 60_000
    run = open_run(fake, 1000)
    draws = list(run.batches(0))
    release = threading.Event()
    fake.faults["ReportFeedback"].append(Fault(wait=release))
    for draw in draws:
        run.report(draw, loss=np.ones(1000, np.float32))
    release.set()
    run.flush(timeout=30)
    assert sorted(fake.acknowledged()) == list(range(60_000))
    sizes = [sum(len(f.indices) // 4 for f in m.feedback) for m in fake.messages.values()]
    assert max(sizes) <= MAX_ITEMS
    assert len(sizes) <= 6


def test_a_batch_above_the_limit_is_split(fake: FakeServer) -> None:
    fake.num_samples = 40_000
    run = open_run(fake, 40_000)
    draw = run.share(0, 0)
    run.report(draw, loss=np.arange(40_000, dtype=np.float32))
    run.flush(timeout=30)
    assert fake.acknowledged() == list(range(40_000))
    assert [v for _, _, v in fake.values()] == list(range(40_000))


def test_what_is_not_finite_is_acknowledged_without_values_counted_and_listed(
    fake: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    run = open_run(fake)
    draw = run.share(0, 0)
    loss = [0.0, math.nan, 2.0, 3.0, math.inf, -math.inf, -1.0, 7.0, 8.0, 1e300]
    margin = [0.5] * 7 + [math.nan] + [0.5] * 2
    with caplog.at_level(logging.WARNING, "subset"):
        run.report(draw, loss=np.array(loss), margin=np.array(margin))
        run.flush(timeout=30)
    indices = draw.indices.tolist()
    assert fake.acknowledged() == list(range(10))
    assert sorted(fake.values()) == sorted(
        [(indices[i], "loss", loss[i]) for i in (0, 2, 3, 7, 8)]
        + [(indices[i], "margin", 0.5) for i in range(10) if i != 7]
    )
    assert run.stats()["unusable_values"] == 6
    assert {(u.index, u.column) for u in run.unusable()} == {
        *((indices[i], "loss") for i in (1, 4, 5, 6, 9)),
        (indices[7], "margin"),
    }
    assert "acknowledged without it" in caplog.text


def test_by_choice_what_is_not_finite_is_an_error_and_its_batch_is_not_sent(
    fake: FakeServer,
) -> None:
    run = open_run(fake, unusable="raise")
    run.report(run.share(0, 0), loss=[1.0] * 10)
    bad = run.share(0, 1)
    run.report(bad, loss=[1.0] * 4 + [math.nan] * 6, step=41)
    run.report(run.share(0, 2), loss=[1.0] * 10)
    with pytest.raises(subset.InvalidArgument, match="is nan, reported at step 41") as caught:
        run.flush(timeout=30)
    assert caught.value.field == "loss" and str(bad.indices[4]) in str(caught.value)
    assert fake.acknowledged() == [*range(10), *range(20, 30)]
    assert run.stats()["refused_samples"] == 10 and run.stats()["unusable_values"] == 6
    run.flush(timeout=30)  # said once
    with pytest.raises(ValueError, match="'ignore'"):
        open_run(fake, unusable="ignore")


def test_no_values_only_acknowledge(fake: FakeServer) -> None:
    run = open_run(fake)
    run.report(run.share(0, 1))
    run.flush(timeout=30)
    assert fake.acknowledged() == list(range(10, 20))
    assert fake.values() == []


def test_padding_is_not_reported(fake: FakeServer) -> None:
    fake.num_samples = 11
    run = open_run(fake)
    draw = run.share(0, 1, rank=0, world_size=2)
    assert (len(draw), draw.padding) == (1, 1)
    run.report(draw, loss=[5.0])
    run.flush(timeout=30)
    assert fake.acknowledged() == []


def test_a_full_queue_drops_counted_and_logged_and_does_not_block(
    fake: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    run = open_run(fake, report_capacity=25)
    draws = list(run.batches(0))
    release = threading.Event()
    fake.faults["OpenSession"].append(Fault(wait=release))
    with caplog.at_level(logging.WARNING, "subset"):
        for draw in draws:
            run.report(draw, loss=[1.0] * 10)
    dropped = run.stats()["dropped_samples"]
    release.set()
    run.flush(timeout=30)
    assert dropped >= 50
    assert len(fake.acknowledged()) == 100 - dropped
    assert "dropped" in caplog.text


def test_flush_waits_for_the_answer_and_no_longer_than_told(fake: FakeServer) -> None:
    run = open_run(fake)
    release = threading.Event()
    fake.faults["ReportFeedback"].append(Fault(wait=release))
    run.report(run.share(0, 0), loss=[1.0] * 10)
    run.flush(durable=False)
    with pytest.raises(subset.DeadlineExceeded, match="1 reports"):
        run.flush(timeout=0.2)
    release.set()
    run.flush(timeout=30)
    assert fake.acknowledged() == list(range(10))


def test_flush_raises_what_the_server_refused_and_goes_on(fake: FakeServer) -> None:
    run = open_run(fake)
    fake.faults["ReportFeedback"].append(Fault(grpc.StatusCode.INVALID_ARGUMENT))
    run.report(run.share(0, 0), loss=[1.0] * 10)
    with pytest.raises(subset.InvalidArgument):
        run.flush(timeout=30)
    assert run.stats()["refused_samples"] == 10
    run.report(run.share(0, 1), loss=[1.0] * 10)
    run.flush(timeout=30)
    assert fake.acknowledged() == list(range(10, 20))


def test_an_outage_is_ridden_out(fake: FakeServer) -> None:
    run = open_run(fake)
    draw = run.share(0, 0)
    fake.stop()
    run.report(draw, loss=[1.0] * 10)
    with pytest.raises(subset.DeadlineExceeded):
        run.flush(timeout=0.2)
    fake.start()
    run.flush(timeout=30)
    assert fake.acknowledged() == list(range(10))


def test_closing_sends_what_waits_then_refuses(fake: FakeServer) -> None:
    with open_run(fake) as run:
        draw = run.share(0, 0)
        run.report(draw, loss=[1.0] * 10)
    assert fake.acknowledged() == list(range(10))
    with pytest.raises(ValueError, match="closed"):
        run.report(draw, loss=[1.0] * 10)


def test_the_end_of_the_process_sends_what_waits(fake: FakeServer) -> None:
    import subprocess
    import sys

    script = (
        "import subset, sys\n"
        "run = subset.connect(sys.argv[1]).run('run', sampler='d/s', global_batch_size=10)\n"
        "run.report(run.share(0, 0), loss=[1.0] * 10)\n"
    )
    subprocess.run([sys.executable, "-c", script, fake.address], check=True, timeout=60)
    assert fake.acknowledged() == list(range(10))


@pytest.mark.parametrize(
    ("loss", "complaint"),
    [
        ([1.0] * 9, "9 values"),
        (torch.ones(()), "one value per sample"),
        (torch.ones(10, 2), "one value per sample"),
    ],
)
def test_values_that_do_not_fit_are_misuse(fake: FakeServer, loss: Any, complaint: str) -> None:
    run = open_run(fake)
    with pytest.raises(ValueError, match=complaint):
        run.report(run.share(0, 0), loss=loss)


def test_a_draw_of_another_run_is_misuse(fake: FakeServer) -> None:
    run = open_run(fake)
    draw = run.share(0, 0)
    other = subset.Draw.from_reply(draw.to_bytes()[16:], run_uid=8, rank=0, world_size=1)
    with pytest.raises(ValueError, match="run 8"):
        run.report(other, loss=[1.0] * 10)
