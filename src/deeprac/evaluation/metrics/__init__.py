"""Metrics of one case and region, on the native grid in true millimetres.

Functions take boolean masks ``(z, y, x)`` and spacings in the same order; nothing here
reads a file or loads torch. Definitions and sources: ``docs/metrics.md``.
"""
