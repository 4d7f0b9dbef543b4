"""The question that goes to other repositories: a few criteria, all of which hold of a study, as the conditions of a `Query`.

Its words are DICOM's, but for a maker's and a diagnosis's. Modality, body part and maker hold on the same series.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consent.disclosure import MOST_VALUES
from mappings.eucaim import CONDITION, CONDITIONS, LABELS, MANUFACTURERS
from mappings.failures import Invalid
from mappings.query import AllOf, AnyOf, Between, Condition, Like, OneOf

OLDEST = 150
"""Years: what an open range ends with, since EUCAIM's readers differ in what an open one means."""
MAKERS: Mapping[str, tuple[str, ...]] = {
    "siemens": MANUFACTURERS["C200140"],
    "ge": MANUFACTURERS["birnlex_12833"],
    "philips": MANUFACTURERS["birnlex_3065"],
    "toshiba": MANUFACTURERS["birnlex_3067"],
}
"""Maker → the patterns of Manufacturer (0008,0070) that it is asked by."""
DIAGNOSES: Mapping[str, str] = {
    word: CONDITIONS[code][0]
    for word, code in {
        "colon": "SNOMEDCT363406005",
        "breast": "SNOMEDCT254837009",
        "lung": "SNOMEDCT363358000",
        "pelvis": "SNOMEDCT363484005",
        "prostate": "SNOMEDCT399068003",
    }.items()
}
"""Where a cancer is → the condition that is stated for a dataset."""
CRITERIA: Mapping[str, str] = {
    "modality": "modality",
    "body_part": "body part",
    "patient_sex": "sex",
    "age": "age",
    "manufacturer": "manufacturer",
    CONDITION: "diagnosis",
}
"""Field → what the criterion is called to people."""
OF_SERIES = ("modality", "body_part", "manufacturer")
_CODE = re.compile(r"[A-Z0-9][A-Z0-9 _]{0,15}")
_AGE = re.compile(r"(?P<low>\d{1,3})?(?P<to>-)?(?P<high>\d{1,3})?")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, in words: of each criterion any of its values, no values for any; `age` in whole years, both included."""

    modality: tuple[str, ...] = ()
    body_part: tuple[str, ...] = ()
    sex: tuple[str, ...] = ()
    age: tuple[int, int] | None = None
    manufacturer: tuple[str, ...] = ()
    diagnosis: tuple[str, ...] = ()

    @property
    def where(self) -> AllOf:
        """The condition that it puts on studies."""
        fields = {"modality": self.modality, "body_part": self.body_part, "patient_sex": self.sex}
        fields[CONDITION] = tuple(DIAGNOSES[word] for word in self.diagnosis)
        parts: list[Condition] = [OneOf(field, values) for field, values in fields.items() if values]
        if self.manufacturer:
            parts.append(AnyOf(tuple(made_by(maker) for maker in self.manufacturer)))
        if self.age is not None:
            parts.append(Between("age", *self.age))
        return AllOf(tuple(parts))

    @property
    def text(self) -> str:
        """The same question in the same words, however they came: sorted compact ASCII JSON of the criteria it has."""
        asked = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps({name: said for name, said in asked.items() if said}, sort_keys=True, separators=(",", ":"))


def made_by(maker: str) -> Condition:
    """That an image is of this maker."""
    return AnyOf(tuple(Like("manufacturer", pattern) for pattern in MAKERS[maker]))


def read_question(
    *,
    modality: Sequence[str] = (),
    body_part: Sequence[str] = (),
    sex: Sequence[str] = (),
    age: str | None = None,
    manufacturer: Sequence[str] = (),
    diagnosis: Sequence[str] = (),
) -> Question:
    """The question of these words; an age is `40-70`, `40-`, `-70` or `40`. Raises Invalid, naming the criterion."""
    return Question(
        _codes("modality", modality),
        _codes("body_part", body_part),
        _among("sex", [each.upper() for each in sex], LABELS),
        None if age is None else _years(age),
        _among("manufacturer", [each.lower() for each in manufacturer], MAKERS),
        _among("diagnosis", [each.lower() for each in diagnosis], DIAGNOSES),
    )


def _codes(where: str, values: Sequence[str]) -> tuple[str, ...]:
    upper = _few(where, [value.upper() for value in values])
    if not all(map(_CODE.fullmatch, upper)):
        said = "is written as DICOM does: at most 16 capitals, digits, _ and blanks, such as MR or PROSTATE."
        raise Invalid("criterion", f"A value of {CRITERIA[where]} {said}", where)
    return upper


def _among(where: str, values: Sequence[str], known: Mapping[str, object]) -> tuple[str, ...]:
    few = _few(where, values)
    if not set(few) <= known.keys():
        raise Invalid("criterion", f"A value of {where} is one of: {', '.join(known)}.", where)
    return few


def _few(where: str, values: Sequence[str]) -> tuple[str, ...]:
    if len(values) > MOST_VALUES:
        raise Invalid("too-many", f"A criterion has at most {MOST_VALUES} values. Ask in parts.", where)
    return tuple(sorted(set(values)))


def _years(text: str) -> tuple[int, int]:
    read = _AGE.fullmatch(text.strip())
    low, to, high = read.group("low", "to", "high") if read else (None, None, None)
    if low is None and high is None:
        raise Invalid("criterion", "An age is whole years: 40-70, 40-, -70 or 40.", "age")
    first = int(low or 0)
    last = int(high) if high is not None else OLDEST if to else first
    if not first <= last <= OLDEST:
        raise Invalid("criterion", f"An age goes from the younger to the older, up to {OLDEST}.", "age")
    return first, last
