"""One listed dataset: what is told of it, and what it lacks to be described."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from consent.conditions import Action, DataUse, Purpose
from consent.node import Hosting
from consent.publication import Publication
from mappings.dcat.codes import ACCESS, Coded, body_part_codes, manufacturer_codes, modality_codes, sex_codes
from mappings.dcat.details import DETAILS, said


@dataclass(frozen=True, slots=True)
class Listing:
    """One listed dataset. Numbers and ages are safe already, None where they may not be told; words are as DICOM has them.

    `manufacturers` are folded; `size` is in bytes; `terms` is the version that the agreement accepts; `details` are the
    operator's, by key of `DETAILS`; `purposes`, `data_use` and `deviations` the agreement's. `issued` and `modified`: since when
    it is listed, and as it is now; None: not yet known.
    """

    alias: str
    title: str
    description: str
    provider: str
    terms: str
    issued: datetime | None
    modified: datetime | None
    size: int | None
    subjects: int | None
    studies: int | None
    youngest: int | None
    oldest: int | None
    sexes: tuple[str, ...]
    modalities: tuple[str, ...]
    body_parts: tuple[str, ...]
    manufacturers: tuple[str, ...]
    actions: frozenset[Action]
    details: Mapping[str, str]
    purposes: frozenset[Purpose] = frozenset()
    data_use: tuple[DataUse, ...] = ()
    deviations: str = ""
    hosting: Hosting = Hosting.CENTRAL
    publications: tuple[Publication, ...] = ()


def missing(listing: Listing) -> list[str]:
    """The mandatory properties that can't be given, each with the key that would; a dataset with any stays out."""
    given: dict[str, object] = {
        "dct:title (title)": listing.title.strip(),
        "dct:description (description)": listing.description.strip(),
        "healthdcatap:numberOfUniqueIndividuals (too few subjects to tell)": listing.subjects is not None,
        "healthdcatap:numberOfRecords (too few studies to tell)": listing.studies is not None,
        "eucaim:hasBirthSex (sex)": sexes(listing),
        "eucaim:hasImageModality (no modality to tell)": listing.modalities,
        "eucaim:hasImageBodyPart (body_part)": body_parts(listing),
        "eucaim:hasEquipmentManufacturer (manufacturer)": manufacturers(listing),
        "dct:rights (the agreement permits neither process nor export)": listing.actions & ACCESS.keys(),
    }
    given |= {f"{d.property} ({d.key})": said(listing.details, d.key) for d in DETAILS.values() if d.required}
    return [name for name, value in given.items() if not value]


def sexes(listing: Listing) -> list[Coded]:
    """What the images say, else what the operator does."""
    return sex_codes(listing.sexes) or _coded(listing, "sex")


def modalities(listing: Listing) -> list[Coded]:
    """What the images say."""
    return modality_codes(listing.modalities)


def body_parts(listing: Listing) -> list[Coded]:
    """What the images say, else what the operator does."""
    return body_part_codes(listing.body_parts) or _coded(listing, "body_part")


def manufacturers(listing: Listing) -> list[Coded]:
    """What the images say, else what the operator does."""
    return manufacturer_codes(listing.manufacturers) or _coded(listing, "manufacturer")


def _coded(listing: Listing, key: str) -> list[Coded]:
    return [(code, "") for code in said(listing.details, key)]
