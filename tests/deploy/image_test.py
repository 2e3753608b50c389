"""What can be said of the image without building it; container_test.py builds and runs it."""

from __future__ import annotations

import os
import re
import subprocess

import pytest
import yaml
from conftest import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
PACKAGES = (ROOT / "cmake/packages.txt").read_text()
SETTINGS = dict(
    line.split("=", 1)
    for line in (ROOT / "deploy/kustomize/base/subset.env").read_text().splitlines()
    if line and not line.startswith("#")
)


def instructions() -> list[tuple[str, str]]:
    """(instruction, arguments) of the Dockerfile, continuation lines joined."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    return [(a, " ".join(b.split())) for a, b in re.findall(r"^([A-Z]+) (.*)$", text, re.MULTILINE)]


def final_stage() -> list[tuple[str, str]]:
    lines = instructions()
    return lines[max(i for i, (word, _) in enumerate(lines) if word == "FROM"):]


def image_environment() -> dict[str, str]:
    text = next(arguments for word, arguments in final_stage() if word == "ENV")
    return dict(pair.split("=", 1) for pair in text.split())


def sections() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    name = ""
    for line in PACKAGES.splitlines():
        if line.startswith("# "):
            name = line[2:]
            assert name not in found, name
            found[name] = []
        elif line:
            found[name].append(line)
    return found


def test_packages_are_listed_once_with_legal_names() -> None:
    assert list(sections()) == ["build", "run", "test", "node", "container"]
    names = [name for of in sections().values() for name in of]
    assert len(names) == len(set(names))
    assert [name for name in names if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", name)] == []


def test_dev_and_the_dockerfile_install_from_the_one_list() -> None:
    assert "cmake/packages.txt" in (ROOT / "dev").read_text()
    installs = [arguments for word, arguments in instructions() if "apt-get install" in arguments]
    assert len(installs) == 1
    options_and_packages = re.search(r"apt-get install (.*) && rm ", installs[0])
    assert options_and_packages is not None
    program = re.fullmatch(
        r"-y --no-install-recommends \$\(awk '(.*)' /tmp/packages\.txt\)", options_and_packages[1]
    )
    assert program is not None, "package names belong in cmake/packages.txt"
    chosen = subprocess.run(["awk", program[1]], input=PACKAGES, capture_output=True, text=True, check=True)
    assert chosen.stdout.split() == sections()["build"]


def test_the_final_stage_is_empty_but_for_what_is_copied_and_not_root() -> None:
    words = [word for word, _ in final_stage()]
    assert final_stage()[0] == ("FROM", "scratch")
    assert "RUN" not in words
    assert ("USER", "65532:65532") in final_stage()
    assert ("ENTRYPOINT", '["/usr/local/bin/subsetd"]') in final_stage()
    assert ("VOLUME", "/data") in final_stage()
    assert ("EXPOSE", "50051 9090") in final_stage()


def test_the_build_sees_every_room_of_the_product() -> None:
    cmake = (ROOT / "CMakeLists.txt").read_text().split("if(SUBSET_BUILD_TESTS)")[0]
    rooms = re.findall(r"^add_subdirectory\((\S+)\)", cmake, re.MULTILINE)
    assert {"base", "server", "client/cpp"} <= set(rooms)
    ignore = (ROOT / ".dockerignore").read_text().split()
    assert {f"!{room}" for room in [*rooms, "cmake", "CMakeLists.txt", "LICENSE"]} <= set(ignore)
    assert {"!tests", "!bench", "!.git"} & set(ignore) == set()


def check_config(subsetd: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SUBSET_")}
    return subprocess.run(
        [subsetd, "--check_config"], env={**clean, **environment}, capture_output=True, text=True
    )


@pytest.mark.parametrize("where", ["the image", "the manifests"])
def test_the_server_knows_every_setting(subsetd: str, where: str) -> None:
    environment = image_environment() if where == "the image" else SETTINGS
    done = check_config(subsetd, environment)
    assert done.returncode == 0, done.stderr
    refused = check_config(subsetd, {**environment, "SUBSET_LISTENS": "x"})
    assert refused.returncode == 2 and "SUBSET_LISTENS" in refused.stderr


def test_ports_and_paths_agree_everywhere() -> None:
    environment = image_environment()
    assert {k: v for k, v in environment.items() if k in SETTINGS} == {
        k: v for k, v in SETTINGS.items() if k in environment
    }
    pod = yaml.safe_load((ROOT / "deploy/kustomize/base/statefulset.yaml").read_text())
    container = pod["spec"]["template"]["spec"]["containers"][0]
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    assert SETTINGS["SUBSET_LISTEN"].endswith(f":{ports['grpc']}")
    assert SETTINGS["SUBSET_METRICS_LISTEN"].endswith(f":{ports['metrics']}")
    assert SETTINGS["SUBSET_DATA_DIR"] in [m["mountPath"] for m in container["volumeMounts"]]


def test_the_drain_fits_into_the_grace_period(subsetd: str) -> None:
    printed = subprocess.run(
        [subsetd, "--print_config"], env={**os.environ, **SETTINGS}, capture_output=True, text=True, check=True
    ).stdout
    seconds = [
        sum(float(n) * {"m": 60, "s": 1, "ms": 0.001}[unit] for n, unit in re.findall(r"([\d.]+)(ms|m|s)", value))
        for value in re.findall(r"^drain_(?:delay|deadline)=(\S+)", printed, re.MULTILINE)
    ]
    assert len(seconds) == 2 and min(seconds) > 0, printed
    text = (ROOT / "deploy/kustomize/base/statefulset.yaml").read_text()
    grace = re.search(r"terminationGracePeriodSeconds: (\d+)", text)
    assert grace is not None
    assert sum(seconds) + 10 <= float(grace[1])  # 10 s to cancel what is left and to sync
