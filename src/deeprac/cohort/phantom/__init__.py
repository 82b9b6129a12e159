"""Phantoms: generated abdominal CT of children with Wilms-like tumours.

``growth`` holds sizes by age, ``fields`` the tools to draw with,
``torso``, ``viscera``, ``kidney`` and ``tumour`` the parts of a child, ``anatomy`` the
child, ``acquisition`` the scan, ``scene`` arms and cushion, ``source`` the voxels and
the cohort.
"""

from deeprac.cohort.phantom.source import PhantomSource

__all__ = ["PhantomSource"]
