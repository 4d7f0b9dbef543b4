"""RDF as we write it, read back by an RDF library: the same statements in every format, the same bytes in every process."""

import os
import subprocess
import sys
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from rdflib import RDF, XSD, Graph, Literal, URIRef

from mappings.rdf import FORMATS, PREFIXES, Iri, Words, document, piece

HERE = "https://accord.example.org/catalogue"
ODD = 'É "quoted" \\ back\tslash \n line \x7f \U0001f600 \u2028'
SAID = [
    (Iri(HERE), "rdf:type", Iri("dcat:Catalog")),
    (Iri(HERE), "rdf:type", Iri("hydra:Collection")),
    (Iri(HERE), "dct:title", Words(ODD)),
    (Iri(HERE), "dct:identifier", ODD),
    (Iri(HERE), "dct:modified", date(2026, 11, 27)),
    (Iri(HERE), "dct:issued", datetime(2026, 11, 27, 1, 2, 3, 4, timezone(timedelta(hours=1)))),
    (Iri(HERE), "hydra:totalItems", 70),
    (Iri(HERE), "healthdcatap:hasStructuredData", False),
    (Iri(HERE), "dct:type", Iri("eucaim:SPEC1000020")),
    (Iri(HERE), "foaf:page", Iri("https://example.org/a>b")),
    (Iri(HERE), "foaf:page", Iri(f"{PREFIXES['eucaim']}odd/local.name")),
    (Iri("eucaim:SPEC1000020"), "skos:prefLabel", Words("Original")),
]
NAMES = {"text/turtle": "turtle", "application/ld+json": "json-ld", "application/rdf+xml": "xml"}
"""Media type → the library's name for it."""
READS_JSON_LD = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")


def name(curie: str) -> URIRef:
    prefix, _, local = curie.partition(":")
    return URIRef(PREFIXES[prefix] + local)


MEANT = {
    (URIRef(HERE), RDF.type, name("dcat:Catalog")),
    (URIRef(HERE), RDF.type, name("hydra:Collection")),
    (URIRef(HERE), name("dct:title"), Literal(ODD, lang="en")),
    (URIRef(HERE), name("dct:identifier"), Literal(ODD)),
    (URIRef(HERE), name("dct:modified"), Literal("2026-11-27", datatype=XSD.date)),
    (URIRef(HERE), name("dct:issued"), Literal("2026-11-27T00:02:03Z", datatype=XSD.dateTime)),
    (URIRef(HERE), name("hydra:totalItems"), Literal("70", datatype=XSD.nonNegativeInteger)),
    (URIRef(HERE), name("healthdcatap:hasStructuredData"), Literal("false", datatype=XSD.boolean)),
    (URIRef(HERE), name("dct:type"), name("eucaim:SPEC1000020")),
    (URIRef(HERE), name("foaf:page"), URIRef("https://example.org/a>b")),
    (URIRef(HERE), name("foaf:page"), URIRef(f"{PREFIXES['eucaim']}odd/local.name")),
    (name("eucaim:SPEC1000020"), name("skos:prefLabel"), Literal("Original", lang="en")),
}


def read(media_type: str, *pieces: bytes) -> set[tuple[object, ...]]:
    return set(Graph().parse(data=document(pieces, media_type), format=NAMES[media_type]))


@READS_JSON_LD
@pytest.mark.parametrize("media_type", FORMATS)
def test_what_is_said_is_what_is_read(media_type):
    assert read(media_type, piece(SAID, media_type)) == MEANT


@READS_JSON_LD
@pytest.mark.parametrize("media_type", FORMATS)
def test_a_document_of_pieces_says_what_they_say_together(media_type):
    pieces = [piece(SAID[:4], media_type), piece(SAID[2:], media_type)]
    assert read(media_type, *pieces) == MEANT


@pytest.mark.parametrize("media_type", FORMATS)
def test_the_same_statements_give_the_same_bytes_in_whatever_order_they_come(media_type):
    assert piece(SAID, media_type) == piece([*reversed(SAID), *SAID], media_type)


@pytest.mark.parametrize("media_type", FORMATS)
def test_every_process_gives_the_same_bytes(media_type):
    """Their digest is the entity tag, and a harvester's next request meets another process."""
    code = f"from tests.mappings import test_rdf as t; import sys; sys.stdout.buffer.write(t.piece(t.SAID, {media_type!r}))"
    here = Path(__file__).parent.parent.parent
    made = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=here, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert made == {piece(SAID, media_type)}
