"""A slice of a case as a small picture with the contours of its labels."""

import io

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.image import imsave
from numpy.typing import NDArray
from scipy import ndimage

from deeprac.cohort.inspection import KidneySlice
from deeprac.reporting.style import CYST_COLOUR, CONTOURS
