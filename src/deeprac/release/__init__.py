"""Released results: what leaves the machine, and what a reader rebuilds from it.

A release is a folder ``resources/released/{name}/`` with per-case metrics, the record
of every training, the tables, and a manifest of checksums; no images, labels, weights
or predictions. ``make`` writes one, ``join`` makes one of several, ``unpack``
lays one out as results, ``verify`` rebuilds its tables. No torch, no nnU-Net.
"""
