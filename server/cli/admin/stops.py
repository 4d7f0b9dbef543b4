"""What stops people, what two persons decide on, and what parties are told; a whole dataset that goes or comes back."""

from datetime import datetime

import click

from consent.agreement import CIRCUMSTANCES
from consent.exclusion import Excluded
from consent.notice import NoticeKind
from consent.person import Actor
from server.cli.admin.custody import study
from server.cli.admin.datasets import dataset
from server.cli.admin.two_persons import ALONE, decided
from server.cli.confirm import confirmed, irrevocable
from server.cli.help import examples, say_next
from server.cli.options import as_actor, as_operator, date, lists, with_runtime
from server.cli.sentences import many
from server.cli.table import Rows
from server.usecases import exclusion as exclusions
from server.usecases import notice as notices
from server.usecases import proposal as proposals
from server.usecases.proposable import PROPOSABLE
from server.usecases.purge import read_receipts
from server.usecases.restore import restore_study
from server.usecases.runtime import Runtime
from server.usecases.withdraw_dataset import restore_dataset, withdraw_dataset

_STUDY, _KEY = "1.2.826.0.1.3680043.8.498.1", "4f1d2c3b4a5968774f1d2c3b4a596877"
_CIRCUMSTANCE = click.option(
    "--circumstance", type=click.Choice([*CIRCUMSTANCES]), required=True, help="what of the agreement's list this rests on"
)
_WHY = click.option("--reason", metavar="TEXT", help="why; it stays in the ledger, so name no person")
_MUST = click.option("--reason", metavar="TEXT", required=True, help="why; it stays in the ledger, so name no person")


@study.command("restore", epilog=examples(f"accord admin study restore {_STUDY} --reason 'withdrawn by mistake'"))
@click.argument("uid")
@_WHY
@as_operator
def _restore_study(runtime: Runtime, actor: str, uid: str, reason: str | None) -> None:
    """Undo a withdrawal within its grace; a job brings the objects back."""
    print(f"{many(restore_study(runtime, actor, uid, reason=reason), 'object')} come back")


@study.command("receipt", epilog=examples(f"accord admin study receipt {_STUDY}"))
@click.argument("uid")
@as_actor
def _receipt(runtime: Runtime, actor: Actor, uid: str) -> None:
    """What the record keeps of a study's purge: each file by its SHA-256, and who had taken whole objects of it."""
    for receipt in read_receipts(runtime, actor, uid):
        print(f"{receipt.at:%Y-%m-%d %H:%M:%S} {receipt.dataset}: {many(len(receipt.files), 'file')} purged")
        print("\n".join(f"  {digest}" for digest in receipt.files))
        print(f"  taken before by {receipt.taken}: {', '.join(receipt.takers) or '-'}")


@dataset.command(
    "withdraw", epilog=examples("accord admin dataset withdraw BREAST-A --circumstance legal-order --reason 'order 12/2026'")
)
@click.argument("alias")
@_CIRCUMSTANCE
@irrevocable
@as_actor
def _withdraw_dataset(
    runtime: Runtime, actor: Actor, alias: str, circumstance: str, reason: str | None, *, yes: bool, dry_run: bool
) -> None:
    """Take a whole dataset out of sight, from the next statement on; its bytes go when the grace is over."""
    days = runtime.settings.grace_days
    told = [f"All of {alias} goes out of sight now. In {days} days its bytes go; until then it can be restored."]
    if confirmed(told, yes=yes, dry_run=dry_run):
        until = withdraw_dataset(runtime, actor, alias, reason=reason, circumstance=circumstance)
        print(f"{alias}: withdrawn; its bytes go from {until:%Y-%m-%d %H:%M} UTC on")
        say_next(f"accord admin dataset restore {alias}")


@dataset.command("restore", epilog=examples("accord admin dataset restore BREAST-A --reason 'the order was lifted'"))
@click.argument("alias")
@_WHY
@as_actor
def _restore_dataset(runtime: Runtime, actor: Actor, alias: str, reason: str | None) -> None:
    """Undo the repository's withdrawal of a dataset within its grace."""
    restore_dataset(runtime, actor, alias, reason=reason)
    print(f"{alias}: restored")


@click.group(epilog=examples("accord admin exclusion list"))
def exclusion() -> None:
    """Organisations and clients that are blocked; a person's account is blocked by `accord admin person block`."""


_KIND = click.argument("kind", type=click.Choice([*map(str, Excluded)]))


@exclusion.command(
    "add", epilog=examples("accord admin exclusion add party university-x --circumstance breach --reason 'shared its key'")
)
@_KIND
@click.argument("key")
@_CIRCUMSTANCE
@_WHY
@as_actor
def _exclude(runtime: Runtime, actor: Actor, kind: str, key: str, circumstance: str, reason: str | None) -> None:
    """Block an organisation by its key, or a client by its id, from the next request on."""
    exclusions.exclude(runtime, actor, kind, key, circumstance=circumstance, reason=reason)
    print(f"{key}: blocked")


