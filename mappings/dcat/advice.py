"""What a shape finds wrong, in words for who manages the data: which property of which dataset, and how it is put right."""

from mappings.dcat.details import DETAILS
from mappings.dcat.validation import Violation

_KEYS = {d.property: d.key for d in DETAILS.values()} | {"dct:publisher": "contact"}
_OTHERWISE = {
    "dcat:distribution": "Its agreement permits neither process nor export, so there is no access to describe.",
    "eucaim:hasImageModality": "No modality is shared by enough subjects to be told.",
    "healthdcatap:numberOfUniqueIndividuals": "There are too few subjects to tell how many (ACCORD_MIN_SUBJECTS).",
    "healthdcatap:numberOfRecords": "There are too few studies to tell how many (ACCORD_MIN_SUBJECTS).",
}
"""Property → why it is missing, where no detail gives it."""
_ABSENT = {"MinCount", "HasValue", "QualifiedMinCount"}


def sentence(alias: str, violation: Violation) -> str:
    """What is wrong, and what to do about it."""
    name = violation.property or "Something"
    if violation.constraint not in _ABSENT:
        return f"{name} of {violation.subject} is not as the profile has it ({violation.constraint})."
    key = _KEYS.get(violation.property)
    if key is None:
        return f"{name} is missing. {_OTHERWISE.get(violation.property, f'It is looked for at {violation.subject}.')}"
    return f"{name} is missing. Say `accord admin dataset set {alias} {key}=…`: {DETAILS[key].text}"
