"""The limits that make a flag: one table.

A number passes a limit when it lies beyond it; on it, it does not. The limits are round
numbers from what is known of children and of CT; those of ``tumours_many``,
``volume_jump``, ``fold_dice`` (do not use) and ``fold_spread`` (look) were chosen on
one half of the phantoms of ``benchmarks/flags.py``. How often each finds a bad result
is counted on the other half (docs/surgery.md).
"""

from dataclasses import dataclass
from typing import Literal

from deeprac.surgery.flags import Flag, Verdict


@dataclass(frozen=True)
class Limit:
    """When one number makes a result doubtful.

    Attributes:
        code: name of the flag.
        number: what the number is, with its unit.
        worse: on which side of the limits the doubt lies.
        look: beyond this someone must look; None: never.
        do_not_use: beyond this the result is not to be used; None: never.
        remedy: what to do.
    """

    code: str
    number: str
    worse: Literal["above", "below"]
    look: float | None
    do_not_use: float | None
    remedy: str

    def flags(
        self, value: float, message: str, structure: str = ""
    ) -> tuple[Flag, ...]:
        """The flag of one number, or none.

        Args:
            value: the number.
            message: what was found, for a clinician; of a structure without its name.
            structure: name of the structure that it is about.

        Returns:
            A flag whose message begins with the structure, or nothing.

        Example:
            >>> (flag,) = LIMITS["touches_border"].flags(9, "it is cut", "kidney_left")
            >>> flag.verdict.value, flag.message
            ('look', 'left kidney: it is cut')
        """
        sign = 1 if self.worse == "above" else -1
        text = f"{_in_words(structure)}: {message}" if structure else message
        for verdict, limit in (
            (Verdict.DO_NOT_USE, self.do_not_use),
            (Verdict.LOOK, self.look),
        ):
            if limit is not None and sign * value > sign * limit:
                return (
                    Flag(
                        self.code, verdict, text, self.remedy, float(value), limit,
                        structure,
                    ),
                )  # fmt: skip
        return ()


def _in_words(structure: str) -> str:
    """``kidney_left`` and ``tumour_1`` as left kidney and tumour 1."""
    kind, _, which = structure.partition("_")
    return f"{kind} {which}" if which.isdigit() else f"{which} {kind}".strip()


_CORRECT = "Look at the slices; correct the segmentation and measure it again."

_ALL = (
    # Kidneys.
    Limit("kidney_count", "kidneys", "below", 2, 1,
          "Look whether the patient has one kidney, or a part is missing."),
    Limit("side_unknown", "kidneys without a side", "above", 0, None,
          "Tell the sides from the CT; nothing per side was measured."),
    Limit("kidneys_joined", "pairs of kidneys that a tumour joins", "above", 0, None,
          "Look whether they are two kidneys, or parts of one that the tumour splits."),
    Limit("sides_disagree", "% of a kidney that the model calls the other side",
          "above", 5, 50,
          "Check the orientation of the CT, and the sides in the slices."),
    Limit("kidney_parts", "parts of one kidney", "above", 1, None,
          "Look whether all parts are of that kidney."),
    Limit("kidney_volume_small", "volume over that of the age", "below", 0.4, 0.15,
          "Check age and spacing, and whether the kidney is complete."),
    Limit("kidney_volume_large", "volume over that of the age", "above", 2.5, 6,
          "Check age and spacing, and whether other organs were taken for kidney."),
    Limit("kidney_length_short", "length over that of the age", "below", 0.65, 0.4,
          "Check age and spacing, and whether the kidney is complete."),
    Limit("kidney_length_long", "length over that of the age", "above", 1.5, 2.5,
          "Check age and spacing, and whether other organs were taken for kidney."),
    # Tumours.
    Limit("no_tumour", "tumours", "below", 1, None,
          "Look whether there is one. Finding none does not exclude it."),
    Limit("tumours_many", "tumours", "above", 3, None,
          "Look whether all of them are tumours."),
    Limit("tumour_away", "mm from the nearest kidney", "above", 10, None,
          "Look whether it is a renal tumour."),
    Limit("tumour_side_doubtful", "% of the contact that the other kidney has",
          "above", 50, None, "Tell from the CT which kidney the tumour comes from."),
    Limit("tumour_specks", "ml in all", "above", 0, 4,
          "Look whether they are tumour; what touches a kidney is in its volume."),
    Limit("tumour_fragments", "tumours beyond those counted", "above", 0, 0,
          "The segmentation has most likely failed; look at the slices."),
    # Any structure.
    Limit("touches_border", "voxels at the border of the volume", "above", 0, None,
          "Its volume and diameters are lower bounds; get a CT that shows all of it."),
    Limit("border_unknown", "segmentations cut to what they show", "above", 0, None,
          "Give the CT with --image."),
    Limit("volume_jump", "change between slices over the largest area", "above", 0.7,
          None, _CORRECT),
    Limit("removed_part", "ml that post-processing changed", "above", 1, None,
          "Look at it; --no-postprocessing leaves it as it was."),
    Limit("overlapping_segments", "pairs of segments", "above", 0, None,
          "Where segments overlap, tumour counts. Correct them if that is wrong."),
    # The CT.
    Limit("previous_result", "earlier results that are not to be used", "above", 0, 0,
          "Make the earlier result again, or leave --previous out."),
    Limit("slice_spacing", "mm between slices", "above", 5, None,
          "Use thinner slices; volumes and diameters are rough."),
    Limit("not_hu", "values that are not in HU", "above", 0, 0,
          "Export the CT in Hounsfield units, without a window."),
    Limit("input_doubtful", "doubts about a file that was read", "above", 0, None,
          "Look at the CT; where the doubt is right, export it again."),
    Limit("outside_training", "as the range says", "above", None, None,
          "Check that the CT is like those that the model was trained on."),
    # The model.
    Limit("outside_window", "% of the coarse foreground", "above", 0.5, 10, _CORRECT),
    Limit("fallback_slices", "% of the slices", "above", 5, 50, _CORRECT),
    Limit("at_bound", "% of the slices", "above", 10, None, _CORRECT),
    Limit("fold_dice", "Dice between two folds", "below", 0.85, 0.4, _CORRECT),
    Limit("fold_spread", "SD of the folds' volumes over their mean", "above", 0.3, 0.5,
          _CORRECT),
    Limit("phantom_model", "models trained on phantoms", "above", 0, 0,
          "Use a bundle that was trained on patients."),
    # What is written.
    Limit("no_dicom_seg", "structures", "below", 1, None,
          "Look at the CT: nothing was found in it."),
    Limit("mesh_volume", "% from the voxels' volume", "above", 1, 10,
          "Do not measure in the 3D model; the tables have the voxels' volume."),
    Limit("small_mesh_volume", "% from the voxels' volume", "above", 5, 20,
          "Do not measure in the 3D model; the tables have the voxels' volume."),
)  # fmt: skip

LIMITS: dict[str, Limit] = {limit.code: limit for limit in _ALL}
"""By code; ``outside_training`` takes its limits from the bundle."""

SMALL_MESH_ML = 5.0
"""Below this a mesh strays more from its voxels: ``small_mesh_volume`` counts."""
