"""The image is built and run for real: not root, read-only root, no capabilities, no network but loopback.

Needs root and the packages of the section `container` in cmake/packages.txt; takes minutes, so it runs
with ./dev test --long. No registry is needed: the base image is made by debootstrap, once, and kept with
the layers under --tools.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
import subprocess
import time
from collections.abc import Iterator

import pytest
from conftest import ROOT

BASE = "docker.io/library/debian:bookworm-slim"
IMAGE = "localhost/subset:test"
UID = 65532
GRACE = 60.0  # seconds, as in the manifests
PATIENCE = 60.0
HARDENED = [
    "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none",
    "--memory=512m", "--pids-limit=512",
]
SOURCES = """deb http://deb.debian.org/debian bookworm main
deb http://deb.debian.org/debian bookworm-updates main
deb http://deb.debian.org/debian-security bookworm-security main
"""


class Containers:
    """podman and buildah on a store of their own, which leaves the machine's alone."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        # podman remembers where its run root was, so each store has one for good.
        run = f"/tmp/subset-containers-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
        self._store = [f"--root={folder / 'storage'}", f"--runroot={run}"]
        configuration = pathlib.Path(__file__).resolve().parent / "containers.conf"
        scratch = folder / "tmp"  # buildah keeps the compiler's cache here
        scratch.mkdir(exist_ok=True)
        self._environment = {**os.environ, "CONTAINERS_CONF": str(configuration), "TMPDIR": str(scratch)}

    def run(self, program: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [program, *self._store, *arguments], env=self._environment, capture_output=True, text=True
        )
        assert not check or done.returncode == 0, f"{program} {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done

    def podman(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("podman", *arguments, check=check)


@pytest.fixture(scope="module")
def containers(tools: pathlib.Path) -> Containers:
    folder = tools / "containers"
    folder.mkdir(exist_ok=True)
    made = Containers(folder)
    exists = made.podman("image", "exists", BASE, check=False)
    assert exists.returncode in (0, 1), exists.stderr
    if exists.returncode == 1:
        import_base(made)
    return made


def import_base(containers: Containers) -> None:
    root = containers.folder / "rootfs"
    subprocess.run(["rm", "-rf", str(root)], check=True)
    subprocess.run(["debootstrap", "--variant=minbase", "bookworm", str(root)], check=True)
    (root / "etc/apt/sources.list").write_text(SOURCES)
    archive = containers.folder / "rootfs.tar"
    subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True)
    containers.podman("import", str(archive), BASE)
    archive.unlink()
    subprocess.run(["rm", "-rf", str(root)], check=True)


@pytest.fixture(scope="module")
def image(containers: Containers) -> str:
    """The image of this work tree, built as the Dockerfile says."""
    revision = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    began = time.monotonic()
    containers.run(
        "buildah", "build", "--isolation=chroot", "--pull-never", "--layers",
        f"--build-arg=REVISION={revision}", f"--tag={IMAGE}", str(ROOT),
    )
    print(f"built in {time.monotonic() - began:.0f} s")
    return IMAGE


@pytest.fixture(scope="module")
def files(containers: Containers, image: str) -> dict[str, str]:
    """Path -> mode, owner and group, as `tar -tv` prints them, of everything in the image."""
    made = containers.podman("create", image).stdout.strip()
    archive = containers.folder / "image.tar"
    containers.podman("export", "-o", str(archive), made)
    containers.podman("rm", "-v", made)
    listed = subprocess.run(
        ["tar", "--numeric-owner", "-tvf", str(archive)], capture_output=True, text=True, check=True
    ).stdout
    archive.unlink()
    found = {}
    for line in listed.splitlines():
        mode, owner, _, _, _, name = line.split(maxsplit=5)
        found["/" + name.split(" -> ")[0].removeprefix("./").rstrip("/")] = f"{mode} {owner}"
    return found


