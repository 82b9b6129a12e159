"""Toys that several test files share: each is made once, and copied to be changed."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def few_resamples() -> Iterator[None]:
    """Intervals and ranks of few resamples, where tests are about other things."""
    from deeprac.evaluation.statistics import (  # noqa: PLC0415 (scipy)
        estimates,
        ranking,
    )

    def forget() -> None:
        for drawn in (estimates._resamples, estimates._shares):
            drawn.cache_clear()

    with pytest.MonkeyPatch.context() as patch:
        for module in (estimates, ranking):
            patch.setattr(module, "RESAMPLES", 199)
        forget()
        yield
    forget()


@pytest.fixture(scope="module")
def coarse_pictures() -> Iterator[None]:
    """Figures of few pixels, where tests are about what is drawn."""
    from deeprac.reporting import style  # noqa: PLC0415 (matplotlib)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "DPI", 50)
        yield


@pytest.fixture(scope="session")
def prepared_toy(tmp_path_factory) -> Path:
    """Folder of the toy cohort with the plans of ``TRAINED``; not to be changed."""
    from support.toy_cohort import (  # noqa: PLC0415 (torch, which few tests need)
        TRAINED,
        make_cohort,
        small_networks,
        verb,
    )

    folder = tmp_path_factory.mktemp("prepared_toy")
    with small_networks():
        _, path = make_cohort(folder)
        for name in TRAINED:
            verb(path, "plan", "--experiment", name)
    return folder


@pytest.fixture(scope="session")
def trained_toy(prepared_toy, tmp_path_factory) -> Path:
    """The same with a trained run of each of ``TRAINED``; not to be changed."""
    from support.toy_cohort import (  # noqa: PLC0415 (as above)
        TRAINED,
        copy_toy,
        run_arguments,
        small_networks,
        verb,
    )

    path = copy_toy(prepared_toy, tmp_path_factory.mktemp("trained_toy"))
    with small_networks():
        for name in TRAINED:
            verb(path, "train", *run_arguments(name))
    return path.parent
