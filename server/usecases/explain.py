"""What a client may do with a study, decided as a request of its would be, and by which rule, agreement and terms."""

from dataclasses import dataclass

from adapters.sql import client as clients
from adapters.sql import instances
from consent.conditions import Action
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

    A client that is not `enabled` gets no token, whatever is decided.
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
    runtime: Runtime, study_uid: str, client_id: str, *, purpose: str | None = None, outside: bool = False
) -> Explanation:
    """Explain, for the purpose given or the first of the client's own; nothing is recorded. Raises NotFound.

    A client bound to a node asks from inside its compute networks, unless `outside`.
    """
    with runtime.store.read() as connection:
        client = require(clients.find(connection, client_id), "client", client_id)
        dataset = instances.dataset_of(connection, study_uid)
        if dataset is None:
            raise NotFound("study-unknown", "This study is not in the index.")
        facts = runtime.governance.current(connection).dataset(dataset)
    asker = subject(client, inside=client.node is not None and not outside)
    purpose = purpose or next(iter(sorted(client.purposes)), None)
    decisions = tuple((action, decide(asker, action, purpose, facts, runtime.clock())) for action in Action)
    place = facts.alias, facts.provider, facts.node, facts.node_state
    return Explanation(*place, asker.role, purpose, client.enabled, decisions)
