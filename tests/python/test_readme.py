"""The README's training loop runs as printed."""

from __future__ import annotations

import pathlib
import re
from typing import Any, Dict

import subset
import torch
from server_process import ServerProcess
from torch.utils.data import TensorDataset

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


def test_the_loop_of_the_readme_runs_as_printed(server: ServerProcess) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert '"localhost:50051"' in code
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
    # Only the address differs: the test's server listens on a free port.
    exec(code.replace("localhost:50051", server.grpc_address), names)
    names["run"].flush(durable=True)
    assert not torch.equal(model.weight, before)
    with subset.connect(server.grpc_address) as client:
        info = client.describe_run("resnet-s1")
    assert info.scored_samples == 3_000
    assert info.epochs[-1].acknowledged_positions == info.epochs[-1].num_positions
