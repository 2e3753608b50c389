"""An in-process TrainingService over one uniform epoch plan, which fails when told to."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from concurrent import futures
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple

import grpc
import numpy as np

from subset.v1 import training_pb2, training_pb2_grpc

RUN_UID = 7


class Fault:
    """What happens to a call: fail before it is handled, or after (a lost reply), or wait."""

    def __init__(
        self,
        code: Optional[grpc.StatusCode] = None,
        *,
        handled: bool = False,
        wait: Optional[threading.Event] = None,
        details: Tuple[Tuple[str, bytes], ...] = (),
    ) -> None:
        self.code = code
        self.handled = handled
        self.wait = wait
        self.details = details

    def apply(self, context: grpc.ServicerContext, handle: Callable[[], Any]) -> Any:
        if self.wait is not None:
            assert self.wait.wait(60)
        reply = handle() if self.handled or self.code is None else None
        if self.code is not None:
            context.set_trailing_metadata(self.details)
            context.abort(self.code, f"injected {self.code.name}")
        return reply


class FakeServer(training_pb2_grpc.TrainingServiceServicer):
    """`num_samples` in a fixed order. Keeps what it was told; `faults[method]` happen in turn."""

    def __init__(self, num_samples: int = 100) -> None:
        self.num_samples = num_samples
        self.global_batch_size = 0
        self.faults: Dict[str, Deque[Fault]] = defaultdict(deque)
        self.calls: Dict[str, int] = defaultdict(int)
        self.messages: Dict[Tuple[int, int], Any] = {}  # (session, sequence) -> request, applied
        self.duplicates = 0
        self.sessions = 0
        self.generation = 0
        self.break_stream_after: Deque[int] = (
            deque()
        )  # replies until a stream fails, one per stream
        self.failing: Callable[[int], bool] = lambda number: False  # by the number of the request
        self.requests = 0  # for batches
        self._server: Any = None
        self._port = 0
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listens, again on the port of before."""
        self._server = grpc.server(
            futures.ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)]
        )
        training_pb2_grpc.add_TrainingServiceServicer_to_server(self, self._server)
        self._port = self._server.add_insecure_port(f"127.0.0.1:{self._port}")
        assert self._port
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait(10)

    def order(self) -> np.ndarray:
        return np.random.default_rng(1).permutation(self.num_samples).astype("<u4")

    def values(self) -> List[Tuple[int, str, float]]:
        """(index, column, value) of everything applied, in order."""
        result = []
        for key in sorted(self.messages):
            for feedback in self.messages[key].feedback:
                indices = np.frombuffer(feedback.indices, "<u4")
                for column in feedback.values:
                    values = np.frombuffer(column.values, "<f4")
                    result += [(int(i), column.name, float(v)) for i, v in zip(indices, values)]
        return result

    def acknowledged(self) -> List[int]:
        """Every position acknowledged, in order, repeats included."""
        result: List[int] = []
        for key in sorted(self.messages):
            for feedback in self.messages[key].feedback:
                count = len(feedback.indices) // 4
                result += range(feedback.position, feedback.position + count)
        return result

    def _answer(self, method: str, context: Any, handle: Callable[[], Any]) -> Any:
        self.calls[method] += 1
        if self.faults[method]:
            return self.faults[method].popleft().apply(context, handle)
        return handle()

    def _run(self) -> Any:
        run = training_pb2.Run(
            name="run",
            uid=RUN_UID,
            sampler="d/s",
            num_samples=self.num_samples,
            global_batch_size=self.global_batch_size,
            generation=self.generation,
        )
        run.feedback_timeout.seconds = 60
        return run

    def _steps(self) -> int:
        return -(-self.num_samples // self.global_batch_size)

    def CreateRun(self, request: Any, context: Any) -> Any:
        def handle() -> Any:
            self.global_batch_size = request.global_batch_size
            run = self._run()
            run.seed = request.seed
            return run

        return self._answer("CreateRun", context, handle)

    def GetRun(self, request: Any, context: Any) -> Any:
        if not self.global_batch_size:
            context.abort(grpc.StatusCode.NOT_FOUND, "no run")
        return self._answer("GetRun", context, self._run)

    def OpenEpoch(self, request: Any, context: Any) -> Any:
        def handle() -> Any:
            return training_pb2.Epoch(
                epoch=request.epoch,
                num_positions=self.num_samples,
                num_steps=self._steps(),
                opened=1,
            )

        return self._answer("OpenEpoch", context, handle)

    def _batch(self, request: Any, context: Any) -> Any:
        self.requests += 1
        if self.failing(self.requests - 1):
            context.abort(grpc.StatusCode.UNAVAILABLE, "injected failure")
        if request.HasField("positions"):
            first = request.positions.position
            last = min(first + request.positions.batch_size, self.num_samples)
            step, total = 0, last - first
        else:
            a = request.assigned
            step = a.step
            begin = step * self.global_batch_size
            total = min(self.global_batch_size, self.num_samples - begin)
            first = begin + a.rank * total // a.world_size
            last = begin + (a.rank + 1) * total // a.world_size
        if total <= 0:
            context.abort(grpc.StatusCode.OUT_OF_RANGE, "past the end")
        padding = 1 if first == last else 0
        return training_pb2.Batch(
            epoch=request.epoch,
            position=first,
            step=step,
            attempt=1,
            index_width=4,
            indices=self.order()[first : last + padding].tobytes(),
            probability=1.0,
            weight=0.0 if padding else 1.0,
            probability_kind=2,
            unbiased_over=1,
            sampler_version=1,
            padding=padding,
            global_samples=total,
        )

    def GetBatch(self, request: Any, context: Any) -> Any:
        return self._answer("GetBatch", context, lambda: self._batch(request, context))

    def StreamBatches(self, requests: Any, context: Any) -> Any:
        self.calls["StreamBatches"] += 1
        limit = self.break_stream_after.popleft() if self.break_stream_after else None
        number = 0
        for request in requests:
            assert request.num_batches <= 64
            for _ in range(max(1, request.num_batches)):
                if number == limit:
                    context.abort(grpc.StatusCode.UNAVAILABLE, "injected break")
                yield self._batch(request, context)
                number += 1
                if request.HasField("assigned"):
                    request.assigned.step += 1

    def OpenSession(self, request: Any, context: Any) -> Any:
        def handle() -> Any:
            self.sessions += 1
            return training_pb2.OpenSessionResponse(session_id=self.sessions)

        return self._answer("OpenSession", context, handle)

    def ReportFeedback(self, request: Any, context: Any) -> Any:
        def handle() -> Any:
            key = (request.session_id, request.sequence)
            again = key in self.messages
            if again:
                assert self.messages[key] == request, "a sequence with other content"
                self.duplicates += 1
            self.messages[key] = request
            return training_pb2.ReportFeedbackResponse(durability=1, duplicate=again)

        return self._answer("ReportFeedback", context, handle)

    def Rollback(self, request: Any, context: Any) -> Any:
        def handle() -> Any:
            done = request.generation != self.generation
            self.generation += not done
            return training_pb2.RollbackResponse(generation=self.generation, duplicate=done)

        return self._answer("Rollback", context, handle)
