"""Runs the benchmarks: every one, or those named; ./dev bench calls it.

Each benchmark measures ours and the floor or peer it is compared with interleaved in one run, prints a
table with ratios, and with --json writes {"benchmark": name, "rows": [...]}. Absolute figures move by
2-3x between runs of a shared machine; the ratios are what counts.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent

# Name -> command, where {bin} is the folder of the binaries.
BENCHMARKS = {
    "draw": ["{bin}/bench_draw"],
    "numpy_choice": [sys.executable, str(HERE / "draw/numpy_choice.py"), "--bench", "{bin}/bench_draw"],
    "plans": ["{bin}/bench_plans"],
    "durable": ["{bin}/bench_durable"],
    "startup": ["{bin}/bench_startup"],
    "served": ["{bin}/bench_served"],
    "leases": ["{bin}/bench_leases"],
    "python_client": [
        sys.executable,
        str(HERE / "python_client/bench_python_client.py"),
        "--subsetd",
        "{bin}/subsetd",
    ],
    "loader": [
        sys.executable,
        str(HERE / "loader/bench_loader.py"),
        "--subsetd",
        "{bin}/subsetd",
    ],
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--json", type=pathlib.Path, help="write every benchmark's rows here")
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    args = parser.parse_args()
    unknown = [name for name in args.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")

    results = []
    for name in args.names or BENCHMARKS:
        print(f"\n== {name}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "rows.json"
            command = [part.format(bin=args.build / "bin") for part in BENCHMARKS[name]]
            subprocess.run([*command, "--json", str(out)], check=True)
            results.append(json.loads(out.read_text()))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
