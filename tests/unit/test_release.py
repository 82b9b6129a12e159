"""Making, laying out and verifying a release."""

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from deeprac import provenance
from deeprac.cli import main
from deeprac.cohort.pseudonyms import Pseudonyms
from deeprac.config import load_config
from deeprac.config_files import resolve
from deeprac.errors import ConfigError, DeepracError, ReleaseError
from deeprac.files import manifest_entry, read_json, write_json
from deeprac.layout import Layout
from deeprac.release import manifest as stored
from deeprac.release.configuration import released_config
from deeprac.release.contents import LEFT_OUT, stripped_config, stripped_run
from deeprac.release.make import make_release
from deeprac.release.manifest import MANIFEST
from deeprac.release.unpack import lay_out
from deeprac.release.verify import Outcome, compare_cases, verify_release
from support.released_tree import (
    COMMIT,
    Released,
    clean_checkout,
    released_tree,
    tables_made_once,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_resamples")]

RUN = "coarse_stn/seed0/fold_0/run.json"


@pytest.fixture(scope="module", autouse=True)
def remembered():
    with tables_made_once():
        yield


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Released:
    return released_tree(tmp_path_factory.mktemp("released"))


@pytest.fixture
def tree(shared, tmp_path, monkeypatch) -> Released:
    """A copy to spoil."""
    clean_checkout(monkeypatch)
    results, release = tmp_path / "source" / "tree", tmp_path / "releases" / "tree"
    shutil.copytree(shared.results, results)
    shutil.copytree(shared.release, release)
    edit_json(results / "config.json", results=str(results.parent))
    return Released(results, release)


def remade(tree: Released, **options) -> Path:
    releases = tree.release.parent
    make_release(tree.results, releases, name="again", **options)
    return releases / "again"


def edit_json(path: Path, **changes) -> None:
    write_json(path, read_json(path) | changes)


def rewrite(release: Path, name: str, content: bytes) -> None:
    """Change a file of a release and its checksum: the work of a forger."""
    (release / name).parent.mkdir(parents=True, exist_ok=True)
    (release / name).write_bytes(content)
    manifest = read_json(release / MANIFEST)
    manifest["files"][name] = manifest_entry(content)
    write_json(release / MANIFEST, manifest)


def rename(tree: Released, old: str, new: str) -> None:
    """Give a case or patient another name, in all tables."""
    for path in sorted(tree.results.rglob("*.csv")):
        path.write_text(path.read_text().replace(old, new))
    config = ("--config", str(tree.results / "config.json"))
    for verb in ("summarise", "summarise --what diagnostics", "tables", "claims"):
        assert main([*verb.split(), *config]) == 0


# What is in it


def test_the_manifest_lists_every_file_and_says_what_they_are(shared):
    manifest = read_json(shared.release / MANIFEST)
    files = {
        path.relative_to(shared.release).as_posix()
        for path in shared.release.rglob("*")
        if path.is_file()
    }
    assert set(manifest["files"]) == files - {MANIFEST}
    assert manifest["cohort"] == {
        "name": "tree",
        "format": "nnunet_raw",
        "patients_scored": 4,
        "cases_scored": 4,
    }
    assert manifest["commits"] == {"training": {COMMIT: 6}, "release": COMMIT}
    assert manifest["uncommitted"] == {"runs": 0, "release": False}
    assert manifest["devices"] == ["AMD EPYC 7742 64-Core Processor"]
    hours = sum(
        read_json(shared.release / name)["cost"]["training_seconds"] / 3600
        for name in files
        if name.endswith("run.json")
    )
    assert manifest["training_hours"] == pytest.approx(hours)


def test_nothing_names_machine_folder_or_user(shared):
    record = read_json(shared.release / RUN)
    assert "name" not in record["host"]
    assert record["argv"] == [
        *("deeprac", "train", "--config", "config.json", "--fold", "0")
    ]
    config = read_json(shared.release / "config.json")
    assert isinstance(config["methods"], dict)
    assert isinstance(config["experiments"], list)
    everything = b"".join(
        path.read_bytes() for path in shared.release.rglob("*") if path.is_file()
    ).decode()
    for private in ("ward3", "mueller", str(shared.results.parent)):
        assert private not in everything


def test_machines_have_numbers_by_which_shared_ones_are_still_known(tree):
    """All runs have the same start and stop, one of them on another machine."""
    path = tree.results / RUN
    host = read_json(path)["host"] | {"name": "ward4-ct"}
    edit_json(path, host=host)
    config = ("--config", str(tree.results / "config.json"))
    for verb in ("summarise", "tables", "claims"):
        assert main([verb, *config]) == 0
    shared = pd.read_csv(tree.results / "summary" / "runs.csv").shared_machine
    assert (len(shared), shared.sum()) == (6, 5)
    release = remade(tree)
    numbers = [read_json(run)["host"]["number"] for run in release.rglob("run.json")]
    assert sorted(numbers) in ([1, 1, 1, 1, 1, 2], [1, 2, 2, 2, 2, 2])
    assert verify_release(release).holds


def test_seconds_of_inference_are_in_it_and_verified(tree):
    inference = sorted(tree.release.rglob("inference.csv"))
    assert len(inference) == 6
    table = pd.read_csv(inference[0])
    name = inference[0].relative_to(tree.release).as_posix()
    changed = table.assign(seconds=table.seconds + 1)
    rewrite(tree.release, name, changed.to_csv(index=False).encode())
    with pytest.raises(ReleaseError, match=r"runs.csv is missing or is not what"):
        verify_release(tree.release)


def test_stripping_knows_options_and_windows():
    record = {
        "host": {"name": "x", "cores": 1},
        "device": {"type": "cuda", "visible": "GPU-8f3a"},
        "argv": ["x", "--config=/home/m/c.json", "D:\\m\\c.json", "../m/c.json", "0"],
    }
    stripped = stripped_run(record, 3)
    assert stripped["argv"] == ["deeprac", "--config=c.json", "c.json", "c.json", "0"]
    assert stripped["host"] == {"cores": 1, "number": 3}
    assert stripped["device"] == {"type": "cuda"}
    assert record["host"]["name"] == "x"


def test_a_phantom_cohort_keeps_its_missing_path():
    fetch = {"source": "kits23", "mirror": "http://proxy.hospital.local/"}
    cohort = {"path": None, "patients": "/p.csv", "fetch": fetch}
    pretraining = {"results": "/y/adults", "fold": 0}
    rows = [{"experiment": "a", "other_results": "/y/b"}, {"experiment": "b"}]
    splits = {"folds": 2, "file": "/y/splits_final.json"}
    config = {"results": "/x", "cohort": cohort, "splits": splits}
    config |= {"pretraining": pretraining}
    stripped = stripped_config(config | {"experiments": rows})
    assert stripped == {
        "results": "results",
        "experiments": [{"experiment": "a", "other_results": LEFT_OUT}, rows[1]],
        "splits": {"folds": 2, "file": LEFT_OUT},
        "pretraining": {"results": LEFT_OUT, "fold": 0},
        "cohort": {
            "path": None,
            "patients": None,
            "private": "private",
            "fetch": {"source": "kits23", "mirror": None},
        },
    }


# What is refused


def test_an_existing_release_is_replaced_only_when_told(tree):
    with pytest.raises(ReleaseError, match=r"is there already. Choose another --name"):
        make_release(tree.results, tree.release.parent, name="tree")
    old = (tree.release / MANIFEST).stat().st_ino
    make_release(tree.results, tree.release.parent, name="tree", replace=True)
    assert (tree.release / MANIFEST).stat().st_ino != old
    assert sorted(p.name for p in tree.release.parent.iterdir()) == ["tree"]


@pytest.mark.parametrize(
    ("state", "what"),
    [
        ({"commit": COMMIT, "dirty": True}, "changes that no commit holds"),
        ({"commit": None, "dirty": None}, "no known commit"),
    ],
)
def test_uncommitted_code_is_refused_unless_told_and_then_stated(tree, state, what):
    edit_json(tree.results / RUN, git=state)
    config = ("--config", str(tree.results / "config.json"))
    assert main(["summarise", *config]) == 0
    assert main(["tables", *config]) == 0
    with pytest.raises(
        ReleaseError, match=rf"1 of 6 runs were trained by code .*{what}"
    ):
        remade(tree)
    target = remade(tree, allow_dirty=True)
    assert read_json(target / MANIFEST)["uncommitted"]["runs"] == 1
    for table in ("table1", "all"):
        text = (target / "tables" / f"{table}.md").read_text()
        assert "1 of 6 runs were trained by code that no commit holds" in text
    assert verify_release(target).holds


def test_runs_of_several_clean_commits_are_parts_of_one_release(tree):
    other = "f" * 40
    edit_json(tree.results / RUN, git={"commit": other, "dirty": False})
    config = ("--config", str(tree.results / "config.json"))
    for verb in ("summarise", "tables"):
        assert main([verb, *config]) == 0
    target = remade(tree)
    manifest = read_json(target / MANIFEST)
    assert manifest["commits"]["training"] == {other: 1, COMMIT: 5}
    parts = manifest["parts"]
    assert {part["commit"] for part in parts} == {other, COMMIT}
    verification = verify_release(target)
    assert verification.holds
    for part in parts:
        assert f"    {part['commit'][:12]}: " in verification.text()


def test_large_tables_are_stored_compressed_and_read_as_if_they_were_not(
    tree, monkeypatch, tmp_path
):
    monkeypatch.setattr(stored, "PACKED_ABOVE", 1000)
    target = remade(tree)
    listed = read_json(target / MANIFEST)["files"]
    assert {name for name in listed if name.endswith(".xz")} == {
        "summary/cases.csv.xz",
        "summary/diagnostics.csv.xz",
    }
    assert verify_release(target).holds
    lay_out(target, tmp_path)
    layout = Layout(tmp_path / "released" / "again")
    for path in (layout.summary_cases, layout.summary_diagnostics):
        assert path.read_bytes() == (tree.results / "summary" / path.name).read_bytes()
    rewrite(target, "summary/cases.csv.xz", b"no archive")
    with pytest.raises(ReleaseError, match=r"cases.csv.xz cannot be unpacked.*Fetch"):
        verify_release(target)


def test_a_dirty_checkout_releases_nothing(tree, monkeypatch):
    state = {"commit": COMMIT, "dirty": True}
    monkeypatch.setattr(provenance, "git_state", lambda: state)
    with pytest.raises(ReleaseError, match="This checkout has changes that no commit"):
        remade(tree)


@pytest.mark.parametrize("name", ["a b", "../x", "", "x/"])
def test_impossible_names(tree, name):
    with pytest.raises(ReleaseError, match="as the name of a release"):
        make_release(tree.results, tree.release.parent, name=name)


def test_a_summary_that_lacks_a_run_is_refused(tree):
    path = tree.results / "summary" / "cases.csv"
    cases = pd.read_csv(path)
    cases[~((cases.experiment == "coarse_stn") & (cases.fold == 1))].to_csv(
        path, index=False
    )
    with pytest.raises(DeepracError, match=r"missing: coarse_stn \(seed 0, fold 1\)"):
        remade(tree)


def test_a_summary_older_than_its_metrics_is_refused(tree):
    path = tree.results / "coarse_stn/seed0/fold_0/metrics.csv"
    metrics = pd.read_csv(path)
    metrics.loc[0, "assd_mm"] += 1
    metrics.to_csv(path, index=False)
    with pytest.raises(ReleaseError, match=r"cases.csv is missing or is not what"):
        remade(tree)


def test_tables_older_than_the_summary_are_refused(tree):
    (tree.results / "tables" / "all.md").write_text("old")
    with pytest.raises(ReleaseError, match=r"all.md is missing or older"):
        remade(tree)


def test_laid_out_results_are_not_released_again(tree, tmp_path):
    lay_out(tree.release, tmp_path / "out")
    with pytest.raises(ReleaseError, match="computed nothing"):
        make_release(tmp_path / "out/released/tree", tmp_path, name="again")


def test_a_patients_name_is_refused_and_not_repeated(tree):
    rename(tree, "patient_a1b1c1d1", "Mueller")
    with pytest.raises(ReleaseError) as refusal:
        remade(tree)
    message = str(refusal.value)
    assert "summary/cases.csv, column patient, holds no pseudonym" in message
    assert "Aaaaaaa" in message
    assert "Mueller" not in message
    assert "neutral names" in message
    assert not (tree.release.parent / "again").exists()


@pytest.mark.parametrize("name", ["pseudonyms.key", "pseudonyms.csv"])
def test_results_with_the_key_or_table_of_pseudonyms_are_refused(tree, name):
    path = tree.results / "private" / "tree" / name
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(ReleaseError, match=rf"{name} is among the results"):
        remade(tree)
    path.unlink()
    remade(tree)


def test_names_of_the_local_table_are_refused_and_not_repeated(
    tree, tmp_path, monkeypatch
):
    """A name as a label of the source passes the rules of shapes."""
    edit_json(tree.results / "config.json", cohort=_with_label(tree, "Annegret"))
    monkeypatch.chdir(tmp_path)
    remade(tree)
    names = Pseudonyms(Path("private"), "tree")
    names.record({"Annegret": "4711", "kidney": "x"}, {})
    with pytest.raises(ReleaseError, match=r"config\.json has the name") as refusal:
        remade(tree, replace=True)
    assert "Annegret" not in str(refusal.value)


def _with_label(tree, name):
    cohort = read_json(tree.results / "config.json")["cohort"]
    labels = cohort.get("labels", {}) | {"background": [name]}
    return cohort | {"labels": labels, "private": "private"}


def test_names_of_a_public_cohort_are_its_own(tree):
    """Its pseudonyms switched off, its names are no secret; others still are."""
    cohort = read_json(tree.results / "config.json")["cohort"]
    edit_json(tree.results / "config.json", cohort=cohort | {"pseudonyms": False})
    rename(tree, "patient_a1b1c1d1", "KiTS-00012_Mueller")
    remade(tree)
    table = tree.results / "cohort" / "cases.csv"
    table.write_text(table.read_text().replace("KiTS-00012_Mueller", "patient_1"))
    with pytest.raises(ReleaseError, match="column patient, holds no pseudonym"):
        remade(tree, replace=True)


@pytest.mark.parametrize(
    "note",
    ["seen on 12 Mar 2021", "see /home/mueller/ct", "from mueller.nii.gz", "Doe^Jane"],
)
def test_a_note_is_released_once_somebody_has_read_it(tree, note):
    edit_json(tree.results / "config.json", report={"notes": [note]})
    assert main(["tables", "--config", str(tree.results / "config.json")]) == 0
    with pytest.raises(ReleaseError, match=r"report\.notes, holds more than") as error:
        remade(tree)
    assert note not in str(error.value)
    release = remade(tree, reviewed=["report.notes"])
    assert read_json(release / MANIFEST)["reviewed"] == ["report.notes"]


def test_entries_and_columns_that_no_release_holds_are_refused(tree):
    edit_json(tree.results / RUN, operator="x")
    with pytest.raises(ReleaseError, match=r"run.json has the entry operator, which"):
        remade(tree)
    record = read_json(tree.results / RUN)
    del record["operator"]
    record["host"]["serial"] = "x"
    write_json(tree.results / RUN, record)
    with pytest.raises(ReleaseError, match=r"entry host.serial, which"):
        remade(tree)


def test_a_date_of_birth_among_the_curves_is_refused(tree):
    path = tree.results / "coarse_stn/seed0/fold_0/training.csv"
    pd.read_csv(path).assign(birth_date=0).to_csv(path, index=False)
    with pytest.raises(ReleaseError, match=r"has the column birth_date"):
        remade(tree)


def test_a_killed_release_leaves_nothing(tree, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("deeprac.release.make.write_json", full)
    with pytest.raises(OSError, match="No space"):
        remade(tree)
    assert sorted(p.name for p in tree.release.parent.iterdir()) == ["tree"]


# Laying out


def test_laid_out_results_are_the_usual_layout(shared, tmp_path):
    config = lay_out(shared.release, tmp_path)
    layout = Layout.of(config)
    assert layout.root == tmp_path / "released" / "tree"
    assert load_config([layout.config]) == config
    for path in (layout.summary_cases, layout.summary_runs, layout.summary_cohort):
        assert (
            path.read_bytes() == (shared.release / "summary" / path.name).read_bytes()
        )
    assert not layout.tables.exists()
    log = layout.root / "logs" / "a.log"
    log.parent.mkdir()
    log.write_text("")
    lay_out(shared.release, tmp_path)
    assert log.exists()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda r: (r / RUN).unlink(), f"{RUN} is missing"),
        (lambda r: (r / RUN).write_text("{}"), f"{RUN} was changed"),
        (lambda r: (r / "x.csv").write_text(""), "x.csv is not listed"),
        (lambda r: (r / MANIFEST).unlink(), "is no release"),
        (lambda r: (r / MANIFEST).write_text("{"), "not valid JSON"),
        (lambda r: edit_json(r / MANIFEST, schema=7), "schema 7; this version reads 1"),
        (lambda r: edit_json(r / MANIFEST, name="other"), "calls itself 'other'"),
        (lambda r: edit_json(r / MANIFEST, files=[]), "lists no files"),
        (
            lambda r: write_json(r / MANIFEST, {"schema": 1}),
            "does not say name, cohort",
        ),
    ],
)
@pytest.mark.parametrize("verb", [verify_release, lambda r: lay_out(r, r / "../out")])
def test_a_changed_release_is_named(tree, spoil, message, verb):
    spoil(tree.release)
    with pytest.raises(ReleaseError, match=message):
        verb(tree.release)
    assert not (tree.release.parent / "out").exists()


