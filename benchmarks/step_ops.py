"""Operations of one training step of each experiment, counted without a GPU.

    python benchmarks/step_ops.py                      # config/experiments.tsv
    python benchmarks/step_ops.py fine_stn --parts     # by part of the network
    python benchmarks/step_ops.py --json

On a GPU every operation has to be started, which takes longer than most of them need: a
step of small networks takes as long as its number of operations says. Counted is what
PyTorch dispatches in mixed precision at the sizes of config/costs.yaml, forward,
backward, clipping and optimiser, but for views and allocations, which compute nothing.
Neither values nor time are involved, so the counts are the same on any machine.
"""

import argparse
import bisect
import contextlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils import _foreach_utils
from torch.utils._python_dispatch import TorchDispatchMode

from deeprac.commands.nnunet import configure_nnunet
from deeprac.config import Config, load_config
from deeprac.layout import Layout
from deeprac.training.step import dry_copy, nominal_trainer, without_values
from deeprac.training.trainer import DeepracTrainer

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "config" / "costs.yaml"
FREE = {
    *("empty", "new_empty", "empty_like", "empty_strided", "new_empty_strided"),
    *(
        "detach",
        "alias",
        "lift_fresh",
        "_unsafe_view",
        "_reshape_alias",
        "is_same_size",
    ),
    *("resize_", "set_", "_assert_tensor_metadata"),
}
"""Operators that compute nothing although they are no views by their schema."""
HALF = torch.bfloat16
"""The half precision that a CPU has; what is cast is the same as on a GPU."""


def main() -> None:
    """Print the counts of the experiments asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiments", nargs="*", help="default: all of the design")
    parser.add_argument("--json", action="store_true", help="one line for programs")
    parser.add_argument("--parts", action="store_true", help="forward and backward")
    args = parser.parse_args()
    config = load_config([CONFIG])
    names = args.experiments or list(config.experiments)
    counts = {name: count(config, name) for name in names}
    if args.json:
        print(json.dumps({name: found.total() for name, found in counts.items()}))
        return
    for name, found in counts.items():
        print(f"{name:28}{found.total():6d}")
        if args.parts:
            for part in sorted({part for part, _ in found}):
                print(f"  {part:40}{found[part, 'forward']:6d}"
                      f"{found[part, 'backward']:6d}")  # fmt: skip


def count(config: Config, experiment: str) -> Counter[tuple[str, str]]:
    """Count the second step of an experiment, whose optimiser has its state.

    Returns:
        Operations by part, a module of the network or a piece of the step, and by
        direction, "forward" or "backward".
    """
    with tempfile.TemporaryDirectory() as folder, _foreach_of_fakes():
        configure_nnunet(Layout(Path(folder)), workspace=Path(folder), data_workers=0)
        trainer = nominal_trainer(config, config.experiment(experiment))
        with without_values(), torch.autograd.set_multithreading_enabled(False):
            dry = dry_copy(trainer)
            dry.autocast = lambda: torch.autocast("cpu", HALF)
            inputs = dry.empty_step()
            dry.backward(*inputs)
            _update(dry, Operations())
            operations = Operations()
            operations.watch(dry.network)
            with operations, operations.part("loss and the rest"):
                dry.backward(*inputs)
            _update(dry, operations)
    return operations.found


def _update(trainer: DeepracTrainer, operations: "Operations") -> None:
    with operations, operations.part("clipping"):
        trainer.clip_gradients()
    with operations, operations.part("optimiser"):
        trainer.optimizer.step()


@contextlib.contextmanager
def _foreach_of_fakes() -> Iterator[None]:
    """Let PyTorch join the parameters' updates as on a GPU."""
    kinds = _foreach_utils._foreach_supported_types
    kinds.append(FakeTensor)
    try:
        yield
    finally:
        kinds.remove(FakeTensor)


class Operations(TorchDispatchMode):
    """Count operations by part; a backward operation belongs to its forward's part."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[tuple[str, str]] = Counter()
        self._parts: list[str] = []
        self._starts: list[int] = []
        self._names: list[str] = []

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what happens inside as a part's."""
        self._enter(name)
        try:
            yield
        finally:
            self._leave()

    def watch(self, network: torch.nn.Module) -> None:
        """Count the modules of a network, two levels deep, as parts."""
        for name, module in network.named_modules():
            if 0 <= name.count(".") < 2 and name:
                module.register_forward_pre_hook(
                    lambda *_, name=name: self._enter(name)
                )
                module.register_forward_hook(lambda *_: self._leave())

    def _enter(self, name: str) -> None:
        self._parts.append(name)
        self._mark()

    def _leave(self) -> None:
        self._parts.pop()
        self._mark()

    def _mark(self) -> None:
        self._starts.append(torch.autograd._get_sequence_nr())
        self._names.append(self._parts[-1] if self._parts else "")

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run one operator and count it unless it is free."""
        result = func(*args, **(kwargs or {}))
        namespace, name = func._schema.name.split("::")
        returns = func._schema.returns
        is_view = any(r.alias_info and not r.alias_info.is_write for r in returns)
        is_record = name.startswith("_record_function")
        if not (is_view or is_record or namespace == "prim" or name in FREE):
            self.found[self._place()] += 1
        return result

    def _place(self) -> tuple[str, str]:
        node = torch._C._current_autograd_node()
        if node is None:
            return (self._parts[-1] if self._parts else ""), "forward"
        # Backward nodes carry the number that autograd gave their forward operation.
        index = bisect.bisect_right(self._starts, node._sequence_nr()) - 1
        return (self._names[index] if index >= 0 else ""), "backward"


if __name__ == "__main__":
    sys.exit(main())
