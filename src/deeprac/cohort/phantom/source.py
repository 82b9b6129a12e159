"""The phantom cohort as a source of cases."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy.stats import beta

from deeprac.cohort.case import Case, Side
from deeprac.cohort.phantom.acquisition import Acquisition, draw_acquisition
from deeprac.cohort.phantom.anatomy import Anatomy, draw_anatomy
from deeprac.cohort.phantom.render import render
from deeprac.settings.cohort import CohortConfig, PhantomConfig

VERSION = 1
"""Raised whenever the same seed would give another picture."""

OLDEST_YEARS = 16.0

_GOLDEN, _SILVER = (np.sqrt(5) - 1) / 2, np.sqrt(2) - 1


class PhantomSource:
    """Generates the cases of a phantom cohort.

    Case ``i`` depends on the seed, on ``i`` and on the settings only: not on the number
    of cases, nor on the order in which they are made.
    """

    def __init__(self, config: CohortConfig) -> None:
        """Take the ``phantom`` section of the cohort's settings."""
        self._phantom: PhantomConfig = config.phantom

    def names(self) -> list[str]:
        """``phantom_000``, ``phantom_001``, ..."""
        return [f"phantom_{index:03d}" for index in range(self._phantom.cases)]

    def settings(self, name: str) -> Mapping[str, Any]:
        """The phantom settings without the number of cases."""
        settings = asdict(self._phantom)
        del settings["cases"]
        return {"format": "phantom", "version": VERSION, "case": name, **settings}

    def load(self, name: str) -> Case:
        """Generate one case."""
        index = self.names().index(name)
        anatomy, acquisition, noise = self.draw(index)
        voxels = render(anatomy, acquisition, noise)
        sides = [tumour.side for tumour in anatomy.tumours]
        one = Side.LEFT if sides[0] == 1 else Side.RIGHT
        return Case(
            name=name,
            patient=f"patient_{index:03d}",
            image=_image(voxels.image, acquisition),
            label=_image(voxels.label, acquisition),
            side=Side.BILATERAL if len(sides) == 2 else one,
            age_years=round(anatomy.age_years, 2),
            similarity=acquisition.similarity,
        )

    def where(self, _names: Sequence[str]) -> str:
        """Phantoms come from no files."""
        return ""

    def draw(self, index: int) -> tuple[Anatomy, Acquisition, np.random.Generator]:
        """Draw child and scan of one case, and the generator of its noise."""
        seeds = np.random.SeedSequence([self._phantom.seed, index]).spawn(3)
        body, scan, noise = (np.random.default_rng(seed) for seed in seeds)
        age_years, bilateral = draw_patient(self._phantom, index)
        anatomy = draw_anatomy(body, age_years=age_years, bilateral=bilateral)
        acquisition = draw_acquisition(
            scan,
            anatomy,
            matrix=self._phantom.matrix,
            slice_spacing_mm=self._phantom.slice_spacing_mm,
        )
        return anatomy, acquisition, noise


def draw_patient(phantom: PhantomConfig, index: int) -> tuple[float, bool]:
    """Age in years, and whether both kidneys have a tumour.

    Evenly spread sequences instead of independent draws: small cohorts, too, span the
    ages (most patients are between one and seven) and keep the share of bilateral ones.
    """
    first, second = np.random.default_rng(phantom.seed).uniform(size=2)
    share = (first + index * _GOLDEN) % 1
    age = OLDEST_YEARS * float(beta.ppf(share, 1.2, 2.2))
    return age, bool((second + index * _SILVER) % 1 < phantom.bilateral_share)


def _image(array: np.ndarray, acquisition: Acquisition) -> sitk.Image:
    """A canonical SimpleITK image; its origin puts the image centre at x = y = 0."""
    image = sitk.GetImageFromArray(array)
    pixel, corner = acquisition.pixel_mm, (acquisition.matrix - 1) / 2
    image.SetSpacing((pixel, pixel, acquisition.slice_mm))
    image.SetOrigin((-corner * pixel, -corner * pixel, acquisition.z_mm[0]))
    return image
