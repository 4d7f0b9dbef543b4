"""What a client may do with a study, decided as a request of its would be, and by which rule, agreement and terms."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from adapters.sql import client as clients
from adapters.sql import exclusion, history, instances
from consent.conditions import Action
from consent.dataset import Facts
from consent.exclusion import is_excluded
from consent.node import NodeState
from consent.policy import Decision, decide
from consent.subject import Role
from mappings.failures import NotFound
from server.usecases.identify import subject
from server.usecases.naming import require
from server.usecases.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a study lies, as whom and for what its asker asks, and the decision on each action, in the actions' own order.

    A client that is not `enabled`, or is blocked, gets no token, whatever is decided.
    """

    dataset: str
    provider: str
    node: str
    node_state: NodeState
    role: Role
    purpose: str | None
    enabled: bool
    decisions: tuple[tuple[Action, Decision], ...]


def explain(
    runtime: Runtime,
    study_uid: str,
    client_id: str,
    *,
    purpose: str | None = None,
    outside: bool = False,
    at: datetime | None = None,
) -> Explanation:
    """Explain, for the purpose given or the first of the client's own; nothing is recorded. Raises NotFound.

    A client bound to a node asks from inside its compute networks, unless `outside`. `at` another moment than now, it is decided
    as governance stood then: for the client as it is registered now, with what it had accepted and its organisation was by then.
    """
    with runtime.store.read() as connection:
        client = require(clients.find(connection, client_id), "client", client_id)
        dataset = instances.dataset_of(connection, study_uid)
        if dataset is None:
            raise NotFound("study-unknown", "This study is not in the index.")
        facts = runtime.governance.current(connection).dataset(dataset)
        if at is not None:
            (client,), facts = history.clients_at(connection, [client], at), _facts_at(connection, dataset, at)
        excluded = exclusion.standing(connection) if at is None else exclusion.standing_at(connection, at)
    asker = subject(client, inside=client.node is not None and not outside)
    enabled = client.enabled and not is_excluded(asker, excluded)
    purpose = purpose or next(iter(sorted(client.purposes)), None)
    decisions = tuple((action, decide(asker, action, purpose, facts, at or runtime.clock())) for action in Action)
    place = facts.alias, facts.provider, facts.node, facts.node_state
    return Explanation(*place, asker.role, purpose, enabled, decisions)


def _facts_at(connection: Connection, dataset: int, at: datetime) -> Facts:
    found = next((each for each in history.facts_at(connection, at) if each.dataset == dataset), None)
    if found is None:
        raise NotFound("dataset-unknown", "Nothing was agreed on the dataset of this study then.", "at")
    return found
