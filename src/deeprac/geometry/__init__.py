"""Planar transforms, warps and moments: pure functions on tensors.

Convention, everywhere in DeePRAC's networks: points are (x, y), sizes are (height,
width), and normalised coordinates follow ``align_corners=False``: pixel ``i`` of ``n``
lies at ``(2 i + 1) / n - 1``, so that -1 and 1 are the outer edges of the first and the
last pixel. A matrix ``a_from_b`` of shape (batch, 2, 3) maps points of frame b to
points of frame a; products therefore read from left to right:
``image_from_input = compose(image_from_canonical, canonical_from_crop)``.

Frames: ``image`` is a slice on its matrix, ``canonical`` the slice with size and pose
normalised, ``crop`` the window of the canonical frame around kidneys and tumour, and
``input`` whatever the U-Net sees (crop, canonical or image).

All matrices are float32 and all functions ignore autocast: half precision loses
position (16-bit coordinates on a 512-pixel slice are off by up to a quarter pixel).
"""
