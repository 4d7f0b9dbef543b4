"""A dataset is cited as its description in the catalogue says, whatever its provider has put into a title."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from consent.conditions import Action
from mappings.dcat.citation import FORMATS, Citation, read_citation
from mappings.dcat.dataset import dataset_statements
from mappings.dcat.listing import Listing
from mappings.failures import Unavailable
from mappings.rdf import document, piece
from tests.server.test_catalogue import DETAILS

TODAY = date(2026, 11, 27)
LISTING = Listing(
    alias="LUNG",
    title="Lung CT",
    description="-",
    provider="Hospital A",
    terms="1.0.0",
    issued=datetime(2025, 2, 1, tzinfo=UTC),
    modified=datetime(2025, 3, 1, tzinfo=UTC),
    size=None,
    subjects=20,
    studies=20,
    youngest=40,
    oldest=80,
    sexes=("F",),
    modalities=("CT",),
    body_parts=("LUNG",),
    manufacturers=("siemens",),
    actions=frozenset({Action.PROCESS, Action.EXPORT}),
    details=DETAILS,
)
URL = "https://accord.example.org/catalogue/datasets/LUNG"
CITED = Citation("LUNG", "Lung CT", "Hospital A", "2025", "1.0.0", URL, ("Download access", "In-situ processing"), TODAY)


def described(listing: Listing) -> bytes:
    statements = dataset_statements("https://accord.example.org/catalogue", listing)
    return document([piece(statements, "application/ld+json")], "application/ld+json")


def test_it_is_read_from_what_the_catalogue_serves():
    assert read_citation("LUNG", described(LISTING), TODAY) == CITED
    registered = replace(LISTING, details=DETAILS | {"identifier": "https://doi.org/10.5072/x"})
    assert read_citation("LUNG", described(registered), TODAY).url == "https://doi.org/10.5072/x"


@pytest.mark.parametrize(
    "said", [b"", b"{}", b"[]", b"[" * 100_000, b'[{"@id": 1}]', b'[{"@id":"x","@type":["http://www.w3.org/ns/dcat#Dataset"]}]']
)
def test_what_is_no_description_is_not_cited(said):
    with pytest.raises(Unavailable):
        read_citation("LUNG", said, TODAY)


def test_each_format_says_what_is_cited_and_acknowledges_its_provider():
    assert FORMATS["text"](CITED) == (
        f"Hospital A (2025). Lung CT (version 1.0.0) [Data set]. {URL}. Accessed 2026-11-27. "
        "Access: Download access, In-situ processing.\n"
        f'We acknowledge Hospital A for the dataset "Lung CT" ({URL}).\n'
    )
    bibtex = FORMATS["bibtex"](CITED).splitlines()
    assert bibtex[0] == "@misc{LUNG,"
    assert {"  author = {{Hospital A}},", "  year = {2025},", f"  howpublished = {{\\url{{{URL}}}}},"} < set(bibtex)
    ris = FORMATS["ris"](CITED).splitlines()
    assert (ris[0], ris[-1]) == ("TY  - DATA", "ER  - ")
    assert {"AU  - Hospital A", f"UR  - {URL}", "Y2  - 2026/11/27"} < set(ris)


def test_a_title_writes_no_line_and_no_command_of_its_own():
    cited = read_citation("LUNG", described(replace(LISTING, title="50% of\r\nER  - \x1b[2J{A_B}\\input{x}")), TODAY)
    assert cited.title == "50% of ER - [2J{A_B}\\input{x}"
    assert r"title = {{50\% of ER - [2J\{A\_B\}\textbackslash{}input\{x\}}}," in FORMATS["bibtex"](cited)
    assert FORMATS["ris"](cited).count("ER  - ") == 1
