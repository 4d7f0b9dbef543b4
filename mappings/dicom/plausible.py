"""What a value tells of somebody, as far as it can be told from the value alone: a name of a person, of an institution, or none.

A value that is no name here is a pseudonym, a placeholder or a number; where it could be either, it is a name.
"""

import re

_COMPONENTS = re.compile(r"[\^=\s\0]+")
# What CTP writes of an MD5 digest: sixteen digits of it, or all. Registers number institutions by 13 (GLN), 14 (SIRET, CNPJ), 18.
_HASH = re.compile(r"[0-9]{16}|[0-9]{36,39}")
_WHOLE, _FRACTION = rb"(?:0|[1-9][0-9]{0,3})", rb"(?:0|[1-9][0-9]{0,2})\.[0-9]{0,10}"
_NUMBER = rb" *[+-]?(?:%b|%b)(?:[eE][+-]?[0-9]{1,2})? *" % (_FRACTION, _WHOLE)
_NUMBERS = re.compile(rb"[\0-\x1f]+|%b(?:\\%b)*\0?" % (_NUMBER, _NUMBER))
_MAX_NUMBERS = 256


def plausible_name(text: str, patient_id: str, placeholders: frozenset[str]) -> bool:
    """Whether one value of PN names somebody: not empty, not the PatientID, no digit in it, not made of placeholders only."""
    if text.strip(" ^=\0") == patient_id or any(character.isdecimal() for character in text):
        return False
    return any(word and word.casefold() not in placeholders for word in _COMPONENTS.split(text))


def plausible_institution(text: str, placeholders: frozenset[str]) -> bool:
    """Whether a text names an institution: not made of placeholders and hashes only."""
    words = _COMPONENTS.split(text.replace("\\", " "))
    return any(word and word.casefold() not in placeholders and not _HASH.fullmatch(word) for word in words)


def small_numbers(value: memoryview) -> bool:
    """Whether a value of an unknown VR holds no text: small numbers as DS and IS spell them, or bytes below any character.

    With four digits, or three before a point, none a zero in front, it is no date, telephone number or number of a year's records
    (0761.2703401, 2019.004711); with its own VR it would not count as text.
    """
    return len(value) <= _MAX_NUMBERS and _NUMBERS.fullmatch(bytes(value)) is not None
