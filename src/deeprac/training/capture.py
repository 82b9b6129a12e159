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
    """What records a function without running it and then repeats it."""

    def record(self, function: Callable[[], Tensor]) -> Tensor:
        """Record a function and return the tensor that every replay writes."""

    def replay(self) -> None:
        """Repeat what was recorded."""


class CudaGraph:
    """A graph of the current GPU."""

    def __init__(self) -> None:
        self.graph = torch.cuda.CUDAGraph()

    def record(self, function: Callable[[], Tensor]) -> Tensor:
        """Record a function and return the tensor that every replay writes."""
        # Threads of the loader pin memory while this one records.
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
            return function()

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
        self.make_graph = graph
        self.log = log
        self.state = "not asked for" if graph is None else "not yet"
        self.calls = 0
        self.buffers: list[Tensor] = []
        self.graph: Graph | None = None
        self.result: Tensor

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Return the result of one step, a tensor of its own on the device.

        Args:
            *inputs: of the same shapes and types at every call, on any device; those
                of the host in pinned memory are copied while the GPU works.
        """
        if self.make_graph is None:
            return self.step(*(self._on_device(entry) for entry in inputs))
        if not self.buffers:
            self.buffers = [
                torch.empty_like(entry, device=self.device) for entry in inputs
            ]
        for buffer, entry in zip(self.buffers, inputs, strict=True):
            buffer.copy_(entry, non_blocking=True)
        self.calls += 1
        if self.graph is None and self.calls > WARM_UP:
            self._record()
        if self.graph is None:
            return self._warm_up()
        self.graph.replay()
        return self.result.clone()

    def _on_device(self, entry: Tensor) -> Tensor:
        return entry.to(self.device, non_blocking=True)

    def _warm_up(self) -> Tensor:
        """Run the step on a stream of its own, as recording will."""
        if self.device.type != "cuda":
            return self.step(*self.buffers)
        current, own = torch.cuda.current_stream(), torch.cuda.Stream()
        own.wait_stream(current)
        with torch.cuda.stream(own):
            result = self.step(*self.buffers)
        current.wait_stream(own)
        return result.clone()

    def _record(self) -> None:
        if self.make_graph is None:
            return
        graph = self.make_graph()
        try:
            self.result = graph.record(lambda: self.step(*self.buffers))
        except (RuntimeError, torch.OutOfMemoryError) as error:
            # An operation that waits for the GPU, no memory for a second copy of all
            # activations, a driver without graphs.
            self.make_graph = None
            self.state = f"failed: {str(error).splitlines()[0]}"
            self.log(f"Steps are not captured as a CUDA graph; {self.state}")
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            return
        self.graph = graph
        self.state = "captured"
        self.log("Steps are captured as a CUDA graph.")