@exclusion.command("lift", epilog=examples("accord admin exclusion lift party university-x --reason 'new keys'"))
@_KIND
@click.argument("key")
@_WHY
@as_actor
def _lift(runtime: Runtime, actor: Actor, kind: str, key: str, reason: str | None) -> None:
    """Let somebody in again."""
    exclusions.lift_exclusion(runtime, actor, kind, key, reason=reason)
    print(f"{key}: let in again")


@lists(exclusion, "kind", "key", "circumstance", "since", "by")
def _list_exclusions(runtime: Runtime) -> Rows:
    """Who is blocked."""
    return ((row.kind, row.key, row.circumstance, row.at, row.actor) for row in exclusions.all_exclusions(runtime))


@click.group(epilog=examples("accord admin proposal list"))
def proposal() -> None:
    """What two persons decide on: one proposes, another confirms."""


@proposal.command(
    "make",
    epilog=examples(
        f"accord admin proposal make purge study={_STUDY} --reason 'erasure was asked for'",
        "accord admin proposal make rotate-keys --alone 'a backup was lost'",
    ),
)
@click.argument("act", type=click.Choice([*PROPOSABLE]))
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
@_WHY
@ALONE
@as_actor
def _propose(runtime: Runtime, actor: Actor, act: str, arguments: tuple[str, ...], reason: str | None, alone: str | None) -> None:
    """Propose an act; the second person signs in and confirms it."""
    if any("=" not in pair for pair in arguments):
        raise click.UsageError("Arguments are written as NAME=VALUE.")
    named = dict(pair.split("=", 1) for pair in arguments)
    print(decided(runtime, actor, act, named, reason or "", alone))


@proposal.command("decline", epilog=examples(f"accord admin proposal decline {_KEY} --reason 'no such study'"))
@click.argument("key")
@_MUST
@as_actor
def _decline(runtime: Runtime, actor: Actor, key: str, reason: str) -> None:
    """Say no to what was proposed."""
    proposals.refuse(runtime, actor, key, reason)
    print(f"{key}: declined")


@lists(proposal, "proposal", "act", "arguments", "by", "expires", "reason")
def _list_proposals(runtime: Runtime) -> Rows:
    """What waits for a second person."""
    return ((p.key, p.act, proposals.shown(p), p.proposer, p.expires, p.reason) for p in proposals.all_proposals(runtime))


@click.group(epilog=examples("accord admin notice list"))
def notice() -> None:
    """What parties are told."""


@notice.command(
    "send",
    epilog=examples(
        "accord admin notice send discontinuity 'Storage moves' --text 'No deposits on that day.' --effective 2027-03-01",
        "accord admin notice send change 'New address' --text 'See the README.' --party hospital-a",
        "accord admin notice send discontinuity 'R5 ends' --effective 2027-03-01 --address /fhir/R5",
        "accord admin notice send discontinuity 'Maintenance' --effective 2027-03-01 --until 2027-03-02 --address /",
    ),
)
@click.argument("kind", type=click.Choice([str(NoticeKind.CHANGE), str(NoticeKind.DISCONTINUITY)]))
@click.argument("title")
@click.option("--text", default="", help="what it says, such as 'No deposits on that day.'")
@click.option("--party", metavar="KEY", help="whom it is for; default: every organisation")
@click.option("--effective", type=date, metavar="DATE", help="from when on it is so, such as 2027-03-01")
@click.option("--address", metavar="PATH", help="what it is about, such as /fhir/R5 (/ is all): its answers say so")
@click.option("--until", type=date, metavar="DATE", help="when that is there again; default: never")
@as_actor
def _send(
    runtime: Runtime,
    actor: Actor,
    kind: str,
    title: str,
    text: str,
    party: str | None,
    effective: datetime | None,
    address: str | None,
    until: datetime | None,
) -> None:
    """Tell parties of a change, or of something that ends; a change of an address takes back what was said of it."""
    key = notices.announce(runtime, actor, kind, title, text, party, effective, address=address, until=until)
    print(f"{key}: sent")


@notice.command("acknowledge", epilog=examples("accord admin notice acknowledge 12"))
@click.argument("delivery", type=int)
@as_actor
def _acknowledge(runtime: Runtime, actor: Actor, delivery: int) -> None:
    """Say that the operators have read one of theirs."""
    notices.acknowledge(runtime, actor, delivery)
    print(f"{delivery}: acknowledged")


@lists(notice, "delivery", "kind", "party", "title", "effective", "at", "state", "acknowledged")
def _list_notices(runtime: Runtime) -> Rows:
    """The newest deliveries to anybody; never a secret that goes with one."""
    every = notices.all_notices(runtime)
    return ((d.id, d.kind, d.party or "-", d.title, d.effective, d.at, d.state, d.acknowledged) for d in every)


@click.group(epilog=examples("accord admin mail test operator@example.org"))
def mail() -> None:
    """Notices by e-mail."""


@mail.command("test", epilog=examples("accord admin mail test operator@example.org"))
@click.argument("address")
@with_runtime
def _test_mail(runtime: Runtime, address: str) -> None:
    """Send a word to an address, with the settings as they are."""
    notices.try_mail(runtime, address)
    print(f"{address}: sent")
