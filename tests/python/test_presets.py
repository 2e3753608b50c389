"""Every preset against a real server: two epochs drawn and reported, with what the reply says about them."""

from __future__ import annotations

import pathlib
import re
from typing import Any, Dict, List

import numpy as np
import pytest
import torch

import subset

SAMPLES = 600
_random = np.random.default_rng(7)
# Label 0 in all, 1 in a tenth, 2 in a hundredth; 9 in one sample.
LABELS = [[0] + [1] * (i % 10 == 0) + [2] * (i % 100 == 1) + [9] * (i == 17) for i in range(SAMPLES)]
COLUMNS: Dict[str, Any] = {
    "labels": LABELS,
    "label": np.repeat(np.arange(3), [400, 150, 50]).astype(np.uint8),
    "group": (np.arange(SAMPLES) % 4).astype(np.uint8),
    "quality": _random.random(SAMPLES).astype(np.float32),
    "difficulty": _random.random(SAMPLES).astype(np.float32),
    "timestamp": np.arange(SAMPLES, dtype=np.int64) * 60,
    "irreducible_loss": _random.random(SAMPLES).astype(np.float32),
}
REQUIRED = {"total_epochs": 4, "growth_epochs": 2, "length": 50, "half_life": 3600}
EACH_ONCE = {"uniform", "time_block"}
SHARE_IN_EPOCH_1 = {  # of the samples, each once
    "curriculum": 0.55,
    "el2n": 0.5,
    "forgetting": 0.7,
    "hard_example": 0.5,
    "rho_loss_stale": 0.5,
    "self_paced": 0.55,
}


def train_epoch(run: subset.Run, epoch: int) -> List[subset.Draw]:
    draws = list(run.batches(epoch))
    for draw in draws:
        loss = (draw.indices % 17 + 1).astype(np.float32)
        run.report(draw, loss=loss, el2n=loss / 17, correct=(loss > 4 + 9 * epoch).astype(np.float32))
    run.flush(timeout=60)
    return draws


def test_every_preset_draws_what_training_needs(client: subset.Client, name: str) -> None:
    client.ensure_dataset(name, columns=COLUMNS)
    presets = client.presets()
    assert len(presets) > 20
    for preset in presets:
        required = {p.name: REQUIRED[p.name] for p in preset.parameters if p.default is None}
        sampler = f"{name}/{preset.name.replace('_', '-')}"
        pools = "select" in client.ensure_sampler(sampler, preset=preset.name, **required).spec
        run = client.run(
            sampler.replace("/", "-")[-60:].lstrip("-."), sampler=sampler, seed=3, global_batch_size=32
        )
        for epoch in range(2):
            draws = train_epoch(run, epoch)
            indices = np.concatenate([draw.indices for draw in draws])
            weights = np.concatenate([draw.weights for draw in draws])
            assert 0 < len(indices) <= SAMPLES * 1.2, preset.name
            assert indices.max() < SAMPLES, preset.name
            assert np.isfinite(weights).all() and (weights > 0).all(), preset.name
            if preset.name in EACH_ONCE:
                assert sorted(indices.tolist()) == list(range(SAMPLES)), preset.name
            if preset.name in SHARE_IN_EPOCH_1 and epoch == 1:
                kept = int(SHARE_IN_EPOCH_1[preset.name] * SAMPLES)
                assert len(set(indices.tolist())) == len(indices) == kept, preset.name
            if pools:
                chosen = [run.select(d, (d.indices % 17 + 1).astype(np.float32)) for d in draws]
                assert 0 < sum(map(len, chosen)) < len(indices), preset.name
                for pool, draw in zip(draws, chosen):
                    np.testing.assert_array_equal(draw.indices, pool.indices[draw.places])
            again = np.concatenate([draw.indices for draw in run.batches(epoch)])
            np.testing.assert_array_equal(again, indices, err_msg=preset.name)
            told = {draw.unbiased_over for draw in (chosen if pools else draws)} - {"unknown"}
        assert (told == {"nothing"}) == preset.unbiased_for.startswith("nothing"), preset.name


@pytest.mark.parametrize(
    "columns, message",
    [({"strata": "dialect"}, "dialect"), ({"starta": "label"}, 'did you mean "strata"')],
)
def test_a_column_that_is_not_there_is_named(
    client: subset.Client, name: str, columns: Dict[str, Any], message: str
) -> None:
    client.ensure_dataset(name, columns=COLUMNS)
    with pytest.raises(subset.SubsetError, match=message):
        client.ensure_sampler(f"{name}/s", preset="class_balanced", columns=columns)
    assert client.list_samplers(name) == []


