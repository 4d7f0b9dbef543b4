"""What is right to answer: the objects that a provider may read, whole, counted by plain predicates on their attributes."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.peers.eucaim.rows import Leaf, Row
from tests.running import Accord

MODALITIES = {"RID10312": "MR", "RID10337": "PT", "RID10334": "NM", "RID10321": "CT"}
SEXES = {"SNOMEDCT248153007": "M", "SNOMEDCT248152002": "F", "SNOMEDCT74964007": "O", "SNOMEDCT261665006": ""}
PARTS = {
    "SNOMEDCT76752008": "BREAST",
    "SNOMEDCT71854001": "COLON",
    "SNOMEDCT39607008": "LUNG",
    "SNOMEDCT12921003": "PELVIS",
    "SNOMEDCT41216001": "PROSTATE",
}
MAKERS = {
    "C200140": "siemens",
    "birnlex_3066": "siemens",
    "birnlex_12833": "ge ",
    "birnlex_3065": "philips",
    "birnlex_3067": "toshiba",
}
COLON = "SNOMEDCT363406005"
"""What DETAILS of `tests.peers.world` state for LIVER."""
STATED = {"LIVER": COLON}
PER_YEAR = {"D": 365, "W": 52, "M": 12, "Y": 1}


@dataclass(frozen=True)
class Series:
    """A series as its first object says it."""

    dataset: str
    study: str
    patient: str
    sex: str
    age: int | None
    modality: str
    part: str
    maker: str


Counts = dict[str, tuple[int, int]]
"""Dataset → studies and subjects; one without any is not there."""


def held(accord: Accord, datasets: tuple[str, ...]) -> list[Series]:
    """Everything of these datasets, from the metadata of their objects (WADO-RS, PS3.18 10.4)."""
    with accord.http("provider", Accept="application/dicom+json") as http:
        return [each for dataset in datasets for each in _of_dataset(http, dataset)]


def _of_dataset(http: httpx.Client, dataset: str) -> list[Series]:
    root = f"/datasets/{dataset}/dicom-web/studies"
    found: dict[str, Series] = {}
    for study in http.get(f"{root}?limit=1000").json():
        for item in http.get(f"{root}/{_text(study, '0020000D')}/metadata").json():
            found.setdefault(_text(item, "0020000E"), _series(dataset, item))
    return list(found.values())


def _text(item: dict[str, Any], tag: str) -> str:
    value = item.get(tag, {}).get("Value", [""])[0]
    return str(value if value is not None else "")


def _series(dataset: str, item: dict[str, Any]) -> Series:
    study, patient, sex, modality, part, maker = (
        _text(item, tag) for tag in ("0020000D", "00100020", "00100040", "00080060", "00180015", "00080070")
    )
    return Series(dataset, study, patient, sex, _age(item), modality, part, f"{maker.lower()} ")


def _age(item: dict[str, Any]) -> int | None:
    """Whole years at the study: as stated, else between two dates."""
    stated, born, studied = (_text(item, tag) for tag in ("00101010", "00100030", "00080020"))
    if stated:
        return int(stated[:-1]) // PER_YEAR[stated[-1]]
    if not (born and studied):
        return None
    years = int(studied[:4]) - int(born[:4]) - (studied[4:] < born[4:])
    return years if 0 <= years <= 150 else None


def _range(series: Series, value: dict[str, int]) -> bool:
    """An end of 0 is none: that is how the explorer says "from"."""
    if series.age is None:
        return False
    return value["min"] <= series.age and (series.age <= value["max"] or value["max"] == 0)


HOLDS: dict[str, Callable[[Series, Any], bool]] = {
    "SNOMEDCT263495000": lambda series, value: series.sex == SEXES[value],
    "SNOMEDCT423493009": _range,
    "SNOMEDCT439401001": lambda series, value: STATED.get(series.dataset) == value,
    "RID10311": lambda series, value: series.modality == MODALITIES[value],
    "SNOMEDCT123037004": lambda series, value: series.part == PARTS[value],
    "C25392": lambda series, value: MAKERS[value] in series.maker,
}
"""What can be known of an image; a field that is not here is known of none, so nothing matches it."""


def _holds(series: Series, leaf: Leaf) -> bool:
    known = HOLDS.get(leaf["key"])
    return known is not None and known(series, leaf["value"])


def expected(row: Row, all_of_it: list[Series]) -> Counts:
    """How many studies have one series that fulfils a whole bar, and of how many patients."""
    found = defaultdict(set)
    for series in all_of_it:
        bars = ([any(_holds(series, leaf) for leaf in criterion) for criterion in bar] for bar in row.bars)
        if not row.bars or any(map(all, bars)):
            found[series.dataset].add((series.study, series.patient))
    return {name: (len(studies), len({patient for _, patient in studies})) for name, studies in found.items()}
