"""A trained model in one file: all that segmenting one CT needs, and nothing to run.

Reading and checking a bundle imports no torch; only ``make`` and ``weights`` do.
"""
