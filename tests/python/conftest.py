"""Makes the package importable in the tree; gives a real server, and a fake one for faults."""

from __future__ import annotations

import itertools
import os
import pathlib
import subprocess
import sys
from typing import Iterator

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLIENT = ROOT / "client" / "python"

subprocess.run([sys.executable, str(CLIENT / "generate.py"), "--if-old"], check=True)
for path in (ROOT / "tests" / "testing", CLIENT):
    sys.path.insert(0, str(path))
# Child processes, loader workers that are spawned among them, find the package as well.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(CLIENT), *filter(None, [os.environ.get("PYTHONPATH")])]
)

# As the package does, which may come after a fake server here: see connection.py.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
os.environ.setdefault("GRPC_POLL_STRATEGY", "poll")

import subset  # noqa: E402
from away import Away  # noqa: E402
from fake_server import FakeServer  # noqa: E402
from server_process import ServerProcess  # noqa: E402


_numbers = itertools.count()


def find_subsetd() -> str:
    """SUBSETD, else the newest one built in the tree."""
    if "SUBSETD" in os.environ:
        return os.environ["SUBSETD"]
    built = sorted(ROOT.glob("build/*/bin/subsetd"), key=lambda p: p.stat().st_mtime)
    assert built, "no subsetd: build it (./dev build) or say where it is in SUBSETD"
    return str(built[-1])


@pytest.fixture(scope="session")
def subsetd() -> str:
    """Path of the server's binary."""
    return find_subsetd()


@pytest.fixture(scope="session")
def server(subsetd: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One real server for all tests that do not hurt it; each uses names of its own."""
    process = ServerProcess(subsetd, str(tmp_path_factory.mktemp("data")))
    yield process
    process.stop()


@pytest.fixture
def client(server: ServerProcess) -> Iterator[subset.Client]:
    with subset.connect(server.grpc_address) as opened:
        yield opened


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name no other test uses."""
    text = request.node.name.lower().replace("[", "-").replace("]", "").replace("_", "-")
    words = "".join(c for c in text if c.isalnum() or c in "-.")[:50].strip("-.")
    return f"{words}-{next(_numbers)}"


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    server = FakeServer()
    yield server
    server.stop()


@pytest.fixture
def away(subsetd: str, tmp_path: pathlib.Path) -> Iterator[Away]:
    """A real server of the test's own, to be taken away."""
    server = Away(subsetd, tmp_path)
    yield server
    server.go()
