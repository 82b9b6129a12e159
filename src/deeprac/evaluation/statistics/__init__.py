"""Statistics over patients; ``docs/statistics.md`` explains each number.

The patient is the unit everywhere: the cases of a patient are averaged, then the seeds.
Intervals are bootstrap intervals over patients; they say how much another draw of
patients could differ, not how much another training could: for that stands the spread
over seeds. Random numbers have a fixed seed and values are sorted before they are
resampled, so that neither a second run nor the order of the rows changes a digit.
"""
