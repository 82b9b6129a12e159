"""Verb fingerprint: foreground intensities, spacings and sizes of a cohort."""

import argparse

from deeprac.commands.arguments import add_config

HELP = (
    "Measure the cohort's foreground intensities, spacings and sizes; write "
    "dataset_fingerprint.json."
)
EXAMPLE = "deeprac fingerprint --config results/demo/config.json"

add_arguments = add_config


def run(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from deeprac.commands.nnunet import configure_nnunet
    from deeprac.config import load_config
    from deeprac.files import write_json
    from deeprac.layout import Layout
    from deeprac.pretraining import moved_intensities
    from deeprac.records.case_split import CV, of_split
    from deeprac.records.cases import read_cases

    config = load_config(args.config)
    layout, moved = Layout.of(config), moved_intensities(config)
    configure_nnunet(layout, workspace=layout.root, data_workers=0)
    from deeprac.preprocessing.fingerprint import fingerprint
    from deeprac.volumes import read_volume

    cases = of_split(read_cases(layout.cases_csv), CV)
    volumes = (
        (image, read_volume(layout.cohort / row.label)[0], geometry.GetSpacing()[::-1])
        for row in tqdm(list(cases.itertuples()), desc="fingerprint", unit="case")
        for image, geometry in [read_volume(layout.cohort / row.image)]
    )
    write_json(layout.fingerprint, fingerprint(volumes, len(cases)) | moved)
