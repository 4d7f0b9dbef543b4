"""Datasets, and the DICOM senders that may fill them."""

import json
from datetime import datetime, timedelta
from typing import Any

import click

from consent.person import Actor
from mappings.dcat.details import DETAILS
from mappings.failures import Invalid
from server.cli.admin.peers import FINGERPRINT, origin, our_scp, peering_flags, told_scp
from server.cli.help import examples, say_next
from server.cli.options import as_actor, as_operator, date, lists, local_operator
from server.cli.table import Rows, print_rows
from server.usecases.agreement import read_agreement
from server.usecases.audit import audit
from server.usecases.dataset import add_dataset, list_datasets, set_dataset
from server.usecases.dataset_move import answer_move, propose_move
from server.usecases.node import is_read_only
from server.usecases.peering import Peering
from server.usecases.runtime import Runtime
from server.usecases.sender import add_sender, attest_sender, list_senders, remove_sender


@click.group(epilog=examples("accord admin dataset list"))
def dataset() -> None:
    """What is shared under an agreement."""


@dataset.command("add", epilog=examples('accord admin dataset add BREAST-A --agreement DSA-A --title "Breast MR of Hospital A"'))
@click.argument("alias")
@click.option("--agreement", required=True, metavar="KEY", help="what it is shared under, such as DSA-A")
@click.option("--title", required=True, help="its title in the catalogue")
@click.option("--description", default="", help="a few sentences for the catalogue, such as 'T2 and DCE of 120 patients'")
@as_operator
def _add_dataset(runtime: Runtime, actor: str, alias: str, agreement: str, title: str, description: str) -> None:
    """Open a dataset; its alias is also the called AE title."""
    add_dataset(runtime, actor, alias, agreement, title, description)
    print(f"{alias}: added, under {agreement}")
    cited = read_agreement(runtime, agreement)
    if cited.content:
        say_next(_filling(runtime, alias, cited.content.node))
        say_next(f"accord admin client add NAME --party {cited.provider} --terms {cited.content.terms}")


@dataset.command(
    "audit",
    epilog=examples(
        "accord admin dataset audit BREAST-A --at 2027-03-01",
        "accord admin dataset audit BREAST-A --at 2027-03-01T12:00 --to 2027-03-08 --json",
    ),
)
@click.argument("alias")
@click.option("--at", type=date, required=True, metavar="TIME", help="from when on")
@click.option("--to", type=date, metavar="TIME", help="until when; default: a day later")
@click.option("--json", "as_json", is_flag=True, help="print an array of objects, for scripts")
@as_actor
def _audit(runtime: Runtime, actor: Actor, alias: str, at: datetime, to: datetime | None, *, as_json: bool) -> None:
    """Who could see a dataset then, and do what, by all that was agreed, accepted, permitted and published."""
    told = audit(runtime, actor, alias, at, to or at + timedelta(days=1))
    rows = ((s.subject, s.party, s.purpose, " ".join(sorted(s.actions))) for s in told)
    print_rows(("subject", "party", "purpose", "actions"), rows, as_json=as_json)


def _filling(runtime: Runtime, alias: str, name: str) -> str:
    """How a dataset of a node is filled; one that is only read has no senders."""
    if is_read_only(runtime, name):
        return f"accord admin node sync {name} --dataset {alias}"
    return f"accord admin sender add {alias} --aet AE_TITLE --from CIDR"


@dataset.command(
    "move",
    epilog=examples("accord admin dataset move BREAST-A --agreement DSA-B", "accord admin dataset move BREAST-A --confirm"),
)
@click.argument("alias")
@click.option("--agreement", metavar="KEY", help="propose that it goes under this one")
@click.option("--confirm", "verb", flag_value="confirm", help="confirm what its provider proposed")
@click.option("--refuse", "verb", flag_value="refuse", help="refuse it, or take back what was proposed here")
@as_operator
def _move_dataset(runtime: Runtime, actor: str, alias: str, agreement: str | None, verb: str | None) -> None:
    """Move a dataset to another agreement of its provider: one side proposes, the other confirms."""
    if (agreement is None) is (verb is None):
        raise click.UsageError("Name an --agreement, or say --confirm or --refuse.")
    if agreement is not None:
        propose_move(runtime, local_operator(actor), alias, agreement)
        print(f"{alias}: to move to {agreement}, when its provider confirms")
    elif verb is not None:
        move = answer_move(runtime, local_operator(actor), alias, verb)
        print(f"{alias}: {'moved to' if verb == 'confirm' else 'not moved to'} {move.agreement}")


