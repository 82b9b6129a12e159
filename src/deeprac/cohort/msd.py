"""Cohorts in the layout of the Medical Segmentation Decathlon.

A folder with ``dataset.json`` (``labels`` by number, ``modality``, ``training``: pairs
of image and label) and the files that it lists, ``imagesTr/{case}.nii.gz`` and
``labelsTr/{case}.nii.gz``.
"""

from deeprac.cohort import dataset_json
from deeprac.cohort.nnunet_raw import any_image, file_cases, labels_and_files
from deeprac.cohort.reader import ListedCase
from deeprac.errors import CohortError
from deeprac.settings.cohort import CohortConfig


def open_msd(config: CohortConfig) -> dict[str, ListedCase]:
    """Read ``dataset.json`` and the table of patients.

    Raises:
        CohortError: the folder does not hold such a dataset, or the configuration
            does not fit it.
    """
    folder = config.source_path
    dataset = dataset_json.read_dataset(
        folder,
        "a task of the Medical Segmentation Decathlon: dataset.json, imagesTr, "
        "labelsTr",
    )
    labels, files = labels_and_files(dataset, config)
    if not any_image(files):
        raise CohortError(
            f"{folder / 'dataset.json'}: none of the {len(files)} images that it lists "
            "is there. Check cohort.path; where images end in _0000, set "
            "cohort.format to nnunet_raw."
        )
    return file_cases(config, files, labels)
