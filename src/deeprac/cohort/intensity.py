"""Whether the values of a CT are Hounsfield units, and certain repairs of them.

Three things hold for every CT of a trunk, child or adult, with contrast or without:
air lies near -1000, fat near -100, and what is neither lies mostly below 300. The rules
ask for no more. They separate CT from MR, from windowed pictures and from wrong offsets
and scales, not good CT from bad. A small field of view may lack air, a thin child has
little fat, metal reaches far above bone and throws streaks far below air.
"""

import numpy as np

from deeprac.cohort.findings import Finding
from deeprac.cohort.histogram import FIRST, LAST, Histogram

OFFSET = 1024
"""What unsigned files add to HU: DICOM's stored values without their intercept."""

PADDING = -1024
"""What padding becomes: where most scanners' scales end."""

NO_TISSUE = -1200
"""Below lie no tissue and no air: noise and the ringing of sharp kernels stay above."""

_AIR = (NO_TISSUE, -500)
_FAT = (-150, -30)


def plausible(values: np.ndarray, intensity: str) -> tuple[np.ndarray, list[Finding]]:
    """Check the values of a volume and repair what is certain.

    Args:
        values: [z, y, x], any number type; left as they are.
        intensity: ``cohort.intensity``, hu or grey; grey values need only be finite and
            not all the same.

    Returns:
        The values as int16 where that loses nothing, else as float32; and what was
        found. After an error the values are unchanged.
    """
    histogram = Histogram.of(values)
    problem = ""
    if not histogram.finite:
        problem = "the image holds NaN or infinite values. Replace them by air"
    elif histogram.lowest == histogram.highest:
        one = f"{histogram.lowest:g}"
        problem = f"the image holds only the value {one}. Export it again"
    if problem:
        return values, [Finding.error("intensity", problem)]
    if intensity != "hu":
        return compact(values), []
    repaired, findings = _repaired(values, histogram)
    if findings:
        histogram = Histogram.of(repaired)
    if problem := _not_hounsfield(histogram):
        return values, [*findings, Finding.error("intensity", problem)]
    doubts = [Finding.warning("intensity", text) for text in _doubts(histogram)]
    return repaired, findings + doubts


def compact(values: np.ndarray) -> np.ndarray:
    """The values as int16 where that loses nothing, else as float32."""
    limits = np.iinfo(np.int16)
    whole = np.issubdtype(values.dtype, np.integer) or all(
        np.array_equal(one, np.rint(one)) for one in values
    )
    if whole and values.min() >= limits.min and values.max() <= limits.max:
        return values.astype(np.int16, copy=False)
    return values.astype(np.float32, copy=False)


def _repaired(
    values: np.ndarray, histogram: Histogram
) -> tuple[np.ndarray, list[Finding]]:
    """Subtract a certain offset and replace certain padding, with findings."""
    offset = OFFSET if _has_offset(histogram) else 0
    floor = 0 if offset else NO_TISSUE
    padding = _padding(histogram, floor)
    if not offset and padding is None:
        return compact(values), []
    findings = [] if padding is None else [padding]
    if offset:
        air, fat, soft = (peak + offset for peak in _peaks(histogram, offset))
        repair = (
            f"values are stored without sign: air peaks at {air}, fat at {fat}, soft "
            f"tissue at {soft}, each {OFFSET} above its HU; {OFFSET} was subtracted"
        )
        findings.append(Finding.repaired("intensity offset", repair))
    fits = histogram.whole and histogram.highest - offset <= np.iinfo(np.int16).max
    repaired = np.empty(values.shape, np.int16 if fits else np.float32)
    wide = np.float64 if np.issubdtype(values.dtype, np.floating) else np.int64
    for one, target in zip(values, repaired, strict=True):
        target[...] = np.where(one < floor, PADDING, one.astype(wide) - offset)
    return repaired, findings


def _padding(histogram: Histogram, floor: int) -> Finding | None:
    """What is recorded of the value that fills what was not scanned.

    Certain is one value below ``floor`` in at least a thousandth of the voxels; others
    there are few, as resampling leaves them along the padding's edge. Streaks beside
    metal are spread over many values and are not taken for it.
    """
    below = histogram.number(FIRST, floor)
    value = histogram.commonest(FIRST, floor)
    same = histogram.number(value, value + 1)
    if value == FIRST or same < 0.001 * histogram.voxels or below - same > same / 4:
        return None
    share = 100 * same / histogram.voxels
    text = f"{same} voxels ({share:.3g} %) hold the padding {value}"
    if below > same:
        text += f", {below - same} more lie between it and {floor}"
    return Finding.repaired("intensity padding", f"{text}; set to {PADDING} HU")


