"""Uniform batches drawn here while a real server is away."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import textwrap
from typing import Any, List

import numpy as np
import pytest
from away import Away, SAMPLES, SIZE, STEPS, make_run, steps

import subset
from subset.torch import draw_of


def test_uniform_fills_in_flagged_and_counted_until_the_server_is_back(away: Away) -> None:
    with subset.connect(away.address) as client:
        run = make_run(client)
        expected = list(run.batches(0))
        batches = run.batch_sampler(prefetch=1, on_outage="uniform", patience=1.0)
        iterator = iter(batches)
        assert len(batches) == STEPS
        given = [draw_of(next(iterator)) for _ in range(5)]
        prefetch = iterator._prefetch  # type: ignore[attr-defined]
        away.go()
        while not given[-1].fallback:
            given.append(draw_of(next(iterator)))
        given += [draw_of(next(iterator)) for _ in range(4)]
        away.come_back()
        while len(given) < STEPS:
            prefetch.wait(1, 60)  # a step of training
            given.append(draw_of(next(iterator)))
        assert next(iterator, None) is None
        assert [draw.step for draw in given] == list(range(STEPS))
        local = [draw for draw in given if draw.fallback]
        assert len(local) >= 5
        assert [d for d in given if not d.fallback] == [
            expected[d.step] for d in given if not d.fallback
        ]
        assert not given[-1].fallback  # the server's again
        for draw in local:
            assert len(set(draw.indices.tolist())) == SIZE
            assert set(draw.weights.tolist()) == {1.0}
            assert draw.probabilities is not None
            assert set(draw.probabilities.tolist()) == {1 / SAMPLES}
            assert (draw.probability_kind, draw.unbiased_over) == ("per_draw", "nothing")
        assert run.stats()["fallback_batches"] == len(local)
        # Their losses are taken, and acknowledge nothing.
        for draw in given:
            run.report(draw, loss=np.ones(len(draw), np.float32))
        run.flush(timeout=60)
        (epoch,) = run.info().epochs
        assert epoch.acknowledged_positions == SIZE * (STEPS - len(local))
        scored = {i for draw in given for i in draw.indices.tolist()}
        assert run.info().scored_samples == len(scored)
        assert run.stats()["refused_samples"] == 0


def test_uniform_ends_an_epoch_without_the_server(away: Away) -> None:
    client = subset.connect(away.address)
    run = make_run(client)
    batches = run.batch_sampler(prefetch=1, on_outage="uniform", patience=5.0)
    iterator = iter(batches)
    given = [draw_of(next(iterator))]
    assert not given[0].fallback
    away.go()
    given += steps(iterator)
    assert [draw.step for draw in given] == list(range(STEPS))
    assert given[-1].fallback
    assert batches.state_dict()["epoch"] == 1


def test_uniform_batches_are_one_for_all_ranks_and_world_sizes(client: subset.Client) -> None:
    from subset.fallback import uniform_batch

    client.ensure_dataset("shares", num_samples=50)
    client.ensure_sampler("shares/s", preset="uniform")
    run = client.run("shares", sampler="shares/s", seed=2**64 - 1, global_batch_size=9)
    epoch, info = run.open_epoch(3), run.info()

    def share(step: int, rank: int, world_size: int) -> subset.Draw:
        reply = uniform_batch(info, epoch, step, rank, world_size)
        return subset.Draw.from_reply(reply, run_uid=1, rank=rank, world_size=world_size)

    wholes = []
    for step in range(epoch.num_steps):
        whole = share(step, 0, 1)
        wholes.append(tuple(whole.indices.tolist()))
        assert len(whole) == whole.global_samples == (9 if step < 5 else 5)
        for world_size in (2, 4, 12):
            parts = [share(step, rank, world_size) for rank in range(world_size)]
            together = np.concatenate([p.indices[: len(p) - p.padding] for p in parts])
            assert together.tolist() == whole.indices.tolist()
            server = run.share(3, step, rank=1, world_size=world_size)
            assert (parts[1].position, len(parts[1]), parts[1].padding) == (
                server.position,
                len(server),
                server.padding,
            )
            assert parts[1].weights.tolist() == server.weights.tolist()
    assert len(set(wholes)) == len(wholes)


def test_uniform_batches_come_from_the_shuffle_that_is_documented() -> None:
    from subset.fallback import uniform_indices

    for size in (1, 7, 100):
        for total in (1, size // 2, size):
            words = np.random.Philox(
                key=np.array([5, 0x7375627365740001], np.uint64),
                counter=np.array([0, 0, 2, 3], np.uint64),
            ).random_raw(total)
            places = list(range(size))
            for i, word in enumerate(words.tolist()):
                other = i + word * (size - i) // 2**64
                places[i], places[other] = places[other], places[i]
            assert uniform_indices(5, 3, 2, size, total) == places[:total]
            assert sorted(uniform_indices(5, 3, 2, size, size)) == list(range(size))
    # A batch larger than the dataset repeats. As in tests/client/uniform_batch_test.cc.
    assert uniform_indices(1, 3, 2, 5, 12) == [1, 1, 4, 0, 2, 0, 3, 3, 4, 4, 1, 4]


def test_uniform_batches_are_uniform(client: subset.Client) -> None:
    # 2,000 batches of 5 of 20: 10,000 draws, 500 each. Within a batch they repel each other, so
    # Pearson's statistic, scaled by 19/15, has 19 degrees of freedom; P(> 67.8) < 2e-7, seed fixed.
    from subset.fallback import uniform_batch

    client.ensure_dataset("flat", num_samples=20)
    client.ensure_sampler("flat/s", preset="uniform")
    run = client.run("flat", sampler="flat/s", seed=11, global_batch_size=5)
    counts = np.zeros(20)
    epoch = dataclasses.replace(run.open_epoch(0), num_positions=10_000, num_steps=2_000)
    info = run.info()
    for step in range(2_000):
        reply = uniform_batch(info, epoch, step, 0, 1)
        draw = subset.Draw.from_reply(reply, run_uid=1, rank=0, world_size=1)
        counts += np.bincount(draw.indices, minlength=20)
    statistic = ((counts - 500) ** 2 / 500).sum() * 19 / 15
    assert 3 < statistic < 67.8


def test_uniform_alone_only_where_all_ranks_can_agree(client: subset.Client, name: str) -> None:
    client.ensure_dataset(name, num_samples=10)
    client.ensure_sampler(f"{name}/s", preset="uniform")
    run = client.run(name, sampler=f"{name}/s", global_batch_size=5)
    with pytest.raises(ValueError, match="world_size 2 needs torch.distributed"):
        run.batch_sampler(rank=0, world_size=2, on_outage="uniform")
    with pytest.raises(ValueError, match="'weight'"):
        run.batch_sampler(on_outage="weight")
    with pytest.raises(ValueError, match="patience -1"):
        run.batch_sampler(patience=-1)
    with pytest.raises(ValueError, match="patience 0"):
        run.batch_sampler(on_outage="uniform", patience=0)


@pytest.mark.parametrize(
    ("spec", "limit"),
    [
        ({}, None),
        ({"proportion": {"kind": "EQUAL", "column": "label"}}, None),
        ({"proportion": {"kind": "EXPLICIT", "column": "label"}}, "proportion EXPLICIT"),
        ({"eligible": {"all": [{"column": "label", "in": {"values": [1]}}]}}, "eligible"),
    ],
)
def test_a_sampler_that_leaves_samples_out_has_no_uniform_fallback(spec: Any, limit: Any) -> None:
    from google.protobuf.json_format import ParseDict

    from subset.fallback import restriction
    from subset.v1 import sampler_pb2

    assert restriction(ParseDict(spec, sampler_pb2.SamplerSpec())) == limit


def test_uniform_refuses_such_a_sampler_before_the_first_batch(
    client: subset.Client, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.ensure_dataset(name, num_samples=4)
    client.ensure_sampler(f"{name}/s", preset="uniform")
    run = client.run(name, sampler=f"{name}/s", global_batch_size=2)
    monkeypatch.setattr("subset.fallback.restriction", lambda spec: "eligible")
    with pytest.raises(ValueError, match="eligible, which leaves some out"):
        next(iter(run.batch_sampler(on_outage="uniform")))


RANK = """
    import json, os, sys
    import torch.distributed as dist
    import subset
    from subset.torch import draw_of

    address, store = sys.argv[1:]
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)
    run = subset.connect(address).run("r", sampler="d/s", seed=3)
    batches = run.batch_sampler(prefetch=4, on_outage="uniform", patience=5.0)
    for indices in batches:
        draw = draw_of(indices)
        print(json.dumps([draw.step, draw.fallback, draw.indices.tolist()]), flush=True)
        if draw.step == 5:
            sys.stdin.readline()  # one rank's server goes
