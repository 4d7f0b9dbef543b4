"""What providers agreed to: the terms of use, and the agreements under them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from consent.agreement import CIRCUMSTANCES, MOVES, SIGNATURES, Side
from consent.data_use import unmeetable
from consent.person import Actor
from mappings.failures import Conflict
from server.cli.admin import contents
from server.cli.admin.contents import content_flags, picture, said
from server.cli.admin.two_persons import ALONE, decided
from server.cli.confirm import confirmed, irrevocable
from server.cli.help import examples, say_next
from server.cli.options import as_actor, as_operator, lists, local_operator, with_runtime
from server.cli.sentences import many
from server.cli.table import Rows
from server.usecases.agreement import CitedAgreement, add_agreement, list_agreements, move_agreement, read_agreement, read_covered
from server.usecases.draft import Content, draft_version
from server.usecases.proposable import publishing
from server.usecases.runtime import Runtime
from server.usecases.signing import Verified, verify_agreement
from server.usecases.terms import general, list_terms


@click.group(epilog=examples("accord admin terms list"))
def terms() -> None:
    """The terms of use."""


@terms.command("add", epilog=examples("accord admin terms add terms.txt --version 1.0.0"))
@click.argument("file", type=Path)
@click.option(
    "--version", required=True, metavar="MAJOR.MINOR.PATCH", help="its version; a greater MAJOR needs a new yes of users"
)
@ALONE
@as_actor
def _add_terms(runtime: Runtime, actor: Actor, file: Path, version: str, alone: str | None) -> None:
    """Publish a version of the general terms, in effect at once and renewed by nobody; `document publish` does the rest."""
    draft = general(runtime, version, file.read_bytes())
    print(decided(runtime, actor, "publish", publishing(draft), f"terms {version}", alone))
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
        "--ends 2030-01-01 --actions query,process --purposes AIRESEARCH,AITRAIN --modalities CT,MR --external --federated",
    ),
)
@click.argument("key")
@click.option("--provider", required=True, help="the organisation that shares, by its key")
@content_flags
@as_operator
def _add_agreement(runtime: Runtime, actor: str, key: str, provider: str, **flags: Any) -> None:
    """Draft an agreement; nothing moves under it until it is active."""
    add_agreement(runtime, actor, key, provider=provider, **said(**flags))
    print(f"{key}: draft")
    _say_unmeetable(runtime, key, 1)
    say_next(f"accord admin agreement propose {key}")


@agreement.command(
    "draft",
    epilog=examples(
        "accord admin agreement draft DSA-A --node central --terms 1.0.0 --class conditional --data-use IRB --data-use GS=EU",
    ),
)
@click.argument("key")
@content_flags
@as_operator
def _draft(runtime: Runtime, actor: str, key: str, **flags: Any) -> None:
    """Draft a version of what was applied for, or a change; what is in force stays so until the change is."""
    version = draft_version(runtime, local_operator(actor), key, Content(**said(**flags)))
    print(f"{key}@{version}: draft")
    _say_unmeetable(runtime, key, version)
    say_next(f"accord admin agreement propose {key}")


def _say_unmeetable(runtime: Runtime, key: str, version: int) -> None:
    content = read_agreement(runtime, f"{key}@{version}").content
    if content and (terms := unmeetable(content.conditions)):
        print(f"note: to nobody is data open until requests state what {', '.join(terms)} ask for, or its class is conditional.")


@agreement.command("verify", epilog=examples("accord admin agreement verify DSA-A", "accord admin agreement verify DSA-A@2"))
@click.argument("citation", metavar="KEY[@VERSION]")
@with_runtime
def _verify(runtime: Runtime, citation: str) -> None:
    """Hold the signatures under a version against every part of it: text, terms, documents, hosting, period, conditions."""
    verified = verify_agreement(runtime, citation)
    for signature in verified.cited.signatures:
        print(f"{signature.side}: {signature.name} ({signature.person}), {signature.at:%Y-%m-%d %H:%M}, by {signature.means}")
    print(f"sha256:{verified.sha256}")
    if verified.broken:
        raise Conflict("signature-broken", " ".join(verified.broken), "agreement")
    print(_how(verified))


@lists(agreement, "agreement", "provider", "version", "state", "class", "visibility", "actions", "node")
def _list_agreements(runtime: Runtime) -> Rows:
    """Every agreement with the content in force."""
    return map(_row, list_agreements(runtime))


def _row(cited: CitedAgreement) -> tuple[object, ...]:
    content = cited.content
    if content is None:
        return cited.key, cited.provider, 0, cited.standing.state, "–", "–", "–", "–"
    conditions = content.conditions
    chosen = conditions.access_class, conditions.visibility, " ".join(sorted(conditions.actions))
    return cited.key, cited.provider, content.version, cited.standing.state, *chosen, content.node


@agreement.command("show", epilog=examples("accord admin agreement show DSA-A", "accord admin agreement show DSA-A@1"))
@click.argument("citation", metavar="KEY[@VERSION]")
@with_runtime
def _show_agreement(runtime: Runtime, citation: str) -> None:
    """An agreement as it stands, a version's content and every act on it."""
    print("\n".join(_lines(read_agreement(runtime, citation))))


