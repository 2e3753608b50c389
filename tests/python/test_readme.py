"""The training loops of the READMEs and of the manual run as printed."""

from __future__ import annotations

import pathlib
import re
from typing import Any, Dict

import pytest
import subset
import torch
from server_process import ServerProcess
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
