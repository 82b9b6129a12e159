"""The files that cross borders: columns, version, reading and writing, one place each.

One module per file. Stages meet here and not in each other: what one writes another
reads through the same module. No torch, and no image library.

===============  =====================================================
module           files
===============  =====================================================
``cases``        ``cohort/cases.csv``
``splits``       ``splits_final.json``
``case_poses``   ``case_poses.csv``
``runs``         ``run.json`` of each run, ``summary/runs.csv``
``training``     ``training.csv`` of each run
``progress``     ``progress.jsonl`` of each training, as it goes
``transforms``   ``transforms.csv`` of each run
``inference``    ``inference.csv`` of each run
``metrics``      ``metrics.csv`` of each run, ``summary/cases.csv``
``diagnostics``  ``diagnostics.csv`` of each run, and the summary's
``stress``       ``stress.csv`` of each run, and the summary's
===============  =====================================================

``tidy`` reads tables, ``run_key`` names runs, ``catalogue`` says what metrics are.
"""
