"""Verbs train, predict, evaluate, diagnose and stress: one fold of one experiment."""

import argparse
import importlib
from dataclasses import dataclass

from deeprac.commands.arguments import add_experiment, opened


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

    def run(self, args: argparse.Namespace) -> None:
        """Set nnU-Net up and call the function."""
        from deeprac.commands.nnunet import configure_nnunet

        config, layout = opened(args)
        run = (config.experiment(args.experiment).name, args.seed, args.fold)
        trains = self.name == "train"
        configure_nnunet(
            layout,
            workspace=layout.checkpoints(*run) if trains else layout.root,
            data_workers=config.training.data_workers if trains else 0,
        )
        module, _, function = self.does.partition(":")
        getattr(importlib.import_module(module), function)(config, *run)


VERBS = {
    verb.name: verb
    for verb in (
        FoldVerb(
            "train",
            "Train one fold of one experiment, or resume it; write weights and "
            "run.json.",
            "deeprac.training.run:train_fold",
        ),
        FoldVerb(
            "predict",
            "Segment the held-out cases of one fold; write predictions/ and "
            "transforms.csv.",
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
            "Turn, zoom and shift the held-out cases of one fold, segment them and "
            "compare with the labels; write stress.csv.",
            "deeprac.inference.stress_fold:stress_fold",
        ),
    )
}