def _how(verified: Verified) -> str:
    if verified.is_renewed:
        return "renewed: its provider accepted newer terms for what was in force; all else stayed"
    return "imported: signed on paper" if verified.is_imported else "signed by both sides, and as they signed it"


def _lines(cited: CitedAgreement) -> Iterator[str]:
    stops = f", stopped by the {' and the '.join(sorted(cited.standing.stops))}" if cited.standing.stops else ""
    yield f"{cited.key} of {cited.provider}: {cited.standing.state}{stops}"
    yield from picture(cited.standing, cited.change)
    if cited.application:
        yield f"applied for by {cited.application.actor}, contacts: {cited.application.contacts}"
        yield f"data: {cited.application.data}"
        yield from [f"wants to deviate: {cited.application.deviations}"] if cited.application.deviations else []
    yield from contents.lines(cited.content) if cited.content else []
    for signature in cited.signatures:
        yield f"signed by the {signature.side}: {signature.name}, {signature.at:%Y-%m-%d %H:%M}, sha256:{signature.sha256}"
        for document in signature.declarations.documents:
            yield f"  {document.kind}: {document.name}, of {document.owner}, valid to {document.expires or 'no end'}"
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
_CIRCUMSTANCE = click.option(
    "--circumstance",
    type=click.Choice([*CIRCUMSTANCES]),
    help="of the agreement's list, for a stop by the repository where there is one",
)
_SENTENCES = {
    "propose": "Put an agreement before its provider, for one side of it.",
    "activate": "Import an agreement that was proposed, and signed by both sides on paper: it is in force.",
    "refuse": "Refuse what was applied for, drafted, proposed or signed, for one side of it.",
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
    @_CIRCUMSTANCE
    @as_operator
    def move(runtime: Runtime, actor: str, key: str, side: str, reason: str | None, circumstance: str | None) -> None:
        print(f"{key}: {move_agreement(runtime, actor, key, verb, Side(side), reason, circumstance)}")
        if verb in _NEXT:
            say_next(_NEXT[verb].format(key=key))


for _verb in MOVES:
    if _verb not in ("terminate", *SIGNATURES):
        _add_verb(_verb)


@agreement.command(
    "terminate",
    help=_SENTENCES["terminate"],
    epilog=examples("accord admin agreement terminate DSA-A --dry-run", "accord admin agreement terminate DSA-A --for provider"),
)
@click.argument("key")
@_SIDE
@_CIRCUMSTANCE
@irrevocable
@as_operator
def _terminate(
    runtime: Runtime,
    actor: str,
    key: str,
    side: str,
    circumstance: str | None,
    reason: str | None,
    *,
    yes: bool,
    dry_run: bool,
) -> None:
    covered = read_covered(runtime, key, "terminate", Side(side))
    aliases, datasets = ", ".join(covered.aliases) or "none", many(len(covered.aliases), "dataset")
    studies, objects = many(covered.studies, "study", "studies"), many(covered.objects, "object")
    told = [
        f"{key} ends for good: nothing under it goes in or out again, and it can't be resumed (suspend stops it for a while).",
        f"It covers {datasets} ({aliases}) with {studies} of {objects}.",
        "They stay on their node, out of sight, until they are withdrawn.",
    ]
    if confirmed(told, yes=yes, dry_run=dry_run):
        print(f"{key}: {move_agreement(runtime, actor, key, 'terminate', Side(side), reason, circumstance)}")
