"""The alerts fire when they should and are silent when they should be (promtool test rules)."""

from __future__ import annotations

import copy
import pathlib
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from conftest import ROOT

PROMETHEUS = ROOT / "deploy/prometheus"
CASES = pathlib.Path(__file__).resolve().parent / "alerts.yml"
RULES: dict[str, Any] = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())
ALERTS: list[dict[str, Any]] = [rule for group in RULES["groups"] for rule in group["rules"]]


def promtool(*arguments: str | pathlib.Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True)


def run_cases(folder: pathlib.Path, rules: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    (folder / "rules.yml").write_text(yaml.safe_dump(rules))
    shutil.copy(CASES, folder)
    return promtool("test", "rules", folder / CASES.name)


def test_configuration_and_rules_are_valid() -> None:
    for kind, file in (("config", "prometheus.yml"), ("rules", "rules.yml")):
        done = promtool("check", kind, PROMETHEUS / file)
        assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_fire_and_are_silent_as_the_cases_say(tmp_path: pathlib.Path) -> None:
    done = run_cases(tmp_path, RULES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_severity_and_says_what_it_means() -> None:
    assert {a["alert"] for a in ALERTS} == {
        "SubsetDown", "SubsetReadOnly", "SubsetHighErrorRate", "SubsetDrawSlow", "SubsetFeedbackSlow",
        "SubsetNonFiniteLosses", "SubsetParkedBlocks"}
    for alert in ALERTS:
        assert alert["labels"]["severity"] in ("warning", "critical")
        assert set(alert["annotations"]) == {"summary", "description"}


@pytest.mark.parametrize("number", range(len(ALERTS)), ids=[a["alert"] for a in ALERTS])
@pytest.mark.parametrize("expression", ["vector(1) > 2", "vector(1)"], ids=["never", "always"])
def test_the_cases_notice_an_alert_that_is_wrong(
    tmp_path: pathlib.Path, number: int, expression: str
) -> None:
    wrong = copy.deepcopy(RULES)
    rules = [rule for group in wrong["groups"] for rule in group["rules"]]
    rules[number]["expr"] = expression
    done = run_cases(tmp_path, wrong)
    assert done.returncode != 0
    assert f"alertname: {ALERTS[number]['alert']}" in done.stdout + done.stderr
