"""Datasets, samplers and runs on a real server."""

from __future__ import annotations

import numpy as np
import pytest
from real_runs import CLASSES, LABELS, SAMPLES, make_run, train_epoch

import subset


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
