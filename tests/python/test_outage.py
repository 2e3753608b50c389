"""What becomes of an epoch while a real server is away: wait or raise."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import textwrap
import threading

import pytest
from away import Away, SIZE, STEPS, make_run, steps

import subset
from subset.connection import _OPTIONS
from subset.torch import draw_of


def test_wait_gives_the_same_batches_once_the_server_is_back(away: Away) -> None:
    with subset.connect(away.address) as client:
        run = make_run(client)
        expected = list(run.batches(0))
        given = []
        for indices in run.batch_sampler(prefetch=2):
            given.append(draw_of(indices))
            if len(given) == 5:
                away.go()
                back = threading.Timer(0.5, away.come_back)
                back.start()
        back.join()
        assert given == expected
        assert run.stats()["fallback_batches"] == 0
        assert run.stats()["retries"] > 0


def test_wait_gives_up_after_its_patience_naming_address_and_code(away: Away) -> None:
    with subset.connect(away.address) as client:
        batches = make_run(client).batch_sampler(prefetch=2, patience=0.3)
        iterator = iter(batches)
        next(iterator)
        away.go()
        with pytest.raises(subset.Unavailable) as caught:
            list(iterator)
        assert away.address in str(caught.value) and "UNAVAILABLE" in str(caught.value)


def test_raise_gives_up_at_once(away: Away) -> None:
    with subset.connect(away.address) as client:
        run = make_run(client)
        iterator = iter(run.batch_sampler(prefetch=1, on_outage="raise"))
        next(iterator)
        away.go()
        with pytest.raises(subset.Unavailable) as caught:
            list(iterator)
        assert away.address in str(caught.value) and "UNAVAILABLE" in str(caught.value)
        assert client._connection.retries == 0


def test_stats_do_not_wait_for_a_server_that_is_away(away: Away) -> None:
    client = subset.connect(away.address)
    run = make_run(client)
    run.share(0, 0)
    away.go()
    stats = run.stats()
    assert (stats["server_answered"], stats["drawn_samples"]) == (0.0, SIZE)
    assert not any("/" in key for key in stats)
    assert client._connection.retries == 0


@pytest.mark.parametrize("on_outage", ["wait", "raise", "uniform"])
def test_what_was_read_ahead_is_given_out_without_the_server(away: Away, on_outage: str) -> None:
    client = subset.connect(away.address)
    run = make_run(client)
    expected = list(run.batches(0))
    batches = run.batch_sampler(prefetch=STEPS, on_outage=on_outage, patience=60.0)
    iterator = iter(batches)
    given = [draw_of(next(iterator))]
    prefetch = iterator._prefetch  # type: ignore[attr-defined]
    assert prefetch.wait(STEPS - 1, 60)
    away.go()
    given += steps(iterator)
    assert given == expected
    assert batches.state_dict()["epoch"] == 1


def test_a_process_group_that_gives_up_first_is_warned_of(
    client: subset.Client, name: str, tmp_path: pathlib.Path
) -> None:
    script = textwrap.dedent(
        """
        import datetime, sys, torch.distributed as dist, subset
        seconds = float(sys.argv[3])
        dist.init_process_group(
            "gloo", init_method=f"file://{sys.argv[2]}", rank=0, world_size=1,
            timeout=datetime.timedelta(seconds=seconds))
        run = subset.connect(sys.argv[1]).run(sys.argv[4], sampler=sys.argv[4] + "/s", seed=0)
        next(iter(run.batch_sampler()))
        """
    )
    client.ensure_dataset(name, num_samples=10)
    client.ensure_sampler(f"{name}/s", preset="uniform")
    client.run(name, sampler=f"{name}/s", global_batch_size=5)
    words = []
    for seconds in (600, 60):
        done = subprocess.run(
            [sys.executable, "-c", script, client.address, str(tmp_path / str(seconds))]
            + [str(seconds), name],
            check=True,
            timeout=120,
            stderr=subprocess.PIPE,
            text=True,
        )
        words.append(done.stderr)
    assert "gives up after" not in words[0]
    assert "gives up after 60 s, before the patience of 480 s" in words[1]


def test_a_call_goes_on_within_two_seconds_of_the_servers_return() -> None:
    # The longest wait: the channel's own, then ours.
    channel = dict(_OPTIONS)["grpc.max_reconnect_backoff_ms"] / 1000
    assert 1.2 * channel + subset.Retry().max_backoff <= 2.0
