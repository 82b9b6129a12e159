"""Transforms of the plane and of space, warps and moments: functions on tensors.

Convention, everywhere in DeePRAC's networks: points are (x, y), sizes are (height,
width), and normalised coordinates follow ``align_corners=False``: pixel ``i`` of ``n``
lies at ``(2 i + 1) / n - 1``, so that -1 and 1 are the outer edges of the first and the
last pixel. A matrix ``a_from_b`` of shape (batch, 2, 3) maps points of frame b to
points of frame a; products therefore read from left to right:
``image_from_input = compose(image_from_canonical, canonical_from_crop)``.

In space points are (x, y, z) and sizes (depth, height, width); a volume lies in a cube
of millimetres (:mod:`deeprac.geometry.cube`), whose normalised coordinates are the same
length along all axes, and ``a_from_b`` has the shape (batch, 3, 4). What holds in both
is one function; d stands for the dimension, 2 or 3.

Frames: ``image`` is a slice on its matrix, ``canonical`` the slice with size and pose
normalised, ``crop`` the window of the canonical frame around kidneys and tumour, and
``input`` whatever the U-Net sees (crop, canonical or image).

All matrices are float32 and all functions ignore autocast: half precision loses
position (16-bit coordinates on a 512-pixel slice are off by up to a quarter pixel).
"""
