"""The catalogue as pages that a browser shows without asking anybody else for anything; every text in them is escaped."""

from base64 import b64encode
from collections.abc import Iterable, Iterator
from hashlib import sha256
from html import escape

from consent.disclaimer import AVAILABILITY, HOSTED
from consent.policy import NEVER_FOR_DIAGNOSIS
from consent.publication import Publication
from mappings.dcat.catalogue import Catalogue, CataloguePage, page_iri
from mappings.dcat.codes import ACCESS, PURPOSES, Coded, label_of
from mappings.dcat.dataset import dataset_iri
from mappings.dcat.details import is_email, said
from mappings.dcat.distribution import SERVICES
from mappings.dcat.listing import Listing, body_parts, manufacturers, modalities, sexes
from mappings.dcat.policy import data_use_sentence, purposes_of
from mappings.dcat.profiles import PROFILES
from mappings.dcat.terms import doi_iri, site

_STYLE = """
:root { color-scheme: light dark; --page: #f7f7f5; --card: #fff; --text: #1d2329; --soft: #59636e; --line: #dfe2e5;
  --link: #0b5cad; }
@media (prefers-color-scheme: dark) { :root { --page: #14171a; --card: #1c2024; --text: #e6e8ea; --soft: #a3acb5; --line: #343a40;
  --link: #7ab8f5; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.55 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; line-height: 1.3; margin: 0; }
p { margin: .35rem 0; max-width: 48rem; overflow-wrap: anywhere; }
a { color: var(--link); }
.soft, footer { color: var(--soft); }
.notice { border-left: 4px solid var(--soft); padding-left: .75rem; margin: 1rem 0; }
article { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1.1rem 1.25rem; margin: 1rem 0; }
dl { display: grid; grid-template-columns: 10rem 1fr; gap: .25rem 1rem; margin: .75rem 0 0; font-size: .9375rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 1rem 0; }
footer { margin-top: 2.5rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: .875rem; }
@media (max-width: 34rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .4rem; } }
"""
POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of a page: its own style, and nothing else."""
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")
_AS = {"turtle": "Turtle", "jsonld": "JSON-LD", "rdfxml": "RDF/XML"}


def article(catalogue: str, listing: Listing) -> bytes:
    """A dataset as it stands in a page, of the catalogue at this IRI."""
    me = dataset_iri(catalogue, listing.alias)
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{told}</dd>\n" for name, told in _rows(catalogue, listing) if told)
    title = f'<h2><a href="{escape(me)}?format=html">{escape(listing.title)}</a></h2>'
    return f"<article>\n{title}\n<p>{escape(listing.description)}</p>\n<dl>\n{rows}</dl>\n</article>\n".encode()


def catalogue_page(catalogue: Catalogue, page: CataloguePage, articles: Iterable[bytes]) -> bytes:
    """A page of the catalogue, with the articles of its datasets."""
    title = f"Datasets of {catalogue.repository}"
    lead = f"<p>{page.total:,} dataset{'' if page.total == 1 else 's'}, as their providers list them.</p>\n"
    links = {"First page": page_iri(catalogue.iri, "")} if page.after else {}
    links |= {"Next page": page_iri(catalogue.iri, page.aliases[-1])} if page.more else {}
    pages = "".join(f'<a href="{escape(iri)}&amp;format=html">{name}</a>' for name, iri in links.items())
    return _page(
        title, lead, articles, f"<nav>{pages}</nav>\n" if pages else "", _formats(page_iri(catalogue.iri, page.after) + "&")
    )


def dataset_page(catalogue: Catalogue, alias: str, told: bytes) -> bytes:
    """The page of one dataset, with its article."""
    back = f'<nav><a href="{escape(catalogue.iri)}?format=html">Datasets of {escape(catalogue.repository)}</a></nav>\n'
    return _page(f"Dataset {alias}", back, [told], "", _formats(dataset_iri(catalogue.iri, alias) + "?"))


def _page(title: str, lead: str, articles: Iterable[bytes], pages: str, formats: str) -> bytes:
    head = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{escape(title)}</h1>\n{lead}"
        f'<p class="notice">{escape(NEVER_FOR_DIAGNOSIS)}</p>\n'
    )
    foot = f"{pages}<footer>{formats}</footer>\n</main>\n</body>\n</html>\n"
    return b"".join((head.encode(), *articles, foot.encode()))


def _formats(iri: str) -> str:
    """Links to the same as RDF: `iri` ends where a parameter may follow."""
    links = [f'<a href="{escape(iri)}format={short}">{name}</a>' for short, name in _AS.items()]
    fdp = f'<a href="{escape(iri)}format=turtle&amp;profile=fdp">{PROFILES["fdp"].title}</a>'
    return f"For machines: {' · '.join([*links, fdp])}"


def _rows(catalogue: str, listing: Listing) -> Iterator[tuple[str, str]]:
    """Each property's name and what is told of it, as HTML; empty where nothing is."""
    details = listing.details
    yield "Provider", escape(listing.provider)
    yield "Name", escape(listing.alias)
    yield "Subjects", _number(listing.subjects)
    yield "Imaging studies", _number(listing.studies)
    yield "Age in years", _ages(listing)
    yield "Sex", _labels(sexes(listing))
    yield "Condition", _labels((code, "") for code in said(details, "condition"))
    yield "Modality", _labels(modalities(listing))
    yield "Body part", _labels(body_parts(listing))
    yield "Manufacturer", _labels(manufacturers(listing))
    yield "Size", _size(listing.size)
    yield "Access", "<br>".join(escape(told) for told in _accesses(listing))
    yield "Conditions of use", "<br>".join(escape(data_use_sentence(term)) for term in listing.data_use)
    yield "Agreed besides", escape(listing.deviations)
    yield "Terms of use", _link(f"{site(catalogue)}/terms/{listing.terms}", listing.terms)
    yield "Ask for access", "".join(_link(url, url) for url in said(details, "access_url"))
    yield "Contact", "".join(_link(f"mailto:{to}" if is_email(to) else to, to) for to in said(details, "contact"))
    for title, endpoint in SERVICES.values():
        yield title, escape(f"{site(catalogue)}/{endpoint.format(listing.alias)}")
    yield "Hosting", escape(f"{HOSTED[listing.hosting]} {AVAILABILITY}")
    yield "Published work", "<br>".join(map(_published, listing.publications))
    yield "Keywords", escape(", ".join(said(details, "keyword")))
    yield "Collected", escape("".join(said(details, "provenance")))
    yield "Version", escape("".join(said(details, "version")))
    yield "Listed since", f"{listing.issued:%Y-%m-%d}" if listing.issued else ""
    yield "Changed", f"{listing.modified:%Y-%m-%d %H:%M} UTC" if listing.modified else ""


