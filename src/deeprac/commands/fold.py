"""Verbs train, predict, evaluate, diagnose and stress: one fold of one experiment."""

import argparse
import importlib
from contextlib import nullcontext
from dataclasses import dataclass

from deeprac.commands.arguments import add_experiment, opened

TRAIN = "train"
ON_GPU = (TRAIN, "predict", "stress")
"""Verbs that take a GPU where the configuration says so."""


@dataclass(frozen=True)
class FoldVerb:
    """A verb that does one thing to one fold; offers what a verb's module offers."""

    name: str
    HELP: str
    does: str
    """The function, called with configuration, experiment, seed and fold."""

    @property
    def EXAMPLE(self) -> str:  # noqa: N802 (a module's constant)
        """A command line."""
        return (
            f"deeprac {self.name} --config results/demo/config.json "
            "--experiment fine_stn --seed 0 --fold 0"
        )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what names one fold."""
        add_experiment(parser)
        parser.add_argument("--fold", type=int, required=True, help="its number")
        if self.name == TRAIN:
            parser.add_argument(
                "--workers",
                type=int,
                metavar="N",
                help="no more than so many of training.data_workers",
            )

    def run(self, args: argparse.Namespace) -> None:
        """Set nnU-Net up and call the function."""
        from deeprac.commands.nnunet import configure_nnunet
        from deeprac.gpus import one_gpu

        config, layout = opened(args)
        run = (config.experiment(args.experiment).name, args.seed, args.fold)
        workspace, workers = layout.root, 0
        if self.name == TRAIN:
            workspace, workers = layout.checkpoints(*run), config.training.data_workers
            if args.workers is not None:
                workers = min(workers, args.workers)
        configure_nnunet(layout, workspace=workspace, data_workers=workers)
        module, _, function = self.does.partition(":")
        on_gpu = self.name in ON_GPU and config.training.device == "cuda"
        with one_gpu() if on_gpu else nullcontext():
            getattr(importlib.import_module(module), function)(config, *run)


VERBS = {
    verb.name: verb
    for verb in (
        FoldVerb(
            TRAIN,
            "Train one fold of one experiment, or resume it; write weights and "
            "run.json.",
            "deeprac.training.run:train_fold",
        ),
        FoldVerb(
            "predict",
            "Segment the held-out and the test cases of one fold; write predictions/ "
            "and transforms.csv.",
            "deeprac.inference.fold:predict_fold",
        ),
        FoldVerb(
            "evaluate",
            "Compare the predictions of one fold with the labels; write metrics.csv.",
            "deeprac.evaluation.evaluate:evaluate_run",
        ),
        FoldVerb(
            "diagnose",
            "Compare size, pose and position that one fold's front end found with the "
            "reference, and measure spread, bounds and coverage; write "
            "diagnostics.csv.",
            "deeprac.evaluation.diagnostics:diagnose_fold",
        ),
        FoldVerb(
            "stress",
            "Turn, zoom, shift and, of phantoms, scan again the held-out cases of one "
            "fold, segment them and compare with the labels; write stress.csv.",
            "deeprac.inference.stress_fold:stress_fold",
        ),
    )
}