"""


def test_all_ranks_fall_back_for_the_same_steps(subsetd: str, tmp_path: pathlib.Path) -> None:
    # Each rank has a server of its own over the same data, so that one alone can lose it.
    servers = []
    for rank in range(2):
        folder = tmp_path / str(rank)
        folder.mkdir()
        servers.append(Away(subsetd, folder))
        with subset.connect(servers[rank].address) as client:
            make_run(client, preset="uniform")
    script = tmp_path / "rank.py"
    script.write_text(textwrap.dedent(RANK))
    ranks = [
        subprocess.Popen(
            [sys.executable, str(script), servers[rank].address, str(tmp_path / "store")],
            env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "2"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        given: List[List[Any]] = []
        for process in ranks:
            assert process.stdout is not None
            given.append([json.loads(process.stdout.readline()) for _ in range(6)])
        servers[1].go()
        for process in ranks:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        for rank, process in enumerate(ranks):
            rest, _ = process.communicate(timeout=120)
            given[rank] += [json.loads(line) for line in rest.splitlines()]
    finally:
        for process in ranks:
            process.kill()
        for server in servers:
            server.go()
    for draws in given:
        # Decided four steps at a time: those up to 7 were there already.
        assert [(step, local) for step, local, _ in draws] == [(s, s >= 8) for s in range(STEPS)]
    for (_, _, mine), (_, _, others) in zip(*given):
        assert len({*mine, *others}) == SIZE
