"""Draw docs/images/stn.png, two patients of the demo before and after the STN.

Call it in the checkout after `make demo`: `.venv/bin/python docs/picture.py`.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from deeprac import cli

DEMO = Path("results/demo")
PICTURE = Path(__file__).parent / "images" / "stn.png"
WIDTH_PX = 1000
COLOURS = 128


def main() -> int:
    """Draw the demo's figure with fewer patients, beside the demo, and shrink it."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / DEMO.name
        copy.mkdir()
        for part in DEMO.iterdir():
            if part.name != "figures":
                (copy / part.name).symlink_to(part.resolve())
        overlay = Path(folder) / "two.yaml"
        overlay.write_text(f"results: {folder}\nfigures: {{cases: 2}}\n")
        configs = ("--config", str(DEMO / "config.json"), "--config", str(overlay))
        if code := cli.main(["figures", *configs, "--only", "stn_slices"]):
            return code
        with Image.open(copy / "figures" / "stn_slices.png") as drawn:
            size = WIDTH_PX, round(drawn.height * WIDTH_PX / drawn.width)
            picture = drawn.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    PICTURE.parent.mkdir(exist_ok=True)
    picture.quantize(COLOURS).save(PICTURE, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
