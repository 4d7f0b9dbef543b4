"""Moving a dataset to another agreement of its provider: one side proposes it, the other confirms or refuses.

Nothing is copied and nothing rests elsewhere: from the next statement on, the other agreement's conditions are the dataset's.
"""

from sqlalchemy import Connection

from adapters.sql import agreement as agreements
from adapters.sql import dataset_moves, descriptions
from adapters.sql.agreement import AgreementRow
from adapters.sql.dataset import DatasetRow
from adapters.sql.dataset_moves import DatasetMove
from adapters.sql.ledger import About, record
from consent.agreement import AgreementState, Side
from consent.entries import DatasetMoved
from consent.person import Act, Actor, sees
from mappings.failures import Conflict, Invalid, NotFound
from server.usecases.agreement import side_of
from server.usecases.dataset import require_dataset
from server.usecases.naming import require, require_act
from server.usecases.runtime import Runtime


def propose_move(runtime: Runtime, actor: Actor, alias: str, agreement: str) -> Side:
    """Propose that a dataset goes under another agreement of its provider; the side that proposes it."""
    now = runtime.clock()
    with runtime.governance_act() as connection:
        dataset, about, side = _asked_by(connection, actor, alias)
        left, target = _movable(connection, dataset.agreement, agreement)
        if any(move.alias == alias for move in dataset_moves.read_asked(connection)):
            raise Conflict("dataset-moving", f"A move of {alias} waits for its answer already.", "dataset")
        moved = {"dataset": dataset.id, "left": left.id, "agreement": target.id}
        dataset_moves.add(connection, now, **moved, side=side, actor=actor.id)
        entry = DatasetMoved(verb="propose", dataset=alias, agreement=agreement, left=left.key, side=side)
        record(connection, entry, now, actor.id, about)
    return side


def answer_move(runtime: Runtime, actor: Actor, alias: str, verb: str) -> DatasetMove:
    """Confirm or refuse what the other side proposed; who proposed may take it back by refusing. The move that was meant."""
    if verb not in ("confirm", "refuse"):
        raise Invalid("verb-unknown", "A move is answered by confirm or refuse.", "verb")
    now = runtime.clock()
    with runtime.governance_act() as connection:
        dataset, about, side = _asked_by(connection, actor, alias)
        move = _asked(connection, alias)
        if verb == "confirm":
            if side is move.side:
                raise Conflict("other-side", f"The {side} proposed it; the other side confirms.", "dataset")
            left, target = _movable(connection, dataset.agreement, move.agreement)
            dataset_moves.bring(connection, now, dataset=dataset.id, left=left.id, agreement=target.id)
            descriptions.ask(connection, alias, now)
        dataset_moves.answer(connection, move, now, verb=verb, actor=actor.id)
        entry = DatasetMoved(verb=verb, dataset=alias, agreement=move.agreement, left=move.left, side=side)
        record(connection, entry, now, actor.id, about)
    return move


def _asked_by(connection: Connection, actor: Actor, alias: str) -> tuple[DatasetRow, About, Side]:
    """The dataset, whom an act on it concerns, and the side that acts. Raises Forbidden, and NotFound for another's."""
    dataset, about = require_dataset(connection, alias)
    if actor.party not in (None, dataset.provider):
        raise NotFound("dataset-unknown", f"There is no dataset called {alias}.", "dataset")
    require_act(actor, Act.MOVE_DATASET, dataset.provider)
    return dataset, about, side_of(actor, dataset.provider)


def _asked(connection: Connection, alias: str) -> DatasetMove:
    found = next((move for move in dataset_moves.read_asked(connection) if move.alias == alias), None)
    if found is None:
        raise NotFound("move-unknown", f"No move of {alias} waits for an answer.", "dataset")
    return found


def _movable(connection: Connection, left: str, agreement: str) -> tuple[AgreementRow, AgreementRow]:
    """The agreement that is left, and the one that takes over. Raises Conflict and NotFound."""
    here = require(agreements.find(connection, left), "agreement", left)
    target = agreements.find(connection, agreement)
    if target is None or target.provider != here.provider:
        raise NotFound("agreement-unknown", "The provider of this dataset has no agreement called so.", "agreement")
    if target.id == here.id:
        raise Conflict("dataset-there", "The dataset is under this agreement.", "agreement")
    if target.standing.state is not AgreementState.ACTIVE:
        raise Conflict(
            "agreement-move", f"A dataset moves to an active agreement; this one is {target.standing.state}.", "agreement"
        )
    contents = [agreements.find_version(connection, row, row.version) for row in (here, target)]
    if len({content.node for content in contents if content}) > 1:
        raise Conflict("agreement-node", "The agreements are hosted on different nodes, and Accord moves no bytes.", "agreement")
    return here, target


def moves_of(runtime: Runtime, actor: Actor) -> tuple[DatasetMove, ...]:
    """The moves that wait for an answer, of the datasets whose dealings this actor sees."""
    with runtime.store.read() as connection:
        providers = {facts.alias: facts.provider for facts in runtime.governance.current(connection).facts}
        return tuple(move for move in dataset_moves.read_asked(connection) if sees(actor, providers[move.alias]))
