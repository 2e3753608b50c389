"""The subsetctl program against a real subsetd: one small job from import to deletion.

Run by ctest with --subsetd and --subsetctl.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import pty
import subprocess
import sys
import tempfile
import termios

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "testing"))
from server_process import ServerProcess  # noqa: E402


class Ctl:
    """Calls subsetctl; every call is checked for its exit code."""

    def __init__(self, program: str, endpoint: str) -> None:
        self._program = program
        inherited = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")}
        self._environment = {**inherited, "SUBSETCTL_ENDPOINT": endpoint}

    def text(
        self, *arguments: str, code: int = 0, stdin: str = "", columns: int = 0
    ) -> tuple[str, str]:
        width = {"COLUMNS": str(columns)} if columns else {}
        done = subprocess.run(
            [self._program, *arguments],
            env={**self._environment, **width}, input=stdin, capture_output=True, text=True, timeout=60,
        )
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        if code != 0:
            assert done.stderr.startswith("error: ") or "[y/N]" in done.stderr, done.stderr
            assert done.stderr.splitlines()[-1].startswith("next: "), done.stderr
        return done.stdout, done.stderr

    def on_terminal(self, *arguments: str, columns: int, **environment: str) -> str:
        """What a terminal of that width is given."""
        terminal, output = pty.openpty()
        termios.tcsetwinsize(output, (24, columns))
        subprocess.run([self._program, *arguments], stdout=output, check=True, timeout=60,
                       env={**self._environment, **environment})
        os.close(output)
        with open(terminal, "rb", buffering=0) as given:
            text = b""
            try:
                while piece := given.read(65536):
                    text += piece
            except OSError:  # the end, on Linux
                pass
        return text.decode().replace("\r\n", "\n")

    def json(self, *arguments: str) -> dict:
        return json.loads(self.text(*arguments, "-o", "json")[0])


def import_files(ctl: Ctl, folder: pathlib.Path) -> None:
    labels = np.arange(1000, dtype=np.int64) % 10
    np.save(folder / "label.npy", labels)
    np.save(folder / "quality.npy", np.linspace(0, 1, 1000, dtype=np.float32))
    np.savetxt(folder / "group.csv", labels // 5, fmt="%d", header="group", comments="")
    created = ctl.json(
        "dataset", "create", "digits",
        "--column", f"label:u8={folder}/label.npy",
        "--column", f"quality={folder}/quality.npy",
        "--column", f"group={folder}/group.csv",
    )
    assert created["num_samples"] == "1000"
    types = {column["name"]: column["type"] for column in created["columns"]}
    assert types == {"label": "COLUMN_TYPE_UINT8", "quality": "COLUMN_TYPE_FLOAT32",
                     "group": "COLUMN_TYPE_UINT8"}, types
    assert ctl.json("dataset", "describe", "digits") == created
    assert [d["name"] for d in ctl.json("dataset", "list")["datasets"]] == ["digits"]
    ctl.text("dataset", "create", "digits", "--samples", "1000", code=1)  # exists

    np.save(folder / "objects.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    np.save(folder / "big.npy", labels.astype(">i8"))
    np.save(folder / "fortran.npy", np.asfortranarray(np.ones((3, 2))))
    (folder / "cut.npy").write_bytes((folder / "label.npy").read_bytes()[:-1])
    for name, why in {"objects": "pickle", "big": "big-endian", "fortran": "Fortran",
                      "cut": "truncated"}.items():
        _, error = ctl.text("dataset", "create", "bad", "--from", f"{folder}/{name}.npy", code=1)
        assert why in error, error
    ctl.text("dataset", "describe", "bad", code=3)


def train(ctl: Ctl, folder: pathlib.Path) -> None:
    ctl.text("sampler", "create", "digits/hard", "--preset", "importance", "-p", "alpha=2",
             "-p", "uniform_floor=0.2")
    ctl.text("sampler", "create", "digits/hard", "--preset", "importance", "-p", "alpha=17", code=1)
    spec = folder / "tenth.textproto"
    spec.write_text("draw { kind: EPOCH fraction: 0.1 }\n")
    tenth = ctl.json("sampler", "create", "digits/tenth", "--spec", str(spec))
    draw = tenth["spec"]["draw"]
    assert (draw["kind"], draw["fraction"]) == ("EPOCH", 0.1), draw
    presets = {preset["name"] for preset in ctl.json("sampler", "presets")["presets"]}
    assert presets >= {"uniform", "class_balanced", "importance", "infobatch"}, presets

    ctl.text("run", "create", "job", "--sampler", "digits/hard", "--global-batch-size", "50",
             "--seed", "9")
    first = ctl.json("draw", "job", "--epoch", "0", "--position", "0", "-n", "1000")
    assert first == ctl.json("draw", "job", "--epoch", "0", "--position", "0", "-n", "1000")
    rows = ctl.text("draw", "job", "--position", "10", "-n", "3")[0].splitlines()
    assert [int(row.split()[1]) for row in rows[1:]] == first["indices"][10:13], rows
    for rank in (0, 1):  # the same samples by step and rank
        part = ctl.json("draw", "job", "--step", "1", "--rank", str(rank), "--world-size", "2")
        assert part["indices"] == first["indices"][50 + 25 * rank : 75 + 25 * rank]

    values = folder / "losses.csv"
    lines = [f"{index},{9 if index % 10 == 7 else 0.5}" for index in first["indices"]]
    values.write_text("index,loss\n" + "\n".join(lines) + "\n")
    report = ("report", "job", "--epoch", "0", "--position", "0", "--values", str(values))
    assert ctl.json(*report)["applied_items"] == 1000
    again = ctl.json(*report)
    assert again["applied_items"] == 0 and again["already_acknowledged_items"] == 1000, again
    ctl.text("report", "job", "--indices", "1000", "--loss", "1", code=1)  # out of range

    assert ctl.json("epoch", "open", "job", "1")["opened"] == "FEEDBACK_COMPLETE"
    second = ctl.json("draw", "job", "--epoch", "1", "-n", "1000")
    share = sum(index % 10 == 7 for index in second["indices"]) / 1000
    assert share > 0.3, share  # a uniform draw has 0.1
    run = ctl.json("run", "describe", "job")
    assert [epoch["epoch"] for epoch in run["epochs"]] == ["0", "1"]
    ctl.text("draw", "job", "--epoch", "1", "--position", "1000", code=1)
    ctl.text("draw", "nobody", code=3)


def preview(ctl: Ctl) -> None:
    """What an epoch would be, and why a sample is in it, in numbers that agree with each other."""
    plan = ctl.json("sampler", "preview", "digits/hard", "--run", "job", "--coverage", "1,3")
    assert (plan["epoch"], plan["num_positions"], plan["num_steps"]) == ("2", "1000", "20"), plan
    assert [c["epochs"] for c in plan["coverage"]] == [1, 3]
    assert 0 < plan["coverage"][0]["ratio"] < plan["coverage"][1]["ratio"] < 1
    assert sum(int(b["samples"]) for b in plan["expected_draws"]) == 1000
    text, _ = ctl.text("sampler", "preview", "digits/hard", "--run", "job")
    for title in ("effective samples", "largest weight", "STRATUM", "EXPECTED DRAWS", "COVERAGE"):
        assert title in text, text
    assert "####" in text and text.isascii(), "no terminal, no block characters"
    narrow, _ = ctl.text("sampler", "preview", "digits/hard", "--run", "job", columns=60)
    assert max(map(len, narrow.splitlines())) == 60, narrow

    look = ("sampler", "preview", "digits/hard", "--run", "job")
    rich = ctl.on_terminal(*look, columns=70)
    assert "\033[1mSTRATUM" in rich and "████" in rich and "#" not in rich, rich
    assert max(len(line) for line in rich.splitlines() if "\033" not in line) == 70, rich
    plain = ctl.on_terminal(*look, columns=70, NO_COLOR="1")
    assert "####" in plain and plain.isascii(), plain

    balanced = ("digits/any", "--preset", "class_balanced", "--global-batch-size", "100")
    strata = ctl.json("sampler", "preview", *balanced)["strata"]
    assert [s["value"] for s in strata] == [str(v) for v in range(10)], strata
    assert all(abs(s["share"] - 0.1) < 1e-9 for s in strata), strata
    _, warnings = ctl.text("sampler", "preview", "digits/hard")
    assert "warning: no sample is preferred" in warnings, warnings

    drawn = ctl.json("draw", "job", "--epoch", "0", "--position", "0", "-n", "1000")["indices"]
    costly = str(next(index for index in drawn if index % 10 == 7))
    cheap = str(next(index for index in drawn if index % 10 == 8))
    hard = ctl.json("sampler", "explain", "digits/hard", costly, "--run", "job")
    easy = ctl.json("sampler", "explain", "digits/hard", cheap, "--run", "job")
    for why in (hard, easy):
        assert why["eligible"] and why["preferred_column"] == "loss", why
        q = why["proportion"] * why["guarded"]
        assert abs(1000 * q / why["expected_draws"] - 1) < 2**-11, why  # leaves have 12 bits
    assert hard["expected_draws"] > 5 * easy["expected_draws"]
    rows = ctl.text("sampler", "explain", "digits/hard", costly, "--run", "job")[0].splitlines()
    factors = {row.split()[0]: row.split()[1:3] for row in rows[rows.index("") + 2 :]}
    assert list(factors) == ["eligible", "proportion", "preference", "guard", "draw"], rows
    product = 1.0
    for factor, so_far in factors.values():
        product *= float(factor)
        assert abs(product / float(so_far) - 1) < 1e-4, rows
    assert abs(product / hard["expected_draws"] - 1) < 1e-4, rows
    filtered = ("digits/any", "--preset", "quality_filter", "-p", "drop=0.5")
    assert "not eligible" in ctl.text("sampler", "explain", filtered[0], "3", *filtered[1:])[0]

    for code, message, arguments in (
        (3, 'did you mean "digits/hard"', ("preview", "digits/herd")),
        (3, 'did you mean "label"', ("preview", *balanced, "--column", "lable")),
        (1, 'did you mean "uniform"', ("preview", "digits/any", "--preset", "unifrom")),
        (3, 'run "jobb"', ("preview", "digits/hard", "--run", "jobb")),
        (1, "field index", ("explain", "digits/hard", "1000")),
        (1, "field coverage_epochs[1]", ("preview", "digits/hard", "--coverage", "1,0")),
        (1, "field planned.epoch", ("preview", "digits/hard", "--epoch", str(2**32))),
        (2, "--run", ("preview", "digits/hard", "--run", "job", "--global-batch-size", "5")),
        (2, "index", ("explain", "digits/hard", "-1")),
    ):
        _, error = ctl.text("sampler", *arguments, code=code)
        assert message in error, (arguments, error)
    assert [e["epoch"] for e in ctl.json("run", "describe", "job")["epochs"]] == ["0", "1"]


def update(ctl: Ctl) -> None:
    """A new version from a stated epoch on."""
    change = ("sampler", "update", "digits/hard", "--preset", "importance", "-p", "alpha=3")
    _, error = ctl.text(*change, "--from-epoch", "1", code=1)
    assert "EPOCH_OPEN" in error and 'run "job", whose epoch 1 is open' in error, error
    assert ctl.json(*change, "--from-epoch", "40")["from_epoch"] == "40"
    assert "from epoch  40\n" in ctl.text("sampler", "describe", "digits/hard")[0]
    _, error = ctl.text(*change, "--from-epoch", "40", "--from-step", "9", code=1)
    assert "from_step is 9, but from_epoch is 40" in error, error
    preview = ("sampler", "preview", "digits/hard", "--run", "job", "--epoch")
    assert [ctl.json(*preview, e)["sampler_version"] for e in ("39", "40")] == ["1", "2"]
    pools = ctl.text("sampler", "presets", "ohem")[0]
    assert "keep" in pools and "0.25" in pools, pools


def checkpoints(ctl: Ctl) -> None:
    """Commit, rollback, replay and what they show."""
    ctl.text("run", "commit", "job", "step-20", "--keep-scores")
    assert ctl.json("run", "describe", "job")["checkpoints"][0]["checkpoint_id"] == "step-20"
    assert "step-20" in ctl.text("run", "describe", "job")[0]
    ctl.text("run", "rollback", "job", "step-20", stdin="n\n", code=1)
    assert ctl.json("run", "rollback", "job", "step-20", "--yes")["generation"] == "1"
    ctl.text("run", "rollback", "job", "nowhere", "--yes", code=1)
    served = ctl.json("draw", "job", "--epoch", "1", "-n", "20")
    assert ctl.json("replay", "job", "--epoch", "1", "-n", "20") == served
    ctl.text("replay", "job", "--epoch", "2", code=1)  # never opened
    assert [e["epoch"] for e in ctl.json("run", "describe", "job")["epochs"]] == ["0", "1"]
    rows = ctl.text("epoch", "status", "job")[0].splitlines()
    assert rows[1].split() == ["0", "1,000", "1,000", "0", "0", "0"], rows
    assert ctl.json("lease", "list", "job", "--epoch", "1")["num_leased"] == "0"
    assert ctl.json("lease", "release", "job", "--epoch", "1")["released_positions"] == "0"
    ctl.text("lease", "release", "job", "--epoch", "1", "--position", "3", code=3)
    ctl.text("lease", "list", "job", "--epoch", "9", code=1)
    copy = ctl.json("run", "create", "copy", "--sampler", "digits/hard", "--global-batch-size",
                    "50", "--copy-scores-from", "job", "--time-to-live", "72h")
    assert copy["scored_samples"] == ctl.json("run", "describe", "job")["scored_samples"]
    assert copy["time_to_live"] == "259200s", copy
    ctl.text("run", "create", "other", "--sampler", "digits/hard", "--global-batch-size", "50",
             "--copy-scores-from", "nobody", code=3)
    ctl.text("run", "delete", "copy", "--yes")


def delete(ctl: Ctl) -> None:
    ctl.text("dataset", "delete", "digits", "--yes", code=1)  # a run uses it
    ctl.text("run", "delete", "job", stdin="n\n", code=1)
    ctl.text("run", "delete", "job", stdin="y\n")
    ctl.text("sampler", "delete", "digits/tenth", "--yes")
    ctl.text("dataset", "delete", "digits", "--yes")
    assert ctl.json("dataset", "list")["datasets"] == []
    assert ctl.json("sampler", "list")["samplers"] == []


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--subsetd", required=True)
    parser.add_argument("--subsetctl", required=True)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        server = ServerProcess(flags.subsetd, str(folder / "data"))
        try:
            ctl = Ctl(flags.subsetctl, server.grpc_address)
            assert "SERVING" in ctl.text("endpoint", "health", "--service", "readiness")[0]
            import_files(ctl, folder)
            train(ctl, folder)
            preview(ctl)
            update(ctl)
            checkpoints(ctl)
            delete(ctl)
            server.stop()
        except BaseException:
            print(server.log(), file=sys.stderr)
            server.kill()
            raise
        ctl.text("endpoint", "health", "--timeout", "1s", code=5)


if __name__ == "__main__":
    main()
