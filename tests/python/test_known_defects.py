"""Defects of other systems that concern the client; see also the known_defects_test.cc."""

from __future__ import annotations

import ast
import json
import os
import pathlib
import pickle
from typing import Any, Tuple

import pytest

import subset

CODE_LOADERS = {"pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}


class Bomb:
    """Makes a directory when it is unpickled."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def __reduce__(self) -> Tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_mixtera_runs_what_its_checkpoints_hold(
    client: subset.Client, name: str, tmp_path: pathlib.Path
) -> None:
    """Defect 14: checkpoints and what comes over the wire are pickled, so they are code."""
    client.ensure_dataset(name, num_samples=40)
    client.ensure_sampler(f"{name}/s", preset="uniform")
    batches = client.run(name, sampler=f"{name}/s", seed=1, global_batch_size=10).batch_sampler()
    next(iter(batches))
    state = batches.state_dict()
    assert json.loads(json.dumps(state)) == state, "a state is plain data"
    bomb = pickle.dumps(Bomb(tmp_path / "made"))
    for forged in (bomb, {**state, "crc": bomb}, {**state, "run": bomb}):
        with pytest.raises(ValueError):
            batches.load_state_dict(forged)  # type: ignore[arg-type]
    assert not (tmp_path / "made").exists()
    assert batches.state_dict() == state


def test_nothing_in_the_package_turns_bytes_into_code() -> None:
    assert subset.__file__ is not None
    for path in sorted(pathlib.Path(subset.__file__).parent.glob("**/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                names = [node.func.id] if node.func.id in ("eval", "exec") else []
            assert not {n.split(".")[0] for n in names} & {*CODE_LOADERS, "eval", "exec"}, path
