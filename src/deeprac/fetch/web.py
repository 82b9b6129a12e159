"""Talking to hosts: patience with what passes, none with what does not."""

from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from deeprac import __version__
from deeprac.errors import FetchError

PASSING = (408, 429, 500, 502, 503, 504)
"""Statuses after which the same request may succeed."""

HINTS = {
    401: "The host asks for an account",
    403: "The host refuses",
    404: "There is no such file",
    410: "The file was taken away",
}


@dataclass(frozen=True)
class Patience:
    """How often and how long a request is tried again."""

    tries: int = 6
    """Attempts in a row that bring nothing, before giving up."""
    backoff_s: float = 1.0
    """Pause after the second failure, doubled after each further one."""
    longest_s: float = 120.0
    timeout_s: float = 60.0
    """Without an answer, or without a byte."""


class Web:
    """Requests through an optional mirror, one session (one per thread)."""

    def __init__(self, *, mirror: str | None = None, patience: Patience) -> None:
        """Make a session that waits and tries again, and honours ``Retry-After``."""
        self.patience = patience
        self._mirror = mirror
        retry = Retry(
            total=patience.tries - 1,
            backoff_factor=patience.backoff_s,
            backoff_max=patience.longest_s,
            status_forcelist=PASSING,
            raise_on_status=False,
            allowed_methods=("GET",),
        )
        self._session = requests.Session()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))
        self._session.headers.update(
            # The bytes as they are stored: their number and checksum are known.
            {"Accept-Encoding": "identity", "User-Agent": f"deeprac/{__version__}"}
        )

    def address(self, url: str) -> str:
        """Where a file is asked for: at the mirror, if there is one.

        Example:
            >>> web = Web(mirror="http://proxy:8080/x/", patience=Patience())
            >>> web.address("https://host.org/a")
            'http://proxy:8080/x/host.org/a'
        """
        if self._mirror is None:
            return url
        return f"{self._mirror.rstrip('/')}/{url.removeprefix('https://')}"

    def get(
        self, address: str, headers: dict[str, str] | None = None
    ) -> requests.Response:
        """Ask for a file; its body is read by the caller.

        Raises:
            FetchError: the host answers with an error, or not at all.
        """
        try:
            response = self._session.get(
                address, headers=headers, stream=True, timeout=self.patience.timeout_s
            )
        except requests.RequestException as error:
            raise FetchError(
                f"{address} cannot be reached ({error}). Check the network, a proxy "
                "(HTTPS_PROXY) or cohort.fetch.mirror, and run the same command again: "
                "nothing fetched is lost."
            ) from error
        if response.ok or response.status_code == 416:
            return response
        status = response.status_code
        next_step = (
            f"{HINTS.get(status, 'The host does not give it')}: check "
            "cohort.fetch.mirror, or see docs/cohorts for other ways"
        )
        if status in PASSING:
            next_step = "The host is busy: run the same command again later"
        response.close()
        raise FetchError(f"{address} answers {status} {response.reason}. {next_step}.")

    def json(self, url: str) -> tuple[Any, str | None]:
        """Read a listing; returns it and the address of its next page.

        Raises:
            FetchError: the host answers with an error, or with something else.
        """
        address = self.address(url)
        with self.get(address) as response:
            try:
                return response.json(), response.links.get("next", {}).get("url")
            except (ValueError, requests.RequestException) as error:
                raise FetchError(
                    f"{address} should be a listing in JSON but is not ({error}). The "
                    "host may have changed: see docs/cohorts."
                ) from error
