"""Tables within a page that is written by hand.

Each stands between `<!-- table: NAME -->` and `<!-- end of table -->`.
"""

import re
from collections.abc import Callable, Mapping

_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def with_tables(page: str, makers: Mapping[str, Callable[[], str]]) -> str:
    r"""Return the page with its tables made anew.

    Args:
        page: text of the page.
        makers: by name of the table, what makes its text. A table without one is
            left as it is: another script's.

    Example:
        >>> page = "<!-- table: one -->\nold\n<!-- end of table -->"
        >>> with_tables(page, {"one": lambda: "new"}).splitlines()[1:-1]
        ['', 'new', '']
    """

    def replaced(block: re.Match[str]) -> str:
        start, name, end = block.groups()
        if name not in makers:
            return block[0]
        return f"{start}\n{makers[name]().strip()}\n\n{end}"

    return _BLOCK.sub(replaced, page)