_KEYS = "\b\nKeys (* is needed for the catalogue):\n" + "\n".join(
    f"  {'*' if d.required else ' '} {d.key:18} {d.text}" for d in DETAILS.values()
)


@dataset.command("set", epilog=f"{_KEYS}\n\n{examples('accord admin dataset set BREAST-A version=1.0.0 keyword=breast')}")
@click.argument("alias")
@click.argument("details", nargs=-1, required=True, metavar="KEY=VALUE...")
@as_operator
def _set_dataset(runtime: Runtime, actor: str, alias: str, details: tuple[str, ...]) -> None:
    """Set what the catalogue needs and the images can't tell; an empty value clears it."""
    pairs = dict(pair.split("=", 1) for pair in details if "=" in pair)
    if len(pairs) != len(details):
        raise Invalid("details", "Details are given as KEY=VALUE.")
    set_dataset(runtime, actor, alias, pairs)
    print(f"{alias}: set")


@lists(dataset, "dataset", "agreement", "title", "details")
def _list_datasets(runtime: Runtime) -> Rows:
    """Every dataset."""
    return ((d.alias, d.agreement, d.title, json.dumps(d.details)) for d in list_datasets(runtime))


@click.group(epilog=examples("accord admin sender list"))
def sender() -> None:
    """DICOM senders."""


_AET = click.option("--aet", required=True, help="its calling AE title")


@sender.command(
    "add",
    epilog=examples(
        "accord admin sender add BREAST-A --aet RADPACS1 --from 10.1.2.3/32 --scp 10.1.2.3:104",
        f"accord admin sender add BREAST-A --aet RADPACS1 --certificate {FINGERPRINT} --associations 4",
        f"accord admin sender add BREAST-A --aet RADPACS1 --subject CN=pacs1,O=Hospital --authority {FINGERPRINT}",
        f"accord admin sender add BREAST-A --aet RADPACS1 --certificate {FINGERPRINT} --scp 10.1.2.3:2762 --scp-tls",
    ),
)
@click.argument("dataset")
@_AET
@click.option("--from", "network", metavar="CIDR", help="the address or network it calls from; default: any, with a certificate")
@click.option("--scp", metavar="ADDRESS:PORT", help="where it takes the reports of Storage Commitment")
@peering_flags
@as_operator
def _add_sender(runtime: Runtime, actor: str, dataset: str, aet: str, network: str | None, scp: str | None, **shown: Any) -> None:
    """Let a sender fill a dataset: from a network, with a certificate, or both."""
    add_sender(runtime, actor, dataset, aet, network, scp, Peering(**shown))
    certified = bool(shown["certificates"] or shown["subject"])
    print(f"{aet}: may fill {dataset} from {origin([network] if network else [], certified=certified)}")
    say_next(f"storescu -aec {dataset} -aet {aet} {our_scp(runtime.settings, tls=certified)} FILE.dcm")


@sender.command(
    "attest", epilog=examples("accord admin sender attest BREAST-A --aet RADPACS1 --person 'Dr. A. Example' --on 2026-11-01")
)
@click.argument("dataset")
@_AET
@click.option("--person", required=True, help="who answers for its de-identification")
@click.option("--on", required=True, metavar="YYYY-MM-DD", help="when that was attested")
@as_operator
def _attest_sender(runtime: Runtime, actor: str, dataset: str, aet: str, person: str, on: str) -> None:
    """Record that a person answers for a sender's de-identification."""
    attest_sender(runtime, actor, dataset, aet, person, on)
    print(f"{aet}: attested for {dataset}")


@sender.command("remove", epilog=examples("accord admin sender remove BREAST-A --aet RADPACS1"))
@click.argument("dataset")
@_AET
@as_operator
def _remove_sender(runtime: Runtime, actor: str, dataset: str, aet: str) -> None:
    """Take nothing more from a sender."""
    remove_sender(runtime, actor, dataset, aet)
    print(f"{aet}: fills {dataset} no more")


@lists(sender, "dataset", "AE title", "network", "attested by", "removed", "SCP", "certificates", "associations")
def _list_senders(runtime: Runtime) -> Rows:
    """Every sender."""
    return (
        (
            *(s.alias, s.aet, s.network, s.attested_by, s.removed, told_scp(s.scp, tls=s.tls)),
            "; ".join(s.certificates),
            s.associations,
        )
        for s in list_senders(runtime)
    )
