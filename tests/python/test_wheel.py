"""The wheels of ./dev wheel, installed together where nothing else is."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import textwrap
import zipfile

import pytest
from conftest import ROOT

WHEELS = ROOT / "build" / "wheel"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The interpreter of an environment that holds the wheels, from no index."""
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run(
        [sys.executable, "-m", "venv", "--system-site-packages", str(folder)], check=True
    )
    subprocess.run(
        [str(folder / "bin/pip"), "install", "-q", "--disable-pip-version-check", "--no-index"]
        + [f"--find-links={WHEELS}", "subset[server]"],
        check=True,
        env=clean(),
    )
    return str(folder / "bin" / "python")


def clean() -> "dict[str, str]":
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SUBSETD")}


def test_a_private_server_comes_with_the_package(python: str, tmp_path: pathlib.Path) -> None:
    script = textwrap.dedent(
        """
        import pathlib, subprocess, sys, subset, subset_server
        for module in (subset, subset_server):
            assert module.__file__.startswith(sys.prefix), module.__file__
        with subset.local("scores") as client:
            tasks = pathlib.Path("/proc/self/task").glob("*/children")
            (child,) = [pid for task in tasks for pid in task.read_text().split()]
            server = pathlib.Path("/proc", child)
            assert (server / "exe").resolve() == subset_server.BINARY
            print((server / "maps").read_text())
            client.ensure_dataset("d", num_samples=10)
            client.ensure_sampler("d/s", preset="uniform")
            run = client.run("r", sampler="d/s", global_batch_size=5)
            assert sorted(i for draw in run.batches(0) for i in draw.indices.tolist()) == [*range(10)]
        assert not server.exists()
        """
    )
    done = subprocess.run(
        [python, "-c", script],
        cwd=tmp_path,
        env={**clean(), "PATH": ""},
        check=True,
        timeout=120,
        stdout=subprocess.PIPE,
        text=True,
    )
    # Its libraries are those of the wheel.
    loaded = set(re.findall(r"/\S*lib(?:rocksdb|grpc|protobuf)\S*", done.stdout))
    assert loaded and all("subset_server.libs" in path for path in loaded)


def test_the_server_wheel_carries_its_licences() -> None:
    (wheel,) = WHEELS.glob("subset_server-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    libraries = [n for n in names if n.startswith("subset_server.libs/")]
    licences = [n for n in names if n.startswith("subset_server/licenses/")]
    assert len(libraries) > 20 and len(licences) > 5
    assert any("librocksdb" in n for n in licences) and any("libgrpc" in n for n in licences)
