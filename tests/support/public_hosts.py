"""The hosts of public cohorts in small, behind a mirror, for the tests of fetching."""

import csv
import hashlib
import io
import json
import zipfile

from deeprac.fetch.manifest import read_manifest
from support.http_server import Page, Server

NBIA = "/services.cancerimagingarchive.net/nbia-api/services/v4"


def git_sha(body: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


def host_kits(server: Server, source: str, bodies: dict[str, tuple[bytes, bytes]]):
    """Serve image and segmentation of the given cases; all others are only listed."""
    manifest = read_manifest(source)
    images, labels, table = manifest.files
    empty = (b"", b"")
    host_huggingface(
        server, images, {c: bodies.get(c, empty)[0] for c in manifest.cases}
    )
    tree = [{"path": "dataset", "type": "tree", "sha": "0"}]
    raw = f"/raw.githubusercontent.com/{labels.repository}/{labels.revision}"
    files = {
        labels.remote.format(case=c): bodies.get(c, empty)[1] for c in manifest.cases
    }
    for path, body in {**files, table.remote: b"[]"}.items():
        server.pages[f"{raw}/{path}"] = Page(body)
        blob = {"path": path, "type": "blob", "size": len(body), "sha": git_sha(body)}
        tree.append(blob)
    api = f"/api.github.com/repos/{labels.repository}/git/trees/{labels.revision}"
    listing = {"tree": tree, "truncated": False}
    server.pages[f"{api}?recursive=1"] = Page(json.dumps(listing).encode())


def host_huggingface(server: Server, part, bodies: dict[str, bytes]) -> None:
    """Serve files of a data set, listed in two pages."""
    entries = []
    for case, body in bodies.items():
        path = part.remote.format(case=case)
        address = f"/datasets/{part.repository}/resolve/{part.revision}/{path}"
        server.pages["/huggingface.co" + address] = Page(body)
        lfs = {"oid": hashlib.sha256(body).hexdigest(), "size": len(body)}
        entries.append(
            {"path": path, "type": "file", "size": len(body), "oid": "x", "lfs": lfs}
        )
    tree = f"/api/datasets/{part.repository}/tree/{part.revision}/images"
    half = len(entries) // 2
    server.pages["/huggingface.co" + tree] = Page(
        json.dumps(entries[:half]).encode(),
        link=f"https://huggingface.co{tree}?cursor=2",
    )
    rest = json.dumps(entries[half:]).encode()
    server.pages[f"/huggingface.co{tree}?cursor=2"] = Page(rest)


def image_address(case: str, source: str = "kits23") -> str:
    part = read_manifest(source).files[0]
    path = part.remote.format(case=case)
    return f"/huggingface.co/datasets/{part.repository}/resolve/{part.revision}/{path}"


def series_zip(files: dict[str, bytes], *, md5: dict[str, str] | None = None) -> bytes:
    """An archive as NBIA makes it, with its table of MD5."""
    sums = {name: hashlib.md5(body).hexdigest() for name, body in files.items()}
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["Filename", "MD5Hash"])
    writer.writerows((sums | (md5 or {})).items())
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
        archive.writestr("md5hashes.csv", table.getvalue())
    return out.getvalue()


def host_nbia(
    server: Server,
    archives: dict[tuple[str, str, str], bytes],
    licence: str = "https://creativecommons.org/licenses/by/4.0/",
) -> None:
    """Serve archives by patient, series and modality."""
    entries = []
    for (patient, uid, modality), body in archives.items():
        address = f"{NBIA}/getImageWithMD5Hash?SeriesInstanceUID={uid}"
        server.pages[address] = Page(body, ranges=False, etag=None)
        entries.append(
            {
                "SeriesInstanceUID": uid,
                "PatientID": patient,
                "Modality": modality,
                "FileSize": 3 * len(body),
                "LicenseURI": licence,
            }
        )
    listing = f"{NBIA}/getSeries?Collection=Pediatric-CT-SEG&format=json"
    server.pages[listing] = Page(json.dumps(entries).encode())