@pytest.mark.parametrize(
    "name",
    ["../x.csv", "/tmp/x", "summary/../../x", "summary/evil.csv", "a/b/run.json"],
)
def test_names_that_no_release_has_are_not_followed(tree, name, tmp_path):
    manifest = read_json(tree.release / MANIFEST)
    manifest["files"][name] = manifest_entry(b"")
    write_json(tree.release / MANIFEST, manifest)
    with pytest.raises(ReleaseError, match="which no release has"):
        lay_out(tree.release, tmp_path / "out")


@pytest.mark.parametrize("name", [RUN, "summary", MANIFEST])
def test_links_are_not_followed(tree, name, tmp_path):
    path, outside = tree.release / name, tmp_path / "outside"
    os.rename(path, outside)
    path.symlink_to(outside)
    with pytest.raises(ReleaseError, match=r"is a link|is no release"):
        lay_out(tree.release, tmp_path / "out")


# The configuration of released results


def test_the_configuration_is_the_releases_own(shared, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    wanted = resolve({"metrics": "released", "release": "tree", "results": "out"})
    config = released_config(wanted, shared.release.parent)
    assert config["cohort"]["name"] == "tree"
    assert config["results"] == "out"
    with pytest.raises(ConfigError, match=r"is 'ablation'.*Known are: tree"):
        released_config(wanted | {"release": "ablation"}, shared.release.parent)
    changed = wanted | {"training": wanted["training"] | {"epochs": 3}}
    with pytest.raises(ConfigError, match="so training come from the release 'tree'"):
        released_config(changed, shared.release.parent)


def test_a_release_without_configuration_is_named(tree):
    (tree.release / "config.json").unlink()
    wanted = resolve({"metrics": "released", "release": "tree"})
    with pytest.raises(ReleaseError, match=r"config.json is missing"):
        released_config(wanted, tree.release.parent)


# Verifying


def test_verify_says_of_every_table_that_it_is_identical(shared, capsys):
    assert main(["verify", str(shared.release)]) == 0
    shown = capsys.readouterr().out
    assert "4 patients, 4 cases; 3 experiments, 1 seeds, 2 folds" in shown
    tables = [line for line in shown.splitlines() if line.strip().startswith("tables/")]
    assert len(tables) == len(list((shared.release / "tables").iterdir()))
    assert all(line.endswith("identical") for line in tables)


@pytest.mark.parametrize("table", ["all.csv", "ladder.md"])
def test_a_forged_table_is_found(tree, capsys, table):
    path = tree.release / "tables" / table
    rewrite(tree.release, f"tables/{table}", path.read_bytes().replace(b"9", b"8"))
    assert main(["verify", str(tree.release)]) == 1
    shown = capsys.readouterr()
    lines = [line.split() for line in shown.out.splitlines()]
    outcome = {words[0]: words[1] for words in lines if len(words) > 1}
    assert outcome[f"tables/{table}"].startswith("different")
    assert "Different: tables of" in shown.err


def test_a_forged_metric_changes_the_tables(tree):
    path = tree.release / "summary" / "cases.csv"
    cases = pd.read_csv(path)
    cases.loc[cases.dice.idxmin(), "dice"] = 0.99
    rewrite(tree.release, "summary/cases.csv", cases.to_csv(index=False).encode())
    verification = verify_release(tree.release)
    assert not verification.holds
    different = {
        table.name
        for table in verification.tables
        if table.outcome is Outcome.DIFFERENT
    }
    assert {"tables/all.csv", "tables/statistics.csv"} <= different


def test_another_way_of_computing_is_told_from_another_number(tree):
    name, text = "tables/statistics.csv", "tables/statistics.md"
    table = pd.read_csv(tree.release / name)
    # An earlier version had no interval over seeds, and another SD.
    older = table.drop(columns=["two_way_low", "two_way_high"])
    older = older.rename(columns={"training_sd": "sd"}).assign(sd=0.5)
    rewrite(tree.release, name, older.to_csv(index=False).encode())
    rewrite(tree.release, text, b"An earlier table.")
    verification = verify_release(tree.release)
    found = {table.name: table.outcome for table in verification.tables}
    assert verification.holds
    assert {found[name], found[text]} == {Outcome.LATER}
    older["mean"] += 0.01
    rewrite(tree.release, name, older.to_csv(index=False).encode())
    found = {one.name: one.outcome for one in verify_release(tree.release).tables}
    assert {found[name], found[text]} == {Outcome.DIFFERENT}


def test_rounding_of_another_processor_is_told_from_a_change(tree):
    name = "tables/all.csv"
    table = pd.read_csv(tree.release / name)
    table["kidney_dice_mean"] *= 1 + 1e-13
    rewrite(tree.release, name, table.to_csv(index=False).encode())
    verification = verify_release(tree.release)
    found = {table.name: table for table in verification.tables}[name]
    assert found.outcome is Outcome.ROUNDING
    assert "largest relative difference" in found.detail
    assert verification.holds


def test_an_incomplete_summary_is_no_release(tree):
    path = tree.release / "summary" / "cases.csv"
    cases = pd.read_csv(path)
    rewrite(tree.release, "summary/cases.csv", cases[1:].to_csv(index=False).encode())
    with pytest.raises(DeepracError, match="needs one row for each"):
        verify_release(tree.release)


def test_runs_that_contradict_their_records_are_no_release(tree):
    path = tree.release / "summary" / "runs.csv"
    runs = pd.read_csv(path)
    runs.loc[0, "training_seconds"] /= 2
    rewrite(tree.release, "summary/runs.csv", runs.to_csv(index=False).encode())
    with pytest.raises(ReleaseError, match=r"runs.csv is missing or is not what"):
        verify_release(tree.release)


def test_a_fresh_computation_is_compared_metric_by_metric(tree, capsys):
    same = compare_cases(tree.release, tree.results)
    assert {one.outcome for one in same} == {Outcome.IDENTICAL}
    path = tree.results / "summary" / "cases.csv"
    cases = pd.read_csv(path)
    cases.loc[0, "dice"] -= 0.25
    cases[:-1].to_csv(path, index=False)
    arguments = ("verify", str(tree.release), "--against", str(tree.results))
    assert main([*arguments]) == 1
    shown = capsys.readouterr()
    assert "1 only released, 0 only fresh" in shown.out
    assert "largest difference 0.25" in shown.out
    assert "Different: metrics of" in shown.err


def test_against_compares_one_release(shared, capsys):
    release = str(shared.release)
    assert main(["verify", release, release, "--against", release]) == 1
    assert "--against compares one release" in capsys.readouterr().err


def test_the_manifest_is_plain_json(shared):
    assert json.loads((shared.release / MANIFEST).read_text())["schema"] == 1
