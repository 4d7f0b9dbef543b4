"""`accord admin NOUN VERB`: what the operator does, as whoever owns the data directory."""

import argparse
import getpass
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.identity import ClientFile, new_client_key, registered_jwks, write_client
from adapters.sql import custody
from consent.agreement import MOVES, Side
from consent.conditions import Purpose
from consent.node import MOVES as NODE_MOVES
from consent.party import ROLES
from mappings.failures import Invalid
from server import wiring
from server.cli.processes import add_flags, settings_of
from server.usecases import link, reconcile, release, report, withdraw
from server.usecases.agreement import add_agreement, list_agreements, move_agreement, read_agreement
from server.usecases.client import add_client, list_clients, set_client
from server.usecases.dataset import add_dataset, list_datasets, set_dataset
from server.usecases.hall import Hall
from server.usecases.node import NODE_KINDS, add_node, list_nodes, move_node
from server.usecases.party import add_party, list_parties
from server.usecases.permit import add_permit, list_permits, revoke_permit
from server.usecases.sender import add_sender, attest_sender, list_senders, remove_sender
from server.usecases.terms import list_terms, publish_terms

Verb = Callable[[Hall, str, argparse.Namespace], str | None]


def actor() -> str:
    """Who acts: the operator, by the account that runs the command."""
    return f"operator:{getpass.getuser()}"


