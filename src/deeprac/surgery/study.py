"""All that is known of one segmented patient, before it is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deeprac.cohort.grid import Grid
from deeprac.surgery.anatomy import Anatomy
from deeprac.surgery.flags import Flag


@dataclass(frozen=True)
class Study:
    """What all outputs of ``deeprac segment`` and ``deeprac measure`` are made of.

    Attributes:
        anatomy: the structures.
        source: the grid of the input, onto which the label maps return.
        image: [z, y, x] CT on the grid of ``anatomy``, in HU; None without one.
        measures: the tidy table of ``deeprac.surgery.measures``.
        protocol: the table of ``deeprac.surgery.protocol``; None without a time point.
        flags: all doubts.
        changes: what post-processing changed: one row per change.
        provenance: what made the result: versions, device, bundle, folds, seconds.
    """

    anatomy: Anatomy
    source: Grid
    image: NDArray[np.float32] | None
    measures: pd.DataFrame
    protocol: pd.DataFrame | None
    flags: tuple[Flag, ...]
    changes: pd.DataFrame
    provenance: Mapping[str, Any] = field(default_factory=dict)