class Server:
    """One hardened container of the image on a named volume."""

    def __init__(self, containers: Containers, volume: str) -> None:
        self._containers = containers
        self.id = containers.podman("run", "--detach", *HARDENED, f"--volume={volume}:/data", IMAGE).stdout.strip()
        end = time.monotonic() + PATIENCE
        # Each try waits by itself: subsetctl repeats its call for about a second.
        while self.ctl("dataset", "list", check=False).returncode != 0:
            assert time.monotonic() < end and self.inspect("State")["Running"], self.log()

    def ctl(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self._containers.podman("exec", self.id, "subsetctl", *arguments, check=check)

    def inspect(self, key: str) -> dict[str, object]:
        return dict(json.loads(self._containers.podman("inspect", self.id).stdout)[0][key])

    def log(self) -> str:
        done = self._containers.podman("logs", self.id)
        return done.stdout + done.stderr

    def process(self, name: str) -> str:
        """A file of the server's process in /proc, as the host sees it."""
        return pathlib.Path(f"/proc/{self.inspect('State')['Pid']}/{name}").read_text()

    def terminate(self) -> tuple[int, float]:
        """Exit code after SIGTERM, and the seconds it took."""
        began = time.monotonic()
        self._containers.podman("kill", "--signal=TERM", self.id)
        code = int(self._containers.podman("wait", self.id).stdout)
        return code, time.monotonic() - began

    def remove(self) -> None:
        self._containers.podman("rm", "--force", "--time=0", self.id)


def prepare(server: Server) -> None:
    """A dataset, a sampler, a run."""
    server.ctl("dataset", "create", "toys", "--samples", "1000")
    server.ctl("sampler", "create", "toys/all", "--preset", "uniform")
    server.ctl("run", "create", "job", "--sampler", "toys/all", "--global-batch-size", "64", "--seed", "7")


def draw(server: Server) -> list[int]:
    """The first batch of the run's first epoch."""
    batch = json.loads(server.ctl("draw", "job", "--count", "64", "--output", "json").stdout)
    indices: list[int] = batch["indices"]
    assert len(set(indices)) == 64 and min(indices) >= 0 and max(indices) < 1000
    return indices


def report(server: Server, indices: list[int]) -> None:
    """Durable losses of the samples drawn first."""
    losses = ",".join("2.5" for _ in indices)
    chosen = ",".join(str(index) for index in indices)
    server.ctl("report", "job", "--position", "0", "--indices", chosen, "--loss", losses)


def scored(server: Server) -> int:
    return int(json.loads(server.ctl("run", "describe", "job", "--output", "json").stdout)["scored_samples"])


@pytest.fixture
def volume(containers: Containers, image: str) -> Iterator[str]:
    name = containers.podman("volume", "create").stdout.strip()
    yield name
    containers.podman("volume", "rm", "--force", name)


def test_the_image_is_small_and_runs_the_server_as_nobody_in_particular(containers: Containers, image: str) -> None:
    inspected = json.loads(containers.podman("image", "inspect", image).stdout)[0]
    size = inspected["Size"] / 1e6
    print(f"{size:.1f} MB")
    assert size < 100
    config = inspected["Config"]
    assert config["User"] == f"{UID}:{UID}"
    assert config["Entrypoint"] == ["/usr/local/bin/subsetd"]
    assert set(config["ExposedPorts"]) == {"50051/tcp", "9090/tcp"}
    assert set(config["Volumes"]) == {"/data"}


def test_the_image_holds_the_two_programs_and_no_others(files: dict[str, str]) -> None:
    programs = {
        path for path, about in files.items()
        if about.startswith("-") and "x" in about.split()[0] and not re.search(r"\.so(\.|$)", path)
    }
    assert programs == {"/usr/local/bin/subsetd", "/usr/local/bin/subsetctl"}
    assert [path for path, about in files.items() if "s" in about.split()[0][:7]] == []  # no setuid, setgid
    writable = {path for path, about in files.items() if about.split()[0][8] == "w" and about[0] != "l"}
    assert writable == {"/tmp"}
    assert [p for p, about in files.items() if about.endswith(f" {UID}/{UID}")] == ["/data"]


def test_the_image_carries_the_licences(files: dict[str, str]) -> None:
    assert "/usr/share/doc/subset/LICENSE" in files
    packages = {p.rsplit("/", 1)[1] for p in files if re.match(r"/var/lib/dpkg/status\.d/.", p)}
    assert {"libc6", "libgrpc++1.51", "libprotobuf32", "librocksdb7.8", "libprometheus-cpp-pull1.0",
            "libcli11-dev", "libxxhash-dev", "nlohmann-json3-dev"} <= packages
    assert {f"/usr/share/doc/{package}/copyright" for package in packages} <= set(files)
    assert "/usr/share/common-licenses/Apache-2.0" in files


def test_it_serves_hardened_drains_and_keeps_its_data(containers: Containers, volume: str) -> None:
    server = Server(containers, volume)
    try:
        status = server.process("status")
        for line in (f"Uid:\t{UID}\t{UID}\t{UID}\t{UID}", f"Gid:\t{UID}\t{UID}\t{UID}\t{UID}",
                     "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"):
            assert line in status
        root = next(line.split() for line in server.process("mountinfo").splitlines() if line.split()[4] == "/")
        assert "ro" in root[5].split(",")
        devices = re.findall(r"^\s*(\S+):", server.process("net/dev"), re.MULTILINE)
        assert devices == ["lo"]

        prepare(server)
        drawn = draw(server)
        report(server, drawn[:8])
        assert scored(server) == 8
        second = containers.podman("run", "--rm", *HARDENED, f"--volume={volume}:/data", IMAGE, check=False)
        assert second.returncode == 1, "a second server on the same volume must refuse to start"
        assert "in use by another process" in second.stderr

        code, seconds = server.terminate()
        print(f"SIGTERM: exit {code} after {seconds:.1f} s")
        assert code == 0, server.log()
        assert seconds < GRACE / 2
    finally:
        server.remove()

    server = Server(containers, volume)
    try:
        assert draw(server) == drawn
        assert scored(server) == 8
    finally:
        server.remove()


def test_a_wrong_setting_ends_it_with_its_name(containers: Containers, image: str) -> None:
    done = containers.podman("run", "--rm", *HARDENED, "--env=SUBSET_LISTEN=nowhere", image, check=False)
    assert done.returncode == 2
    assert "listen" in done.stderr and "nowhere" in done.stderr