def _number(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _published(one: Publication) -> str:
    told = f"<strong>{escape(one.title)}</strong> {escape(one.summary)}"
    return told if one.doi is None else f"{told} {_link(doi_iri(one.doi), one.doi)}"


def _size(size: int | None) -> str:
    """In the largest unit of 1000 bytes to the power of something that leaves a whole number before the point."""
    if size is None:
        return ""
    power = min((len(str(size)) - 1) // 3, len(_UNITS) - 1)
    return f"{float(f'{size / 1000**power:.3g}'):,g} {_UNITS[power]}"


def _accesses(listing: Listing) -> Iterator[str]:
    """Each access condition, with the purposes it is for."""
    for action, (_, label) in ACCESS.items():
        if action in listing.actions:
            yield f"{label}: {', '.join(PURPOSES[each].lower() for each in purposes_of(listing, action)) or 'for no purpose'}"


def _ages(listing: Listing) -> str:
    if listing.youngest is None or listing.oldest is None:
        return ""
    return " to ".join(dict.fromkeys((str(listing.youngest), str(listing.oldest))))


def _labels(coded: Iterable[Coded]) -> str:
    return escape(", ".join(dict.fromkeys(label_of(code) for code, _ in coded)))


def _link(url: str, text: str) -> str:
    return f'<a href="{escape(url)}" rel="nofollow">{escape(text)}</a>'
