"""Files of a study of masks: four cases whose boxes are 0.5 x 0.2 of the frame."""

from pathlib import Path

import numpy as np
import pandas as pd

from deeprac.files import write_csv
from deeprac.mask_geometry.window_table import BOXES, EDGES, window_table
from deeprac.windows import SHAPES, SQUARE

CASES = ("case_00000", "case_00001", "case_00002", "case_00003")


def geometry_files(folder: Path) -> None:
    """Write them; the last case is of one component."""
    corners = {
        "labels": (-0.5, -0.2, 0.5, 0.2),
        "left": (0.1, -0.2, 0.5, 0.2),
        "right": (-0.5, -0.1, -0.2, 0.2),
    }
    boxes = {
        f"{which}_{edge}": corner
        for which in BOXES
        for edge, corner in zip(EDGES, corners[which], strict=True)
    }
    rows = [
        {"case": case, "components": 2, "sides": "told", "square_share": 0.5, **boxes}
        for case in CASES
    ]
    rows[-1] |= {"components": 1, "sides": "unknown"}
    cases = pd.DataFrame(rows)
    write_csv(folder / "cases.csv", cases)
    write_csv(folder / "windows.csv", window_table(cases))
    shares = np.linspace(0.2, 1, 5)
    coverage = [
        {
            "case": case,
            "kind": kind.name,
            "width_share": share,
            "coverage": min(1, share / (0.5 if kind.windows == 1 else 0.2)),
        }
        for case in CASES
        for kind in SHAPES
        for share in shares
    ]
    write_csv(folder / "coverage.csv", pd.DataFrame(coverage))
    means = {"whole slice": (0.9, 0.7), SQUARE.title: (0.8, 0.6)}
    ceilings = [
        {
            "case": case,
            "through": through,
            "matrix_px": 512,
            "kidney_dice": kidney + 0.01 * (index - 1.5),
            "tumour_dice": tumour,
        }
        for index, case in enumerate(CASES)
        for through, (kidney, tumour) in means.items()
    ]
    write_csv(folder / "ceilings.csv", pd.DataFrame(ceilings))
    pair = {"case": CASES[0], "first": 1, "second": 2}
    dice = {"kidney_dice": 0.97, "tumour_dice": 0.95, "kidney_and_tumour_dice": 0.98}
    write_csv(folder / "agreement.csv", pd.DataFrame([pair | dice]))
