"""What in a text looks like a patient or a machine: rules, not guesses of meaning.

The rules err on the side of refusing: what leaves the machine cannot be called back.
They know shapes, so they do not replace a look at what is released.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from deeprac.machine import ABSOLUTE_PATH

MONTH = (
    r"(?:jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch)?|m[aä]rz|apr(?:il)?|ma[iy]"
    r"|june?|juni|july?|juli|aug(?:ust)?|sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?"
    r"|de[cz](?:ember)?)\.?"
)
"""A month's name, English or German."""

RULES: dict[str, re.Pattern[str]] = {
    "a DICOM UID": re.compile(r"(?<![\d.])\d+(?:\.\d+){5,}"),
    "a date": re.compile(
        r"(?<![\d.])(?:(?:19|20)\d\d([-_./]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])"
        r"|(?:0?[1-9]|[12]\d|3[01])([-./])(?:0?[1-9]|1[0-2])\2(?:19|20)\d\d)(?!\d|\.\d)"
    ),
    "a date with the month's name": re.compile(
        rf"(?<!\w)(?:\d{{1,2}}[ .-]*{MONTH}|{MONTH} *\d{{1,2}}),?[ .-]*\d{{2,4}}(?!\w)",
        re.I,
    ),
    "a DICOM age": re.compile(r"(?<!\w)\d{3}[DWMY](?!\w)"),
    "an e-mail address": re.compile(r"[^\s@]+@[^\s@]+\.[A-Za-z]{2,}"),
    "a DICOM person name": re.compile(r"[^\W\d_]\^|\^[^\W\d_]"),
    "an absolute path": ABSOLUTE_PATH,
    "the name of an image file": re.compile(
        r"\w\.(?:nii|dcm|dicom|ima|nrrd|nhdr|mha|mhd|hdr|jpe?g|png|tiff?)(?!\w)", re.I
    ),
    # Of a decimal number only the digits before the point count, so that seconds at
    # full precision pass and 0012345678 does not.
    "a long number, as of a medical record": re.compile(r"(?<![\d.])\d{6,}(?!\d|\.\d)"),
}
"""Shapes by what they are."""

CHECKSUM = re.compile(r"(?<!\w)(?:[0-9a-f]{64}|[0-9a-f]{40})(?!\w)")
"""SHA-256 and git commits: long, and made of no patient."""

PERSONAL = frozenset(
    {
        *("name", "names", "surname", "firstname", "lastname", "forename", "initials"),
        *("birth", "birthday", "birthdate", "birthyear", "dob", "born", "age", "sex"),
        *("gender", "mrn", "ssn", "nhs", "insurance", "address", "street", "postcode"),
        *("zip", "city", "phone", "telephone", "email", "mail", "accession", "uid"),
        *("date", "hospital", "physician", "radiologist", "referrer", "comment"),
        *("ethnicity", "diagnosis", "religion", "occupation"),
    }
)
"""Words in the name of a column that say something of a person."""

PSEUDONYM = re.compile(
    r"(?P<prefix>(?:[A-Za-z][A-Za-z0-9]{0,15}[_-])*?(?:[A-Za-z]{1,16})?[_-]?)"
    r"(?P<number>\d{1,5}|(?=[0-9A-F]*\d)(?=\d*[A-F])[0-9A-F]{8}|(?:[a-z]\d){4})"
    r"(?:[_-](?:[A-Za-z]{1,5}-?\d{1,4}|\d))?"
)
"""Words, a number, and perhaps the part of a patient: ``kits00025``, ``case_7_s060``,
``sub-001_ses-01``, ``case_00012_0``; or our own ``case_k3f9x2q7``."""

NEUTRAL = frozenset(
    {
        *("case", "id", "p", "pat", "patient", "phantom", "s", "sub", "subject", "toy"),
        *("ct", "image", "img", "scan", "study", "volume"),
    }
)
"""Words in front of a number that name nobody, whatever the other ids are."""


@dataclass(frozen=True)
class Suspicion:
    """Something that looks like a patient or a machine.

    Attributes:
        what: What it looks like, in words.
        shape: Its shape: letters as ``a`` or ``A``, digits as ``9``.
    """

    what: str
    shape: str

    def __str__(self) -> str:
        return f"{self.what} (of the shape {self.shape!r})"


def suspicion(text: str) -> Suspicion | None:
    """Return the first thing in ``text`` that must not leave the machine, or None.

    Example:
        >>> str(suspicion("seen on 2021-02-03"))
        "a date (of the shape '9999-99-99')"
        >>> suspicion("34.21043920516968 s at commit " + 20 * "9f")
    """
    text = CHECKSUM.sub("", text)
    for what, pattern in RULES.items():
        found = pattern.search(text)
        if found:
            return Suspicion(what, shape(found.group()))
    return None


def personal_column(name: str) -> bool:
    """Whether the name of a column says something of a person.

    Example:
        >>> personal_column("patient_sex"), personal_column("stage")
        (True, False)
    """
    words = re.split(r"[\W_]+|(?<=[a-z])(?=[A-Z])", name)
    return bool({word.lower() for word in words} & PERSONAL)


def suspicious_ids(ids: Iterable[str], neutral: Iterable[str] = ()) -> Suspicion | None:
    """Return the first id of cases or patients that may name somebody, or None.

    An id is a pseudonym if it is a number behind words that name nobody, or behind one
    word that all other ids share: surnames differ, the name of a cohort does not.

    Args:
        ids: Ids of one column.
        neutral: Words that name nobody, beside ``NEUTRAL``.

    Example:
        >>> suspicious_ids(["kits_0", "kits_1"])
        >>> suspicious_ids(["kits_0", "tcia_1"], neutral=["KiTS"])
        >>> str(suspicious_ids(["Mueller_1", "Meier_2"]))
        "no pseudonym (of the shape 'Aaaaaaa_9')"
    """
    known = NEUTRAL.union(word.lower() for word in neutral)
    numbers, first = defaultdict(set), {}
    for text in dict.fromkeys(ids):
        found = PSEUDONYM.fullmatch(text)
        if found is None or suspicion(text):
            return suspicion(text) or Suspicion("no pseudonym", shape(text))
        words = re.split("[_-]", found["prefix"].lower())
        word = "_".join(word for word in words if word and word not in known)
        numbers[word].add(found["number"])
        first.setdefault(word, text)
    for word, seen in numbers.items():
        if word and (len(numbers) > 1 or len(seen) == 1):
            return Suspicion("no pseudonym", shape(first[word]))
    return None


def shape(text: str, *, longest: int = 24) -> str:
    """Say how a text looks without saying it.

    Example:
        >>> shape("Doe^Jane 1234")
        'Aaa^Aaaa 9999'
    """
    masked = "".join(
        "9" if c.isdigit() else "A" if c.isupper() else "a" if c.isalnum() else c
        for c in text[:longest]
    )
    return masked + "…" * (len(text) > longest)
