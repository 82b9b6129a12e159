import numpy as np
import pandas as pd

from deeprac.reporting.page import content
from deeprac.reporting.page.failures import counted, failures
from support.summary_builder import make_config, make_summary


def rows_of_cases(**columns):
    base = {
        "experiment": "e",
        "label": "tumour",
        "case": ["a", "b", "c", "d", "e"],
        "seed": 0,
        "dice": [0.9, 0.0, 0.0, np.nan, 0.4],
        "volume_ml": [10, 0, 5, 0, 5],
        "reference_volume_ml": [10, 10, 0, 0, 9],
        "coverage": [1.0, 1.0, np.nan, np.nan, 0.5],
    }
    return pd.DataFrame(base | columns)


def test_failures_say_how():
    table = failures(rows_of_cases(), threshold=0.5)
    assert dict(zip(table.case, table.reasons, strict=True)) == {
        "b": "missed, low Dice",
        "c": "false positive, low Dice",
        "e": "low Dice, cut off",
        "d": "undefined",
    }
    assert list(table.case) == ["b", "c", "e", "d"], "worst first, undefined last"


def test_failures_are_counted_with_their_n():
    cases = rows_of_cases()
    (row,) = counted(failures(cases, threshold=0.5), cases).to_dict("records")
    assert row == {
        "experiment": "e",
        "label": "tumour",
        "n": 5,
        "missed": 1,
        "false positive": 1,
        "undefined": 1,
        "low Dice": 3,
        "cut off": 1,
    }


def test_without_failures_there_are_no_rows_and_all_counts_are_0():
    cases = rows_of_cases().iloc[:1]
    table = failures(cases, threshold=0.5)
    assert table.empty
    assert counted(table, cases)["low Dice"].tolist() == [0]


def test_of_too_many_rows_the_page_holds_the_lowest(monkeypatch):
    summary = make_summary(
        make_config({"plain": "nnunet"}), {"plain": np.linspace(0.2, 0.9, 8)}
    )
    whole = content.cases_table(summary)
    assert "lowest" not in whole.n
    monkeypatch.setattr(content, "MOST_ROWS", 4)
    table = content.cases_table(summary)
    ((_, grid),) = table.grids
    assert len(grid["text"]) == len(table.opens) == 4
    assert "; the 4 with the lowest Dice are here" in table.n
    case = [head["key"] for head in grid["columns"]].index("case")
    lowest = summary.cases.nsmallest(4, "dice")
    assert {row[case] for row in grid["value"]} == set(lowest.case)
