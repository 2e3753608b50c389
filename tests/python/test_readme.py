"""The training loops of the READMEs and of the manual run as printed."""

from __future__ import annotations

import pathlib
import re
from typing import Any, Dict

import numpy as np
import pytest
import subset
import torch
from server_process import ServerProcess
from subset.torch import DataLoader, IndexedDataset
from torch.utils.data import TensorDataset

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("readme", "smaller"),
    [
        ("README.md", {}),
        # Fewer epochs and workers, and a dataset and run of its own.
        ("client/python/README.md", {"90": "3", "workers=8": "workers=2", "cifar": "cifar-2"}),
    ],
)
def test_the_loop_of_the_readme_runs_as_printed(
    server: ServerProcess, readme: str, smaller: Dict[str, str]
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / readme).read_text(), flags=re.DOTALL)
    # Only the address differs: the test's server listens on a free port.
    changes = {"localhost:50051": server.grpc_address, **smaller}
    changes["resnet-s1"] = f"resnet-{len(smaller)}"
    for printed, here in changes.items():
        assert printed in code
        code = code.replace(printed, here)
    torch.manual_seed(1)
    train_set = TensorDataset(torch.randn(3_000, 8), torch.randint(0, 3, (3_000,)))
    train_set.targets = train_set.tensors[1]  # type: ignore[attr-defined]
    model = torch.nn.Linear(8, 3)
    before = model.weight.detach().clone()
    names: Dict[str, Any] = {
        "train_set": train_set,
        "model": model,
        "opt": torch.optim.SGD(model.parameters(), lr=0.1),
    }
    exec(code, names)
    names["run"].flush(durable=True)
    assert not torch.equal(model.weight, before)
    with subset.connect(server.grpc_address) as client:
        info = client.describe_run(changes["resnet-s1"])
    assert info.scored_samples == 3_000
    assert info.epochs[-1].acknowledged_positions == info.epochs[-1].num_positions


def test_the_leased_loop_of_the_manual_runs_as_printed(
    server: ServerProcess, client: subset.Client
) -> None:
    import torch.nn.functional as F
    from subset.torch import DataLoader, IndexedDataset

    code = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "delivery.md").read_text(), flags=re.DOTALL
    )[0]
    for printed, here in {"90": "2", "workers=8": "workers=2"}.items():
        assert printed in code
        code = code.replace(printed, here)
    client.ensure_dataset("manual", num_samples=300)
    client.ensure_sampler("manual/all", preset="uniform")
    run = client.run("manual", sampler="manual/all", global_batch_size=32)
    model = torch.nn.Linear(8, 3)
    names: Dict[str, Any] = {
        "DataLoader": DataLoader,
        "F": F,
        "IndexedDataset": IndexedDataset,
        "model": model,
        "opt": torch.optim.SGD(model.parameters(), lr=0.1),
        "run": run,
        "train_set": TensorDataset(torch.randn(300, 8), torch.randint(0, 3, (300,))),
    }
    exec(code, names)
    run.flush()
    assert [e.acknowledged_positions for e in run.info().epochs] == [300, 300]
    assert run.info().scored_samples == 300


def code_after(document: str, heading: str) -> str:
    """The first block of Python after a heading."""
    text = (ROOT / document).read_text()
    return re.findall(r"```python\n(.*?)```", text[text.index(heading) :], flags=re.DOTALL)[0]


def test_a_strategy_of_ones_own_runs_as_printed(client: subset.Client, name: str) -> None:
    code = code_after("docs/strategies.md", "## A strategy of your own")
    random = np.random.default_rng(3)
    quality, clusters = random.random(600), np.repeat([0, 1, 2], [400, 150, 50])
    weights = []

    def train_on(indices: np.ndarray, importance: np.ndarray) -> Any:
        weights.extend(importance.tolist())
        return np.ones(len(indices)), np.where(indices % 5 == 0, 9.0, 1.0)

    names: Dict[str, Any] = {
        "client": client, "np": np, "train_on": train_on,
        "my_quality": quality, "my_clusters": clusters.astype(np.uint8),
    }
    exec(code.replace("cifar", name).replace('"margins"', f'"{name}-m"').replace('"own"', f'"{name}-o"'), names)
    drawn = np.concatenate([draw.indices for draw in names["run"].batches(1)])
    assert quality[drawn].min() >= 0.5
    natural = np.bincount(clusters[quality >= 0.5]) / (quality >= 0.5).sum()
    assert (np.bincount(clusters[drawn]) / len(drawn))[2] > 2 * natural[2]
    preferred = (drawn % 5 == 0).mean()
    assert preferred > 0.3  # a fifth of the samples, three times as likely as the others
    assert len(set(weights)) > 2
    np.testing.assert_array_equal(
        np.concatenate([draw.indices for draw in names["own"].batches(0)]), names["indices"]
    )


def test_the_loop_over_pools_runs_as_printed(client: subset.Client, name: str) -> None:
    code = code_after("docs/strategies.md", "## Fresh scores")
    data = TensorDataset(torch.randn(200, 8), torch.randint(0, 3, (200,)))
    client.ensure_dataset(name, irreducible_loss=np.zeros(200, np.float32))
    model = torch.nn.Linear(8, 3)
    setup, loop = code.replace("cifar", name).split("\n", 1)
    exec(setup, {"client": client})
    run = client.run(name, sampler=f"{name}/rho", seed=1, global_batch_size=50)
    loader = DataLoader(IndexedDataset(data), batch_sampler=run.batch_sampler())
    names = {"loader": loader, "run": run, "model": model, "torch": torch, "F": torch.nn.functional}
    exec(loop, names)
    run.flush(timeout=60)
    assert names["x"].shape == (5, 8)
    assert run.info().scored_samples == 200
    assert model.weight.grad is not None
