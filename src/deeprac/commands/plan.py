"""Verb plan: the nnU-Net plans of one experiment."""

import argparse

from deeprac.commands.arguments import add_experiment, opened

HELP = "Write plans.json and dataset.json of one experiment and seed."
EXAMPLE = (
    "deeprac plan --config results/demo/config.json --experiment fine_stn --seed 0"
)


add_arguments = add_experiment


def run(args: argparse.Namespace) -> None:
    from deeprac.commands.nnunet import configure_nnunet
    from deeprac.files import read_json, write_json
    from deeprac.records.case_split import CV, of_split
    from deeprac.records.cases import read_cases
    from deeprac.training.plans import build_plans, dataset_json

    config, layout = opened(args)
    configure_nnunet(layout, workspace=layout.root, data_workers=0)
    experiment = config.experiment(args.experiment)
    model = layout.model(experiment.name, args.seed)
    plans = build_plans(config, experiment, args.seed, read_json(layout.fingerprint))
    cases = len(of_split(read_cases(layout.cases_csv), CV))
    write_json(model / "dataset.json", dataset_json(config, cases))
    write_json(model / "plans.json", plans)
