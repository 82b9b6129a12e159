"""The column ``split``: which cases lie in folds, and which are test cases.

Cases of ``cv`` lie in the folds of the cross-validation, where each is held out once.
Those of ``test`` lie in no fold and train nothing; every run predicts them all, and
where there are any, what is said of methods rests on them alone. A table without the
column has cases of folds only.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SPLIT = "split"
"""Column of cases.csv and of all tables that are made of predictions."""

CV, TEST = "cv", "test"


def split_column(table: "pd.DataFrame") -> tuple[str, ...]:
    """The column's name where a table has it, for lists of columns.

    Example:
        >>> import pandas as pd
        >>> split_column(pd.DataFrame({"case": ["a"]}))
        ()
    """
    return (SPLIT,) if SPLIT in table else ()


def of_split(table: "pd.DataFrame", split: str) -> "pd.DataFrame":
    """The rows of one split.

    Args:
        table: one row per case, or several.
        split: ``cv`` or ``test``.
    """
    if SPLIT not in table:
        return table if split == CV else table.iloc[:0]
    return table[table[SPLIT] == split]


def judged(table: "pd.DataFrame") -> "pd.DataFrame":
    """The rows on which methods are judged: of the test cases where there are any.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"case": ["a", "b"], "split": ["cv", "test"]})
        >>> judged(table).case.tolist(), judged(table[:1]).case.tolist()
        (['b'], ['a'])
    """
    test = of_split(table, TEST)
    return table if test.empty else test
