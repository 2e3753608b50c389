"""What the server says about datasets, samplers, runs and epochs, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple

from subset.columns import type_name


@dataclass(frozen=True)
class Column:
    name: str
    # numpy's name ("uint8", "uint16", "uint32", "int64", "float32", "float64") or "label_set"
    type: str
    sha256: str  # of the little-endian bytes
    distinct_values: int  # integer columns and labels; 65,537 means more
    num_labels: int = 0  # of all label sets together


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
    from_epoch: int = 0  # of each run; earlier epochs take the version before
    from_step: int = 0  # likewise epochs that begin at an earlier step of the run


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
    # "not_score_driven", "first", "feedback_complete", "rest_parked", "explicit" or "timeout"
    opened: str
    score_version: ScoreVersion
    num_positions: int
    num_steps: int  # the same for every rank at any world size
    distinct_samples: int
    acknowledged_positions: int
    effective_sample_ratio: float
    fell_back_to_uniform: bool
    leased_positions: int  # with workers now
    parked_positions: int  # failed too often: neither delivered nor acknowledged until released


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint of the trainer that Run.rollback() can name."""

    checkpoint_id: str
    commit_time: float  # seconds since 1970, by the server's clock
    generation: int
    score_version: ScoreVersion
    epoch: int  # the newest that was open, and of it
    acknowledged_positions: int
    scores_kept: bool


@dataclass(frozen=True)
class Lease:
    """The right to a block; (incarnation, id) is unique on a server, id rises with every grant."""

    incarnation: int  # of the server that granted it
    id: int
    generation: int  # of the run then


@dataclass(frozen=True)
class AcknowledgedBlock:
    position: int
    num_positions: int
    attempt: int
    worker: str


@dataclass(frozen=True)
class LeasedBlock:
    lease: Lease
    position: int
    num_positions: int
    attempt: int
    worker: str
    expires_in: float  # seconds, when the server answered


@dataclass(frozen=True)
class ParkedBlock:
    position: int
    num_positions: int
    failures: int
    reason: str  # of the last failure
    worker: str


@dataclass(frozen=True)
class Leases:
    """The blocks of an epoch that are leased or parked, by position: at most 1,000 of each."""

    leased: Tuple[LeasedBlock, ...]
    parked: Tuple[ParkedBlock, ...]
    num_leased: int  # all of them
    num_parked: int


@dataclass(frozen=True)
class Acknowledged:
    """What became of positions that were acknowledged, or said to have failed."""

    acknowledged_positions: int
    failed_positions: int  # to be delivered again
    parked_positions: int
    duplicate: bool  # all was known before: nothing changed


@dataclass(frozen=True)
class RolledBack:
    generation: int  # the run's from now on
    returned_positions: int  # to be delivered again
    duplicate: bool  # done before: nothing changed


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
    generation: int  # rollbacks so far
    checkpoints: Tuple[Checkpoint, ...]  # oldest first


def dataset_from(message: Any) -> Dataset:
    return Dataset(
        name=message.name,
        uid=message.uid,
        num_samples=message.num_samples,
        columns=tuple(
            Column(c.name, type_name(c.type), c.sha256, c.distinct_values, c.num_labels)
            for c in message.columns
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
        from_epoch=message.from_epoch,
        from_step=message.from_step,
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
        leased_positions=message.leased_positions,
        parked_positions=message.parked_positions,
    )


def seconds_of(duration: Any) -> float:
    """Of a google.protobuf.Duration or Timestamp."""
    return float(duration.seconds + duration.nanos * 1e-9)


def checkpoint_from(message: Any) -> Checkpoint:
    return Checkpoint(
        checkpoint_id=message.checkpoint_id,
        commit_time=seconds_of(message.commit_time),
        generation=message.generation,
        score_version=score_version_from(message.score_version),
        epoch=message.epoch,
        acknowledged_positions=message.acknowledged_positions,
        scores_kept=message.scores_kept,
    )


def lease_from(message: Any) -> Lease:
    return Lease(message.incarnation, message.id, message.generation)


def acknowledged_block_from(message: Any) -> AcknowledgedBlock:
    return AcknowledgedBlock(
        message.position, message.num_positions, message.attempt, message.worker
    )


def leases_from(message: Any) -> Leases:
    return Leases(
        leased=tuple(
            LeasedBlock(
                lease=lease_from(b.lease),
                position=b.position,
                num_positions=b.num_positions,
                attempt=b.attempt,
                worker=b.worker,
                expires_in=seconds_of(b.lease.expires_in),
            )
            for b in message.leased
        ),
        parked=tuple(
            ParkedBlock(b.position, b.num_positions, b.failures, b.reason, b.worker)
            for b in message.parked
        ),
        num_leased=message.num_leased,
        num_parked=message.num_parked,
    )


def acknowledged_from(message: Any) -> Acknowledged:
    return Acknowledged(
        acknowledged_positions=message.acknowledged_positions,
        failed_positions=message.failed_positions,
        parked_positions=message.parked_positions,
        duplicate=message.duplicate,
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
        feedback_timeout=seconds_of(message.feedback_timeout),
        score_version=score_version_from(message.score_version),
        scored_samples=message.scored_samples,
        epochs=tuple(epoch_from(e) for e in message.epochs),
        generation=message.generation,
        checkpoints=tuple(checkpoint_from(c) for c in message.checkpoints),
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
                "epoch/leased_ratio": epoch.leased_positions / slots,
                "epoch/parked_positions": float(epoch.parked_positions),
            }
        )
    return stats


def score_version_from(message: Any) -> ScoreVersion:
    return ScoreVersion(message.incarnation, message.records)
