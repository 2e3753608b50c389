"""What the server says about datasets, samplers, runs and epochs, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple

from subset.columns import type_name


@dataclass(frozen=True)
class Column:
    name: str
    type: str  # numpy's name: "uint8", "uint16", "uint32", "int64", "float32", "float64"
    sha256: str  # of the little-endian bytes
    distinct_values: int  # integer columns; 65,537 means more


@dataclass(frozen=True)
class Dataset:
    name: str
    uid: int
    num_samples: int
    columns: Tuple[Column, ...]
    columns_version: int
    fingerprint: str


@dataclass(frozen=True)
class Sampler:
    name: str  # "dataset/sampler"
    uid: int
    version: int
    preset: str  # empty for a spec given in full
    spec: Dict[str, Any]  # resolved: every default written out, by the proto's field names


@dataclass(frozen=True)
class PresetParameter:
    name: str
    default: Optional[float]  # None: required
    range: str
    description: str


@dataclass(frozen=True)
class PresetColumn:
    role: str  # such as "strata"
    default: str  # empty: none
    description: str


@dataclass(frozen=True)
class Preset:
    name: str
    source: str
    formula: str
    parameters: Tuple[PresetParameter, ...]
    columns: Tuple[PresetColumn, ...]
    unbiased_for: str


@dataclass(frozen=True)
class ScoreVersion:
    incarnation: int
    records: int


@dataclass(frozen=True)
class Epoch:
    epoch: int
    sampler_version: int
    opened: str  # "not_score_driven", "first", "feedback_complete", "explicit" or "timeout"
    score_version: ScoreVersion
    num_positions: int
    num_steps: int  # the same for every rank at any world size
    distinct_samples: int
    acknowledged_positions: int
    effective_sample_ratio: float
    fell_back_to_uniform: bool


@dataclass(frozen=True)
class RunInfo:
    name: str
    uid: int
    sampler: str
    sampler_uid: int
    dataset_uid: int
    num_samples: int
    seed: int
    global_batch_size: int
    drop_last: bool
    feedback_timeout: float  # seconds
    score_version: ScoreVersion
    scored_samples: int
    epochs: Tuple[Epoch, ...]


def dataset_from(message: Any) -> Dataset:
    return Dataset(
        name=message.name,
        uid=message.uid,
        num_samples=message.num_samples,
        columns=tuple(
            Column(c.name, type_name(c.type), c.sha256, c.distinct_values) for c in message.columns
        ),
        columns_version=message.columns_version,
        fingerprint=message.fingerprint,
    )


def sampler_from(message: Any) -> Sampler:
    from google.protobuf.json_format import MessageToDict

    return Sampler(
        name=message.name,
        uid=message.uid,
        version=message.version,
        preset=message.preset,
        spec=MessageToDict(message.spec, preserving_proto_field_name=True),
    )


def preset_from(message: Any) -> Preset:
    return Preset(
        name=message.name,
        source=message.source,
        formula=message.formula,
        parameters=tuple(
            PresetParameter(
                p.name,
                p.default_value if p.HasField("default_value") else None,
                p.range,
                p.description,
            )
            for p in message.parameters
        ),
        columns=tuple(
            PresetColumn(c.name, c.default_column, c.description) for c in message.columns
        ),
        unbiased_for=message.unbiased_for,
    )


def epoch_from(message: Any) -> Epoch:
    return Epoch(
        epoch=message.epoch,
        sampler_version=message.sampler_version,
        opened=type(message).Opened.Name(message.opened).lower(),
        score_version=score_version_from(message.score_version),
        num_positions=message.num_positions,
        num_steps=message.num_steps,
        distinct_samples=message.distinct_samples,
        acknowledged_positions=message.acknowledged_positions,
        effective_sample_ratio=message.effective_sample_ratio,
        fell_back_to_uniform=message.fell_back_to_uniform,
    )


def run_from(message: Any) -> RunInfo:
    return RunInfo(
        name=message.name,
        uid=message.uid,
        sampler=message.sampler,
        sampler_uid=message.sampler_uid,
        dataset_uid=message.dataset_uid,
        num_samples=message.num_samples,
        seed=message.seed,
        global_batch_size=message.global_batch_size,
        drop_last=message.drop_last,
        feedback_timeout=message.feedback_timeout.seconds + message.feedback_timeout.nanos * 1e-9,
        score_version=score_version_from(message.score_version),
        scored_samples=message.scored_samples,
        epochs=tuple(epoch_from(e) for e in message.epochs),
    )


def stats_of(info: RunInfo) -> Dict[str, float]:
    """What a run's progress says in numbers: see Run.stats()."""
    stats = {
        "run/score_records": float(info.score_version.records),
        "run/scored_samples": float(info.scored_samples),
        "run/scored_ratio": info.scored_samples / info.num_samples,
    }
    if info.epochs:
        epoch = info.epochs[-1]
        slots = max(1, epoch.num_positions)
        stats.update(
            {
                "epoch/number": float(epoch.epoch),
                "epoch/sampler_version": float(epoch.sampler_version),
                "epoch/num_positions": float(epoch.num_positions),
                "epoch/num_steps": float(epoch.num_steps),
                "epoch/distinct_ratio": epoch.distinct_samples / slots,
                "epoch/acknowledged_ratio": epoch.acknowledged_positions / slots,
                "epoch/effective_sample_ratio": epoch.effective_sample_ratio,
                "epoch/fell_back_to_uniform": float(epoch.fell_back_to_uniform),
            }
        )
    return stats


def score_version_from(message: Any) -> ScoreVersion:
    return ScoreVersion(message.incarnation, message.records)
