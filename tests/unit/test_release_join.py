"""Parts of one campaign, trained and released apart, are one release when joined."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.errors import DeepracError
from deeprac.files import manifest_entry, read_json, write_json
from deeprac.release import join
from deeprac.release.join import join_releases
from deeprac.release.make import make_release
from deeprac.release.manifest import MANIFEST
from deeprac.release.verify import verify_release
from support.released_tree import (
    clean_checkout,
    complete_results,
    tables_made_once,
)
from support.results_tree import TreeOptions

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_resamples")]

ARMS = ("coarse_nnunet", "coarse_stn")
OPTIONS = TreeOptions(
    experiments=ARMS,
    patients=2,
    folds_run=(0,),
    seeds=(0, 1),
    case="case_a{0}b{0}c{0}d{0}",
    patient="patient_a{0}b{0}c{0}d{0}",
)
PARTS = {
    "whole": {},
    "plain": {"experiments": ["coarse_nnunet"]},
    "stn_late": {"experiments": ["coarse_stn"], "seeds": [1]},
    "stn_early": {"experiments": ["coarse_stn"], "seeds": [0]},
}
"""Which runs each release has; all of them, where it does not say."""


@pytest.fixture(scope="module", autouse=True)
def remembered():
    with tables_made_once():
        yield


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Path:
    """A folder with the releases of ``PARTS``, each as if no other run was trained."""
    folder = tmp_path_factory.mktemp("parts")
    results = complete_results(folder / "results", OPTIONS)
    whole = read_json(results / "config.json")
    for name, selected in PARTS.items():
        write_json(results / "config.json", whole | {"run": whole["run"] | selected})
        for verb in ("summarise", "summarise --what diagnostics", "tables", "claims"):
            assert main([*verb.split(), "--config", str(results / "config.json")]) == 0
        with pytest.MonkeyPatch.context() as patch:
            clean_checkout(patch)
            make_release(results, folder / "releases", name=name)
    return folder / "releases"


@pytest.fixture
def releases(shared, tmp_path, monkeypatch) -> Path:
    """A copy to spoil."""
    clean_checkout(monkeypatch)
    return shutil.copytree(shared, tmp_path / "releases")


def joined(releases: Path, *names: str) -> Path:
    join_releases([releases / n for n in names], releases, name="joined")
    return releases / "joined"


def contents(release: Path) -> dict[str, bytes]:
    return {
        path.relative_to(release).as_posix(): path.read_bytes()
        for path in release.rglob("*")
        if path.is_file() and path.name != MANIFEST
    }


def forge(release: Path, member: str, old: str, new: str) -> None:
    """Change a file of a release and its checksum."""
    path = release / member
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    manifest = read_json(release / MANIFEST)
    manifest["files"][member] = manifest_entry(path.read_bytes())
    write_json(release / MANIFEST, manifest)


def test_joined_parts_are_the_release_of_all(releases):
    """To the last byte, whatever the order in which seeds were trained."""
    one = joined(releases, "plain", "stn_late", "stn_early")
    assert contents(one) == contents(releases / "whole")
    manifest = read_json(one / MANIFEST)
    assert manifest == read_json(releases / "whole" / MANIFEST) | {"name": "joined"}
    assert verify_release(one).holds


@pytest.mark.parametrize(
    ("member", "old", "new", "said"),
    [
        (
            *("config.json", '"failure_dice": 0.5', '"failure_dice": 0.4'),
            r"stn_late .*other settings.*statistics.failure_dice: 0\.5 -> 0\.4",
        ),
        (
            *("config.json", '"normaliser": "stn"', '"normaliser": "moments"'),
            r"stn_late .*methods\.\w+\.normaliser: stn -> moments",
        ),
        (
            "summary/cohort.csv",
            "patients",
            "people",
            r"stn_late has another cohort\.csv",
        ),
        (
            "summary/cases.csv",
            "hd95",
            "distance",
            r"cases\.csv has other columns",
        ),
    ],
    ids=["settings", "method", "patients", "columns"],
)
def test_parts_of_other_campaigns_are_refused(releases, member, old, new, said):
    forge(releases / "stn_late", member, old, new)
    with pytest.raises(DeepracError, match=said):
        joined(releases, "plain", "stn_early", "stn_late")
    assert not (releases / "joined").exists()


def test_the_whole_is_judged_by_the_claims_of_every_part(releases):
    """And calls its methods what the first part does."""
    late = releases / "stn_late"
    forge(late, "config.json", "The crop adds no spread", "Another")
    forge(late, "config.json", "STN pose-size + nnU-Net", "The best method")
    whole = read_json(
        joined(releases, "plain", "stn_early", "stn_late") / "config.json"
    )
    names = [one["claim"] for one in whole["report"]["claims"]]
    shipped = [one.claim for one in load_config([]).report.claims]
    assert names == [*shipped, "Another"]
    assert whole["methods"]["stn"]["label"] == "STN pose-size + nnU-Net"


def count(release: Path, ratio: float, **config: object) -> None:
    """Give a release the counted steps of the protocol."""
    costs = [
        {"experiment": name, "matrix_size": 512, "batch_size": 12}
        | {"step_flops_ratio": ratio, "step_saved_bytes_ratio": ratio}
        | {"step_saved_bytes_mixed_ratio": ratio}
        for name in load_config([]).run.experiments
    ]
    path, member = release / MANIFEST, "summary/protocol.json"
    write_json(release / member, {"config": config, "costs": costs})
    manifest = read_json(path)
    manifest["files"][member] = manifest_entry((release / member).read_bytes())
    write_json(path, manifest)


def test_steps_are_counted_alike_whatever_was_claimed_of_them(releases):
    for part in ("plain", "stn_early"):
        count(releases / part, 1.0)
    count(releases / "stn_late", 1.0, report={"notes": ["of a later version"]})
    one = joined(releases, "plain", "stn_early", "stn_late")
    notes = read_json(one / "summary/protocol.json")["config"]["report"]["notes"]
    assert notes == ["of a later version"]
    shutil.rmtree(one)
    count(releases / "stn_late", 1.5)
    with pytest.raises(DeepracError, match=r"stn_late counted other costs in protocol"):
        joined(releases, "plain", "stn_early", "stn_late")


def test_claims_that_a_part_can_decide_count_and_changed_ones_are_refused():
    def claim(name, limit=None):
        open_ = {"claim": name, "undecided": "not trained yet", "bound": None}
        return open_ if limit is None else open_ | {"undecided": None, "bound": limit}

    early, late = [claim("a", 1), claim("b")], [claim("b", 2), claim("c")]
    both = [claim("a", 1), claim("b", 2), claim("c")]
    assert join._claims(early, late) == (both, both)
    ours, theirs = join._claims([claim("a", 1)], [claim("a", 2)])
    assert (ours, theirs) == ([claim("a", 1)], [claim("a", 2)])


def test_phantoms_of_another_processor_are_the_same_patients(releases):
    """Their images differ by rounding; the whole names the hash of both."""
    table = pd.read_csv(releases / "plain/summary/cohort.csv").set_index("quantity")
    (digest,) = table.value[table.statistic == "sha256"]
    parts = ("plain", "stn_early", "stn_late")
    forge(releases / "stn_late", "summary/cohort.csv", digest, "0" * 64)
    with pytest.raises(DeepracError, match=r"stn_late has another cohort\.csv"):
        joined(releases, *parts)
    for part in parts:
        forge(releases / part, "config.json", '"nnunet_raw"', '"phantom"')
    expected = [digest, "0" * 64]
    table = pd.read_csv(joined(releases, *parts) / "summary/cohort.csv")
    assert table.value[table.statistic == "sha256"].tolist() == expected
    # A part may be of two processors already.
    second = f"{digest}\ncohort_hash,sha256,{expected[1]}\n"
    forge(releases / "plain", "summary/cohort.csv", f"{digest}\n", second)
    shutil.rmtree(releases / "joined")
    table = pd.read_csv(joined(releases, *parts) / "summary/cohort.csv")
    assert table.value[table.statistic == "sha256"].tolist() == expected


def test_a_run_is_in_one_part(releases):
    with pytest.raises(DeepracError, match=r"stn_late/coarse_stn/seed1.*before it too"):
        joined(releases, "plain", "stn_early", "stn_late", "stn_late")
    with pytest.raises(DeepracError, match=r"No part has .*coarse_stn, seed 0"):
        joined(releases, "plain", "stn_late")
    with pytest.raises(DeepracError, match="whole is there already"):
        join_releases([releases / "plain"], releases, name="whole")