def test_a_preview_says_what_is_drawn_and_an_explanation_why(client: subset.Client, name: str) -> None:
    client.ensure_dataset(name, columns=COLUMNS)
    client.ensure_sampler(
        f"{name}/s",
        spec={
            "eligible": {"all": [{"column": "quality", "range": {"minimum": 0.5}}]},
            "proportion": {"kind": "EQUAL", "column": "label"},
        },
    )
    preview = client.preview_sampler(f"{name}/s")
    good = COLUMNS["quality"] >= 0.5
    assert int(preview["eligible_samples"]) == good.sum()
    assert [int(s["value"]) for s in preview["strata"]] == [0, 1, 2]
    assert [s["share"] for s in preview["strata"]] == pytest.approx([1 / 3] * 3, abs=0.01)

    out, chosen = int(np.flatnonzero(~good)[0]), int(np.flatnonzero(good)[0])
    refused = client.explain_sample(f"{name}/s", out)
    assert not refused["eligible"]
    assert refused["predicates"][0]["value"] == pytest.approx(float(COLUMNS["quality"][out]))
    assert not refused["predicates"][0]["passes"]
    drawn = client.explain_sample(f"{name}/s", chosen)
    members = int((good & (COLUMNS["label"] == 0)).sum())
    assert drawn["eligible"] and drawn["preference"] == pytest.approx(1 / members)
    with pytest.raises(subset.SubsetError, match=str(SAMPLES)):
        client.explain_sample(f"{name}/s", SAMPLES)


def repeat_factors(labels: List[List[int]], threshold: float) -> np.ndarray:
    images: Dict[int, int] = {}
    for label in (c for each in labels for c in each):
        images[label] = images.get(label, 0) + 1
    rarest = np.array([min(images[c] for c in each) for each in labels]) / len(labels)
    return np.maximum(1, np.sqrt(threshold / rarest))


def test_repeat_factors_are_those_of_the_paper(client: subset.Client, name: str) -> None:
    dataset = client.ensure_dataset(name, columns=COLUMNS)
    column = {c.name: c for c in dataset.columns}["labels"]
    assert (column.type, column.distinct_values) == ("label_set", 4)
    assert column.num_labels == sum(map(len, LABELS))
    assert client.ensure_dataset(name, columns=COLUMNS) == dataset
    client.ensure_sampler(f"{name}/s", preset="repeat_factor", threshold=0.05)
    run = client.run(name, sampler=f"{name}/s", seed=3, global_batch_size=32)
    expected = repeat_factors(LABELS, 0.05)
    assert len(set(expected)) == 3
    for epoch in range(3):
        draws = train_epoch(run, epoch)
        indices = np.concatenate([draw.indices for draw in draws])
        assert abs(len(indices) - expected.sum()) < 1
        counts = np.bincount(indices, minlength=SAMPLES)
        assert ((counts == np.floor(expected)) | (counts == np.ceil(expected))).all()
        weights = np.concatenate([draw.weights for draw in draws])
        np.testing.assert_allclose(
            weights, len(indices) / SAMPLES / expected[indices], rtol=1e-6
        )
        assert {draw.unbiased_over for draw in draws} == {"batch"}
        again = np.concatenate([draw.indices for draw in run.batches(epoch)])
        np.testing.assert_array_equal(again, indices)
    explained = client.explain_sample(f"{name}/s", 17)
    assert explained["score"] == explained["expected_draws"] == pytest.approx(expected[17])


def test_losses_of_objects_become_scores_as_the_manual_prints(client: subset.Client, name: str) -> None:
    manual = (pathlib.Path(__file__).resolve().parents[2] / "docs/strategies.md").read_text()
    (code,) = [c for c in re.findall(r"```python\n(.*?)```", manual, re.DOTALL) if "per_object" in c]
    client.ensure_dataset(name, columns=COLUMNS)
    client.ensure_sampler(f"{name}/s", preset="uniform")
    run = client.run(name, sampler=f"{name}/s", seed=1, global_batch_size=4)
    draw = run.batch(0, 0, 4)
    owner = torch.tensor([0, 2, 0, 3, 3, 3])  # image 1 has no object
    per_object = torch.tensor([1.0, 5.0, 3.0, 2.0, 2.0, 8.0], requires_grad=True)
    exec(code, {"np": np, "run": run, "draw": draw, "per_object": per_object, "owner": owner})
    run.flush(timeout=60)
    for score, expected in (("loss", [2, 0, 5, 4]), ("total", [4, 0, 5, 12]), ("hardest", [3, 0, 5, 8])):
        spec = {"preference": {"score_power": {"score": score, "alpha": 1}}}
        client.ensure_sampler(f"{name}/{score}", spec=spec)
        seen = [
            client.explain_sample(f"{name}/{score}", int(i), run=name).get("score") for i in draw.indices
        ]
        assert seen == expected


