"""Weighted draws against numpy: Generator.choice(N, size, p=p), in alternating rounds.

    numpy_choice.py --bench PATH/bench_draw [--n N] [--batch B] [--rounds R] [--json FILE]

numpy is given its normalised probabilities beforehand and draws indices only; Subset's side (bench_draw
--serve, over the same number of lognormal scores) gives index, probability and weight. Both are one
thread that never waits; figures are CPU time. A round is one call of numpy's, and as many batches of
ours as take about half of its time.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import statistics
import subprocess
import time

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", type=pathlib.Path, required=True, help="the bench_draw binary")
    parser.add_argument("--n", type=int, default=10_000_000, help="number of samples")
    parser.add_argument("--batch", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=pathlib.Path, help="write the rows to this file")
    args = parser.parse_args()

    rng = np.random.default_rng(1)
    p = rng.lognormal(size=args.n)
    p /= p.sum()
    command = [str(args.bench), "--serve", "--n", str(args.n), "--batch", str(args.batch)]
    ours, numpy_ns = [], []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as server:
        if server.stdout.readline().strip() != "ready":
            raise SystemExit(f"{args.bench} did not start")
        for round_ in range(args.rounds + 1):
            server.stdin.write("round\n")
            our_ns = float(server.stdout.readline())
            start = time.process_time()
            rng.choice(args.n, size=args.batch, p=p)
            elapsed = time.process_time() - start
            if round_ > 0:  # the first warms up
                ours.append(our_ns)
                numpy_ns.append(elapsed * 1e9 / args.batch)
        server.stdin.close()

    ratio = statistics.median(theirs / mine for theirs, mine in zip(numpy_ns, ours))
    row = {
        "what": "draw",
        "n": args.n,
        "unit": "ns",
        "ours": statistics.median(ours),
        "numpy_choice": statistics.median(numpy_ns),
        "numpy_choice_over_ours": ratio,
    }
    print(
        f"{args.n:12d}  draw     {row['ours']:9.2f} ns"
        f"   numpy choice(p) {row['numpy_choice']:.0f} ({ratio:.0f}x)"
    )
    if args.json:
        args.json.write_text(json.dumps({"benchmark": "numpy_choice", "rows": [row]}) + "\n")


if __name__ == "__main__":
    main()
