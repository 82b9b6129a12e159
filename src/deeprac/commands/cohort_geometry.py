"""Verb ``cohort geometry``: what label masks alone say of windows."""

import argparse
from pathlib import Path

from deeprac.commands.arguments import add_workers

HELP = (
    "Measure boxes, coverage of windows, ceilings of perfect networks and annotators' "
    "agreement on label masks, without images."
)
EXAMPLE = "deeprac cohort geometry data/kits23/dataset --out geometry --figure windows"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="case folders of KiTS, or label maps; of a case in several, the first",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="new folder"
    )
    parser.add_argument(
        "--figure", type=Path, metavar="PATH", help="draw PATH.png and PATH.svg too"
    )
    parser.add_argument(
        "--labels",
        nargs="+",
        default=[],
        metavar="NAME",
        help="what the numbers 1, 2, ... of label maps mean (default: as dataset.json "
        "beside them says; KiTS is known)",
    )
    parser.add_argument(
        "--note",
        default="",
        metavar="TEXT",
        help="source and licence of the masks, kept with the numbers",
    )
    add_workers(parser, "measure cases")


def run(args: argparse.Namespace) -> None:
    from deeprac.errors import CohortError
    from deeprac.mask_geometry.geometry_study import (
        geometry_tables,
        made_by,
        write_study,
    )
    from deeprac.mask_geometry.masks import find_masks
    from deeprac.reporting.window_figure import draw_geometry
    from deeprac.reporting.window_geometry import summary_text

    if args.out.exists():
        raise CohortError(
            f"--out names a new folder; {args.out} is there. Remove it or name another."
        )
    provenance = made_by()
    masks = find_masks(args.folder, args.labels)
    tables = geometry_tables(masks, workers=args.workers)
    write_study(tables, args.out, provenance, note=args.note)
    if args.figure is not None:
        draw_geometry(args.out, args.figure)
    print(summary_text(args.out))
