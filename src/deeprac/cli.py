"""The command line: one verb per stage of the workflow.

A verb is one word or two. It lives in ``deeprac.commands``, in the module of that name
with ``_`` for spaces and ``-``, those of a single fold in ``fold``. It offers ``HELP``
(one sentence), ``EXAMPLE`` (one command line), ``add_arguments(parser)`` and
``run(args)``. Verbs are imported only when they run: ``--help`` answers at once.

Exit codes: 0 done, 1 a known error (one message, no traceback), 2 usage, 3 a bug,
130 interrupted, 128 + n a training that signal n asked to stop and that is saved.
"""

import argparse
import importlib
import logging
import platform
import sys
import traceback
from typing import Any

from deeprac import __version__
from deeprac.errors import DeepracError, StoppedError

VERBS: dict[str, str] = {
    "config": "resolve and check the configuration",
    "cohort": "generate or convert a cohort into the canonical frame",
    "cohort check": "read and check every case, and write a page of what was found",
    "cohort geometry": "measure windows for the crop on label masks alone",
    "cohort deform": "give the cases of a cohort the size and shape of another's",
    "cohort fetch": "fetch a public cohort, its licence accepted",
    "splits": "split the patients of a cohort into folds",
    "fingerprint": "measure the cohort's foreground intensities",
    "case-poses": "measure size, pose and the labels' outline of every case",
    "preprocess": "bring every axial slice onto a matrix",
    "plan": "write the nnU-Net plans of one experiment",
    "cost": "count FLOPs, saved bytes and parameters of one training step",
    "estimate": "say what a run takes of disk, memory and time before it starts",
    "train": "train one fold of one experiment",
    "provenance": "name the runs, files and digests behind a cell of a table",
    "status": "say how far every run is, and what is left to do",
    "predict": "segment the held-out cases of one fold",
    "evaluate": "compare the predictions of one fold with the labels",
    "stress": "segment the held-out cases of one fold under stress",
    "diagnose": "measure what the front end did in one fold",
    "summarise": "collect what all folds have left into tidy tables",
    "tables": "write the paper's tables beside ours",
    "claims": "judge what is claimed by the results",
    "figures": "draw the figures",
    "release": "make a release of a folder of results",
    "join": "join releases of one campaign that was trained in parts",
    "unpack": "lay a release out as results, for tables, figures and page",
    "verify": "check a release and rebuild its tables",
    "report": "write the report page",
    "bundle make": "make one file of trained folds, all that segmenting needs",
    "bundle show": "say what a bundle is and what it was trained on",
    "bundle check": "check every byte of a bundle, and what it says",
    "segment": "segment and measure one CT with a bundle",
    "measure": "measure kidneys and tumours of a segmentation, and write 3D models",
    "grand-challenge": "segment where grand-challenge.org lays the files",
}

FOLD_VERBS = frozenset({"train", "predict", "evaluate", "stress", "diagnose"})

RENAMED = {
    "diagnostics": "summarise --what diagnostics",
    "findings": "claims",
    "targets": "case-poses",
}
"""Verbs by the names that they had once."""


def _load(verb: str) -> Any:
    if verb in FOLD_VERBS:
        return importlib.import_module("deeprac.commands.fold").VERBS[verb]
    module = verb.replace(" ", "_").replace("-", "_")
    return importlib.import_module(f"deeprac.commands.{module}")


def _split(argv: list[str]) -> tuple[str, list[str]]:
    """The verb, the longest that the first words name, and what follows it."""
    for words in (2, 1):
        if len(argv) >= words and (verb := " ".join(argv[:words])) in VERBS:
            return verb, argv[words:]
    if argv and argv[0] in RENAMED:
        _overview().error(f"{argv[0]} is called {RENAMED[argv[0]]} now")
    return _overview().parse_args(argv[:1]).verb, argv[1:]


def _overview() -> argparse.ArgumentParser:
    verbs = "\n".join(f"  {verb:14}{help_}" for verb, help_ in VERBS.items())
    parser = argparse.ArgumentParser(
        prog="deeprac",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"{__doc__.splitlines()[0]}\n\nverbs:\n{verbs}\n\n"
        "`deeprac VERB --help` explains one verb.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("verb", choices=VERBS, metavar="VERB")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    verb, rest = _split(argv)
    command = _load(verb)
    parser = argparse.ArgumentParser(
        prog=f"deeprac {verb}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=command.HELP,
        epilog=f"example:\n  {command.EXAMPLE}",
    )
    command.add_arguments(parser)
    args = parser.parse_args(rest)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s"
    )
    logging.getLogger("numexpr").setLevel(logging.WARNING)
    try:
        command.run(args)
    except StoppedError as error:
        print(f"deeprac {verb}: stopped: {error}", file=sys.stderr)
        return 128 + error.signal
    except DeepracError as error:
        print(f"deeprac {verb}: error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        # A full disk, a missing right, a vanished mount: the message names the file.
        print(
            f"deeprac {verb}: error: {error}. Nothing finished is lost: "
            "mend it and run the same command again.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(f"deeprac {verb}: interrupted", file=sys.stderr)
        return 130
    except Exception:
        traceback.print_exc()
        print(
            f"deeprac {verb}: this is a bug in deeprac {__version__} "
            f"(Python {platform.python_version()}); please report the lines above.",
            file=sys.stderr,
        )
        return 3
    return 0
