"""The ready configurations of cohorts: they resolve, and say what the docs say."""

import re
from pathlib import Path

import pytest
import yaml

from deeprac.cohort.formats import READERS
from deeprac.config import load_config
from deeprac.fetch.manifest import read_manifest

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "config" / "cohorts").glob("*.yaml"))
READY = (
    *("dicom", "kits23", "msd", "nnunet_raw", "pediatric_ct_seg", "phantom"),
    "totalsegmentator",
)


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch):
    monkeypatch.chdir(ROOT)


def load(name):
    return load_config([ROOT / "config" / "cohorts" / f"{name}.yaml"])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_each_resolves_to_a_format_that_can_be_read(path):
    cohort = load(path.stem).cohort
    assert cohort.format in {"phantom", *READERS}
    assert cohort.fetch.licence is None  # nobody's licence is accepted for them


@pytest.mark.parametrize("name", READY)
def test_ready_ones_run_the_papers_protocol(name):
    config = load(name)
    protocol = load_config([ROOT / "config" / "config.yaml"])
    assert config.training == protocol.training
    assert config.splits == protocol.splits
    assert config.run == protocol.run
    path = config.cohort.path
    assert path is None or path.parts[0] == "data"


@pytest.mark.parametrize("name", READY)
def test_only_public_names_and_phantoms_go_without_pseudonyms(name):
    cohort = load(name).cohort
    assert cohort.pseudonyms == (cohort.fetch.source == "none")


@pytest.mark.parametrize("name", ["kits23", "pediatric_ct_seg"])
def test_the_licence_to_accept_is_written_beside_its_key(name):
    text = (ROOT / "config" / "cohorts" / f"{name}.yaml").read_text()
    source = yaml.safe_load(text)["cohort"]["fetch"]["source"]
    assert f"licence: null            # {read_manifest(source).licence}," in text


def test_no_tumour_is_expected_of_children_without_tumours():
    cohort = load("pediatric_ct_seg").cohort
    assert cohort.labels["tumour"] == ()
    assert cohort.labels["background"] == ("*",)
    assert cohort.dicom.segmentations == "newest"


@pytest.mark.parametrize("name", READY)
def test_each_has_a_page_with_its_licence_and_a_row_in_the_overview(name):
    docs = ROOT / "docs" / "cohorts"
    page = (docs / f"{name}.md").read_text()
    assert re.search("^## Children", page, re.MULTILINE)
    assert re.search("^## (Licence|Privacy)", page, re.MULTILINE)
    assert f"config/cohorts/{name}.yaml" in page
    assert (
        f"[{name}.yaml](../../config/cohorts/{name}.yaml)"
        in (docs / "README.md").read_text()
    )


def test_data_are_never_committed():
    assert "/data/" in (ROOT / ".gitignore").read_text().splitlines()