def test_label_sets_are_filtered_by(client: subset.Client, name: str) -> None:
    client.ensure_dataset(name, columns=COLUMNS)

    def eligible(**test: List[int]) -> int:
        tests = [{"column": "labels", key: {"values": values}} for key, values in test.items()]
        sampler = f"{name}/{'-'.join(test).replace('_', '-')}"
        client.ensure_sampler(sampler, spec={"eligible": {"all": tests}})
        return int(client.preview_sampler(sampler)["eligible_samples"])

    assert eligible(any_of=[1, 2]) == 66
    assert eligible(all_of=[0, 9]) == 1
    assert eligible(none_of=[1]) == 540
    assert eligible(any_of=[1, 2], none_of=[2]) == 60
    explained = client.explain_sample(f"{name}/any-of", 17)
    assert not explained["eligible"] and explained["predicates"][0]["value"] == 0
    with pytest.raises(subset.InvalidArgument, match="LABEL_SET is needed, as of .labels."):
        client.ensure_sampler(
            f"{name}/bad", spec={"eligible": {"all": [{"column": "label", "any_of": {"values": [1]}}]}}
        )
    with pytest.raises(subset.InvalidArgument, match="an integer type is needed"):
        client.ensure_sampler(f"{name}/bad", preset="class_balanced", columns={"strata": "labels"})
    with pytest.raises(subset.SubsetError, match="need another name"):
        client.ensure_dataset(name, labels=np.zeros(SAMPLES, np.uint8))


def test_a_strategy_of_ones_own_is_a_plan_handed_in(client: subset.Client, name: str) -> None:
    client.ensure_dataset(name, columns=COLUMNS)
    client.ensure_sampler(f"{name}/own", spec={"draw": {"kind": "PROVIDED"}})
    run = client.run(name, sampler=f"{name}/own", seed=1, global_batch_size=50)
    probabilities = COLUMNS["quality"] / COLUMNS["quality"].sum()
    mine = np.random.default_rng(1).choice(SAMPLES, size=200, p=probabilities.astype(float) / probabilities.sum(dtype=float))
    expected = 200 * probabilities[mine].astype(float)
    assert run.provide_epoch(0, mine, expected=expected).num_positions == 200
    draws = train_epoch(run, 0)
    np.testing.assert_array_equal(np.concatenate([d.indices for d in draws]), mine)
    weights = np.concatenate([d.weights for d in draws])
    np.testing.assert_allclose(weights, 200 / SAMPLES / expected, rtol=1e-6)

    assert run.provide_epoch(1, [5, 5, 3]).num_positions == 3
    assert run.batch(1, 0, 3).indices.tolist() == [5, 5, 3]
    assert run.batch(1, 0, 3).weights.tolist() == [1, 1, 1]
    with pytest.raises(subset.SubsetError, match=str(SAMPLES)):
        run.provide_epoch(2, [SAMPLES])
    with pytest.raises(ValueError, match="expected"):
        run.provide_epoch(2, [1, 2], expected=[1.0])
    with pytest.raises(subset.InvalidArgument, match="of position 1 is 4.94066e-324"):
        run.provide_epoch(2, [1, 2], expected=[1.0, 5e-324])
    with pytest.raises(ValueError, match=r"epoch -1 is outside \[0, 2\^64\)"):
        run.provide_epoch(-1, [1, 2])
    assert [e.epoch for e in run.info().epochs] == [0, 1]


@pytest.mark.parametrize(
    "indices, message",
    [
        ([1, 2**32 + 5], r"indices\[1\] is 4294967301, outside \[0, 4294967296\)"),
        ([-1], r"indices\[0\] is -1, outside"),
        ([1.0, 2.5], "float64, not integers"),
        (np.arange(SAMPLES) % 2 == 0, "bool, not integers"),
        ([[1, 2]], "shape"),
        ([], "shape"),
    ],
)
def test_what_is_no_index_is_not_made_one(
    client: subset.Client, name: str, indices: Any, message: str
) -> None:
    client.ensure_dataset(name, num_samples=SAMPLES)
    client.ensure_sampler(f"{name}/own", spec={"draw": {"kind": "PROVIDED"}})
    run = client.run(name, sampler=f"{name}/own", seed=1, global_batch_size=50)
    with pytest.raises(ValueError, match=message):
        run.provide_epoch(0, indices)
    assert run.info().epochs == ()
    given = torch.tensor([3, 1, 2])
    run.provide_epoch(0, given)
    np.testing.assert_array_equal(run.batch(0, 0, 3).indices, given)
