"""Every field that a user of EUCAIM's explorer can click, as its catalogue lists them, and the questions that they send."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CATALOGUE = "static/catalogues/catalogue-eucaim.json"
RANGES = ({"min": 40, "max": 60}, {"min": 40, "max": 0}, {"min": 0, "max": 60})
"""A number from and to; only from, which the explorer sends with 0 as its end; and only to."""
Leaf = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """A question: its bars are alternatives, what is in a bar must all hold, and a criterion has any of its values."""

    name: str
    bars: tuple[tuple[tuple[Leaf, ...], ...], ...]

    @property
    def ast(self) -> dict[str, Any]:
        """As the explorer writes it, with what Focus drops."""
        bars = [_branch("AND", [_branch("OR", list(each), key=each[0]["key"]) for each in bar]) for bar in self.bars]
        return _branch("OR", bars)


def _branch(operand: str, children: list[dict[str, Any]], **more: str) -> dict[str, Any]:
    return {"nodeType": "branch", **more, "operand": operand, "children": children}


def rows(explorer: Path) -> list[Row]:
    """Everything; each value of each field alone; then several at once."""
    catalogue = json.loads((explorer / CATALOGUE).read_text())
    alone = [(name, leaf) for category in _fields(catalogue) for name, leaf in _leaves(category)]
    return [Row("everything", ()), *(Row(name, (((leaf,),),)) for name, leaf in alone), *_together(dict(alone))]


def _fields(categories: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for category in categories:
        if "childCategories" in category:
            yield from _fields(category["childCategories"])
        else:
            yield category


def _leaves(category: dict[str, Any]) -> Iterator[tuple[str, Leaf]]:
    said = {"nodeType": "leaf", "key": category["key"], "type": category["type"], "system": category.get("system", "")}
    name = category["name"].split(" [")[0]
    for each in category.get("criteria", []):
        yield f"{name}: {each['name']}", said | {"value": each["key"]}
    for value in RANGES if category["type"] == "BETWEEN" else ():
        yield f"{name}: {value['min']} to {value['max']}", said | {"value": value}


def _together(alone: dict[str, Leaf]) -> Iterator[Row]:
    """Values of one criterion, criteria of one bar, and bars: all of what the explorer composes."""
    ct, mr, woman = alone["Modality: Computed Tomography"], alone["Modality: Magnetic Resonance Imaging"], alone["Gender: female"]
    lung, old = alone["Body Part: Lung"], alone["Age at Diagnosis: 40 to 0"]
    yield Row("CT or MR", (((ct, mr),),))
    yield Row("CT and lung, of one series", (((ct,), (lung,)),))
    yield Row("MR and lung, of one series", (((mr,), (lung,)),))
    yield Row("CT of women, or anything from 40", (((ct,), (woman,)), ((old,),)))
    yield Row("CT with a diagnosis that nobody states", (((ct,), (alone["Diagnosis: Pelvis Cancer"],)),))
