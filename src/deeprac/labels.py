"""The label numbers of every label map in the workflow."""

from enum import IntEnum


class Label(IntEnum):
    """Label numbers of a canonical label map."""

    BACKGROUND = 0
    """Everything that is neither kidney nor tumour."""
    KIDNEY = 1
    """Kidney parenchyma, left and right."""
    TUMOUR = 2
    """Renal tumour; takes precedence over kidney."""

    @property
    def title(self) -> str:
        """Name in lower case, as written in tables and ``dataset.json``."""
        return self.name.lower()


LABEL_NUMBERS: dict[str, int] = {label.title: label.value for label in Label}
"""Numbers by title, as nnU-Net's ``dataset.json`` lists them."""

FOREGROUND: tuple[Label, ...] = (Label.KIDNEY, Label.TUMOUR)
"""The labels that are evaluated, in the order of the paper's tables."""

CYST = 3
"""KiTS's number of renal cysts: scored where a cohort lists them."""
