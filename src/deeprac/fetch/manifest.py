"""What ``resources/cohorts/{source}.yaml`` says of a public cohort.

Title, licence and citation, the ids of the cases where they are fixed, and for every
kind of file which host lists it, where it lies there and where it goes.
"""

from dataclasses import dataclass
from pathlib import Path

from deeprac.errors import FetchError
from deeprac.shipped import shipped
from deeprac.strict import parse_yaml

MANIFESTS = shipped("resources/cohorts")

NO_SOURCE = "none"
"""``cohort.fetch.source`` of a cohort that is not fetched."""


@dataclass(frozen=True)
class Files:
    """One kind of file of a cohort; which keys count depends on ``listing``."""

    listing: str
    """Name in ``listings.LISTINGS``: who says which files there are."""
    remote: str
    """Path at the host, or the address; ``{case}`` stands for every case."""
    local: str
    """Path in the cohort's folder; for archives the folder they are unpacked into."""
    repository: str = ""
    revision: str = ""
    collection: str = ""
    modalities: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """A public cohort."""

    source: str
    title: str
    homepage: str
    licence: str
    licence_url: str
    citation: str
    files: tuple[Files, ...]
    cases: tuple[str, ...] = ()
    """Names of all cases; none where only the host's listing knows them."""

    @property
    def terms(self) -> str:
        """Title, licence with its address, and what to cite, in lines."""
        return (
            f"  {self.title}\n  {self.homepage}\n"
            f"  licence: {self.licence}, {self.licence_url}\n  cite: {self.citation}"
        )


def sources(folder: Path = MANIFESTS) -> list[str]:
    """Names of the cohorts that can be fetched, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def read_manifest(source: str, folder: Path = MANIFESTS) -> Manifest:
    """Read the manifest of a cohort.

    Raises:
        FetchError: there is none of that name.
    """
    path = folder / f"{source}.yaml"
    if not path.is_file():
        raise FetchError(
            f"cohort.fetch.source is {source!r}: there is no such manifest. Choose one "
            f"of {', '.join(sources(folder))}."
        )
    fields = parse_yaml(path.read_text(encoding="utf-8"))
    cases = [
        fields["cases"]["name"].format(number)
        for first, last in fields["cases"]["ranges"]
        for number in range(first, last + 1)
    ] if "cases" in fields else []  # fmt: skip
    files = [
        Files(**{k: tuple(v) if isinstance(v, list) else v for k, v in part.items()})
        for part in fields["files"]
    ]
    return Manifest(
        **fields | {"source": source, "cases": tuple(cases), "files": tuple(files)}
    )
