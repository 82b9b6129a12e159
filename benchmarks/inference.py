"""Seconds to segment one case: nnU-Net's own predictor and DeePRAC's, same weights.

    python benchmarks/inference.py                                  # the paper's sizes
    python benchmarks/inference.py --config config/demo.yaml        # a CPU's

The case is noise and the weights are untrained: neither changes the time. Both start
from the same preprocessed slices and end with labels on the native grid. nnU-Net slides
its window over each slice, of which a whole slice needs one place; its logits return to
the native grid as DeePRAC's do. Printed are the seconds of each, their ratio, and the
share of voxels with the same label; with a front end, which nnU-Net's predictor knows
nothing of, its time over the plain network's. Each is the least of several runs.
"""

import argparse
import contextlib
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from numpy.typing import NDArray

from deeprac.commands.nnunet import configure_nnunet
from deeprac.config import Config, load_config
from deeprac.inference.predictor import answer
from deeprac.inference.slice_predictor import SlicePredictor
from deeprac.layout import Layout
from deeprac.preprocessing.matrix import logits_to_native
from deeprac.training.plans import build_plans, dataset_json
from deeprac.training.step import NOMINAL_FINGERPRINT, dry_copy
from deeprac.training.trainer import build_trainer

ROOT = Path(__file__).parents[1]
SPACING_MM = (3.0, 0.8, 0.8)
"""(z, y, x) of the case."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiments", nargs="*", help="default: without augmentation")
    parser.add_argument("--config", type=Path, default=ROOT / "config" / "costs.yaml")
    parser.add_argument("--slices", type=int, default=64)
    parser.add_argument("--pixels", type=int, default=512, help="of a native slice")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    config = load_config([args.config])
    names = args.experiments or [
        name for name, row in config.experiments.items()
        if not config.methods[row.method].augment
    ]  # fmt: skip
    generator = np.random.default_rng(0)
    size = (args.slices, args.pixels, args.pixels)
    case = generator.normal(100, 70, size).astype(np.float32)
    plain: dict[str, float] = {}
    for name in names:
        record = measured(config, name, case, args.repeats)
        matrix = config.experiment(name).matrix
        plain.setdefault(matrix, record["seconds"])
        record["over_plain"] = round(record["seconds"] / plain[matrix], 3)
        print(json.dumps(record) if args.json else text(record), flush=True)


def measured(config: Config, name: str, case: NDArray, repeats: int) -> dict[str, Any]:
    """Segment a case by both predictors."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    predictor = opened(config, name, device)
    data, properties = predictor.preprocess(case, SPACING_MM)

    def segment() -> NDArray:
        return answer([predictor], data, properties, [predictor.locate(data)])

    own, seconds, memory = timed(segment, repeats, device)
    record = {"experiment": name, "seconds": round(seconds, 3), "peak_gib": memory}
    if predictor.settings["front_end"] is None:
        stock = stock_predictor(predictor)
        other, stock_seconds, _ = timed(
            lambda: stock_labels(stock, data, properties), repeats, device
        )
        record["stock_seconds"] = round(stock_seconds, 3)
        record["same_labels"] = round(float((own == other).mean()), 6)
    return record


def opened(config: Config, name: str, device: torch.device) -> SlicePredictor:
    """Return a predictor with the weights that a training starts from."""
    with tempfile.TemporaryDirectory() as folder:
        configure_nnunet(Layout(Path(folder)), workspace=Path(folder), data_workers=0)
        plans = build_plans(config, config.experiment(name), 0, NOMINAL_FINGERPRINT)
        plans["deeprac"]["inference"]["mirroring"] = False
        dataset = dataset_json(config, 1)
        torch.manual_seed(0)
        with contextlib.redirect_stdout(io.StringIO()):
            trainer = build_trainer(plans, dataset, 0, torch.device("cpu"))
            weights = dry_copy(trainer).network.state_dict()
        return SlicePredictor(plans, dataset, weights, device)


def stock_predictor(own: SlicePredictor) -> nnUNetPredictor:
    """Return nnU-Net's predictor of the same network, with its own defaults."""
    with contextlib.redirect_stdout(sys.stderr):  # nnU-Net talks
        stock = nnUNetPredictor(
            use_mirroring=False,
            perform_everything_on_device=own.device.type == "cuda",
            device=own.device,
            allow_tqdm=False,
        )
    network = own.network.network
    stock.manual_initialization(
        network, own.plans, own.configuration, None, own.dataset, "stock", None
    )
    return stock


def stock_labels(
    stock: nnUNetPredictor, data: torch.Tensor, properties: dict[str, Any]
) -> NDArray[np.uint8]:
    """Return native labels of (1, slices, size, size) by nnU-Net's sliding window."""
    logits = stock.predict_sliding_window_return_logits(data).transpose(0, 1)
    native = properties["native_shape"]
    return np.concatenate(
        [
            logits_to_native(part, *native[1:]).argmax(1).to(torch.uint8).cpu().numpy()
            for part in logits.split(8)
        ]
    )


def timed(
    segment: Callable[[], NDArray], repeats: int, device: torch.device
) -> tuple[NDArray, float, float | None]:
    """Return labels, the least seconds, and the peak of a GPU's memory in GiB."""
    least, cuda = float("inf"), device.type == "cuda"
    for _ in range(repeats + 1):
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        with torch.inference_mode():
            labels = segment()
        least = min(least, time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated() / 2**30 if cuda else None
    return labels, least, peak


def text(record: dict[str, Any]) -> str:
    """One line of a record."""
    line = f"{record['experiment']:24}{record['seconds']:9.3f} s"
    line += f"   over plain {record['over_plain']:.2f}"
    if "stock_seconds" in record:
        ratio = record["stock_seconds"] / record["seconds"]
        line += f"   nnU-Net's {record['stock_seconds']:.3f} s, {ratio:.2f} times"
        line += f"   same labels {100 * record['same_labels']:.4f} %"
    return line


if __name__ == "__main__":
    sys.exit(main())