def _has_offset(histogram: Histogram) -> bool:
    """Whether the values are HU + 1024 for certain.

    No value is negative but padding, air, fat and soft tissue peak where they must, and
    most of what is not air is fat or soft tissue. Fat is the touchstone: it differs
    little between people, and with an offset of 1000, which exists too, it would seem
    to lie below -112.
    """
    negative = histogram.number(FIRST, 0)
    if negative and _padding(histogram, 0) is None:
        return False
    air, fat, soft = _peaks(histogram, OFFSET)
    in_air, in_fat, in_trunk, in_body = (
        histogram.share(low + OFFSET, high + OFFSET)
        for low, high in ((-1024, -900), _FAT, (-150, 150), (-500, LAST))
    )
    peaks_fit = air <= -980 and -112 <= fat <= -75 and 15 <= soft <= 150
    return peaks_fit and min(in_air, in_fat) >= 0.01 and in_trunk >= 0.6 * in_body


def _peaks(histogram: Histogram, offset: int) -> tuple[int, ...]:
    """Where air, fat and soft tissue peak, in HU, if ``offset`` is subtracted."""
    ranges = ((-1024, -850), (-200, -20), (0, 200))
    return tuple(
        histogram.peak(low + offset, high + offset) - offset for low, high in ranges
    )


def _not_hounsfield(histogram: Histogram) -> str:
    """Why values cannot be HU, the plainest reason first; empty if they can."""
    low, high = histogram.lowest, histogram.highest
    runs = f"values run from {low:g} to {high:g}"
    below = histogram.share(FIRST, NO_TISSUE)
    bright = histogram.number(500, LAST) / max(histogram.number(-500, LAST), 1)
    no_air = histogram.share(*_AIR) < 0.001
    no_fat = histogram.share(*_FAT) < 0.01
    rules = (
        (low >= -1 and high <= 1, f"{runs}: a normalised picture, not HU"),
        (low >= 0 and high <= 255, f"{runs}: a windowed picture, not HU"),
        (
            below > 0.01,
            f"{100 * below:.3g} % of the voxels lie below {NO_TISSUE}, down to {low:g},"
            " where CT has nothing: a wrong scale or offset, or padding of several "
            "values",
        ),
        (
            high > np.iinfo(np.int16).max,
            f"the largest value is {high:g}, beyond the scale of every scanner: values "
            "with sign that were read as without, or padding",
        ),
        (
            no_air and (low >= 0 or no_fat),
            f"{runs} without air or fat: MR, or CT without its rescale offset",
        ),
        (
            bright > 0.3,
            f"{100 * bright:.3g} % of what is not air lies above 500, where CT has "
            "bone and metal only: a wrong scale or offset",
        ),
        (high < 50, f"the largest value is {high:g}: no soft tissue or bone in HU"),
        (
            low > -900 and _cut_off(histogram, round(low), inwards=1),
            f"values are cut off at {low:g}: a windowed picture, not HU",
        ),
    )
    for broken, reason in rules:
        if broken:
            return f"{reason}. Give CT in HU, or set cohort.intensity to grey"
    return ""


def _doubts(histogram: Histogram) -> list[str]:
    """What is strange in values that can be HU."""
    high = histogram.highest
    doubts = []
    below = histogram.share(FIRST, NO_TISSUE)
    if below > 0.0005:
        doubts.append(
            f"{100 * below:.3g} % of the voxels lie below {NO_TISSUE}, down to "
            f"{histogram.lowest:g}, and are not one padding value; kept. Look for metal"
        )
    air = histogram.peak(NO_TISSUE, -850)
    if histogram.share(*_AIR) < 0.001:
        doubts.append(
            "there is no air in the field of view. Make sure that the values are HU "
            "and that the image was not cut to the body"
        )
    elif histogram.share(air - 25, air + 25) > 0.01 and abs(air + 1000) > 50:
        doubts.append(f"air lies at {air}, not near -1000. Check scale and offset")
    if histogram.share(*_FAT) < 0.001:
        doubts.append(
            f"there is no fat from {_FAT[0]} to {_FAT[1]} HU. Make sure that this is CT"
        )
    if high < 150:
        doubts.append(
            f"the largest value is {high:g}; even an infant's spine is brighter. Check "
            "the scale"
        )
    elif high < 500 and _cut_off(histogram, round(high), inwards=-1):
        doubts.append(
            f"values are cut off at {high:g}, where contrast and bone still differ. "
            "Give values that were not windowed"
        )
    return doubts


def _cut_off(histogram: Histogram, end: int, *, inwards: int) -> bool:
    """Whether voxels pile up at an end of values that would have gone on.

    At least a hundredth of the voxels, ten times as many as the 100 values beside it
    have on average; where those are empty, nothing went on.
    """
    first, last = sorted((end + inwards, end + 101 * inwards))
    beside = histogram.number(first, last) / 100
    pile = histogram.number(end, end + 1)
    return beside > 0 and pile >= max(10 * beside, 0.01 * histogram.voxels)
