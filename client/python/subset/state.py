"""The state of a batch sampler as a small dict that survives JSON and refuses to be misread."""

from __future__ import annotations

import json
import zlib
from typing import Any, Dict, Mapping, Tuple

VERSION = 2
_NAMES = ("dataset", "sampler", "run")
_NUMBERS = ("dataset_uid", "sampler_uid", "run_uid", "seed", "global_batch_size")
# Not known before the first call to the server: 0 then, and equal to anything.
_UNKNOWN_AT_FIRST = ("dataset_uid", "sampler_uid", "run_uid", "global_batch_size")
_IDENTITY = (*_NAMES, *_NUMBERS)
LEASED = {"delivery": "leased"}  # in the identity of a leased sampler, whose state is its epoch


def make(identity: Mapping[str, Any], epoch: int, step: int) -> Dict[str, Any]:
    """The state of what `identity` names, before global batch `step` of `epoch`."""
    state: Dict[str, Any] = {"version": VERSION, **identity, "epoch": epoch}
    state["position"] = step * identity["global_batch_size"]
    state["crc"] = checksum(state)
    return state


def checksum(state: Mapping[str, Any]) -> int:
    """CRC-32 of everything but the checksum."""
    body = {key: value for key, value in state.items() if key != "crc"}
    return zlib.crc32(json.dumps(body, sort_keys=True).encode())


def read(state: Any, identity: Mapping[str, Any]) -> Tuple[int, int]:
    """(epoch, step) of a state made for `identity`.

    Raises ValueError, which shows what was found and what was expected, for anything else: another
    version, a damaged or forged state, or one of another dataset, sampler, run or seed.
    """
    if not isinstance(state, Mapping):
        raise ValueError(f"the state is a {type(state).__name__}, not a dict")
    if state.get("version") != VERSION:
        raise ValueError(f"state version {state.get('version')!r}, this package reads {VERSION}")
    try:
        expected = checksum(state)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the state is damaged: {error}") from None
    if state.get("crc") != expected:
        raise ValueError(
            f"the state is damaged: its checksum is {state.get('crc')!r}, its content's {expected}"
        )
    for key in (*_NUMBERS, "epoch", "position"):
        value, bound = state.get(key), 2**32 if key == "epoch" else 2**64
        if type(value) is not int or not 0 <= value < bound:
            raise ValueError(f"the state is damaged: {key} {value!r} is outside [0, {bound})")
    found, mine = (of.get("delivery", "assigned") for of in (state, identity))
    if found != mine:
        raise ValueError(f"the state is of {found} delivery, this sampler's is {mine}")
    for key in _IDENTITY:
        found, mine = state.get(key), identity[key]
        if found != mine and not (key in _UNKNOWN_AT_FIRST and 0 in (found, mine)):
            raise ValueError(f"the state has {key} {found!r}, this run {mine!r}")
    size, position = state["global_batch_size"], state["position"]
    if position and (not size or position % size):
        raise ValueError(
            f"the state is damaged: position {position} is no multiple of global_batch_size {size}"
        )
    return state["epoch"], position // size if position else 0
