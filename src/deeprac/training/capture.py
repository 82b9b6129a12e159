"""One step as a CUDA graph: recorded once, then replayed in one launch.

A training step is thousands of small operations. Started one by one they take longer
than the GPU needs for them; a graph starts them all at once. It reads and writes the
same memory every time, so inputs are copied into buffers that stay.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

Step = Callable[..., Tensor]
"""A function of tensors; what else it changes lies in tensors that stay in place."""

WARM_UP = 3
"""Steps that run as they are first, in which libraries choose their algorithms."""


class Graph(Protocol):
    """What runs a function until it is recorded, and then repeats it."""

    def warm_up(self, function: Callable[[], Tensor]) -> Tensor:
        """Run a function as it will be recorded and return its result."""

    def record(self, function: Callable[[], Tensor]) -> Tensor:
        """Record a function and return the tensor that every replay writes."""

    def replay(self) -> None:
        """Repeat what was recorded."""


class CudaGraph:
    """A graph of the current GPU, warmed up and recorded on one stream of its own.

    Memory that is cached belongs to a stream: on a new one for every step, several sets
    of activations would stay reserved.
    """

    def __init__(self) -> None:
        self.graph = torch.cuda.CUDAGraph()
        self.stream = torch.cuda.Stream()

    def warm_up(self, function: Callable[[], Tensor]) -> Tensor:
        """Run a function on the graph's stream, in order with all else."""
        current = torch.cuda.current_stream()
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            result = function()
        current.wait_stream(self.stream)
        return result

    def record(self, function: Callable[[], Tensor]) -> Tensor:
        """Record a function and return the tensor that every replay writes."""
        current = torch.cuda.current_stream()
        try:
            # Threads of a loader may pin memory while this one records.
            with torch.cuda.graph(
                self.graph, stream=self.stream, capture_error_mode="thread_local"
            ):
                result = function()
        finally:
            # A capture that fails leaves its stream the current one.
            torch.cuda.set_stream(current)
        # What the warm-up took beside the graph is no need of the training.
        torch.cuda.reset_peak_memory_stats()
        return result

    def replay(self) -> None:
        """Repeat what was recorded."""
        self.graph.replay()


class CapturedStep:
    """Call a step; after ``WARM_UP`` calls replay it as a graph.

    Where recording fails, the step is called as it is from then on, and ``state`` says
    why; it is never silent.

    Args:
        step: maps tensors of fixed sizes to one tensor. It must not wait for the GPU.
        device: of the step; inputs are copied there.
        graph: makes what records; None calls the step as it is.
        log: takes one line about what was decided.
    """

    def __init__(
        self,
        step: Step,
        device: torch.device,
        *,
        graph: Callable[[], Graph] | None,
        log: Callable[[str], None],
    ) -> None:
        self.step = step
        self.device = device
        self.log = log
        self.state = "not asked for" if graph is None else "not yet"
        self.calls = 0
        self.buffers: list[Tensor] = []
        self.graph = graph() if graph is not None else None
        self.result: Tensor | None = None

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Return the result of one step, a tensor of its own on the device.

        Args:
            *inputs: of the same shapes and types at every call, on any device; those
                of the host in pinned memory are copied while the GPU works.
        """
        if self.graph is None:
            return self.step(
                *(entry.to(self.device, non_blocking=True) for entry in inputs)
            )
        if not self.buffers:
            self.buffers = [
                torch.empty_like(entry, device=self.device) for entry in inputs
            ]
        for buffer, entry in zip(self.buffers, inputs, strict=True):
            buffer.copy_(entry, non_blocking=True)
        self.calls += 1
        if self.calls <= WARM_UP:
            return self.graph.warm_up(self._run).clone()
        if self.result is None:
            self.result = self._recorded(self.graph)
        if self.result is None:
            return self._run()
        self.graph.replay()
        return self.result.clone()

    def _run(self) -> Tensor:
        return self.step(*self.buffers)

    def _recorded(self, graph: Graph) -> Tensor | None:
        """Record the step; None where that fails."""
        cause = None
        try:
            result = graph.record(self._run)
        except (RuntimeError, torch.OutOfMemoryError) as error:
            # An operation that waits for the GPU, no memory for a second copy of all
            # activations, a driver without graphs. What broke a capture comes first;
            # that it cannot be ended is a consequence.
            cause = str(error.__context__ or error).splitlines()[0]
        if cause is None:
            self.state = "captured"
            self.log("Steps are captured as a CUDA graph.")
            return result
        self.graph = None
        self.state = f"failed: {cause}"
        self.log(f"Steps are not captured as a CUDA graph; {self.state}")
        if self.device.type == "cuda":
            del graph
            torch.cuda.empty_cache()
        return None
