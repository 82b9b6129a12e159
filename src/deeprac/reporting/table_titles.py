"""The tables by file name, in the order of reading; imports nothing, for the rules."""

TABLE_TITLES = {
    "table1": "1: pose and size",
    "table2": "2: region of interest",
    "all": "all experiments",
    "ladder": "ladder of methods",
    "crops": "crops",
    "gates": "trainings that learned",
    "budget": "budget curve",
    "mechanism": "what Dice hangs on",
    "statistics": "all metrics over patients",
    "comparisons": "planned comparisons",
    "ranking": "ranking and its stability",
    "published_claims": "the paper's claims",
    "cost": "cost of training",
}
"""Short titles, as Snakemake's report shows them; every table has a caption in
``workflow/report/tables``."""
