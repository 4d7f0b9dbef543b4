"""A row of the table of FHIR types: what a type is read from, how it is written, and what it is searched by."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mappings.fhir.parameters import Match, Parameter, always_if, coded, identity_of, string, token, told, unsystemed
from mappings.query import NOTHING, Condition, OneOf

R4, R5 = "4.0", "5.0"
"""Versions of FHIR, as the MIME parameter `fhirVersion` names them."""
Writer = Callable[[Any, str], bytes]
"""A resource's JSON, of a noun and the server's public address."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One type: the source of its nouns, their writer, what an id asks for, search parameters by name, and versions of FHIR.

    `text` says where its resources come from. Without a writer, the source gives finished bytes. `summary` are the elements of
    its `_summary=true` beside what every resource has, `mandatory` those that no `_elements` takes away; `within` the same of an
    element's own members. What `is_public` is told to anybody; histories and exports tell of what `is_harvested`.
    """

    name: str
    text: str
    source: str
    writer: Writer | None
    identity: Match
    parameters: Mapping[str, Parameter]
    summary: frozenset[str]
    mandatory: frozenset[str]
    within: Mapping[str, frozenset[str]]
    versions: tuple[str, ...]
    is_public: bool
    is_harvested: bool

    @property
    def is_of_patients(self) -> bool:
        """Whether it stands in the compartment of a Patient (R4 3.1.1.4.1.1)."""
        return "Patient" in (self.parameters["patient"].targets if "patient" in self.parameters else ())

    @property
    def is_growing(self) -> bool:
        """Whether every answer adds to what there is of it."""
        return not (self.is_public or self.is_harvested)

    @property
    def references(self) -> dict[str, Parameter]:
        """The parameters that can be followed, from the type and to it."""
        return {name: parameter for name, parameter in self.parameters.items() if parameter.targets}


def resource(
    name: str,
    text: str,
    source: str,
    writer: Writer | None,
    identity: tuple[Match, str],
    *parameters: Parameter,
    summary: str = "",
    mandatory: str = "",
    within: Mapping[str, str] | None = None,
    versions: tuple[str, ...] = (R4,),
    is_public: bool = False,
    is_harvested: bool = True,
) -> Resource:
    """A row; `identity` is what an id asks for, and its sentence as the parameter `_id`."""
    match, sentence = identity
    every = (token("_id", sentence, unsystemed(match), sort=match.field), *parameters)
    elements = (
        frozenset(summary.split()),
        frozenset(mandatory.split()),
        {e: frozenset(m.split()) for e, m in (within or {}).items()},
    )
    return Resource(name, text, source, writer, match, {p.name: p for p in every}, *elements, versions, is_public, is_harvested)


def canonical(name: str, text: str, *parameters: Parameter, mandatory: str = "") -> Resource:
    """A row of Accord's own canonicals, which say what its codes and extensions mean."""
    every = (
        string("name", "The start of its name.", "name", sort="name"),
        token("status", "Always active.", coded("http://hl7.org/fhir/publication-status", always_if("active"))),
        *parameters,
    )
    summary = (
        "url version name title status date publisher kind type code content valueSet caseSensitive count "
        "fhirVersion context baseDefinition derivation"
    )
    identity = (identity_of("canonical"), "The end of its address.")
    mandatory = f"status {mandatory}"
    return resource(
        name, text, name, None, identity, *every, summary=summary, mandatory=mandatory, is_public=True, is_harvested=False
    )


def numbered(name: str) -> Match:
    """What has the number of its row as its id."""

    def read(identity: str) -> Condition:
        return OneOf(name, (int(identity),)) if re.fullmatch(r"[1-9][0-9]{0,17}", identity) else NOTHING

    return Match(read, told(name), name)
