"""The errors that DeePRAC raises on purpose.

DeepracError
├── ConfigError      a key, a value or a combination in the configuration
├── CohortError      a file of the cohort: missing, unreadable, implausible
├── FetchError       a file that a host does not give, or gives wrongly
├── SplitError       folds that leak, are missing or cannot be made
├── PreprocessError  a case that cannot be brought onto the matrix, or planned for it
├── DeviceError      the device that the configuration asks for is not there
├── RunError         a run folder that does not fit its plans, or a training that failed
├── StoppedError     a training was asked to stop, and saved what it had
├── MetricsError     predictions, labels or tables that are missing or do not fit
├── ReleaseError     results that must not be released, or a release that was changed
├── BundleError      a bundle that is damaged, unsafe, or does not fit
└── SurgeryError     a volume or segmentation that cannot be segmented or measured

A message has three parts: the rule, what was given (file or key), the next step.
The command line turns them into one line and exit code 1; anything else is a bug.
"""


class DeepracError(Exception):
    """Base of all errors whose message alone is enough for the user."""


class ConfigError(DeepracError):
    """A key, a value or a combination in the configuration is not possible."""


class CohortError(DeepracError):
    """A file of the cohort is missing, unreadable or implausible."""


class FetchError(DeepracError):
    """A file cannot be fetched, its bytes are wrong, or its licence is not accepted."""


class SplitError(DeepracError):
    """The folds leak a patient, are missing or cannot be made from the cohort."""


class PreprocessError(DeepracError):
    """A case cannot be brought onto the matrix, or the matrix cannot be planned."""


class DeviceError(DeepracError):
    """The device that the configuration asks for is not there."""


class RunError(DeepracError):
    """A run folder does not fit its plans, or its training failed."""


class StoppedError(DeepracError):
    """A signal asked a training to stop; it has saved what it had.

    Args:
        message: as of any other error.
        signal: its number.
    """

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.signal = int(signal)


class MetricsError(DeepracError):
    """Predictions, labels or tables are missing or do not fit together."""


class ReleaseError(DeepracError):
    """Results must not be released, or a release is not what its manifest says."""


class BundleError(DeepracError):
    """A bundle is damaged, unsafe, of another version, or cannot be made."""


class SurgeryError(DeepracError):
    """A volume or a segmentation cannot be segmented or measured, or not written."""
