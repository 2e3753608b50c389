"""The way in: datasets, samplers and runs of one server."""

from __future__ import annotations

import weakref
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, cast

from subset import resources
from subset.columns import TYPE_NUMBERS, ColumnData, fingerprint, type_name
from subset.columns import column as column_data
from subset.binding import Binding
from subset.connection import Connection
from subset.errors import DataLoss, NotFound
from subset.resources import Dataset, Preset, RunInfo, Sampler
from subset.retry import Retry
from subset.run import Run

_PAGE = 1_000
_IMPORT_BYTES_PER_SECOND = 4 << 20  # the slowest import that is waited for


def connect(address: str, *, timeout: float = 30.0, retry: Optional[Retry] = None) -> "Client":
    """A client of the server at "HOST:PORT", "dns:///NAME:PORT" or "unix:PATH".

    Opens no connection yet. `timeout`: seconds a call may take; `retry`: for how long to try again
    while the server is away.
    """
    return Client(Connection(address, timeout=timeout, retry=retry or Retry()))


class Client:
    """Datasets, samplers and runs of one server. Thread-safe.

    Belongs to the process that made it: in a forked child every call raises ForkedProcess. Every
    call raises a SubsetError that says what was wrong; misuse that needs no server is a ValueError.
    """

    def __init__(self, connection: Connection) -> None:
        """See connect()."""
        self._connection = connection
        self._runs: "weakref.WeakSet[Run]" = weakref.WeakSet()
        self._at_close: List[Callable[[], None]] = []

    @property
    def address(self) -> str:
        return self._connection.address

    # Datasets.

    def ensure_dataset(
        self,
        name: str,
        *,
        num_samples: Optional[int] = None,
        columns: Optional[Mapping[str, Any]] = None,
        **named_columns: Any,
    ) -> Dataset:
        """Makes the dataset what is given here; sends only the columns that differ.

        Columns are numpy arrays, tensors or lists, one number per sample: `label=targets`, or in
        `columns` where a name is taken by a parameter. A list of lists, a boolean matrix or
        LabelSets is a set of labels per sample. Without any, `num_samples` says how many samples
        there are. Other columns of the dataset stay.

        Raises ValueError for columns that do not fit each other; FailedPrecondition where the
        dataset has another number of samples.
        """
        named = {**(columns or {}), **named_columns}
        data = [column_data(key, values) for key, values in named.items()]
        lengths = {d.name: d.num_samples for d in data}
        if num_samples is not None:
            lengths["num_samples"] = num_samples
        if len(set(lengths.values())) > 1:
            raise ValueError(f"lengths differ: {lengths}")
        if not lengths:
            raise ValueError("give num_samples or at least one column")
        num_samples = next(iter(lengths.values()))
        try:
            existing = self.describe_dataset(name)
        except NotFound:
            changed = data
        else:
            stored = {c.name: (c.type, c.sha256) for c in existing.columns}
            changed = [
                d for d in data if stored.get(d.name) != (type_name(d.type_number), d.sha256)
            ]
            if not changed and existing.num_samples == num_samples:
                return existing
        return self._import(name, num_samples, changed)

    def describe_dataset(self, name: str) -> Dataset:
        """Raises NotFound."""
        from subset.v1 import dataset_pb2

        request = dataset_pb2.GetDatasetRequest(name=name)
        return resources.dataset_from(
            self._connection.call(self._connection.datasets.GetDataset, request)
        )

    def list_datasets(self) -> List[Dataset]:
        """All of them, by name."""
        from subset.v1 import dataset_pb2

        pages = self._pages(
            self._connection.datasets.ListDatasets, dataset_pb2.ListDatasetsRequest(page_size=_PAGE)
        )
        return [resources.dataset_from(d) for page in pages for d in page.datasets]

    def delete_dataset(self, name: str, *, force: bool = False) -> None:
        """Deletes it with its samplers; with `force` also where runs exist, which go with it."""
        from subset.v1 import dataset_pb2

        request = dataset_pb2.DeleteDatasetRequest(name=name, force=force)
        self._connection.call(self._connection.datasets.DeleteDataset, request)

    # Samplers.

    def ensure_sampler(
        self,
        name: str,
        *,
        preset: Optional[str] = None,
        column: Optional[str] = None,
        columns: Optional[Mapping[str, str]] = None,
        spec: Optional[Mapping[str, Any]] = None,
        update: bool = False,
        from_epoch: int = 0,
        from_step: int = 0,
        **parameters: float,
    ) -> Sampler:
        """Creates the sampler "dataset/sampler", or returns it where it is defined the same.

        By a preset (`presets()` lists them) with its parameters and the columns it reads: `column`
        for its first role, `columns` by role; or by a whole `spec`, a dict of the proto's field
        names. `update` makes a new version where the definition differs; else that is AlreadyExists.
        The new version is used by the epochs that open next, or of each run from epoch `from_epoch`
        on, or from the first that begins at step `from_step` of the run or later:
        FailedPrecondition (EPOCH_OPEN) where a run is there already.
        """
        from google.protobuf.json_format import ParseDict, ParseError

        from subset.errors import AlreadyExists
        from subset.v1 import sampler_pb2

        if (preset is None) == (spec is None):
            raise ValueError("give either a preset or a spec")
        if (from_epoch or from_step) and not update:
            raise ValueError(
                "from_epoch and from_step are of an update: a new sampler has one version"
            )
        if spec is not None and (parameters or column is not None or columns):
            raise ValueError("columns and parameters belong to a preset")
        definition: Dict[str, Any] = {}
        if spec is not None:
            try:
                definition["spec"] = ParseDict(dict(spec), sampler_pb2.SamplerSpec())
            except ParseError as error:
                raise ValueError(f"spec: {error}") from None
        else:
            definition["preset"] = sampler_pb2.PresetChoice(
                name=preset,
                column=column or "",
                columns=dict(columns or {}),
                parameters={key: float(value) for key, value in parameters.items()},
            )
        samplers = self._connection.samplers
        try:
            reply = self._connection.call(
                samplers.CreateSampler, sampler_pb2.CreateSamplerRequest(name=name, **definition)
            )
            differs = False
        except AlreadyExists:
            if not update:
                raise
            differs = True
        if update and (differs or reply.from_epoch or reply.from_step):
            request = sampler_pb2.UpdateSamplerRequest(
                name=name, from_epoch=from_epoch, from_step=from_step, **definition
            )
            reply = self._connection.call(samplers.UpdateSampler, request)
        return resources.sampler_from(reply)

    def describe_sampler(self, name: str) -> Sampler:
        """Raises NotFound."""
        from subset.v1 import sampler_pb2

        request = sampler_pb2.GetSamplerRequest(name=name)
        return resources.sampler_from(
            self._connection.call(self._connection.samplers.GetSampler, request)
        )

    def preview_sampler(
        self, name: str, *, run: str = "", epoch: Optional[int] = None
    ) -> Dict[str, Any]:
        """What the next epoch would be drawn from, without opening it.

        Share per stratum, expected repeats, effective sample size, weights, coverage after k
        epochs, a histogram of expected draws: a dict of the field names of PreviewSamplerResponse.
        `run`: whose scores, seed, batch size and epochs are taken; without one nothing is scored.
        O(num_samples) on the server. Raises NotFound.
        """
        from subset.v1 import sampler_pb2

        request = sampler_pb2.PreviewSamplerRequest(planned=_planned(name, run, epoch))
        return _as_dict(self._connection.call(self._connection.samplers.PreviewSampler, request))

    def explain_sample(
        self, name: str, index: int, *, run: str = "", epoch: Optional[int] = None
    ) -> Dict[str, Any]:
        """Why sample `index` would be drawn or not, with each choice's part in its probability.

        A dict of the field names of ExplainSampleResponse; `run` and cost as in preview_sampler.
        Raises NotFound, InvalidArgument (an index past the end).
        """
        from subset.v1 import sampler_pb2

        request = sampler_pb2.ExplainSampleRequest(planned=_planned(name, run, epoch), index=index)
        return _as_dict(self._connection.call(self._connection.samplers.ExplainSample, request))

    def list_samplers(self, dataset: str = "") -> List[Sampler]:
        """Those of one dataset, or all, by name."""
        from subset.v1 import sampler_pb2

        pages = self._pages(
            self._connection.samplers.ListSamplers,
            sampler_pb2.ListSamplersRequest(dataset=dataset, page_size=_PAGE),
        )
        return [resources.sampler_from(s) for page in pages for s in page.samplers]

    def delete_sampler(self, name: str, *, force: bool = False) -> None:
        """With `force` also where runs use it, which go with it."""
        from subset.v1 import sampler_pb2

        request = sampler_pb2.DeleteSamplerRequest(name=name, force=force)
        self._connection.call(self._connection.samplers.DeleteSampler, request)

    def presets(self) -> List[Preset]:
        """The strategies by their names in the literature, with parameters and sources."""
        from subset.v1 import sampler_pb2

        reply = self._connection.call(
            self._connection.samplers.ListPresets, sampler_pb2.ListPresetsRequest()
        )
        return [resources.preset_from(p) for p in reply.presets]

    # Runs.

    def run(
        self,
        name: str,
        *,
        sampler: str,
        seed: int = 0,
        global_batch_size: Optional[int] = None,
        drop_last: bool = False,
        feedback_timeout: Optional[float] = None,
        score_ema: Optional[Mapping[str, float]] = None,
        copy_scores_from: str = "",
        time_to_live: Optional[float] = None,
        report_capacity: int = 1 << 20,
        unusable: str = "acknowledge",
    ) -> Run:
        """The run of that name: created, or taken up where it stands if its settings are the same.

        `global_batch_size`: samples per optimizer step over all ranks; may be given later, to
        batch_sampler(). `feedback_timeout`: seconds an epoch driven by scores waits for the reports
        of the one before (60). `score_ema`: rates in (0, 1] by reported column: it is smoothed.
        `copy_scores_from`: a run of the dataset whose scores a new run starts with. `time_to_live`:
        seconds without use after which the server deletes the run. `report_capacity`: samples that
        may wait to be reported. `unusable`: what becomes of reported values that are not finite, or
        negative losses: "acknowledge" sends the others and acknowledges all; "raise" sends nothing
        of their batch, and flush() raises InvalidArgument. Both count and list them.

        Raises NotFound (sampler), AlreadyExists (a run with other settings).
        """
        if not 0 <= seed < 2**64:
            raise ValueError(f"seed {seed} is outside [0, 2^64)")
        if global_batch_size is not None and not 1 <= global_batch_size <= 65_536:
            raise ValueError(f"global_batch_size {global_batch_size} is outside [1, 65536]")
        if unusable not in ("acknowledge", "raise"):
            raise ValueError(f'unusable {unusable!r} is not "acknowledge" or "raise"')
        binding = Binding(
            self._connection,
            name,
            sampler=sampler,
            seed=seed,
            global_batch_size=global_batch_size,
            drop_last=drop_last,
            feedback_timeout=feedback_timeout,
            score_ema=score_ema,
            copy_scores_from=copy_scores_from,
            time_to_live=time_to_live,
        )
        run = Run(
            self._connection, binding, capacity=report_capacity, strict=unusable == "raise"
        )
        if global_batch_size is not None:
            binding.get()
        self._runs.add(run)
        return run

    def describe_run(self, name: str) -> RunInfo:
        """Raises NotFound."""
        from subset.v1 import training_pb2

        request = training_pb2.GetRunRequest(name=name)
        return resources.run_from(self._connection.call(self._connection.training.GetRun, request))

    def list_runs(self, dataset: str = "") -> List[RunInfo]:
        """Those over one dataset, or all, by name."""
        from subset.v1 import training_pb2

        pages = self._pages(
            self._connection.training.ListRuns,
            training_pb2.ListRunsRequest(dataset=dataset, page_size=_PAGE),
        )
        return [resources.run_from(r) for page in pages for r in page.runs]

    def delete_run(self, name: str) -> None:
        """Deletes its scores and progress. Raises NotFound."""
        from subset.v1 import training_pb2

        self._connection.call(
            self._connection.training.DeleteRun, training_pb2.DeleteRunRequest(name=name)
        )

    def close(self) -> None:
        """Sends what the runs still have to report, then ends the connection. Safe to repeat."""
        for run in list(self._runs):
            run.close()
        self._connection.close()
        while self._at_close:
            self._at_close.pop()()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.address!r})"

    def __reduce__(self) -> Any:
        raise TypeError(f"{self!r} cannot go to another process: connect there")

    def _import(self, name: str, num_samples: int, data: List[ColumnData]) -> Dataset:
        from subset.v1 import dataset_pb2

        header = dataset_pb2.ImportDatasetRequest.Header(
            dataset=name,
            num_samples=num_samples,
            columns=[
                dataset_pb2.Column(
                    name=d.name, type=cast(Any, d.type_number), num_labels=d.num_labels
                )
                for d in data
            ],
        )

        def messages() -> Iterator[Any]:
            yield dataset_pb2.ImportDatasetRequest(header=header)
            for each in data:
                for first, values in each.chunks():
                    yield dataset_pb2.ImportDatasetRequest(
                        chunk=dataset_pb2.ImportDatasetRequest.Chunk(
                            column=each.name, first_sample=first, data=values
                        )
                    )

        size = sum(d.values.nbytes for d in data)
        imported = resources.dataset_from(
            self._connection.call(
                self._connection.datasets.ImportDataset,
                messages,
                timeout=self._connection.timeout + size / _IMPORT_BYTES_PER_SECOND,
            )
        )
        _verify(imported, data)
        return imported

    def _pages(self, method: Any, request: Any) -> Iterator[Any]:
        while True:
            page = self._connection.call(method, request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


def _planned(sampler: str, run: str, epoch: Optional[int]) -> Any:
    from subset.v1 import sampler_pb2

    return sampler_pb2.PlannedEpoch(sampler=sampler, run=run, epoch=epoch)


def _as_dict(message: Any) -> Dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    fields: Dict[str, Any] = MessageToDict(
        message, preserving_proto_field_name=True, including_default_value_fields=True
    )
    return fields


def _verify(imported: Dataset, sent: List[ColumnData]) -> None:
    """Raises DataLoss unless the server has what was sent, and its fingerprint says so."""
    stored = {c.name: c.sha256 for c in imported.columns}
    for each in sent:
        if stored.get(each.name) != each.sha256:
            raise DataLoss(
                f"column {each.name!r} of dataset {imported.name!r}: sent sha256 {each.sha256},"
                f" the server has {stored.get(each.name)}"
            )
    expected = fingerprint(
        imported.num_samples, {c.name: (TYPE_NUMBERS[c.type], c.sha256) for c in imported.columns}
    )
    if imported.fingerprint != expected:
        raise DataLoss(
            f"dataset {imported.name!r}: fingerprint {imported.fingerprint}, expected {expected}"
        )
