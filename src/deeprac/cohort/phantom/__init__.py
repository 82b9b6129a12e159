"""Phantoms: generated abdominal CT of children, or adults, with kidney tumours.

``growth`` holds sizes by age, ``published`` figures of real patients, ``disease`` what
grows at which age, ``fields`` the tools to draw with, ``torso``, ``viscera``,
``kidney`` and ``tumour`` the parts of a patient, ``anatomy`` the patient,
``acquisition`` the scan, ``scene`` arms and cushion, ``source`` the voxels and the
cohort.
"""

from deeprac.cohort.phantom.source import PhantomSource

__all__ = ["PhantomSource"]
