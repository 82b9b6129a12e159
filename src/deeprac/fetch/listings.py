"""The files of a cohort as its hosts list them, with sizes and checksums.

One function per kind of host and one line in ``LISTINGS``.
"""

from collections.abc import Callable, Iterator
from urllib.parse import urlencode

from deeprac.errors import FetchError
from deeprac.fetch.manifest import Files, Manifest
from deeprac.fetch.remote import RemoteFile
from deeprac.fetch.web import Web


def list_files(manifest: Manifest, web: Web) -> list[RemoteFile]:
    """All files of a cohort.

    Raises:
        FetchError: a host does not answer, or lacks files that the manifest names.
    """
    return [
        file
        for part in manifest.files
        for file in LISTINGS[part.listing](manifest, part, web)
    ]


def pattern(manifest: Manifest, part: Files, _: Web) -> list[RemoteFile]:
    """Addresses that follow from the names of the cases; nothing more is known."""
    return [
        RemoteFile(url=remote, path=path, case=case)
        for case, remote, path in _expected(manifest, part)
    ]


def huggingface(manifest: Manifest, part: Files, web: Web) -> list[RemoteFile]:
    """A data set on Hugging Face: large files have a sha256."""
    base, name = "https://huggingface.co", f"datasets/{part.repository}"
    folder = part.remote.rpartition("/")[0]
    known = {}
    for entry in _pages(web, f"{base}/api/{name}/tree/{part.revision}/{folder}"):
        lfs = entry.get("lfs")
        sum_ = f"sha256:{lfs['oid']}" if lfs else f"git:{entry['oid']}"
        known[entry["path"]] = (entry["size"], sum_)
    return _matched(manifest, part, known, f"{base}/{name}/resolve/{part.revision}")


def github(manifest: Manifest, part: Files, web: Web) -> list[RemoteFile]:
    """A repository on GitHub at one commit: every file has Git's own checksum."""
    trees = f"https://api.github.com/repos/{part.repository}/git/trees"
    content, _ = web.json(f"{trees}/{part.revision}?recursive=1")
    if content.get("truncated"):
        raise FetchError(
            f"GitHub lists {part.repository} only in part: it has too many files. "
            "Clone the repository instead and set cohort.path."
        )
    known = {
        entry["path"]: (entry["size"], f"git:{entry['sha']}")
        for entry in content["tree"]
        if entry["type"] == "blob"
    }
    base = f"https://raw.githubusercontent.com/{part.repository}/{part.revision}"
    return _matched(manifest, part, known, base)


def nbia(manifest: Manifest, part: Files, web: Web) -> list[RemoteFile]:
    """A collection of The Cancer Imaging Archive: one archive per DICOM series.

    Each archive has the MD5 of each of its files in it; its own is not known.
    """
    query = urlencode({"Collection": part.collection, "format": "json"})
    series = [
        entry
        for entry in _pages(web, f"{part.remote}/getSeries?{query}")
        if entry["Modality"] in part.modalities
    ]
    if not series:
        raise FetchError(
            f"{part.remote} lists no series of {part.collection}. The archive may have "
            "moved it: see docs/cohorts for other ways."
        )
    for entry in series:
        _same_licence(manifest, entry.get("LicenseURI"))
    return [
        RemoteFile(
            url=f"{part.remote}/getImageWithMD5Hash?"
            + urlencode({"SeriesInstanceUID": entry["SeriesInstanceUID"]}),
            path=part.local.format(
                case=entry["PatientID"], series=entry["SeriesInstanceUID"]
            ),
            case=entry["PatientID"],
            size=entry.get("FileSize"),
            is_archive=True,
        )
        for entry in series
    ]


LISTINGS: dict[str, Callable[[Manifest, Files, Web], list[RemoteFile]]] = {
    "pattern": pattern,
    "huggingface": huggingface,
    "github": github,
    "nbia": nbia,
}
"""Who says which files there are."""


def _pages(web: Web, url: str | None) -> Iterator[dict]:
    while url:
        entries, url = web.json(url)
        yield from entries


def _expected(manifest: Manifest, part: Files) -> Iterator[tuple[str | None, str, str]]:
    """Case, path at the host and path here of every file that has to be there."""
    if "{case}" not in part.remote:
        yield None, part.remote, part.local
        return
    for case in manifest.cases:
        yield case, part.remote.format(case=case), part.local.format(case=case)


def _matched(
    manifest: Manifest, part: Files, known: dict[str, tuple[int, str]], base: str
) -> list[RemoteFile]:
    """The expected files with the sizes and checksums that the host lists."""
    expected = list(_expected(manifest, part))
    missing = [remote for _, remote, _ in expected if remote not in known]
    if missing:
        raise FetchError(
            f"{base} lacks {len(missing)} of {len(expected)} files of the cohort, the "
            f"first is {missing[0]}. The host may have changed: see docs/cohorts."
        )
    return [
        RemoteFile(f"{base}/{remote}", path, case, *known[remote])
        for case, remote, path in expected
    ]


def _same_licence(manifest: Manifest, told: str | None) -> None:
    """The archive states the licence of every series; it must be the accepted one."""

    def plain(url: str) -> str:
        return url.rpartition("://")[2].rstrip("/").lower()

    if told and plain(told) != plain(manifest.licence_url):
        raise FetchError(
            f"the archive gives a series of {manifest.title} under {told}, but the "
            f"licence that you accepted is {manifest.licence_url}. Read it, and "
            f"correct resources/cohorts/{manifest.source}.yaml."
        )
