"""Paths that have broken tools of this kind."""

NASTY = (
    "with space",
    "a,b",
    'quote"d',
    "it's",
    "Lékař",
    "-leading",
    "--mount",
    "$(touch x)",
    "semi;colon",
    "per%cent",
    "x" * 120 + "/" + "y" * 120 + "/" + "z" * 60,
)
"""Names of folders; the last one is a path of 300 characters."""
