"""What a reviewer runs works where torch, nnU-Net and image libraries are missing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.released_tree import released_tree

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
MISSING = (
    *("torch", "torchvision", "nnunetv2", "batchgenerators", "batchgeneratorsv2"),
    *("dynamic_network_architectures", "SimpleITK", "cc3d", "surface_distance"),
    "nibabel",
    *("monai", "skimage", "sklearn"),
)
BLOCK = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {MISSING!r}:
            raise ModuleNotFoundError(f"a reviewer has no {{name}}", name=name)

sys.meta_path.insert(0, Missing())
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An environment in which what a reviewer does not have cannot be imported."""
    folder = tmp_path_factory.mktemp("blocked")
    (folder / "sitecustomize.py").write_text(BLOCK)
    path = os.pathsep.join([str(folder), str(ROOT / "src")])
    return os.environ | {"PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": ""}


def deeprac(environment, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "deeprac", *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_block_blocks(environment):
    result = subprocess.run(
        [sys.executable, "-c", "import torch"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "a reviewer has no torch" in result.stderr


@pytest.mark.long
def test_tables_figures_findings_page_and_verification(environment, tmp_path):
    release = released_tree(tmp_path).release
    config = tmp_path / "out" / "released" / "tree" / "config.json"
    for arguments in (
        ("verify", release),
        ("unpack", release, "--to", tmp_path / "out"),
        ("tables", "--config", config),
        ("claims", "--config", config),
        ("figures", "--config", config),
        ("report", "--config", config),
    ):
        result = deeprac(environment, *arguments)
        assert result.returncode == 0, f"{arguments}: {result.stderr}"
    for table in (release / "tables").iterdir():
        assert (config.parent / "tables" / table.name).read_bytes() == (
            table.read_bytes()
        )
    assert (config.parent / "figures" / "dice_by_method.svg").is_file()
    assert (config.parent / "report.html").is_file()


def test_what_a_reviewer_installs_is_locked_and_light():
    def names(file):
        lines = (ROOT / "envs" / file).read_text().splitlines()
        lines = [line for line in lines if line and not line.startswith("#")]
        return {re.split("[=<>]", line)[0].lower() for line in lines}

    wanted = names("review.in")
    assert wanted <= names("requirements.lock")
    assert not wanted & {name.lower() for name in MISSING}
