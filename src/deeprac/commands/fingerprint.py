"""Verb fingerprint: the foreground intensities of a cohort."""

import argparse

from deeprac.commands.arguments import add_config

HELP = "Measure the cohort's foreground intensities; write dataset_fingerprint.json."
EXAMPLE = "deeprac fingerprint --config results/demo/config.json"

add_arguments = add_config


def run(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from deeprac.cohort.splits import read_cases
    from deeprac.commands.nnunet import configure_nnunet
    from deeprac.config import load_config
    from deeprac.files import write_json
    from deeprac.layout import Layout

    layout = Layout.of(load_config(args.config))
    configure_nnunet(layout, workspace=layout.root, data_workers=0)
    from deeprac.preprocessing.fingerprint import fingerprint
    from deeprac.volumes import read_volume

    cases = read_cases(layout.cases_csv)
    volumes = (
        (
            read_volume(layout.cohort / row.image)[0],
            read_volume(layout.cohort / row.label)[0],
        )
        for row in tqdm(list(cases.itertuples()), desc="fingerprint", unit="case")
    )
    write_json(layout.fingerprint, fingerprint(volumes, len(cases)))
