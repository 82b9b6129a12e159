"""The command line: one verb per stage of the workflow.

A verb is one word or two. It lives in ``deeprac.commands``, in the module of that name
with ``_`` for spaces and ``-``, those of a single fold in ``fold``. It offers ``HELP``
(one sentence), ``EXAMPLE`` (one command line), ``add_arguments(parser)`` and
``run(args)``. Verbs are imported only when they run: ``--help`` answers at once.

Exit codes: 0 done, 1 a known error (one message, no traceback), 2 usage, 3 a bug,
130 interrupted.
"""

import argparse
import importlib
import logging
import platform
import sys
import traceback
from typing import Any

from deeprac import __version__
from deeprac.errors import DeepracError

VERBS: dict[str, str] = {
    "config": "resolve and check the configuration",
    "cohort": "generate or convert a cohort into the canonical frame",
    "cohort check": "read and check every case, and write a page of what was found",
    "cohort fetch": "fetch a public cohort, its licence accepted",
    "splits": "split the patients of a cohort into folds",
    "fingerprint": "measure the cohort's foreground intensities",
    "case-poses": "measure size, pose and the labels' outline of every case",
    "preprocess": "bring every axial slice onto a matrix",
    "plan": "write the nnU-Net plans of one experiment",
    "cost": "count FLOPs, saved bytes and parameters of one training step",
    "train": "train one fold of one experiment",
    "predict": "segment the held-out cases of one fold",
    "evaluate": "compare the predictions of one fold with the labels",
    "stress": "segment the held-out cases of one fold turned, zoomed and shifted",
    "diagnose": "measure what the front end did in one fold",
    "summarise": "collect what all folds have left into tidy tables",
    "tables": "write the paper's tables beside ours",
    "claims": "judge the ablation's claims by their thresholds",
    "figures": "draw the figures",
    "release": "make a release of a folder of results",
    "unpack": "lay a release out as results, for tables, figures and page",
    "verify": "check a release and rebuild its tables",
    "report": "write the report page",
    "measure": "measure kidneys and tumours of a segmentation, and write 3D models",
