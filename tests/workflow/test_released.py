"""What a reviewer does with a release of a real run: no training, no images."""

import json
import subprocess
import zipfile
from pathlib import Path

import pytest

from support.checkout import planned_jobs, snakemake, working_folder
from support.job_forks import python_of_forks

pytestmark = pytest.mark.slow
RELEASED = ("--config", "metrics=released", "release=smoke")
TARGETS = ("tables", "figures", "report")


def deeprac(*arguments) -> subprocess.CompletedProcess[str]:
    command = [python_of_forks(), "-m", "deeprac", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(smoke_run, tmp_path_factory) -> Path:
    """Working folder with nothing but the configuration and a release."""
    folder = working_folder(tmp_path_factory.mktemp("reviewer"))
    releases = folder / "resources" / "released"
    # Whatever state the checkout is in while it is tested.
    arguments = (smoke_run / "results/smoke", "--to", releases, "--allow-dirty")
    result = deeprac("release", *arguments)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def rebuilt(folder) -> Path:
    """The same folder after tables, figures and page were made."""
    jobs = planned_jobs(folder, *TARGETS, *RELEASED)
    assert set(jobs) == {"unpack_release", "report_page", *TARGETS}
    result = snakemake(folder, *TARGETS, "--cores", "2", *RELEASED)
    assert result.returncode == 0, result.stdout[-5000:]
    return folder


def test_tables_are_those_of_the_run(rebuilt, smoke_run):
    tables = rebuilt / "results/released/smoke/tables"
    computed = smoke_run / "results/smoke/tables"
    names = {path.name for path in tables.iterdir()}
    assert names == {path.name for path in computed.iterdir()}
    for name in names:
        assert (tables / name).read_bytes() == (computed / name).read_bytes()


def test_figures_are_those_that_need_no_volumes(rebuilt, smoke_run):
    def figures(results):
        return {path.name: path for path in (results / "figures").glob("*.csv")}

    drawn = figures(rebuilt / "results/released/smoke")
    computed = figures(smoke_run / "results/smoke")
    volumes = {"stn_slices.csv", "stn_mean_image.csv"}
    volumes |= {"overlays_coarse.csv", "overlays_fine.csv"}
    assert set(drawn) == set(computed) - volumes
    for name, path in drawn.items():
        assert path.read_bytes() == computed[name].read_bytes()


def test_nothing_is_left_to_do_and_all_is_what_was_made(rebuilt):
    assert planned_jobs(rebuilt, *TARGETS, *RELEASED) == {}
    assert planned_jobs(rebuilt, *RELEASED).keys() <= {"all"}


def test_an_unknown_release_lists_the_known(folder):
    result = snakemake(folder, "-n", "--config", "metrics=released", "release=smok")
    assert result.returncode != 0
    assert "release is 'smok'" in result.stdout
    assert "Known are: smoke" in result.stdout


def test_what_only_the_release_can_say_cannot_be_set(folder):
    result = snakemake(folder, "-n", *RELEASED, "training={epochs: 3}")
    assert result.returncode != 0
    assert "training come from the release 'smoke' and cannot be set" in result.stdout


def test_there_is_nothing_to_train(folder):
    result = snakemake(folder, "-n", "train", *RELEASED)
    assert result.returncode != 0


def test_the_release_verifies(folder):
    result = deeprac("verify", folder / "resources/released/smoke")
    assert result.returncode == 0, result.stderr
    assert "tables/all.csv" in result.stdout
    assert "different" not in result.stdout


def test_snakemakes_report_has_captions_categories_and_labels(rebuilt):
    result = snakemake(rebuilt, *TARGETS, *RELEASED, "--report", "report.zip")
    assert result.returncode == 0, result.stdout
    with zipfile.ZipFile(rebuilt / "report.zip") as archive:
        names = archive.namelist()
        html = "".join(
            archive.read(name).decode("utf-8", "replace")
            for name in names
            if name.endswith("report.html") and "/data/" not in name
        )
        pages = [
            archive.read(name)
            for name in names
            if name.endswith("report.html") and "/data/" in name
        ]
    page = (rebuilt / "results/released/smoke/report.html").read_bytes()
    assert page in pages
    for words in (
        *("Tables", "Figures", "Report page"),  # categories
        *("1: pose and size", "Dice per case by method"),  # labels
        "Cohort: <strong>smoke</strong>",  # in the text of the first page
        "numbers are not directly comparable",  # in a table's caption
        "Dice of every case by method",  # in a figure's caption
    ):
        assert words in html, words


def test_the_manifest_says_what_was_run(folder):
    path = folder / "resources/released/smoke/release.json"
    manifest = json.loads(path.read_text())
    assert len(manifest["experiments"]) == 8
    assert manifest["matrices"] == {"coarse": 32, "fine": 64}
    assert manifest["training_hours"] > 0
    assert "torch" in manifest["software"]
