"""The words about a figure, which stand once: in ``workflow/report/{name}.rst``.

The text of the file is the caption in Snakemake's report and on the report page. Its
comment stands in the picture itself: what it is based on, with the numbers of the
cohort in the places of their names in braces.
"""

from deeprac.shipped import shipped

FOLDER = shipped("workflow/report")
COMMENT = "\n..\n"
"""Starts the comment, which is indented and ends the file."""


def caption(name: str) -> str:
    """The caption of a figure in reStructuredText, without its comment."""
    return _parts(name)[0]


def words_in_picture(name: str, **fields: object) -> str:
    """The comment of a figure's caption with the numbers of a cohort."""
    return " ".join(_parts(name)[1].split()).format(**fields)


def _parts(name: str) -> tuple[str, str]:
    text = (FOLDER / f"{name}.rst").read_text(encoding="utf-8")
    shown, comment = text.split(COMMENT)
    return shown, comment
