"""Results of a small cohort that are ready for the report page, and a page by hand."""

import base64
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from deeprac.cli import main
from deeprac.config import Config, load_config
from deeprac.config_files import read_raw, resolve
from deeprac.files import write_json
from deeprac.layout import Layout
from deeprac.reporting.figures.catalogue import selected
from deeprac.reporting.page.document import (
    Browser,
    CaseVolume,
    Document,
    PageFigure,
)
from deeprac.reporting.page.tables import from_frame
from deeprac.reporting.tables.table import number, words
from support.results_tree import TreeOptions, write_tree

EXPERIMENTS = ("coarse_nnunet", "coarse_stn", "fine_stn_crop")
SPACING_MM = (2.7, 2.4, 5.0)
SIZE = (100, 120)
"""Rows and columns of the slices: neither square in pixels nor in mm."""

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)
EVIL = (
    "<script>window.evil = 1</script>",
    "</script><script>window.evil = 2</script>",
    "<img src=x onerror='window.evil = 3'>",
    "\"'><b>../x",
)
"""Names that would run, close a script or leave an attribute if they were not text."""


def write_results(folder: Path, **settings) -> Path:
    """Write a tree, evaluate it and stand in for its figures; the config's path."""
    options = TreeOptions(
        experiments=EXPERIMENTS,
        size=SIZE,
        slices=6,
        spacing_mm=SPACING_MM,
        settings=settings,
    )
    path = write_tree(folder, options)
    config = load_config([path])
    layout = Layout.of(config)
    write_json(layout.config, resolve(read_raw([path])))
    forget_tumour(layout.run("coarse_stn", 0, 0) / "predictions" / "case000.nii.gz")
    for experiment in EXPERIMENTS:
        for fold in config.run.folds:
            run = ["--experiment", experiment, "--fold", str(fold)]
            assert main(["evaluate", "--config", str(path), *run]) == 0
    for verb in ("summarise", "tables"):
        assert main([verb, "--config", str(path)]) == 0
    write_figures(config, layout)
    return path


def forget_tumour(prediction: Path) -> None:
    """Take the tumour out of a prediction, so that a case is missed."""
    image = sitk.ReadImage(str(prediction))
    voxels = sitk.GetArrayFromImage(image)
    changed = sitk.GetImageFromArray(np.where(voxels == 2, 0, voxels).astype(np.uint8))
    changed.CopyInformation(image)
    sitk.WriteImage(changed, str(prediction))


def write_figures(config: Config, layout: Layout) -> None:
    """Figures of one pixel: drawing them is not what is tested here."""
    layout.figures.mkdir()
    for name in selected(config):
        (layout.figures / f"{name}.png").write_bytes(PIXEL)
        (layout.figures / f"{name}.svg").write_text("<svg/>" + " " * 200)
        (layout.figures / f"{name}.csv").write_text(f"figure,value\n{name},1\n")


def document(*, names: tuple[str, ...] = ("a",), browser: Browser | None = None):
    """A page whose names of everything are given."""
    table = from_frame(
        pd.DataFrame({"case": names, "dice": np.linspace(0, 1, len(names))}),
        (words("case", names[0]), number("dice", "Dice", "{:.2f}".format)),
        name="cases",
        title=names[0],
        n=f"n = {len(names)}",
        notes=names,
        opens=tuple((name, name) for name in names),
        tall=True,
    )
    tabs = ("cohort", "results", "statistics", "failures", "cost")
    return Document(
        cohort=names[0],
        extent=names[-1],
        identity={names[0]: names},
        config=names[0],
        config_hash=names[0],
        commands=names[0],
        limits=names,
        tables={"cases": (table,), **dict.fromkeys(tabs, ())},
        figures=(PageFigure("memory", names[0], "data:,", "<p>caption</p>", names[0]),),
        browser=browser or Browser(missing=names[0]),
    )


def browser_of(names: tuple[str, ...], volume: str) -> Browser:
    """A case browser in which everything has given names."""
    cases = tuple(
        CaseVolume(
            case=name,
            image=volume,
            reference=volume,
            predictions=dict.fromkeys(names, volume),
            size=(2, 2, 2),
            factor=1,
            start=0,
        )
        for name in names
    )
    return Browser(
        cases=cases,
        left_out=names,
        experiments={name: name for name in names},
        window=(0, 1),
        span=(0, 1),
        unit=names[0],
        labels={"kidney": 1, "tumour": 2},
        dice=tuple((name, name, name, name) for name in names),
    )
