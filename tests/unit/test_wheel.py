"""The package without its checkout: from a wheel, in an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = (
    *("src", "config", "workflow"),
    *(
        f"resources/{name}"
        for name in ("published", "cohorts", "licences", "protocols")
    ),
)
FILES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
RELEASE = ROOT / "resources" / "released" / "clip"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with what the wheel holds; built of a copy: the build leaves traces."""
    copy, wheels, site = map(tmp_path_factory.mktemp, ("copy", "wheels", "site"))
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in SOURCES:
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, copy)
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "-q", "-w", str(wheels), str(copy)], check=True)
    (wheel,) = wheels.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(site)
    return site


@pytest.fixture
def deeprac(site, tmp_path):
    """Run a verb of the wheel's package in an empty folder; return what it prints."""

    def run(*arguments):
        result = subprocess.run(
            [sys.executable, "-m", "deeprac", *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


def test_the_wheel_holds_copies_of_what_users_edit(site):
    for part in ("workflow/schemas", "workflow/report", "resources/cohorts"):
        for path in (ROOT / part).rglob("*.*"):
            copy = site / "deeprac" / "copies" / path.relative_to(ROOT)
            assert copy.read_bytes() == path.read_bytes()
    assert not list(site.rglob("__pycache__"))


def test_help_and_defaults(deeprac):
    assert "deeprac VERB --help" in deeprac("--help")
    resolved = json.loads(deeprac("config"))
    assert resolved["experiments"][0]["experiment"] == "coarse_nnunet"
    assert "stn" in resolved["methods"]


def test_the_methods_of_the_working_directory_count(deeprac, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "methods.yaml").write_text(
        (ROOT / "config" / "methods.yaml").read_text().replace("nnU-Net", "My-Net")
    )
    assert json.loads(deeprac("config"))["methods"]["nnunet"]["label"] == "My-Net"


def test_the_tables_of_a_release(deeprac, tmp_path):
    deeprac("unpack", RELEASE, "--to", "results")
    results = tmp_path / "results" / "released" / RELEASE.name
    shown = deeprac("tables", "--config", results / "config.json", "--show")
    assert "Table 1." in shown
    for table in (RELEASE / "tables").glob("*.md"):
        if table.stem != "claims":
            assert (results / "tables" / table.name).read_text() == table.read_text()
