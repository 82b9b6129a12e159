"""Verb preprocess: the cohort on one matrix, or as nnU-Net plans it."""

import argparse

from deeprac.commands.arguments import add_config

HELP = "Bring every axial slice of the cohort onto a matrix, normalised as by nnU-Net."
EXAMPLE = "deeprac preprocess --config results/demo/config.json --matrix fine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--matrix", required=True, help="name of the matrix")


def run(args: argparse.Namespace) -> None:
    import shutil

    import numpy as np
    from tqdm import tqdm

    from deeprac.commands.nnunet import configure_nnunet
    from deeprac.config import load_config
    from deeprac.files import read_json, write_json
    from deeprac.layout import Layout
    from deeprac.records.cases import read_cases
    from deeprac.training.plans import (
        CONFIGURATION,
        dataset_json,
        preprocessing_plans,
    )

    config = load_config(args.config)
    layout = Layout.of(config)
    configure_nnunet(layout, workspace=layout.root, data_workers=0)
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    from deeprac.preprocessing.preprocessor import preprocessor_of, save_case
    from deeprac.volumes import read_volume

    plans = preprocessing_plans(config, args.matrix, read_json(layout.fingerprint))
    manager = PlansManager(plans)
    configuration = manager.get_configuration(CONFIGURATION)
    preprocessor = preprocessor_of(configuration, config.cohort.air)
    cases = read_cases(layout.cases_csv)
    folder = layout.matrix(args.matrix)
    # Apart from cases.json: nnU-Net tells the storage format by the folder's suffixes.
    slices = folder / "slices"
    shutil.rmtree(slices, ignore_errors=True)
    slices.mkdir(parents=True)
    for row in tqdm(list(cases.itertuples()), desc=f"to {args.matrix}", unit="case"):
        image, geometry = read_volume(layout.cohort / row.image)
        labels, _ = read_volume(layout.cohort / row.label)
        data, seg, properties = preprocessor.run_case_npy(
            image[None],
            # Signed: nnU-Net marks what lies outside of its crop with -1.
            labels[None].astype(np.int8),
            {"spacing": list(geometry.GetSpacing()[::-1])},
            manager,
            configuration,
            dataset_json(config, len(cases)),
        )
        patch = configuration.patch_size
        save_case(slices / row.case, data, seg, properties, patch)
    write_json(
        folder / "cases.json",
        {
            "matrix": config.matrices[args.matrix].size,
            "fingerprint": read_json(layout.fingerprint),
            "cases": {
                row.case: [row.image_sha256, row.label_sha256]
                for row in cases.itertuples()
            },
        },
    )
