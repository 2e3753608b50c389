"""Compares two runs of a server, number by number.

    python3 compare_runs.py localhost:50051 RUN OTHER
"""

from __future__ import annotations

import argparse
import sys
from typing import Dict, List, Tuple

import subset
from rich.console import Console
from rich.table import Table
from subset.resources import stats_of


def settings(info: subset.RunInfo) -> Dict[str, str]:
    return {
        "sampler": info.sampler,
        "seed": str(info.seed),
        "global_batch_size": str(info.global_batch_size),
        "drop_last": str(info.drop_last),
        "num_samples": f"{info.num_samples:,}",
    }


def number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4f}"


def settings_table(one: subset.RunInfo, other: subset.RunInfo) -> Table:
    """What was asked for; rows that differ stand out."""
    table = Table("setting", one.name, other.name, title="Settings")
    for (key, mine), theirs in zip(settings(one).items(), settings(other).values()):
        table.add_row(key, mine, theirs, style=None if mine == theirs else "bold")
    return table


def progress_table(one: subset.RunInfo, other: subset.RunInfo) -> Table:
    """What came of it, up to now."""
    table = Table("number", one.name, other.name, "difference", title="Progress")
    mine, theirs = stats_of(one), stats_of(other)
    for key in dict.fromkeys([*mine, *theirs]):
        known = [stats.get(key) for stats in (mine, theirs)]
        cells = ["" if value is None else number(value) for value in known]
        both = known[0] is not None and known[1] is not None
        table.add_row(key, *cells, number(known[1] - known[0]) if both else "")  # type: ignore[operator]
    return table


def epochs_table(one: subset.RunInfo, other: subset.RunInfo) -> Table:
    """The epochs that the server still keeps: samples, and the effective sample ratio."""
    table = Table("epoch", one.name, other.name, title="Epochs kept: positions, effective sample ratio")
    cells: Dict[int, List[str]] = {}
    for side, info in enumerate((one, other)):
        for epoch in info.epochs:
            row = cells.setdefault(epoch.epoch, ["", ""])
            row[side] = f"{epoch.num_positions:,}  {epoch.effective_sample_ratio:.4f}"
    for epoch_number, row in sorted(cells.items()):
        table.add_row(str(epoch_number), *row)
    return table


def parse(arguments: List[str]) -> Tuple[str, str, str]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("address", help="HOST:PORT of the server")
    parser.add_argument("run")
    parser.add_argument("other")
    options = parser.parse_args(arguments)
    return options.address, options.run, options.other


def main(arguments: List[str]) -> int:
    address, *names = parse(arguments)
    console = Console()
    with subset.connect(address) as client:
        try:
            one, other = (client.describe_run(name) for name in names)
        except subset.SubsetError as error:
            console.print(str(error), style="red", markup=False)
            return 1
    for table in (settings_table, progress_table, epochs_table):
        console.print(table(one, other))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
