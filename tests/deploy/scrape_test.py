"""A real Prometheus, with the configuration of deploy/, scrapes a real server."""

from __future__ import annotations

import json
import pathlib
import re
import signal
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
import yaml
from conftest import ROOT
from server_process import ServerProcess

PATIENCE = 60.0  # seconds until a condition must hold


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"not within {PATIENCE} s: {what}"
        time.sleep(0.05)


class Prometheus:
    """Debian's Prometheus on a free port, with deploy/prometheus and one target."""

    def __init__(self, folder: pathlib.Path, target: str) -> None:
        config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "250ms", "evaluation_interval": "250ms"}
        config["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        (folder / "rules.yml").write_text((ROOT / "deploy/prometheus/rules.yml").read_text())
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                 "--web.listen-address=127.0.0.1:0"],
                stdout=log, stderr=log,
            )
        wait_for(lambda: self._listening() is not None or self._process.poll() is not None, "Prometheus listens")
        listening = self._listening()
        assert listening is not None, self._log.read_text()
        self._address = listening
        wait_for(self._ready, "Prometheus is ready")

    def _listening(self) -> str | None:
        found = re.search(r'msg="Listening on" address=(\S+)', self._log.read_text())
        return found[1] if found else None

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self._address}/-/ready", timeout=5):
                return True
        except OSError:
            return False

    def get(self, path: str, **query: str) -> list[dict[str, Any]]:
        """The `data` of the HTTP API: the one list in it."""
        url = f"http://{self._address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as reply:
            data: dict[str, Any] = json.load(reply)["data"]
        return next(value for value in data.values() if isinstance(value, list))

    def value(self, expression: str) -> float | None:
        """The one value of a query; None where there is none yet."""
        found = self.get("query", query=expression)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(timeout=60) == 0


@pytest.fixture(scope="module")
def server(subsetd: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    process = ServerProcess(subsetd, str(tmp_path_factory.mktemp("data")))
    yield process
    process.stop()


@pytest.fixture(scope="module")
def prometheus(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    process = Prometheus(tmp_path_factory.mktemp("prometheus"), server.metrics_address)
    yield process
    process.stop()


def page(server: ServerProcess) -> str:
    with urllib.request.urlopen(f"http://{server.metrics_address}/metrics", timeout=10) as reply:
        return str(reply.read().decode())


def list_datasets(server: ServerProcess, times: int) -> None:
    """Calls ListDatasets with an empty request."""
    with grpc.insecure_channel(server.grpc_address) as channel:
        call = channel.unary_unary("/subset.v1.DatasetService/ListDatasets")
        for _ in range(times):
            call(b"", timeout=10)


def test_the_target_is_up_and_ready(prometheus: Prometheus) -> None:
    wait_for(lambda: prometheus.value('up{job="subset"}') == 1, "the target is up")
    wait_for(lambda: prometheus.value("subset_ready") == 1, "the server says it is ready")


def test_calls_are_counted(server: ServerProcess, prometheus: Prometheus) -> None:
    method = '{grpc_service="subset.v1.DatasetService",grpc_method="ListDatasets"}'
    started = f"grpc_server_started_total{method}"
    handled = 'grpc_server_handled_total{grpc_method="ListDatasets",grpc_code="OK"}'
    wait_for(lambda: prometheus.value(started) is not None, "the series exists before any call")
    before, handled_before = prometheus.value(started), prometheus.value(handled)
    assert before is not None and handled_before is not None
    list_datasets(server, 7)
    expected = before + 7, handled_before + 7
    wait_for(lambda: (prometheus.value(started), prometheus.value(handled)) == expected, "seven calls are counted")


def test_rules_load_and_nothing_fires(prometheus: Prometheus) -> None:
    wait_for(lambda: prometheus.value('up{job="subset"}') == 1, "the target is up")

    def rules() -> list[dict[str, Any]]:
        return [rule for group in prometheus.get("rules") for rule in group["rules"]]

    wait_for(lambda: all(rule["health"] == "ok" for rule in rules()), "every rule was evaluated")
    assert len(rules()) == 8
    assert [r["name"] for r in rules() if r["state"] != "inactive"] == []


def test_every_metric_an_alert_uses_is_on_the_page(server: ServerProcess, subsetctl: str) -> None:
    # Some are of a run.
    for words in (
        "dataset create d --samples 10",
        "sampler create d/s --preset uniform",
        "run create r --sampler d/s --global-batch-size 2",
    ):
        subprocess.run([subsetctl, "--endpoint", server.grpc_address, *words.split()], check=True, capture_output=True)
    present = set(re.findall(r"^([a-z_]+)[{ ]", page(server), re.MULTILINE))
    rules = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())
    expressions = " ".join(rule["expr"] for group in rules["groups"] for rule in group["rules"])
    used = set(re.findall(r"\b((?:subset|grpc_server)_[a-z_]+)\s*[{\[]", expressions))
    assert len(used) == 6
    assert used - present == set()
    for metric, labels in re.findall(r"\b((?:subset|grpc_server)_[a-z_]+)\{([^}]*)\}", expressions):
        names = set(re.findall(r"(\w+)\s*(?:=~|=)", labels)) - {"job"}  # the scrape's own
        series = re.findall(rf"^{metric}\{{([^}}]*)\}}", page(server), re.MULTILINE)
        assert names == set() or any(names <= set(re.findall(r'(\w+)="', s)) for s in series), metric


def test_the_page_passes_promtool(server: ServerProcess) -> None:
    linted = subprocess.run(["promtool", "check", "metrics"], input=page(server), capture_output=True, text=True)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    refused = subprocess.run(["promtool", "check", "metrics"], input="a_b_total{ 1\n", capture_output=True, text=True)
    assert refused.returncode != 0
