import json
import re

import pandas as pd
import pytest

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.layout import Layout
from deeprac.reporting.render import escape_latex, markdown
from deeprac.reporting.tables.table import Part, Table, words
from support.results_tree import TreeOptions, write_tree

EXPERIMENTS = ("coarse_nnunet", "coarse_stn", "fine_nnunet", "fine_stn_crop_half")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Folder of the tables of a tree with one experiment of our own."""
    folder = tmp_path_factory.mktemp("tree")
    experiments = [
        {"experiment": name, "matrix": name.split("_")[0], "method": method}
        | {"published": published}
        for name, method, published in (
            ("coarse_nnunet", "nnunet", "coarse_nnunet"),
            ("coarse_stn", "stn", "coarse_stn"),
            ("fine_nnunet", "nnunet", "fine_nnunet"),
            ("fine_stn_crop_half", "stn_crop_half", "fine_stn_crop_half"),
            ("coarse_own", "stn_crop", None),
        )
    ]
    options = TreeOptions(
        experiments=tuple(row["experiment"] for row in experiments),
        settings={"experiments": experiments},
    )
    config = write_tree(folder, options)
    _evaluate(config)
    assert main(["tables", "--config", str(config)]) == 0
    return config, Layout.of(load_config([config])).tables


def _evaluate(config_path):
    config = load_config([config_path])
    for experiment in config.run.experiments:
        for fold in config.run.folds:
            run = ["--experiment", experiment, "--fold", str(fold)]
            assert main(["evaluate", "--config", str(config_path), *run]) == 0
    assert main(["summarise", "--config", str(config_path)]) == 0


def test_rows_of_each_table(tables):
    _, folder = tables
    rows = {
        name: list(pd.read_csv(folder / f"{name}.csv").experiment)
        for name in ("table1", "table2", "all")
    }
    assert rows["table1"] == ["coarse_nnunet", "coarse_stn", "fine_nnunet"]
    assert rows["table2"] == ["fine_nnunet", "fine_stn_crop_half"]
    assert rows["all"] == [*EXPERIMENTS, "coarse_own"]


def test_csv_holds_the_files_numbers_at_full_precision(tables):
    config_path, folder = tables
    layout = Layout.of(load_config([config_path]))
    cases = pd.read_csv(layout.summary_cases)
    mine = cases[(cases.experiment == "coarse_stn") & (cases.label == "tumour")]
    row = pd.read_csv(folder / "table1.csv").set_index("experiment").loc["coarse_stn"]
    assert row.tumour_dice_mean == pytest.approx(mine.dice.mean(), abs=1e-15)
    assert row.tumour_dice_training_sd == pytest.approx(mine.dice.std(), abs=1e-15)
    assert row.n_patients == 4
    # 115 s and 125 s over the two folds; the plain runs took 100 s and 110 s.
    assert row.training_seconds == pytest.approx(120)
    assert row.time_ratio == pytest.approx(120 / 105)
    assert row.paper_time_ratio == pytest.approx(105 / 95, abs=1e-6)


def test_markdown_has_ours_the_papers_and_the_notes(tables):
    _, folder = tables
    text = (folder / "table1.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("|")]
    results, details = lines[:5], lines[5:]
    assert len(details) == 5
    for part in (results, details):
        assert len({line.count("|") for line in part}) == 1
    stn = next(line for line in results if "STN pose-size" in line)
    assert "| 128, batch 32 |   128 |" in stn
    assert "2m00" in stn
    assert "1h45" in stn
    assert "77.31 (27.36)" in stn
    assert "n = 4 patients, 4 cases; 2 of 2 folds run, seeds: 1." in text
    assert "Device: a CPU. Budget: sgd, learning rate 0.01, 3 epochs of 10" in text
    assert "private; numbers are not directly comparable" in text
    assert "not run: coarse_nnunet_augment, fine_nnunet_augment, fine_stn." in text


def test_latex_is_balanced_and_escaped(tables):
    _, folder = tables
    for name in ("table1", "table2", "all"):
        text = (folder / f"{name}.tex").read_text()
        assert re.findall(r"\\begin\{(\w+\*?)\}", text) == ["table*"] + ["tabular"] * 2
        assert re.findall(r"\\end\{(\w+\*?)\}", text) == ["tabular"] * 2 + ["table*"]
        unescaped = re.sub(r"\\.", "", text)
        assert unescaped.count("{") == unescaped.count("}")
        for spec, body in re.findall(
            r"begin\{tabular\}\{(\w+)\}\n\\toprule\n(.*?)\\bottomrule", text, re.S
        ):
            rows = re.findall(r"^(.*?) \\\\$", body, re.M)
            assert [_columns(row) for row in rows] == [len(spec)] * len(rows)
        comment = [line for line in text.splitlines() if re.search(r"(?<!\\)%", line)]
        assert [line for line in comment if not line.endswith("{%")] == [
            r"% \usepackage{booktabs,graphicx}"
        ]


def _columns(row):
    """Columns that a row fills, spanning cells counted in full."""
    cells = re.split(r"(?<!\\)&", row)
    spans = [re.search(r"multicolumn\{(\d+)\}", cell) for cell in cells]
    return sum(int(span[1]) if span else 1 for span in spans)


def test_latex_special_characters():
    assert escape_latex("a_b 50% & \\x {y}") == (
        r"a\_b 50\% \& \textbackslash{}x \{y\}"
    )


def test_a_dollar_in_markdown_is_a_dollar_and_no_formula():
    rows = pd.DataFrame({"method": ["5 $ to 6 $"]})
    part = Part((words("method", "Method"),), rows)
    text = markdown(Table("t", "T $", rows, (part,), ("note $",)))
    assert r"| 5 \$ to 6 \$ |" in text
    assert text.count("$") == text.count(r"\$") == 4


def test_show_fits_a_terminal(tables, capsys):
    config, _ = tables
    capsys.readouterr()
    assert main(["tables", "--config", str(config), "--show"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines) <= 140
    assert sum(line.startswith("Table ") for line in lines) == 2
    half = next(line for line in lines if "STN crop" in line)
    assert half.split()[:2] == ["512", "256"]
    assert "19h30" in half


def test_summary_of_other_experiments(tables, tmp_path, capsys):
    config, _ = tables
    content = json.loads(config.read_text())
    content["run"]["experiments"] = ["coarse_nnunet"]
    changed = tmp_path / "config.json"
    changed.write_text(json.dumps(content))
    assert main(["tables", "--config", str(changed)]) == 1
    error = capsys.readouterr().err
    assert "run.experiments selects" in error
    assert "Run `deeprac summarise`." in error
