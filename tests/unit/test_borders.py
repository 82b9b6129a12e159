"""Imports point one way: geometry <- networks <- training <- inference."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "deeprac"
FORBIDDEN = {
    "records": {
        *("geometry", "networks", "preprocessing", "training", "inference"),
        *("evaluation", "reporting", "cohort", "release", "fetch"),
    },
    "geometry": {"networks", "preprocessing", "training", "inference"},
    "networks": {"preprocessing", "training", "inference"},
    "preprocessing": {"training", "inference"},
    "mask_geometry": {"training", "inference", "reporting"},
    "training": {"inference", "bundle", "estimate"},
    "estimate": {"inference", "evaluation", "bundle", "release", "fetch", "surgery"},
    "bundle": {"inference"},
    "evaluation": {"networks", "training", "inference", "preprocessing"},
    "reporting": {"networks", "training", "inference", "preprocessing"},
    "release": {"networks", "training", "inference", "preprocessing"},
    "cohort": {"networks", "training", "inference"},
    "surgery": {"networks", "training", "inference", "preprocessing"},
    "fetch": {"networks", "training", "inference", "preprocessing", "cohort"},
}


def modules(folder):
    return sorted(folder.rglob("*.py"))


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_light_modules_do_not_load_torch_or_nnunet():
    names = [
        *(f"deeprac.bundle.{n}" for n in ("archive", "card", "training")),
        "deeprac.cli",
        "deeprac.config",
        *(f"deeprac.estimate.{n}" for n in ("hours", "jobs")),
        "deeprac.events",
        "deeprac.layout",
        "deeprac.front_ends",
        "deeprac.geometry.planar",
        "deeprac.geometry.square",
        "deeprac.mask_geometry.window_table",
        "deeprac.windows",
        "deeprac.space",
    ]
    for package in (
        "records",
        "evaluation",
        "reporting",
        "release",
        "cohort",
        "fetch",
        "surgery",
        "commands",
    ):
        for path in modules(PACKAGE / package):
            parts = path.relative_to(PACKAGE).with_suffix("").parts
            names.append(".".join(["deeprac", *parts]).removesuffix(".__init__"))
    script = (
        "import importlib, sys\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        "    for heavy in ('torch', 'nnunetv2', 'snakemake'):\n"
        "        assert heavy not in sys.modules, f'{name} loads {heavy}'\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("package", FORBIDDEN)
def test_packages_import_only_what_stands_before_them(package):
    for path in modules(PACKAGE / package):
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == "deeprac" and len(parts) > 1:
                assert parts[1] not in FORBIDDEN[package], f"{path} imports {name}"


def test_nothing_imports_snakemake():
    for path in modules(PACKAGE):
        assert not [n for n in imported(path) if n.split(".")[0] == "snakemake"], path
