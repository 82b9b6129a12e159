"""A table as Markdown, LaTeX or lines for a terminal."""

from itertools import groupby

from deeprac.reporting.tables.table import Column, Part, Table, lines

Columns = tuple[Column, ...]

LATEX_SPECIAL = {character: f"\\{character}" for character in "&%$#_{}"}
LATEX_SPECIAL |= {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}

FLOAT_LINES = 70
"""Lines that fit on one page; a longer table is set as blocks that break over pages."""

HEAD_LINES = 4
"""Lines of a part's heading and of the heads of its columns."""

BLOCK_LINES = 45
"""Lines of a block, which itself never breaks."""


def markdown(table: Table) -> str:
    """A pipe table for each part, with a title above and notes below."""
    parts = [
        text
        for part in table.parts
        for text in (part.heading and f"### {part.heading}", _pipe_table(part))
        if text
    ]
    notes = "\n".join(f"- {_escape_markdown(note)}" for note in table.notes)
    title = _escape_markdown(table.title)
    return "\n\n".join([f"**{title}**", *parts, notes]) + "\n"


def _pipe_table(part: Part) -> str:
    columns, rows = part.columns, part.texts()
    header = [": ".join(filter(None, (c.group, c.title))) for c in columns]
    cells = [[_escape_markdown(cell) for cell in row] for row in [header, *rows]]
    widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(columns))]
    rule = [
        "-" * width if left else "-" * (width - 1) + ":"
        for width, left in zip(widths, _is_left(columns), strict=True)
    ]
    return "\n".join(
        "| " + " | ".join(_aligned(row, widths, columns)) + " |"
        for row in (cells[0], rule, *cells[1:])
    )


def latex(table: Table) -> str:
    r"""Table to ``\input``; needs the packages booktabs and graphicx.

    One that fits on a page is a ``table*``; a longer one is a sequence of blocks, each
    under its own heading, that goes on over as many pages as it needs.
    """
    height = sum(len(part.rows) + HEAD_LINES for part in table.parts)
    body = _float(table) if height <= FLOAT_LINES else _blocks(table)
    return "\n".join([r"% \usepackage{booktabs,graphicx}", *body, ""])


def _float(table: Table) -> list[str]:
    parts = []
    for part in table.parts:
        heading = rf"\textbf{{{escape_latex(part.heading)}}}\par\smallskip"
        parts.append(f"{heading}\n" * bool(part.heading) + _tabular(part))
    return [
        r"\begin{table*}",
        r"\centering",
        rf"\caption{{{escape_latex(table.title)}}}",
        rf"\label{{tab:deeprac-{table.name}}}",
        "\n\n\\medskip\n".join(parts),
        "",
        rf"\smallskip\parbox{{\linewidth}}{{\footnotesize {_notes(table)}}}",
        r"\end{table*}",
    ]


def _blocks(table: Table) -> list[str]:
    text = [
        r"\par\noindent\refstepcounter{table}"
        rf"\label{{tab:deeprac-{table.name}}}%",
        rf"\textbf{{Table~\thetable: {escape_latex(table.title)}}}\par",
        rf"\smallskip\noindent{{\footnotesize {_notes(table)}\par}}",
    ]
    for part in table.parts:
        for start in range(0, len(part.rows), BLOCK_LINES):
            rows = part.rows.iloc[start : start + BLOCK_LINES]
            more = " (continued)" if start else ""
            heading = escape_latex(part.heading + more)
            text += [
                r"\bigskip\noindent\begin{minipage}{\linewidth}",
                rf"\textbf{{{heading}}}\par\smallskip\noindent",
                _tabular(Part(part.columns, rows)),
                r"\end{minipage}\par",
            ]
    return text


def _notes(table: Table) -> str:
    return " ".join(escape_latex(note) for note in table.notes)


def _tabular(part: Part) -> str:
    columns, rows = part.columns, part.texts()
    groups = [(name, len(list(run))) for name, run in groupby(c.group for c in columns)]
    heads = [
        rf"\multicolumn{{{span}}}{{c}}{{{escape_latex(name)}}}" for name, span in groups
    ]
    grouped = [" & ".join(heads) + r" \\", _rules_below_groups(groups)]
    spec = "".join("l" if left else "r" for left in _is_left(columns))
    return "\n".join(
        [
            r"\resizebox{\linewidth}{!}{%",
            rf"\begin{{tabular}}{{{spec}}}",
            r"\toprule",
            *(grouped if any(name for name, _ in groups) else []),
            _latex_row([column.title for column in columns]),
            r"\midrule",
            *[_latex_row(row) for row in rows],
            r"\bottomrule",
            r"\end{tabular}}",
        ]
    )


def terminal(table: Table) -> str:
    """The short columns as aligned text, made for 140 characters."""
    if table.rows.empty:
        return f"{table.title}\n{table.notes[0]}"
    # Of both parts; what identifies a row only once.
    every = (column for part in table.parts for column in part.columns)
    columns = tuple({(c.group, c.title): c for c in every if c.short}.values())
    rows = lines([column.texts(table.rows, column.short) for column in columns])
    names = [column.title for column in columns]
    widths = [max(len(row[i]) for row in [names, *rows]) for i in range(len(columns))]
    text = [_spanning_heads(columns, widths)]
    text += ["  ".join(_aligned(row, widths, columns)) for row in (names, *rows)]
    rule = "-" * max(len(line) for line in text)
    return "\n".join([table.title, rule, *text[:2], rule, *text[2:], rule])


def _spanning_heads(columns: Columns, widths: list[int]) -> str:
    """Group headings, each above its columns; widens a column where one is longer."""
    heads, start = [], 0
    for name, run in groupby(column.group for column in columns):
        stop = start + len(list(run))
        if name:
            widths[stop - 1] += max(0, len(name) - _span(widths[start:stop]))
        heads.append(name.rjust(_span(widths[start:stop])))
        start = stop
    return "  ".join(heads)


def _span(widths: list[int]) -> int:
    return sum(widths) + 2 * (len(widths) - 1)


def escape_latex(text: str) -> str:
    """Escape the characters that LaTeX would read as commands."""
    return text.translate(str.maketrans(LATEX_SPECIAL))


def _rules_below_groups(groups: list[tuple[str, int]]) -> str:
    rules, start = [], 1
    for name, span in groups:
        if name:
            rules.append(rf"\cmidrule(lr){{{start}-{start + span - 1}}}")
        start += span
    return " ".join(rules)


def _latex_row(cells: list[str]) -> str:
    return " & ".join(escape_latex(cell) for cell in cells) + r" \\"


MARKDOWN_SPECIAL = {
    **{"\\": r"\\", "|": r"\|", "$": r"\$"},
    **{"<": "&lt;", ">": "&gt;", "\n": " "},
}


def _escape_markdown(text: str) -> str:
    return text.translate(str.maketrans(MARKDOWN_SPECIAL))


def _is_left(columns: Columns) -> list[bool]:
    return [not column.number for column in columns]


def _aligned(row: list[str], widths: list[int], columns: Columns) -> list[str]:
    return [
        cell.ljust(width) if left else cell.rjust(width)
        for cell, width, left in zip(row, widths, _is_left(columns), strict=True)
    ]
