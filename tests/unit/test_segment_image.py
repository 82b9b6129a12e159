"""What is in the image that segments: all that its verbs import, nothing private."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
VERBS = ("segment", "measure", "bundle_check", "bundle_show", "grand_challenge")
BY_NAME = ("inference.predictor", "inference.sliding", "networks.stn_unet")
"""Modules that are imported by the names in plans."""


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def listed(file):
    lines = (ROOT / "envs" / file).read_text().splitlines()
    names = [line for line in lines if line and not line.startswith("#")]
    return {plain(re.split("[=<>]", name)[0]) for name in names}


def path_of(module):
    path = SRC.joinpath(*module.split("."))
    found = (path.with_suffix(".py"), path / "__init__.py")
    return next((one for one in found if one.is_file()), None)


def imported(path):
    """All modules that a file imports, wherever, but for typing alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def third_party():
    """Top-level packages that the verbs reach."""
    reached = {f"deeprac.commands.{verb}" for verb in VERBS}
    todo = [*reached, "deeprac.cli", *(f"deeprac.{name}" for name in BY_NAME)]
    found = set()
    while todo:
        module = todo.pop()
        # The last part may be a name in a module.
        path = path_of(module) or path_of(module.rpartition(".")[0])
        if path is None:
            continue
        for name in imported(path):
            top = name.partition(".")[0]
            if top == "deeprac" and name not in reached:
                reached.add(name)
                todo.append(name)
            elif top != "deeprac" and top not in sys.stdlib_module_names:
                found.add(top)
    return found


def test_all_that_the_verbs_import_is_installed():
    distributions = packages_distributions()
    wanted = listed("segment.in")
    missing = [
        package
        for package in sorted(third_party())
        if not {plain(name) for name in distributions[package]} & wanted
    ]
    assert missing == []


def test_it_is_locked_and_leaves_workflow_and_tests_out():
    wanted = listed("segment.in")
    assert wanted <= listed("requirements.lock")
    workflow = {"snakemake", "statsmodels", "docutils", "surface-distance"}
    tests = {"pytest", "hypothesis", "monai", "mypy", "ruff", "playwright", "rt-utils"}
    assert not wanted & (workflow | tests)


def test_private_files_and_results_stay_out_of_the_build():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {"private", "results", "data", ".git", ".venv"} <= set(ignored)
    listed_in_git = (ROOT / ".gitignore").read_text().splitlines()
    folders = {
        line.strip("/")
        for line in listed_in_git
        if line.startswith("/") and "*" not in line
    }
    assert folders - {".venv-review", ".snakemake"} <= set(ignored)
