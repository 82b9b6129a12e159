"""Tables that an earlier training of the same run has left behind are refused."""

from dataclasses import replace

import pandas as pd
import pytest

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.errors import MetricsError
from deeprac.evaluation.summarise import collect_cases, collect_diagnostics
from deeprac.files import read_json, write_csv, write_json
from deeprac.layout import Layout
from deeprac.records.made_with import (
    MADE_WITH,
    digest_in,
    made_with,
    refuse_left_over,
)
from deeprac.records.run_key import RunKey
from support.results_tree import TreeOptions, write_tree

EXPERIMENT = "coarse_stn"
OLD, NEW = "1" * 64, "2" * 64
"""What run.json sums settings, folds and data up in; of figures, as a digest may be."""
KEYS = [RunKey("tree", EXPERIMENT, 0, fold) for fold in (0, 1)]


@pytest.fixture
def tree(tmp_path):
    """Two runs as `deeprac predict` leaves them."""
    path = write_tree(tmp_path, TreeOptions(experiments=(EXPERIMENT,)))
    config = load_config([path])
    layout = Layout.of(config)
    for key in KEYS:
        trained(layout, key, OLD)
        predicted(config, layout, key)
    return path, config, layout


def trained(layout, key, digest):
    record = key.folder(layout) / "run.json"
    write_json(record, read_json(record) | {"config_sha256": digest})


def predicted(config, layout, key):
    digest = made_with(config, read_json(key.folder(layout) / "run.json"))
    transforms = key.folder(layout) / "transforms.csv"
    write_csv(transforms, pd.read_csv(transforms).assign(**{MADE_WITH: digest}))


def verb(name, path, fold):
    run = ["--experiment", EXPERIMENT, "--fold", str(fold)]
    return main([name, "--config", str(path), *run])


def test_the_digest_depends_on_training_and_mirroring(tree):
    _, config, _ = tree
    mirrored = replace(config, inference=replace(config.inference, mirroring=True))
    larger = replace(config, inference=replace(config.inference, batch_size=99))
    old = {"config_sha256": OLD}
    assert not config.inference.mirroring
    assert made_with(larger, old) == made_with(config, old)
    others = made_with(config, {"config_sha256": NEW}), made_with(mirrored, old)
    assert len({made_with(config, old), *others}) == 3


def test_tables_carry_the_digest_from_the_predictions_to_the_summary(tree):
    path, config, layout = tree
    expected = made_with(config, {"config_sha256": OLD})
    for fold in (0, 1):
        assert verb("evaluate", path, fold) == verb("diagnose", path, fold) == 0
        for name in ("metrics.csv", "diagnostics.csv"):
            table = pd.read_csv(KEYS[fold].folder(layout) / name)
            assert set(table[MADE_WITH]) == {expected}
    for collected in (collect_cases, collect_diagnostics):
        assert MADE_WITH not in collected(config, layout)


def test_metrics_of_before_a_training_are_refused_with_their_runs(tree):
    path, config, layout = tree
    for fold in (0, 1):
        assert verb("evaluate", path, fold) == verb("diagnose", path, fold) == 0
    trained(layout, KEYS[1], NEW)
    for name, collected in (
        ("metrics.csv", collect_cases),
        ("diagnostics.csv", collect_diagnostics),
    ):
        with pytest.raises(
            MetricsError,
            match=rf"^{name} belongs to the training beside it; .*, for coarse_stn, "
            r"seed 0, fold 1\. Run the workflow, or `deeprac predict`",
        ):
            collected(config, layout)


def test_metrics_with_another_mirroring_are_refused(tree):
    path, config, layout = tree
    for fold in (0, 1):
        assert verb("evaluate", path, fold) == 0
    mirrored = replace(config, inference=replace(config.inference, mirroring=True))
    with pytest.raises(MetricsError, match=r"inference\.mirroring, for .* fold 0"):
        collect_cases(mirrored, layout)


@pytest.mark.parametrize("name", ["evaluate", "diagnose"])
def test_transforms_of_before_a_training_are_refused_at_once(tree, capsys, name):
    path, _, layout = tree
    assert verb("evaluate", path, 0) == 0
    trained(layout, KEYS[0], NEW)
    metrics = KEYS[0].folder(layout) / "metrics.csv"
    if name == "evaluate":
        metrics.unlink()
    assert verb(name, path, 0) == 1
    first = "transforms.csv" if name == "evaluate" else "metrics.csv"
    assert f"error: {first} belongs to the training beside" in capsys.readouterr().err
    assert metrics.exists() == (name == "diagnose")


def test_tables_of_older_versions_have_no_digest_and_are_read(tree):
    path, config, layout = tree
    for key in KEYS:
        transforms = key.folder(layout) / "transforms.csv"
        write_csv(transforms, pd.read_csv(transforms).drop(columns=MADE_WITH))
        assert verb("evaluate", path, key.fold) == 0
        metrics = key.folder(layout) / "metrics.csv"
        write_csv(metrics, pd.read_csv(metrics).drop(columns=MADE_WITH))
    assert len(collect_cases(config, layout)) == 4 * 3  # cases x labels


def test_a_table_of_two_trainings_is_refused(tree):
    _, config, layout = tree
    ours = made_with(config, {"config_sha256": OLD})
    table = pd.DataFrame({MADE_WITH: [ours, NEW]})
    with pytest.raises(MetricsError, match="fold 0"):
        refuse_left_over(config, layout, {KEYS[0]: table}, "metrics.csv")
    assert digest_in(table) == ours
    assert digest_in(table.iloc[:0]) == digest_in(pd.DataFrame()) == ""
