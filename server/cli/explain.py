"""`accord explain`: why a client may or may not do something with a study."""

from datetime import datetime
from pathlib import Path

import click

from adapters.client_file import read_client
from consent.policy import NEVER_FOR_DIAGNOSIS
from server import wiring
from server.cli.help import examples
from server.cli.options import date, with_settings
from server.settings import Settings
from server.usecases import explain as decisions


@click.command(
    epilog=examples(
        "accord explain 1.2.826.0.1.3680043.8.498.1 --as lab-b",
        "accord explain 1.2.826.0.1.3680043.8.498.1 --as gpu-b --purpose AITRAIN --outside --at 2027-03-01T12:00",
    )
)
@click.argument("study")
@click.option("--as", "client", required=True, metavar="CLIENT", help="who would ask: a client's name, or its client file")
@click.option("--purpose", help="what for; default: the first of the client's")
@click.option("--outside", is_flag=True, help="as if calling from outside its node's compute networks")
@click.option("--at", type=date, metavar="TIME", help="as governance stood then, or will if nothing is done; default: now")
@with_settings
def explain(settings: Settings, study: str, client: str, purpose: str | None, at: datetime | None, *, outside: bool) -> None:
    """Say what a client may do with a study, by which rule, agreement and terms.

    STUDY is a Study Instance UID.
    """
    if Path(client).is_file():
        client = read_client(Path(client)).client_id
    told = decisions.explain(wiring.runtime(settings, upgrade=False), study, client, purpose=purpose, outside=outside, at=at)
    print(f"{study} is in dataset {told.dataset} of {told.provider}, on node {told.node} ({told.node_state}).")
    disabled = "" if told.enabled else " (disabled: gets no token)"
    print(f"{client} asks as {told.role}, for {told.purpose or 'no purpose'}{disabled}.")
    for action, d in told.decisions:
        answer = "yes" if d.allowed else "no"
        print(f"  {action:9} {answer:3}  {d.rule}: {d.sentence} [agreement {d.agreement}, terms {d.terms}]")
    print(NEVER_FOR_DIAGNOSIS)
