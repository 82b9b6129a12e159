"""Draw a picture of docs/images from results, with few patients.

    .venv/bin/python docs/picture.py NAME

What each is drawn from, and what makes that, stands in PICTURES.
"""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from deeprac import cli

IMAGES = Path(__file__).parent / "images"
DATA = Path(__file__).parent / "data"
WIDTH_PX = 1000


@dataclass(frozen=True)
class Picture:
    """A figure of results.

    Attributes:
        results: Folder that the workflow left.
        figure: Name of the figure.
        cases: How many patients it shows.
    """

    results: Path
    figure: str
    cases: int


PICTURES = {
    # make demo
    "stn": Picture(Path("results/demo"), "stn_slices", 2),
    # snakemake --cores 2 --configfile config/perspectives/3d.yaml
    "stn_volumes": Picture(Path("results/volumes"), "stn_volumes", 3),
}


DEFORMED = "child_like"
"""Not drawn here: the picture that ``deeprac cohort deform`` left, as the head of
config/perspectives/diffeo_fitted.yaml has it, and beside it what the page says."""
MADE = Path("results/deformed/childlike")


def main(name: str) -> int:
    """Draw the figure beside the results, or take what is there, and shrink it."""
    if name == DEFORMED:
        shutil.copyfile(MADE / "fits.csv", DATA / "fits.csv")
        shrink(MADE / "fits.png", name)
        return 0
    picture = PICTURES[name]
    with TemporaryDirectory() as folder:
        copy = Path(folder) / picture.results.name
        copy.mkdir()
        for part in picture.results.iterdir():
            if part.name != "figures":
                (copy / part.name).symlink_to(part.resolve())
        overlay = Path(folder) / "few.yaml"
        overlay.write_text(f"results: {folder}\nfigures: {{cases: {picture.cases}}}\n")
        config = picture.results / "config.json"
        configs = ("--config", str(config), "--config", str(overlay))
        if code := cli.main(["figures", *configs, "--only", picture.figure]):
            return code
        shrink(copy / "figures" / f"{picture.figure}.png", name)
    return 0


def shrink(path: Path, name: str) -> None:
    """Save a picture as a small one of docs/images."""
    with Image.open(path) as drawn:
        size = WIDTH_PX, round(drawn.height * WIDTH_PX / drawn.width)
        small = drawn.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    palette = Image.Quantize.MAXCOVERAGE  # keeps rare colours
    small.quantize(method=palette).save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
