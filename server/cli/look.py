"""Commands that look and change nothing: `doctor`, `explain` and `ledger verify`."""

import argparse
from typing import Any

from adapters.sql import client as clients
from adapters.sql import search
from adapters.sql.node import NodeRow
from consent.conditions import Action
from consent.node import NodeState
from consent.policy import NEVER_FOR_DIAGNOSIS, decide
from mappings.failures import Failure, NotFound
from server import wiring
from server.cli.processes import add_flags, settings_of
from server.usecases import federate, health, ledger, link
from server.usecases.hall import Hall
from server.usecases.identify import subject
from server.usecases.node import list_nodes


def doctor(args: argparse.Namespace) -> int:
    """Say what is wrong with this Accord, and what a dataset lacks for the catalogue."""
    hall = wiring.hall(settings_of(args), upgrade=False)
    found = health.troubles(hall)
    lacking = [
        f"{alias} stays out of the catalogue; set with `accord admin dataset set`: {', '.join(w)}."
        for alias, w in federate.incomplete(hall).items()
    ]
    print("\n".join([*found, *lacking, *probes(hall)]) or "All is well.")
    return 1 if found else 0


def probes(hall: Hall) -> list[str]:
    """Why a linked node should not be used, by its own probe."""
    rows = [row for row in list_nodes(hall) if row.state is NodeState.LINKED]
    refused = [f"Node {row.name}: {reason}" for row in rows for reason in _refusals(hall, row)]
    warned = (link.warning(row, hall.node_of(row).check().version) for row in rows)
    return [*refused, *(said for said in warned if said)]


def _refusals(hall: Hall, row: NodeRow) -> list[str]:
    try:
        return link.refusals(hall, row)
    except Failure:
        return []  # it does not answer, as `health.troubles` has said


def explain(args: argparse.Namespace) -> int:
    """Say what a client may do with a study, by which rule, agreement and terms."""
    hall = wiring.hall(settings_of(args), upgrade=False)
    with hall.store.read() as connection:
        client = clients.find(connection, args.client)
        dataset = search.dataset_of(connection, args.study)
        facts = next((f for f in hall.governance(connection).facts if f.dataset == dataset), None)
    if client is None:
        raise NotFound("client-unknown", f"There is no client called {args.client}.")
    if facts is None:
        raise NotFound("study-unknown", "This study is not in the index.")
    asker = subject(client, inside=client.node is not None and not args.outside)
    purpose = args.purpose or next(iter(sorted(client.purposes)), None)
    print(f"{args.study} is in dataset {facts.alias} of {facts.provider}, on node {facts.node} ({facts.node_state}).")
    print(
        f"{args.client} asks as {asker.role}, for {purpose or 'no purpose'}"
        + ("" if client.enabled else " (disabled: gets no token)")
        + "."
    )
    for action in Action:
        d = decide(asker, action, purpose, facts, hall.clock())
        print(
            f"  {action:9} {'yes' if d.allowed else 'no ':3}  {d.rule}: {d.sentence} [agreement {d.agreement}, terms {d.terms}]"
        )
    print(NEVER_FOR_DIAGNOSIS)
    return 0


def verify(args: argparse.Namespace) -> int:
    """Recompute the whole ledger; name the first broken entry."""
    checked = ledger.verify(wiring.hall(settings_of(args), upgrade=False))
    if checked.broken:
        print(f"BROKEN after {checked.entries} good entries. {checked.broken}")
        return 1
    print(f"{checked.entries} entries and {checked.roots} roots recomputed, all as recorded ({checked.erased} bodies erased).")
    return 0


def add_parsers(commands: "argparse._SubParsersAction[Any]") -> None:
    """The looking commands."""
    looking = commands.add_parser("doctor", help=doctor.__doc__)
    add_flags(looking)
    looking.set_defaults(run=doctor)
    explaining = commands.add_parser("explain", help=explain.__doc__)
    add_flags(explaining)
    explaining.add_argument("study", metavar="STUDY", help="Study Instance UID")
    explaining.add_argument("--as", dest="client", required=True, metavar="CLIENT")
    explaining.add_argument("--purpose")
    explaining.add_argument("--outside", action="store_true", help="as if calling from outside its node's compute networks")
    explaining.set_defaults(run=explain)
    ledger = commands.add_parser("ledger", help="the record").add_subparsers(dest="verb", required=True, metavar="VERB")
    verifying = ledger.add_parser("verify", help=verify.__doc__)
    add_flags(verifying)
    verifying.set_defaults(run=verify)
