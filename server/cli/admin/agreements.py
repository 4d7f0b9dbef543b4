"""What providers agreed to: the terms of use, and the agreements under them."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click

from consent.agreement import MOVES, Side
from consent.conditions import AccessClass, Purpose, Visibility
from server.cli.options import as_operator, date, with_runtime, words
from server.cli.table import print_rows
from server.usecases.agreement import CitedAgreement, add_agreement, list_agreements, move_agreement, read_agreement
from server.usecases.runtime import Runtime
from server.usecases.terms import list_terms, publish_terms


@click.group()
def terms() -> None:
    """The terms of use."""


@terms.command("add")
@click.argument("file", type=Path)
@click.option("--version", required=True, metavar="MAJOR.MINOR.PATCH")
@as_operator
def _add_terms(runtime: Runtime, actor: str, file: Path, version: str) -> None:
    """Publish a version of the terms, once and for ever."""
    print(f"{version} sha256:{publish_terms(runtime, actor, version, file.read_bytes())}")


@terms.command("list")
@with_runtime
def _list_terms(runtime: Runtime) -> None:
    """Every published version."""
    print_rows(("version", "sha256"), ((t.version, t.sha256) for t in list_terms(runtime)))


@click.group()
def agreement() -> None:
    """Data sharing agreements."""


@agreement.command("add")
@click.argument("key")
@click.option("--provider", required=True)
@click.option("--node", required=True)
@click.option("--terms", required=True, help="the terms version the provider accepted")
@click.option("--starts", type=date, metavar="DATE", help="default: now")
@click.option("--ends", type=date, metavar="DATE")
@click.option("--class", "access_class", type=click.Choice([*map(str, AccessClass)]), default="default", show_default=True)
@click.option("--unlisted", is_flag=True, help="leave its datasets out of the catalogue")
@click.option("--actions", type=words, metavar="WORDS", default="query", show_default=True, help="among query, process, export")
@click.option("--visibility", type=click.Choice([*map(str, Visibility)]), default="none", show_default=True)
@click.option(
    "--purposes", type=words, metavar="WORDS", default=" ".join(Purpose), help="among AIRESEARCH, AITRAIN, FEDLEARN; default: all"
)
@as_operator
def _add_agreement(
    runtime: Runtime,
    actor: str,
    key: str,
    starts: datetime | None,
    ends: datetime | None,
    actions: list[str],
    purposes: list[str],
    *,
    unlisted: bool,
    **named: str,
) -> None:
    """Draft an agreement; nothing moves under it until it is active."""
    listed = not unlisted
    add_agreement(runtime, actor, key, starts=starts, ends=ends, listed=listed, actions=actions, purposes=purposes, **named)


@agreement.command("list")
@with_runtime
def _list_agreements(runtime: Runtime) -> None:
    """Every agreement with the content in force."""
    print_rows(("agreement", "version", "state", "class", "visibility", "actions"), map(_row, list_agreements(runtime)))


def _row(cited: CitedAgreement) -> tuple[object, ...]:
    conditions = cited.content.conditions
    actions = " ".join(sorted(conditions.actions))
    return cited.key, cited.content.version, cited.standing.state, conditions.access_class, conditions.visibility, actions


@agreement.command("show")
@click.argument("citation", metavar="KEY[@VERSION]")
@with_runtime
def _show_agreement(runtime: Runtime, citation: str) -> None:
    """An agreement as it stands, a version's content and every act on it."""
    print("\n".join(_lines(read_agreement(runtime, citation))))


def _lines(cited: CitedAgreement) -> Iterator[str]:
    content, conditions = cited.content, cited.content.conditions
    stops = f", stopped by the {' and the '.join(sorted(cited.standing.stops))}" if cited.standing.stops else ""
    yield f"{cited.key} of {cited.provider}: {cited.standing.state}{stops}"
    period = f"from {content.starts:%Y-%m-%d} to {content.ends or 'no end'}"
    yield f"version {content.version}: terms {content.terms}, on node {content.node}, {period}"
    listed, actions = "listed" if conditions.listed else "unlisted", " ".join(sorted(conditions.actions))
    purposes = " ".join(sorted(conditions.purposes))
    yield (f"{conditions.access_class}, {listed}, visibility {conditions.visibility}, actions {actions}, purposes {purposes}")
    for act in cited.acts:
        yield f"{act.at:%Y-%m-%d %H:%M} {act.verb} by the {act.side} ({act.actor}), version {act.version}"


def _add_verb(verb: str) -> None:
    @agreement.command(verb, help=f"{verb.title()} an agreement, for one side of it.")
    @click.argument("key")
    @click.option(
        "--for",
        "side",
        type=click.Choice([*map(str, Side)]),
        default="repository",
        show_default=True,
        help="whose act it is; a stop is lifted by who set it",
    )
    @as_operator
    def move(runtime: Runtime, actor: str, key: str, side: str) -> None:
        print(f"{key}: {move_agreement(runtime, actor, key, verb, Side(side))}")


for _verb in MOVES:
    _add_verb(_verb)
