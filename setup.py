"""Copies into the wheel what users edit in the checkout; the rest: pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = (
    "config/claims.yaml",
    "config/methods.yaml",
    "config/experiments.tsv",
    "workflow/schemas/config.schema.yaml",
    "workflow/report",
    "resources/published/isbi2021.csv",
    "resources/cohorts",
    "resources/licences/phantom_weights.txt",
    "resources/protocols/umbrella2016.csv",
)
"""Files and folders that ``deeprac.shipped`` finds beside the package's modules."""


class BuildPy(build_py):
    """The usual build, and the copies; an editable install reads the checkout."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if self.editable_mode:
            return
        for name in SHIPPED:
            target = Path(self.build_lib, "deeprac", "copies", name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if Path(name).is_dir():
                shutil.copytree(name, target, dirs_exist_ok=True)
            else:
                shutil.copy(name, target)


setup(cmdclass={"build_py": BuildPy})
