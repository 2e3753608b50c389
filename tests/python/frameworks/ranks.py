"""Runs a script on two ranks, over gloo and a file: torchrun of PyTorch 1.13 fails on Python 3.11."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import textwrap
from typing import Any, List

HEAD = """
    import json, os, sys
    import torch.distributed

    def say(*what):
        with open(f"{sys.argv[1]}/rank-{os.environ['RANK']}", "a") as out:
            out.write(json.dumps(what) + "\\n")

    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{sys.argv[1]}/store", rank=int(os.environ["RANK"]), world_size=2)
"""


def on_two_ranks(folder: pathlib.Path, script: str, *arguments: str) -> List[List[Any]]:
    """The JSON lines that each rank gives to say(), in order."""
    path, out = folder / "script.py", folder / "out"
    path.write_text(textwrap.dedent(HEAD) + textwrap.dedent(script))
    out.mkdir()
    ranks = [
        subprocess.Popen(
            [sys.executable, str(path), str(out), *arguments],
            env={
                **os.environ,
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": "2",
                "LOCAL_WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1",  # asked for, not used
                "ACCELERATE_USE_CPU": "true",
                "OMP_NUM_THREADS": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        words = [process.communicate(timeout=240)[0] for process in ranks]
    finally:
        for process in ranks:
            process.kill()
    lines = []
    for rank, process in enumerate(ranks):
        assert process.returncode == 0, words[rank][-4000:]
        lines.append([json.loads(line) for line in (out / f"rank-{rank}").read_text().splitlines()])
    return lines