def _date(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("a date is YYYY-MM-DD, with a time and zone if wanted") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _words(text: str) -> list[str]:
    return [word for word in text.replace(",", " ").split() if word]


def _list(rows: Callable[[Hall], Iterable[Sequence[object]]]) -> Verb:
    return lambda hall, _who, _args: "\n".join("\t".join(str(cell) for cell in row) for row in rows(hall))


def _agreements(hall: Hall) -> Iterator[Sequence[object]]:
    for cited in list_agreements(hall):
        conditions = cited.content.conditions
        actions = " ".join(sorted(conditions.actions))
        yield cited.key, cited.content.version, cited.standing.state, conditions.access_class, conditions.visibility, actions


def _show_agreement(hall: Hall, _who: str, a: argparse.Namespace) -> str:
    cited = read_agreement(hall, a.citation)
    content, conditions = cited.content, cited.content.conditions
    stops = f", stopped by the {' and the '.join(sorted(cited.standing.stops))}" if cited.standing.stops else ""
    lines = [
        f"{cited.key} of {cited.provider}: {cited.standing.state}{stops}",
        (
            f"version {content.version}: terms {content.terms}, on node {content.node}, "
            f"from {content.starts:%Y-%m-%d} to {content.ends or 'no end'}"
        ),
        (
            f"{conditions.access_class}, {'listed' if conditions.listed else 'unlisted'}, visibility {conditions.visibility}, "
            f"actions {' '.join(sorted(conditions.actions))}, purposes {' '.join(sorted(conditions.purposes))}"
        ),
        *(f"{act.at:%Y-%m-%d %H:%M} {act.verb} by the {act.side} ({act.actor}), version {act.version}" for act in cited.acts),
    ]
    return "\n".join(lines)


def _move(verb: str) -> Verb:
    return lambda hall, who, a: f"{a.key}: {move_agreement(hall, who, a.key, verb, Side(a.side))}"


def _link(verb: str) -> Verb:
    return lambda hall, who, a: move_node(hall, who, a.name, verb)


def _add_terms(hall: Hall, who: str, a: argparse.Namespace) -> str:
    return f"{a.version} sha256:{publish_terms(hall, who, a.version, Path(a.file).read_bytes())}"


def _add_agreement(hall: Hall, who: str, a: argparse.Namespace) -> None:
    links = {"provider": a.provider, "node": a.node, "terms": a.terms, "starts": a.starts, "ends": a.ends}
    conditions = {"access_class": a.access_class, "listed": not a.unlisted, "actions": a.actions, "visibility": a.visibility}
    add_agreement(hall, who, a.key, **links, **conditions, purposes=a.purposes)


def _add_node(hall: Hall, who: str, a: argparse.Namespace) -> None:
    values = {"kind": a.kind, "hosting": a.hosting, "url": a.url or a.name, "secret_file": a.secret_file}
    add_node(hall, who, a.name, **values, networks=a.networks, allow=a.allow)
    row = next(row for row in list_nodes(hall) if row.name == a.name)
    if reasons := link.refusals(hall, row):
        move_node(hall, who, a.name, "suspend")
        raise Invalid("node-refused", "The node was added but suspended: " + " ".join(reasons))


def _compare(hall: Hall, _who: str, a: argparse.Namespace) -> str:
    found = reconcile.compare(hall, a.name)
    lines = [*(f"unknown to custody: {p}" for p in found.unknown), *(f"missing on the node: {uid}" for uid in found.missing)]
    return "\n".join(lines) or "Custody and the node "


def _add_client(hall: Hall, who: str, a: argparse.Namespace) -> str | None:
    public = registered_jwks(json.loads(Path(a.jwks).read_text())) if a.jwks else None
    private, made = new_client_key() if public is None else (None, public)
    values = {
        "party": a.party,
        "scopes": a.scopes,
        "purposes": a.purposes,
        "node": a.node,
        "terms": a.terms,
        "name": a.name or "",
    }
    add_client(hall, who, a.client_id, jwks=made, **values)
    if private is None:
        return None
    path = Path(a.write or f"{a.client_id}.client.json")
    purpose = a.purposes[0] if a.purposes else None
    base = hall.settings.base_url
    write_client(path, ClientFile(a.client_id, f"{base}/oauth/token", " ".join(a.scopes), purpose, private))
    return f"client file: {path} (keep it secret)"


def _set_dataset(hall: Hall, who: str, a: argparse.Namespace) -> None:
    from mappings import dcat

    pairs = dict(pair.split("=", 1) for pair in a.details if "=" in pair)
    if len(pairs) != len(a.details):
        raise Invalid("details", "Details are given as KEY=VALUE.")
    for key, value in pairs.items():
        if key not in ("title", "description") and value and (why := dcat.wrong(key, value)):
            raise Invalid("details", why, key)
    set_dataset(hall, who, a.alias, pairs)


def _batches(hall: Hall, _who: str, _a: argparse.Namespace) -> str:
    rows = report.listed(hall, None)
    return "\n".join(f"{b.key}\t{b.alias}\t{b.door}\t{b.opened:%Y-%m-%d %H:%M}\t{'closed' if b.closed else 'open'}" for b in rows)


def _show(hall: Hall, _who: str, a: argparse.Namespace) -> str:
    from mappings import report as texts

    return "".join(getattr(texts, f"to_{a.format}")(report.report(hall, None, a.batch)))


def _release(hall: Hall, who: str, a: argparse.Namespace) -> str:
    done = release.release(hall, who, a.batch, frozenset(a.uids))
    return f"{done.objects} released, under batch {done.batch}"


def _refuse(hall: Hall, who: str, a: argparse.Namespace) -> str:
    return f"{release.refuse(hall, who, a.batch, frozenset(a.uids)).objects} refused"


def _custody(hall: Hall, _who: str, _a: argparse.Namespace) -> str:
    with hall.store.read() as connection:
        objects, size = custody.held_bytes(connection)
    return f"{objects} objects, {size} bytes held"


class Arg:
    """One argument of a verb, as argparse takes it."""

    def __init__(self, *names: str, **options: Any) -> None:
        self.names, self.options = names, options


_PURPOSES = Arg("--purposes", type=_words, default=[str(p) for p in Purpose], help="among AIRESEARCH, AITRAIN, FEDLEARN")
_SIDE = Arg(
    "--for",
    dest="side",
    default="repository",
    choices=[str(side) for side in Side],
    help="whose act it is; a stop is lifted by who set it",
)
_UIDS = Arg("uids", nargs="*", metavar="SOP_UID", help="only these objects")
VERBS: dict[tuple[str, str], tuple[Verb, tuple[Arg, ...]]] = {
    ("party", "add"): (
        lambda h, w, a: add_party(h, w, a.key, a.name, a.role, approved=not a.unapproved),
        (
            Arg("key"),
            Arg("--name", required=True),
            Arg("--role", required=True, choices=ROLES),
            Arg("--unapproved", action="store_true"),
        ),
    ),
    ("party", "list"): (_list(lambda h: ((p.key, p.role, p.approved, p.name) for p in list_parties(h))), ()),
    ("node", "add"): (
        _add_node,
        (
            Arg("name"),
            Arg("--kind", default="folder", choices=NODE_KINDS),
            Arg("--hosting", default="central", choices=("central", "federated")),
            Arg("--url", help="of an Orthanc; for a folder, its path in the data directory"),
            Arg("--secret-file", help="file with user:password"),
            Arg("--networks", type=_words, default=[], help="CIDRs of the node's compute clients"),
            Arg("--allow", type=_words, default=[], help="refusals to overlook: anonymous transcoding overwrite"),
        ),
    ),
    ("node", "compare"): (_compare, (Arg("name"),)),
    ("node", "list"): (_list(lambda h: ((n.name, n.kind, n.hosting, n.state, n.url) for n in list_nodes(h))), ()),
    **{("node", verb): (_link(verb), (Arg("name"),)) for verb in NODE_MOVES},
    ("terms", "add"): (_add_terms, (Arg("file"), Arg("--version", required=True))),
    ("terms", "list"): (_list(lambda h: ((t.version, t.sha256) for t in list_terms(h))), ()),
    ("agreement", "add"): (
        _add_agreement,
        (
            Arg("key"),
            Arg("--provider", required=True),
            Arg("--node", required=True),
            Arg("--terms", required=True, help="the terms version the provider accepted"),
            Arg("--starts", type=_date),
            Arg("--ends", type=_date),
            Arg("--class", dest="access_class", default="default", choices=("default", "conditional")),
            Arg("--unlisted", action="store_true"),
            Arg("--actions", type=_words, default=["query"], help="among query, process, export"),
            Arg("--visibility", default="none", choices=("none", "preview", "full")),
            _PURPOSES,
        ),
    ),
    ("agreement", "list"): (_list(_agreements), ()),
    ("agreement", "show"): (_show_agreement, (Arg("citation", metavar="KEY[@VERSION]"),)),
    **{("agreement", verb): (_move(verb), (Arg("key"), _SIDE)) for verb in MOVES},
    ("dataset", "add"): (
        lambda h, w, a: add_dataset(h, w, a.alias, a.agreement, a.title, a.description),
        (Arg("alias"), Arg("--agreement", required=True), Arg("--title", required=True), Arg("--description", default="")),
    ),
    ("dataset", "set"): (_set_dataset, (Arg("alias"), Arg("details", nargs="+", metavar="KEY=VALUE"))),
    ("dataset", "list"): (_list(lambda h: ((d.alias, d.title, json.dumps(d.details)) for d in list_datasets(h))), ()),
    ("sender", "add"): (
        lambda h, w, a: add_sender(h, w, a.alias, a.aet, a.network),
        (
            Arg("alias", metavar="DATASET"),
            Arg("--aet", required=True),
            Arg("--from", dest="network", required=True, metavar="CIDR"),
        ),
    ),
    ("sender", "attest"): (
        lambda h, w, a: attest_sender(h, w, a.alias, a.aet, a.person, a.on),
        (
            Arg("alias", metavar="DATASET"),
            Arg("--aet", required=True),
            Arg("--person", required=True),
            Arg("--on", required=True, metavar="YYYY-MM-DD"),
        ),
    ),
    ("sender", "remove"): (
        lambda h, w, a: remove_sender(h, w, a.alias, a.aet),
        (Arg("alias", metavar="DATASET"), Arg("--aet", required=True)),
    ),
    ("sender", "list"): (_list(lambda h: ((s.alias, s.aet, s.network, s.attested_by, s.removed) for s in list_senders(h))), ()),
    ("client", "add"): (
        _add_client,
        (
            Arg("client_id"),
            Arg("--party", required=True),
            Arg("--scopes", type=_words, default=["system/*.rs"]),
            Arg("--purposes", type=_words, default=[]),
            Arg("--node", help="the node inside whose compute networks it runs"),
            Arg("--terms", help="the terms version it accepted; without one it gets no token"),
            Arg("--name"),
            Arg("--jwks", help="file with its public keys; without, a key pair is made"),
            Arg("--write", help="where to write the client file of a made key pair"),
        ),
    ),
    ("client", "set"): (
        lambda h, w, a: set_client(h, w, a.client_id, terms=a.terms),
        (Arg("client_id"), Arg("--terms", required=True)),
    ),
    ("client", "disable"): (lambda h, w, a: set_client(h, w, a.client_id, enabled=False), (Arg("client_id"),)),
    ("client", "enable"): (lambda h, w, a: set_client(h, w, a.client_id, enabled=True), (Arg("client_id"),)),
    ("client", "list"): (
        _list(lambda h: ((c.client_id, c.enabled, " ".join(sorted(c.purposes)), " ".join(c.scopes)) for c in list_clients(h))),
        (),
    ),
    ("permit", "add"): (
        lambda h, w, a: add_permit(h, w, a.alias, a.party, a.ends),
        (Arg("alias", metavar="DATASET"), Arg("--party", required=True), Arg("--ends", type=_date)),
    ),
    ("permit", "revoke"): (
        lambda h, w, a: revoke_permit(h, w, a.alias, a.party),
        (Arg("alias", metavar="DATASET"), Arg("--party", required=True)),
    ),
    ("permit", "list"): (
        _list(lambda h: ((alias, p.party, p.starts, p.ends, revoked) for alias, p, revoked in list_permits(h))),
        (),
    ),
    ("study", "withdraw"): (
        lambda h, w, a: f"{withdraw.withdraw_study(h, w, a.uid, replace=a.replace)} objects withdrawn",
        (Arg("uid"), Arg("--replace", action="store_true", help="leave no block: a replacement is to come")),
    ),
    ("block", "lift"): (lambda h, w, a: f"{withdraw.lift_block(h, w, a.uid)} blocks lifted", (Arg("uid"),)),
    ("batch", "list"): (_batches, ()),
    ("batch", "show"): (_show, (Arg("batch"), Arg("--format", default="text", choices=("text", "json", "csv")))),
    ("batch", "release"): (_release, (Arg("batch"), _UIDS)),
    ("batch", "refuse"): (_refuse, (Arg("batch"), _UIDS)),
    ("custody", "show"): (_custody, ()),
}


def run(args: argparse.Namespace) -> int:
    """Run one verb."""
    hall = wiring.hall(settings_of(args))
    verb, _ = VERBS[args.noun, args.verb]
    if said := verb(hall, actor(), args):
        print(said)
    return 0


def add_parser(commands: "argparse._SubParsersAction[Any]") -> None:
    """`accord admin NOUN VERB`, from the table."""
    nouns = commands.add_parser("admin", help="what the operator does").add_subparsers(dest="noun", required=True, metavar="NOUN")
    parsers: dict[str, Any] = {}
    for (noun, verb), (_, arguments) in VERBS.items():
        if noun not in parsers:
            parsers[noun] = nouns.add_parser(noun).add_subparsers(dest="verb", required=True, metavar="VERB")
        parser = parsers[noun].add_parser(verb)
        add_flags(parser)
        for argument in arguments:
            parser.add_argument(*argument.names, **argument.options)
        parser.set_defaults(run=run)
