"""Published work on a dataset: a title and a short summary of it, and nothing else; its DOI where both sides say so."""

import re
from dataclasses import dataclass
from datetime import datetime

MOST_TITLE, MOST_SUMMARY, MOST_DOI, MOST = 200, 1000, 200, 200
"""Characters of each; and how many there are of a dataset."""
_DOI = re.compile(r"10(\.[0-9]+)+/[!-~]+")


@dataclass(frozen=True, slots=True)
class Publication:
    """A published work, and which DOI of it each side wants told (None: none)."""

    key: str
    title: str
    summary: str
    at: datetime
    doi_of_provider: str | None = None
    doi_of_repository: str | None = None

    @property
    def doi(self) -> str | None:
        """What is told: a DOI says more than title and summary, so both sides want this one."""
        return self.doi_of_provider if self.doi_of_provider == self.doi_of_repository else None


def wrong_text(title: str, summary: str) -> str | None:
    """What is wrong with a title and summary, as a sentence; None where nothing is."""
    if not all(text.strip() and text.isprintable() for text in (title, summary)):
        return "A publication has a title and a summary, each in one line."
    if len(title) > MOST_TITLE or len(summary) > MOST_SUMMARY:
        return f"A title has at most {MOST_TITLE} characters, a summary {MOST_SUMMARY}."
    return None


def wrong_doi(doi: str) -> str | None:
    """The same of a DOI (ISO 26324, section 4)."""
    if len(doi) <= MOST_DOI and _DOI.fullmatch(doi):
        return None
    return f"A DOI is written as 10.1000/182, of at most {MOST_DOI} characters: no address before it."
