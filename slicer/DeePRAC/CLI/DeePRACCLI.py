#!/usr/bin/env python3
"""DeePRAC as a Slicer CLI module: the second door, with the same run behind it.

Slicer writes the volume to a file, calls this with the arguments of ``DeePRACCLI.xml``,
shows ``<filter-progress>`` and loads the label map. It cancels by killing this process:
what watches over the run (``DeePRACLib.supervisor``) ends it and removes its folder.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Beside it in the sources; installed, beside the folder of CLI modules.
for _folder in (HERE.parent, HERE.parent / "qt-scripted-modules"):
    if (_folder / "DeePRACLib").is_dir():
        sys.path.insert(0, str(_folder))
        break

from DeePRACLib.command import SEGMENT_CLI, VOLUME  # noqa: E402 (the path comes first)
from DeePRACLib.errors import Problem, ProblemError  # noqa: E402 (as above)
from DeePRACLib.results import Grid, read_result  # noqa: E402 (as above)
from DeePRACLib.runner import Runner, State  # noqa: E402 (as above)
from DeePRACLib.settings import (  # noqa: E402 (as above)
    BACKENDS,
    DEVICES,
    Settings,
    parse_folds,
)

LABELS = "labels.nii.gz"


def main(argv: list[str] | None = None) -> int:
    """Segment one volume; 0: the label map is written, 1: a message says why not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--xml", action="store_true", help="print the description")
    parser.add_argument("--backend", choices=BACKENDS, default="docker")
    parser.add_argument("--image", default="")
    parser.add_argument("--bundle", default="")
    parser.add_argument("--program", default="")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--folds", default="")
    parser.add_argument("volume", nargs="?", default="")
    parser.add_argument("labels", nargs="?", default="")
    args = parser.parse_args(argv)
    if args.xml:
        sys.stdout.write((HERE / "DeePRACCLI.xml").read_text(encoding="utf-8"))
        return 0
    problems = []
    try:
        folds = parse_folds(args.folds)
    except ProblemError as error:
        problems.append(error.problem)
        folds = ()
    settings = Settings(
        backend=args.backend,
        image=args.image,
        bundle=os.path.abspath(args.bundle) if args.bundle else "",
        program=os.path.abspath(args.program) if args.program else "",
        device=args.device,
        folds=folds,
    )
    problems += settings.problems()
    if not os.path.isfile(args.volume) or not args.labels:
        problems.append(Problem("The volume is missing.", "Choose one."))
    if problems:
        for problem in problems:
            print(f"DeePRAC: error: {problem}", file=sys.stderr)
        return 1
    return run(settings, args.volume, args.labels)


def run(settings: Settings, volume: str, labels: str) -> int:
    """Run, pass its lines on, and copy the label map where Slicer seeks it."""
    runner = Runner(settings.temporary_folder)
    try:
        source = os.path.join(runner.folder, "input", VOLUME)
        shutil.copyfile(volume, source)
        grid = Grid.from_nrrd(source)
        runner.start(SEGMENT_CLI, settings, lambda output: read_result(output, grid))
        while not runner.is_over:
            for event in runner.poll():
                print(event.message, flush=True)
            time.sleep(0.1)
        if runner.state is State.DONE:
            shutil.copyfile(runner.result.path(LABELS), labels)
            print(f"DeePRAC: {runner.result.overall}", flush=True)
            return 0
        print(f"DeePRAC: error: {runner.problem}", file=sys.stderr)
        return 1
    finally:
        runner.close()


if __name__ == "__main__":
    sys.exit(main())
