"""What providers agreed to: the terms of use, and the agreements under them."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click

from consent.agreement import MOVES, Side
from consent.conditions import AccessClass, Purpose, Visibility
from server.cli.confirm import confirmed, irrevocable
from server.cli.help import examples, say_next
from server.cli.options import as_operator, date, lists, with_runtime, words
from server.cli.sentences import many
from server.cli.table import Rows
from server.usecases.agreement import CitedAgreement, add_agreement, list_agreements, move_agreement, read_agreement, read_covered
from server.usecases.runtime import Runtime
from server.usecases.terms import list_terms, publish_terms


@click.group(epilog=examples("accord admin terms list"))
def terms() -> None:
    """The terms of use."""


@terms.command("add", epilog=examples("accord admin terms add terms.txt --version 1.0.0"))
@click.argument("file", type=Path)
@click.option("--version", required=True, metavar="MAJOR.MINOR.PATCH", help="its version; a greater MAJOR needs a new yes")
@as_operator
def _add_terms(runtime: Runtime, actor: str, file: Path, version: str) -> None:
    """Publish a version of the terms, once and for ever."""
    print(f"{version} sha256:{publish_terms(runtime, actor, version, file.read_bytes())}")
    say_next("accord admin node add central")


@lists(terms, "version", "sha256")
def _list_terms(runtime: Runtime) -> Rows:
    """Every published version."""
    return ((t.version, t.sha256) for t in list_terms(runtime))


@click.group(epilog=examples("accord admin agreement show DSA-A"))
def agreement() -> None:
    """Data sharing agreements."""


@agreement.command(
    "add",
    epilog=examples(
        "accord admin agreement add DSA-A --provider hospital-a --node central --terms 1.0.0",
        "accord admin agreement add DSA-B --provider hospital-b --node central --terms 1.0.0 --starts 2027-01-01 "
        "--ends 2030-01-01 --actions query,process --purposes AIRESEARCH,AITRAIN",
    ),
)
@click.argument("key")
@click.option("--provider", required=True, help="the organisation that shares, by its key")
@click.option("--node", required=True, help="where its images rest")
@click.option("--terms", required=True, help="the terms version the provider accepted")
@click.option("--starts", type=date, metavar="DATE", help="default: now")
@click.option("--ends", type=date, metavar="DATE", help="default: no end")
@click.option(
    "--class",
    "access_class",
    type=click.Choice([*map(str, AccessClass)]),
    default="default",
    show_default=True,
    help="conditional: who uses it needs a permit",
)
@click.option("--unlisted", is_flag=True, help="leave its datasets out of the catalogue")
@click.option("--actions", type=words, metavar="WORDS", default="query", show_default=True, help="among query, process, export")
@click.option(
    "--visibility",
    type=click.Choice([*map(str, Visibility)]),
    default="none",
    show_default=True,
    help="which pictures may be looked at",
)
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
    print(f"{key}: draft")
    say_next(f"accord admin agreement propose {key}")


@lists(agreement, "agreement", "provider", "version", "state", "class", "visibility", "actions", "node")
def _list_agreements(runtime: Runtime) -> Rows:
    """Every agreement with the content in force."""
    return map(_row, list_agreements(runtime))


def _row(cited: CitedAgreement) -> tuple[object, ...]:
    content, conditions = cited.content, cited.content.conditions
    chosen = conditions.access_class, conditions.visibility, " ".join(sorted(conditions.actions))
    return cited.key, cited.provider, content.version, cited.standing.state, *chosen, content.node


@agreement.command("show", epilog=examples("accord admin agreement show DSA-A", "accord admin agreement show DSA-A@1"))
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


_SIDE = click.option(
    "--for",
    "side",
    type=click.Choice([*map(str, Side)]),
    default="repository",
    show_default=True,
    help="whose act it is; a stop is lifted by who set it",
)
_SENTENCES = {
    "propose": "Put an agreement before its provider, for one side of it.",
    "activate": "Let an agreement that was proposed be in force, for one side of it.",
    "suspend": "Stop everything under an agreement from the next statement on, for one side of it.",
    "resume": "Lift one side's stop of an agreement.",
    "terminate": "End an agreement for good, for one side of it.",
}
_NEXT = {
    "propose": "accord admin agreement activate {key}",
    "activate": "accord admin dataset add ALIAS --agreement {key} --title TITLE",
    "suspend": "accord admin agreement resume {key}",
}


def _add_verb(verb: str) -> None:
    @agreement.command(verb, help=_SENTENCES[verb], epilog=examples(f"accord admin agreement {verb} DSA-A"))
    @click.argument("key")
    @_SIDE
    @click.option("--reason", metavar="TEXT", help="why, such as 'contract ends'; it stays in the ledger, so name no person")
    @as_operator
    def move(runtime: Runtime, actor: str, key: str, side: str, reason: str | None) -> None:
        print(f"{key}: {move_agreement(runtime, actor, key, verb, Side(side), reason)}")
        if verb in _NEXT:
            say_next(_NEXT[verb].format(key=key))


for _verb in MOVES:
    if _verb != "terminate":
        _add_verb(_verb)


@agreement.command(
    "terminate",
    help=_SENTENCES["terminate"],
    epilog=examples("accord admin agreement terminate DSA-A --dry-run", "accord admin agreement terminate DSA-A --for provider"),
)
@click.argument("key")
@_SIDE
@irrevocable
@as_operator
def _terminate(runtime: Runtime, actor: str, key: str, side: str, reason: str | None, *, yes: bool, dry_run: bool) -> None:
    covered = read_covered(runtime, key, "terminate", Side(side))
    aliases, datasets = ", ".join(covered.aliases) or "none", many(len(covered.aliases), "dataset")
    studies, objects = many(covered.studies, "study", "studies"), many(covered.objects, "object")
    told = [
        f"{key} ends for good: nothing under it goes in or out again, and it can't be resumed (suspend stops it for a while).",
        f"It covers {datasets} ({aliases}) with {studies} of {objects}.",
        "They stay on their node, out of sight, until they are withdrawn.",
    ]
    if confirmed(told, yes=yes, dry_run=dry_run):
        print(f"{key}: {move_agreement(runtime, actor, key, 'terminate', Side(side), reason)}")
