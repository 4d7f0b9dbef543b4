"""Application entities: the AE titles under which clients ask on the DICOM network."""

from typing import Any

import click

from server.cli.admin.peers import FINGERPRINT, origin, our_scp, peering_flags, told_scp
from server.cli.help import examples, say_next
from server.cli.options import as_operator, lists, words
from server.cli.table import Rows
from server.usecases.entity import add_entity, list_entities, remove_entity
from server.usecases.peering import Peering
from server.usecases.runtime import Runtime


@click.group(epilog=examples("accord admin ae list"))
def ae() -> None:
    """AE titles that ask on the DICOM network."""


@ae.command(
    "add",
    epilog=examples(
        "accord admin ae add GPU-B --client gpu-b --from 10.1.2.0/24 --purpose AITRAIN --scp 10.1.2.3:104",
        "accord admin ae add RADPACS1 --client pacs-a --from 10.1.2.3/32 --associations 4",
        f"accord admin ae add GPU-B --client gpu-b --certificate {FINGERPRINT} --scp 10.1.2.3:2762 --scp-tls",
        f"accord admin ae add RADPACS1 --client pacs-a --subject CN=pacs1,O=Hospital --authority {FINGERPRINT}",
    ),
)
@click.argument("aet", metavar="AET")
@click.option("--client", required=True, metavar="NAME", help="the client that asks under it, with its rights")
@click.option(
    "--from", "networks", type=words, metavar="CIDRS", help="the networks it calls from; default: any, with a certificate"
)
@click.option("--purpose", metavar="WORD", help="the one purpose it asks for: AIRESEARCH, AITRAIN or FEDLEARN")
@click.option("--scp", metavar="ADDRESS:PORT", help="where its own SCP listens, to be sent what it asks for by C-MOVE")
@peering_flags
@as_operator
def _add_entity(
    runtime: Runtime,
    actor: str,
    aet: str,
    client: str,
    networks: list[str] | None,
    purpose: str | None,
    scp: str | None,
    **shown: Any,
) -> None:
    """Let a client ask under an AE title: from networks, with a certificate, or both."""
    peering = Peering(**shown)
    add_entity(runtime, actor, aet, client=client, networks=networks or (), purpose=purpose, scp=scp, peering=peering)
    certified = bool(peering.certificates or peering.subject)
    print(f"{aet}: asks as {client} from {origin(networks or (), certified=certified)}")
    level = "-k QueryRetrieveLevel=STUDY -k StudyInstanceUID"
    say_next(f"findscu -S {level} -aec {runtime.settings.ae_title} -aet {aet} {our_scp(runtime.settings, tls=certified)}")


@ae.command("remove", epilog=examples("accord admin ae remove GPU-B"))
@click.argument("aet", metavar="AET")
@as_operator
def _remove_entity(runtime: Runtime, actor: str, aet: str) -> None:
    """Answer an AE title no more."""
    remove_entity(runtime, actor, aet)
    print(f"{aet}: asks no more")


@lists(ae, "AE title", "client", "networks", "purpose", "SCP", "certificates", "associations")
def _list_entities(runtime: Runtime) -> Rows:
    """Every AE title that asks."""
    return (
        (e.aet, e.client, " ".join(e.networks), e.purpose, told_scp(e.scp, tls=e.tls), "; ".join(e.certificates), e.associations)
        for e in list_entities(runtime)
    )
