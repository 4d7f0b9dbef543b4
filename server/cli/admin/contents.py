"""The flags that say what an agreement is about, for whatever drafts a version of it; and a version in lines."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from consent.agreement import CIRCUMSTANCES, AgreementState, AgreementVersion, Means, Standing
from consent.conditions import AccessClass, Purpose, Visibility
from consent.data_use import TERMS
from server.cli.options import date, words

R = TypeVar("R")
_PATH = (AgreementState.APPLIED, AgreementState.DRAFT, AgreementState.PROPOSED, AgreementState.SIGNED, AgreementState.ACTIVE)


def content_flags(run: Callable[..., R]) -> Callable[..., R]:
    """Hand a command what `server.usecases.draft.Content` says, as flags."""
    flags = (
        click.option("--node", required=True, help="where its images rest, such as central"),
        click.option("--terms", required=True, help="the terms version the provider accepted, such as 1.0.0"),
        click.option("--starts", type=date, metavar="DATE", help="such as 2027-01-01; default: now"),
        click.option("--ends", type=date, metavar="DATE", help="such as 2030-01-01; default: no end"),
        click.option(
            "--class",
            "access_class",
            type=click.Choice([*map(str, AccessClass)]),
            default="default",
            show_default=True,
            help="conditional: who uses it needs a permit",
        ),
        click.option("--unlisted", is_flag=True, help="leave its datasets out of the catalogue"),
        click.option(
            "--actions", type=words, metavar="WORDS", default="query", show_default=True, help="such as query,process; export too"
        ),
        click.option(
            "--visibility",
            type=click.Choice([*map(str, Visibility)]),
            default="none",
            show_default=True,
            help="the pictures that may be looked at",
        ),
        click.option(
            "--purposes",
            type=words,
            metavar="WORDS",
            default=" ".join(Purpose),
            show_default=True,
            help="what it is shared for, such as AIRESEARCH,AITRAIN",
        ),
        click.option(
            "--data-use",
            multiple=True,
            metavar="TERM[=VALUES]",
            help=f"a data-use term: {', '.join(TERMS)}; such as DS=CODE;CODE",
        ),
        click.option(
            "--cancers",
            type=words,
            metavar="CODES",
            default="",
            help="conditions of its datasets, such as CLIN1000057; others wait for review",
        ),
        click.option("--modalities", type=words, metavar="CODES", default="", help="such as CT,MR; others wait for review"),
        click.option(
            "--sop-classes",
            type=words,
            metavar="UIDS",
            default="",
            help="UIDs such as 1.2.840.10008.5.1.4.1.1.2; others wait for review",
        ),
        click.option(
            "--deviations",
            metavar="TEXT",
            default="",
            help="what was agreed beyond all this, such as 'On request.'; it is listed",
        ),
        click.option("--external", is_flag=True, help="share with external users too, not with beneficiaries alone"),
        click.option("--federated", is_flag=True, help="let its datasets be harvested, and counted in federated search"),
        click.option("--text", type=Path, metavar="FILE", help="the agreement's own words in UTF-8, such as dsa.txt"),
        click.option(
            "--document",
            "documents",
            multiple=True,
            metavar="'KIND VERSION SHA256'",
            help="it is bound to, such as 'guidelines 1.0.0 e3b0…'",
        ),
        click.option(
            "--circumstances",
            type=words,
            metavar="WORDS",
            default="",
            help=f"when the repository may stop it, such as {', '.join(CIRCUMSTANCES)}",
        ),
        click.option(
            "--means",
            type=click.Choice([*map(str, Means)]),
            default="code",
            show_default=True,
            help="how it is signed; file: a signed file is handed in too",
        ),
    )
    for flag in reversed(flags):
        run = flag(run)
    return run


def said(*, unlisted: bool, text: Path | None, **flags: Any) -> dict[str, Any]:
    """What the flags say, by the names of `Content`."""
    return {**flags, "listed": not unlisted, "text": text.read_text() if text else ""}


def picture(standing: Standing, change: int | None) -> Iterator[str]:
    """Where an agreement stands on its way, and a change of it on the same."""
    yield _path(standing.state)
    if standing.change is not None:
        yield f"change to version {change}: {_path(standing.change, AgreementState.DRAFT)}"


def _path(state: AgreementState, start: AgreementState = AgreementState.APPLIED) -> str:
    way = _PATH[_PATH.index(start) :]
    drawn = " → ".join(f"[{each}]" if each is state else str(each) for each in way)
    return drawn if state in way else f"{drawn} → [{state}]"


def lines(content: AgreementVersion) -> Iterator[str]:
    """A version's content."""
    conditions = content.conditions
    period = f"from {content.starts:%Y-%m-%d} to {content.ends or 'no end'}"
    yield f"version {content.version}: terms {content.terms}, on node {content.node} ({content.hosting}), {period}"
    listed, actions = "listed" if conditions.listed else "unlisted", " ".join(sorted(conditions.actions))
    purposes = " ".join(sorted(conditions.purposes))
    yield f"{conditions.access_class}, {listed}, visibility {conditions.visibility}, actions {actions}, purposes {purposes}"
    for term in conditions.data_use:
        yield f"data use {term} (DUO:{TERMS[term.code].duo}): {TERMS[term.code].sentence}"
    for name, chosen in (
        ("cancers", conditions.cancers),
        ("modalities", conditions.modalities),
        ("SOP classes", conditions.sop_classes),
        ("circumstances", content.circumstances),
    ):
        if chosen:
            yield f"{name} {' '.join(sorted(chosen))}"
    for document in content.documents:
        yield f"document {document.kind} {document.version} sha256:{document.sha256}"
    if conditions.deviations:
        yield f"deviating: {conditions.deviations}"
