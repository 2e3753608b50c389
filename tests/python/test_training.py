"""Whole training processes: the examples, two ranks, a private server."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
from typing import Any, List

import pytest
from conftest import CLIENT
from server_process import ServerProcess

import subset

EXAMPLES = CLIENT / "examples"
COMPARE = EXAMPLES / "fashion_mnist" / "run.py"


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch) -> Any:
    """run.py as a module."""
    import importlib

    monkeypatch.syspath_prepend(str(EXAMPLES / "fashion_mnist"))
    return importlib.import_module("run")


def processes_with(text: str) -> List[int]:
    """Processes that have `text` in their command line."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue  # it has ended meanwhile
            if text in command and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def test_the_quickstart_runs_as_printed(server: ServerProcess) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "quickstart.py"), server.grpc_address],
        check=True,
        timeout=120,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.stdout.count("epoch") == 4
    with subset.connect(server.grpc_address) as client:
        info = client.describe_run("quickstart")
    assert info.scored_samples == 4_000
    assert [e.acknowledged_positions == e.num_positions for e in info.epochs] == [True] * len(
        info.epochs
    )
    assert info.epochs[-2].num_positions < 4_000  # pruned


def test_two_runs_are_compared_number_by_number(
    server: ServerProcess, client: subset.Client
) -> None:
    client.ensure_dataset("compared", num_samples=1_000)
    client.ensure_sampler("compared/all", preset="uniform")
    client.ensure_sampler("compared/tenth", preset="uniform", fraction=0.1)
    for name, sampler, epochs in (("plain", "all", 1), ("small", "tenth", 2)):
        run = client.run(name, sampler=f"compared/{sampler}", seed=1, global_batch_size=50)
        for epoch in range(epochs):
            for draw in run.batches(epoch):
                run.report(draw, loss=[1.0] * len(draw))
        run.flush(timeout=60)
    script = str(EXAMPLES / "compare_runs.py")
    done = subprocess.run(
        [sys.executable, script, server.grpc_address, "plain", "small"],
        check=True,
        timeout=60,
        stdout=subprocess.PIPE,
        env={**os.environ, "COLUMNS": "120"},
        text=True,
    )
    rows = {
        cells[0]: cells[1:]
        for line in done.stdout.splitlines()
        if len(cells := [cell.strip() for cell in line.strip("│").split("│")]) > 2
    }
    assert rows["sampler"] == ["compared/all", "compared/tenth"]
    assert rows["epoch/num_positions"] == ["1,000", "100", "-900"]
    assert rows["epoch/acknowledged_ratio"] == ["1", "1", "0"]
    assert rows["epoch/number"] == ["0", "1", "1"]
    assert rows["0"][0].startswith("1,000 ") and rows["0"][1].startswith("100 ")
    assert rows["1"][0] == "" and rows["1"][1].startswith("100 ")
    failed = subprocess.run(
        [sys.executable, script, server.grpc_address, "plain", "nobody"],
        timeout=60,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert failed.returncode == 1 and "nobody" in failed.stdout


def test_two_ranks_train_one_model_and_the_choice_follows_their_losses(
    server: ServerProcess, client: subset.Client, compare: Any
) -> None:
    options = argparse.Namespace(epochs=3, samples=2_000, global_batch_size=100, seed=5)
    client.ensure_dataset("two-ranks", label=compare.read_labels("train", 2_000))
    client.ensure_sampler("two-ranks/infobatch", preset="infobatch", total_epochs=3)
    events: List[Any] = []
    result = compare.train("infobatch", server.grpc_address, "two-ranks", options, events.append)
    (info,) = client.list_runs("two-ranks")
    assert info.scored_samples == 2_000
    first, second, last = info.epochs
    assert first.acknowledged_positions == first.num_positions == 2_000
    assert second.opened == "feedback_complete" and second.num_positions < 2_000
    assert last.num_positions == 2_000  # annealing
    assert result["samples_used"] == sum(e.num_positions for e in info.epochs)
    assert result["batches"] == sum(e.num_steps for e in info.epochs)
    assert result["test_accuracy"] > 0.5
    assert 0 < result["wait_p50"] <= result["wait_p99"]
    assert [e["epoch"] for e in events if e["event"] == "epoch"] == [0, 1, 2]


def test_a_worker_that_fails_ends_the_comparison(
    server: ServerProcess, client: subset.Client, compare: Any
) -> None:
    options = argparse.Namespace(epochs=1, samples=100, global_batch_size=10, seed=5)
    with pytest.raises(compare.WorkerFailed, match="nobody"):
        compare.train("s", server.grpc_address, "nobody", options, lambda event: None)


def test_an_interrupted_comparison_leaves_nothing_behind(
    subsetd: str, tmp_path: pathlib.Path
) -> None:
    marker = f"--data_dir={tmp_path}/data"
    process = subprocess.Popen(
        [sys.executable, str(COMPARE), "--subsetd", subsetd, "--data-dir", f"{tmp_path}/data"]
        + ["--samples=5000", "--epochs=50"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "epoch 1/" in line:
            break
    else:
        pytest.fail("".join(lines))
    address = next(line.split()[2].strip(",") for line in lines if "serves" in line)
    assert processes_with(marker) and len(processes_with(f"--address={address}")) == 2
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "stopped" in rest
    assert processes_with(marker) == processes_with(f"--address={address}") == []


def test_the_comparison_prints_one_table(subsetd: str, tmp_path: pathlib.Path) -> None:
    out = tmp_path / "results.json"
    done = subprocess.run(
        [sys.executable, str(COMPARE), "--subsetd", subsetd, "--samples=1000", "--epochs=2"]
        + ["--json", str(out)],
        check=True,
        timeout=300,
        stdout=subprocess.PIPE,
        text=True,
    )
    results = json.loads(out.read_text())
    assert list(results) == ["all", "uniform-10", "balanced", "importance", "infobatch"]
    shares = {name: result["share"] for name, result in results.items()}
    assert shares["all"] == shares["balanced"] == shares["importance"] == 1.0
    assert shares["uniform-10"] == pytest.approx(0.1)
    for name in results:
        assert done.stdout.count(f"{name}: epoch 2/2") == 1
    assert "test accuracy" in done.stdout and "/metrics" in done.stdout


def test_a_private_server_serves_one_process_and_keeps_its_data(
    subsetd: str, tmp_path: pathlib.Path
) -> None:
    for _ in range(2):
        with subset.local(tmp_path / "data", subsetd=subsetd) as client:
            client.ensure_dataset("mine", num_samples=10)
            pid = processes_with(f"--data_dir={tmp_path}/data")
            assert len(pid) == 1
            with pytest.raises(subset.Unavailable, match="ended with"):
                subset.local(tmp_path / "data", subsetd=subsetd)  # the directory is in use
        assert processes_with(f"--data_dir={tmp_path}/data") == []


def test_a_private_server_ends_with_its_process(subsetd: str, tmp_path: pathlib.Path) -> None:
    script = (
        "import subset, sys\n"
        "client = subset.local(sys.argv[1], subsetd=sys.argv[2])\n"
        "client.ensure_dataset('d', num_samples=10)\n"
        "client.ensure_sampler('d/s', preset='uniform')\n"
        "run = client.run('r', sampler='d/s', global_batch_size=10)\n"
        "run.report(run.share(0, 0), loss=[1.0] * 10)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "data"), subsetd]
    subprocess.run(command, check=True, timeout=60)
    with subset.local(tmp_path / "data", subsetd=subsetd) as client:
        assert client.describe_run("r").scored_samples == 10  # reported at exit, before the end


def test_a_private_server_ends_with_a_process_that_is_killed(
    subsetd: str, tmp_path: pathlib.Path
) -> None:
    script = (
        "import subset, sys\n"
        "client = subset.local(sys.argv[1], subsetd=sys.argv[2])\n"
        "client.ensure_dataset('d', num_samples=10)\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "data"), subsetd],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    (server,) = [
        pid
        for pid in processes_with(f"--data_dir={tmp_path}/data")
        if pid != process.pid
    ]
    ended = os.pidfd_open(server)
    process.kill()
    process.wait()
    assert select.select([ended], [], [], 60)[0], "the server outlived its process"
    os.close(ended)
    with subset.local(tmp_path / "data", subsetd=subsetd) as client:  # it drained: all is there
        assert client.describe_dataset("d").num_samples == 10


def test_a_missing_binary_is_misuse(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="executable"):
        subset.local(tmp_path, subsetd=str(tmp_path / "none"))


def test_the_wheel_is_pure_and_whole(tmp_path: pathlib.Path) -> None:
    import zipfile

    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--skip-dependency-check"]
        + ["--outdir", str(tmp_path)],
        cwd=CLIENT,
        check=True,
        timeout=120,
        stdout=subprocess.DEVNULL,
    )
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "subset/py.typed",
        "subset/v1/training_pb2.py",
        "subset/v1/training_pb2.pyi",
        "subset/v1/training_pb2_grpc.py",
        "subset/rpc/status_pb2.py",
        "subset/torch.py",
    } <= names
    script = (
        "import sys, subset, subset.torch; from subset.v1 import training_pb2_grpc;"
        "assert subset.__file__.startswith(sys.path[0]), subset.__file__"
    )
    subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(wheel)!r}); " + script],
        check=True,
        timeout=60,
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )


def test_types_hold() -> None:
    subprocess.run(
        [sys.executable, "-m", "mypy", f"--cache-dir={os.devnull}"],
        cwd=CLIENT,
        check=True,
        timeout=300,
    )
