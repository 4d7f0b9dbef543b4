"""The types of FHIR as `docs/fhir.md` has them: `python -m tests.fhir_doc` writes that chapter anew.

It is made of the table that the parser reads. The examples ask a house of every sample by values that its documents serve, so
that they are the same wherever they are made.
"""

import tempfile
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from mappings.fhir.bulk import of_patients
from mappings.fhir.chains import HAS
from mappings.fhir.parameters import Parameter
from mappings.fhir.resource_row import R5, Resource
from mappings.fhir.resources import RESOURCES
from server.usecases.sources import source_of
from tests.house import House
from tests.served import PROVIDER, UNSAID, filled, spelled, values
from tests.test_readme import table

DOCUMENT = Path(__file__).parent.parent / "docs/fhir.md"
CHAPTER = "## The types\n"
_BY_HAND = {"age": "ge40", "reason:missing": "true", "referrer:missing": "true"}
"""What is asked where no document says a value."""


def chapter(house: House) -> str:
    """The chapter, to the end of the document."""
    index = " · ".join(f"[{name}](#{name.lower()})" for name in RESOURCES)
    return f"{CHAPTER}\n{index}\n" + "".join(f"\n{section(house, row)}\n" for row in RESOURCES.values())


def section(house: House, row: Resource) -> str:
    """All that there is of one type."""
    facts = "\n".join(f"- {name}: {said}" for name, said in _facts(house, row) if said)
    asked = "\n".join(f"GET /fhir/R4/{row.name}?{example(house, row.name, name)}" for name in row.parameters)
    return f"### {row.name}\n\n{row.text}\n\n{facts}\n\n{_parameters(row)}\n\n```http\n{asked}\n```"


def _facts(house: House, row: Resource) -> Iterator[tuple[str, str]]:
    scope = "open to everybody" if row.is_public else f"`system/{row.name}.r` to read, `.s` to search"
    yield "action and scope", f"{source_of(row.name).action}; {scope}"
    yield "interactions", ", ".join(_interactions(row))
    yield "sorted by", _listed(name for name, parameter in row.parameters.items() if parameter.sort)
    yield "chains", _listed(_chains(house, row))
    yield "reverse chains", _listed(_reverse_chains(house, row))
    yield "`_include`", _listed(f"{row.name}:{name}" for name in row.references)
    yield "`_revinclude`", _listed(_pointing(row))


def _listed(names: Iterator[str]) -> str:
    return " ".join(f"`{name}`" for name in names)


def _interactions(row: Resource) -> Iterator[str]:
    yield "read, search"
    if row.is_of_patients:
        yield f"search in `Patient/{{id}}/{row.name}`"
    if row.is_harvested:
        yield "history"
        yield "export (system, Patient, Group)" if of_patients(row) else "export (system)"
    if R5 in row.versions:
        yield "read and search in R5"


def _parameters(row: Resource) -> str:
    rows = [(f"`{p.name}`", _type(p), " ".join(f"`:{m}`" for m in _modifiers(p)), p.text) for p in row.parameters.values()]
    return table(("parameter", "type", "modifiers", "asks for"), *rows)


def _type(parameter: Parameter) -> str:
    return f"{parameter.type} to {', '.join(parameter.targets)}" if parameter.targets else parameter.type


def _modifiers(parameter: Parameter) -> Iterator[str]:
    yield "missing"
    yield from ("not",) if parameter.type == "token" else ()
    yield from parameter.modifiers


# --- what leads from type to type


def _chains(house: House, row: Resource) -> Iterator[str]:
    """The references that a chain goes over; with the types, where there is none to some that they point to."""
    for name, parameter in row.references.items():
        kinds = [kind for kind in parameter.targets if _goes(house, row, f"{name}:{kind}._id")]
        yield from (name,) if len(kinds) == len(parameter.targets) else (f"{name}:{kind}" for kind in kinds)


def _reverse_chains(house: House, row: Resource) -> Iterator[str]:
    return (f"{HAS}:{pair}" for pair in _pointing(row) if _goes(house, row, f"{HAS}:{pair}:_id"))


def _goes(house: House, row: Resource, spelling: str) -> bool:
    return house.ask("GET", f"/fhir/R4/{row.name}?{spelling}=1", PROVIDER).status_code == HTTPStatus.OK


def _pointing(row: Resource) -> Iterator[str]:
    return (
        f"{other.name}:{name}" for other in RESOURCES.values() for name, p in other.references.items() if row.name in p.targets
    )


# --- examples


def example(house: House, kind: str, name: str) -> str:
    """A question by this parameter that finds something: by the shortest value that is served."""
    if (kind, name) in UNSAID:
        return next(f"{asked}={value}" for asked, value in _BY_HAND.items() if asked.partition(":")[0] == name)
    value = min(values(house, kind, name), key=lambda each: (len(each), each))
    return f"{spelled(kind, name)}={quote(value, safe=':/|,')}"


def main() -> None:
    """Write the chapter into the document."""
    with tempfile.TemporaryDirectory() as folder:
        house = filled(Path(folder))
        before, _, _ = DOCUMENT.read_text().partition(CHAPTER)
        DOCUMENT.write_text(before + chapter(house))
        house.runtime.close()


if __name__ == "__main__":
    main()
