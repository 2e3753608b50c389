"""What the tests of deploy/ share: where the programs are, and a place for tools."""

from __future__ import annotations

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/testing"))


def pytest_addoption(parser: pytest.Parser) -> None:
    release = ROOT / "build/release"
    parser.addoption("--tools", default=str(release / "deploy-tools"), help="folder for tools")
    parser.addoption("--subsetd", default=str(release / "bin/subsetd"), help="the server")
    parser.addoption("--subsetctl", default=str(release / "bin/subsetctl"), help="its command line")


@pytest.fixture(scope="session")
def tools(request: pytest.FixtureRequest) -> pathlib.Path:
    folder = pathlib.Path(request.config.getoption("--tools")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def subsetd(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--subsetd"))


@pytest.fixture(scope="session")
def subsetctl(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--subsetctl"))
