"""The client against a server that fails: retries, deadlines, streams, error details."""

from __future__ import annotations

import threading
from typing import Any, List

import grpc
import numpy as np
import pytest
from fake_server import FakeServer, Fault
from google.protobuf import any_pb2

import subset
from subset.rpc import error_details_pb2, status_pb2

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


class Naps:
    """A clock that only sleeping moves, with full jitter at its longest."""

    def __init__(self) -> None:
        self.taken: List[float] = []

    def retry(self, **settings: Any) -> subset.Retry:
        return subset.Retry(
            sleep=self.taken.append, clock=lambda: sum(self.taken), uniform=lambda: 1.0, **settings
        )


def open_run(fake: FakeServer, retry: subset.Retry = subset.Retry(), **settings: Any) -> subset.Run:
    client = subset.connect(fake.address, retry=retry)
    return client.run("run", sampler="d/s", global_batch_size=10, **settings)


def test_unavailable_is_retried_with_growing_backoff(fake: FakeServer) -> None:
    naps = Naps()
    fake.faults["CreateRun"].extend(Fault(UNAVAILABLE) for _ in range(6))
    open_run(fake, naps.retry())
    assert fake.calls["CreateRun"] == 7
    assert naps.taken == pytest.approx([0.1, 0.2, 0.4, 0.75, 0.75, 0.75])


def test_a_server_that_drains_and_cancels_is_away(fake: FakeServer) -> None:
    run = open_run(fake, Naps().retry())
    fake.faults["GetBatch"].append(Fault(grpc.StatusCode.CANCELLED))
    assert len(run.batch(0, 0, 10)) == 10
    assert fake.calls["GetBatch"] == 2


def test_closing_the_client_ends_a_call_under_way(fake: FakeServer) -> None:
    release = threading.Event()
    client = subset.connect(fake.address)
    run = client.run("run", sampler="d/s", global_batch_size=10)
    fake.faults["GetBatch"].append(Fault(wait=release))
    closer = threading.Timer(0.2, client.close)
    closer.start()
    try:
        with pytest.raises(subset.Cancelled):
            run.batch(0, 0, 10)
    finally:
        release.set()
        closer.join()


def test_patience_ends_the_retries_and_names_the_address(fake: FakeServer) -> None:
    naps = Naps()
    fake.faults["CreateRun"].extend(Fault(UNAVAILABLE) for _ in range(100))
    with pytest.raises(subset.Unavailable, match=fake.address):
        open_run(fake, naps.retry(control_patience=5.0))
    assert sum(naps.taken) == pytest.approx(5.0)


def test_jitter_spreads_over_the_whole_backoff() -> None:
    from subset.retry import Outage

    slept: List[float] = []
    for draw in (0.0, 0.25, 1.0):
        outage = Outage(
            subset.Retry(sleep=slept.append, clock=lambda: 0.0, uniform=lambda d=draw: d), 10.0
        )
        outage.wait()
    assert slept == pytest.approx([0.0, 0.025, 0.1])


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, subset.InvalidArgument),
        (grpc.StatusCode.NOT_FOUND, subset.NotFound),
        (grpc.StatusCode.ALREADY_EXISTS, subset.AlreadyExists),
        (grpc.StatusCode.FAILED_PRECONDITION, subset.FailedPrecondition),
        (grpc.StatusCode.OUT_OF_RANGE, subset.OutOfRange),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, subset.ResourceExhausted),
        (grpc.StatusCode.DATA_LOSS, subset.DataLoss),
        (grpc.StatusCode.PERMISSION_DENIED, subset.PermissionDenied),
        (grpc.StatusCode.UNAUTHENTICATED, subset.PermissionDenied),
        (grpc.StatusCode.INTERNAL, subset.Internal),
        (grpc.StatusCode.UNIMPLEMENTED, subset.Internal),
    ],
)
def test_other_codes_are_final_and_ours(fake: FakeServer, code: grpc.StatusCode, kind: Any) -> None:
    run = open_run(fake)
    fake.faults["GetBatch"].append(Fault(code))
    with pytest.raises(kind, match=f"injected {code.name}") as caught:
        run.batch(0, 0, 10)
    assert fake.calls["GetBatch"] == 1
    assert isinstance(caught.value, subset.SubsetError)
    assert not isinstance(caught.value, grpc.RpcError)


