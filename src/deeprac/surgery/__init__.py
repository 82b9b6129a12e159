"""From a label map to what a surgeon reads: organs, measures, flags, 3D models.

Nothing here imports torch or nnunetv2: a segmentation corrected by hand is measured
without either.
"""
