"""The server of Subset as a file to start: subset.local() does."""

import pathlib

BINARY = pathlib.Path(__file__).resolve().parent / "bin" / "subsetd"