def test_error_details_give_field_and_reason(fake: FakeServer) -> None:
    status = status_pb2.Status(code=3, message="no")
    for name, message in (
        ("ErrorInfo", error_details_pb2.ErrorInfo(reason="EPOCH_GONE", domain="subset")),
        (
            "BadRequest",
            error_details_pb2.BadRequest(
                field_violations=[{"field": "batch_size", "description": "0 is outside [1, 65536]"}]
            ),
        ),
    ):
        status.details.append(
            any_pb2.Any(
                type_url=f"type.googleapis.com/google.rpc.{name}", value=message.SerializeToString()
            )
        )
    run = open_run(fake)
    fake.faults["GetBatch"].append(
        Fault(
            grpc.StatusCode.FAILED_PRECONDITION,
            details=(("grpc-status-details-bin", status.SerializeToString()),),
        )
    )
    with pytest.raises(subset.FailedPrecondition) as caught:
        run.batch(0, 0, 10)
    assert (caught.value.reason, caught.value.field) == ("EPOCH_GONE", "batch_size")


def test_damaged_details_leave_the_message(fake: FakeServer) -> None:
    run = open_run(fake)
    fake.faults["GetBatch"].append(
        Fault(grpc.StatusCode.NOT_FOUND, details=(("grpc-status-details-bin", b"\xff\xff"),))
    )
    with pytest.raises(subset.NotFound, match="injected") as caught:
        run.batch(0, 0, 10)
    assert (caught.value.reason, caught.value.field) == (None, None)


def test_a_call_without_an_answer_ends_at_its_deadline(fake: FakeServer) -> None:
    release = threading.Event()
    client = subset.connect(fake.address, timeout=0.2)
    run = client.run("run", sampler="d/s", global_batch_size=10)
    fake.faults["GetBatch"].append(Fault(wait=release))
    try:
        with pytest.raises(subset.DeadlineExceeded):
            run.batch(0, 0, 10)
    finally:
        release.set()


def test_a_broken_stream_goes_on_where_it_stood(fake: FakeServer) -> None:
    naps = Naps()
    run = open_run(fake, naps.retry())
    fake.break_stream_after.extend([3, 0, 4])
    draws = list(run.batches(0))
    assert [d.step for d in draws] == list(range(10))
    assert np.array_equal(np.concatenate([d.indices for d in draws]), fake.order())
    assert fake.calls["StreamBatches"] == 4


def test_a_restarted_server_gives_the_same_batches(fake: FakeServer) -> None:
    run = open_run(fake)
    batches = run.batches(0, in_flight=2)
    draws = [next(batches) for _ in range(3)]
    fake.stop()
    restart = threading.Timer(0.3, fake.start)
    restart.start()
    draws += list(batches)
    restart.join()
    assert np.array_equal(np.concatenate([d.indices for d in draws]), fake.order())


def test_a_dropped_stream_ends_its_call(fake: FakeServer) -> None:
    run = open_run(fake)
    batches = run.batches(0)
    next(batches)
    batches.close()
    assert np.array_equal(next(run.batches(0)).indices, fake.order()[:10])


def test_a_closed_client_says_so(fake: FakeServer) -> None:
    client = subset.connect(fake.address, retry=Naps().retry())
    run = client.run("run", sampler="d/s", global_batch_size=10)
    client.close()
    client.close()
    with pytest.raises(subset.Unavailable, match="closed"):
        run.batch(0, 0, 10)


def test_opening_an_epoch_outlasts_one_deadline(fake: FakeServer) -> None:
    run = open_run(fake)
    fake.faults["OpenEpoch"].append(Fault(grpc.StatusCode.DEADLINE_EXCEEDED))
    assert run.open_epoch(0).num_steps == 10
    assert fake.calls["OpenEpoch"] == 2


@pytest.mark.parametrize("address", ["", "a b:1"])
def test_a_malformed_address_is_misuse(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        subset.connect(address)


def test_errors_survive_pickling() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(subset.NotFound("gone", reason="R", field="f")))
    assert isinstance(error, subset.NotFound)
    assert (str(error), error.reason, error.field) == ("gone", "R", "f")
