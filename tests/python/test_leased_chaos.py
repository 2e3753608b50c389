"""One leased epoch with workers that are killed and a server that is killed, by the Python client.

Whatever the interleaving, each index is acknowledged exactly once, and what comes again says so.
"""

from __future__ import annotations

import os
import pathlib
import random
import signal
import subprocess
import sys
import textwrap
import time
from typing import Dict, List, Tuple

from away import Away
from leasing import acknowledgers, make_run, until

import subset

SAMPLES, SIZE, WORKERS, KILLS, LEASE = 3_000, 20, 3, 6, 0.5

WORKER = """
    import sys, threading
    import subset

    address, name, worker, lease, seen = sys.argv[1:]
    run = subset.connect(address).run(name, sampler=name + "/s", seed=3)
    never = threading.Event()
    with open(seen, "a") as log:
        for draw in run.leased_batches(0, worker=worker, lease_time=float(lease)):
            print(draw.position, draw.attempt, file=log, flush=True)
            never.wait(0.02)  # a step of training
            run.report(draw)
    run.flush()
"""


def test_each_index_is_acknowledged_once_whoever_is_killed(
    away: Away, name: str, tmp_path: pathlib.Path
) -> None:
    rng = random.Random(11)  # decides who is killed and when; timing is the machine's
    client = subset.connect(away.address)
    run = make_run(client, name, samples=SAMPLES, size=SIZE)
    script, seen = tmp_path / "worker.py", tmp_path / "seen"
    script.write_text(textwrap.dedent(WORKER))
    lives = 0

    def start() -> "subprocess.Popen[bytes]":
        nonlocal lives
        lives += 1
        return subprocess.Popen(
            [sys.executable, str(script), away.address, name]
            + [f"w{lives}", str(LEASE), f"{seen}-{lives}"]
        )

    def acknowledged() -> int:
        return run.open_epoch(0).acknowledged_positions

    team = [start() for _ in range(WORKERS)]
    try:
        for kill in range(KILLS):
            goal = (kill + 1) * SAMPLES // (KILLS + 2)
            until(lambda: acknowledged() >= goal, 300)
            if kill == KILLS // 2:
                away.go()
                away.come_back()
                continue
            victim = rng.randrange(WORKERS)
            if kill == 1:  # past its lease: it goes on with blocks that others have by then
                os.kill(team[victim].pid, signal.SIGSTOP)
                ended = time.monotonic() + 2 * LEASE
                until(lambda: time.monotonic() > ended)
                os.kill(team[victim].pid, signal.SIGCONT)
                continue
            team[victim].kill()
            team[victim].wait()
            team[victim] = start()
        for process in team:
            assert process.wait(300) == 0
    finally:
        for process in team:
            process.kill()
    names = acknowledgers(run)  # fails where a position has two
    assert "" not in names and len(set(names)) >= WORKERS
    assert acknowledged() == SAMPLES
    deliveries: Dict[int, List[int]] = {}
    for life in range(1, lives + 1):
        for position, attempt in lines(f"{seen}-{life}"):
            deliveries.setdefault(position, []).append(attempt)
    assert sorted(deliveries) == list(range(0, SAMPLES, SIZE))
    assert any(len(given) > 1 for given in deliveries.values())
    for position, given in deliveries.items():
        assert given.count(1) <= 1, (position, given)


def lines(path: str) -> List[Tuple[int, int]]:
    """(position, attempt) of every whole line."""
    if not os.path.exists(path):
        return []
    whole = pathlib.Path(path).read_text().rpartition("\n")[0].splitlines()
    return [(int(p), int(a)) for p, a in (line.split() for line in whole)]
