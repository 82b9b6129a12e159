"""Verb case-poses: where size, pose and labels of every case lie."""

import argparse

from deeprac.commands.arguments import add_config, opened

HELP = "Measure size, pose and outline of the labels of every case: case_poses.csv."
EXAMPLE = "deeprac case-poses --config results/demo/config.json"

add_arguments = add_config


def run(args: argparse.Namespace) -> None:
    from dataclasses import asdict

    import pandas as pd
    from tqdm import tqdm

    from deeprac.files import read_json, write_csv
    from deeprac.networks.normalisers import MomentNormaliser
    from deeprac.preprocessing.case_poses import case_pose
    from deeprac.preprocessing.intensity import normalised, normalised_air
    from deeprac.preprocessing.volume_poses import volume_poses
    from deeprac.records.case_poses import POSES_COLUMNS, VOLUME_COLUMNS
    from deeprac.records.cases import read_cases
    from deeprac.volumes import read_volume

    config, layout = opened(args)
    fingerprint = read_json(layout.fingerprint)
    air = normalised_air(fingerprint, config.cohort.air)
    moments = MomentNormaliser(asdict(config.localiser), air=air)
    rows = []
    cases = read_cases(layout.cases_csv)
    for _, row in tqdm(cases.iterrows(), total=len(cases), desc="case poses"):
        image, _ = read_volume(layout.cohort / row.image)
        labels, geometry = read_volume(layout.cohort / row.label)
        found = case_pose(normalised(image, fingerprint), labels, row, moments)
        radius = config.localiser.canonical_radius
        kidney = config.cohort.kept_labels.kidney
        rows.append(found | volume_poses(found, labels, kidney, geometry, row, radius))
    columns = [*POSES_COLUMNS, *VOLUME_COLUMNS]
    write_csv(layout.case_poses, pd.DataFrame(rows, columns=columns))
