"""Datasets over HTTP: their moves between agreements by both sides, and the provider's half of quarantine."""

from consent.person import Act
from mappings.api.datasets import (
    DatasetMoveAnswer,
    DatasetMoveAsked,
    DatasetMovesTold,
    DatasetMoveTold,
    MovedTold,
    RefusalAsked,
    RefusedTold,
    WaitingTold,
)
from server.usecases.dataset_move import answer_move, moves_of, propose_move
from server.usecases.quarantine import examine_waiting, refuse_waiting
from server.web.api import Api
from server.web.context import caller, runtime

_MOVES = "/api/datasets/<alias>/moves"


def door() -> Api:
    """The routes of datasets."""
    routes = Api("datasets")
    move, scope = Act.MOVE_DATASET, "Consent.u"
    routes.row("GET", "/api/dataset-moves", DatasetMovesTold, scope="Consent.s")(list_all)
    routes.row("POST", _MOVES, MovedTold, body=DatasetMoveAsked, act=move, scope=scope, status=201)(propose)
    routes.row("POST", f"{_MOVES}/answer", MovedTold, body=DatasetMoveAnswer, act=move, scope=scope)(answer)
    routes.row("GET", "/api/batches/<key>/waiting", WaitingTold, act=Act.EXAMINE, scope="ImagingStudy.r")(examine)
    routes.row("POST", "/api/batches/<key>/refusal", RefusedTold, body=RefusalAsked, act=Act.REFUSE, scope="ImagingStudy.d")(
        refuse
    )
    return routes


def list_all() -> DatasetMovesTold:
    """List the moves of the caller's datasets that wait for an answer."""
    moves = moves_of(runtime(), caller().actor)
    told = (
        DatasetMoveTold(dataset=m.alias, left=m.left, agreement=m.agreement, side=m.side, actor=m.actor, at=m.at) for m in moves
    )
    return DatasetMovesTold(moves=list(told))


def propose(alias: str, asked: DatasetMoveAsked) -> MovedTold:
    """Propose that a dataset goes under another agreement of its provider; the other side confirms or refuses."""
    propose_move(runtime(), caller().actor, alias, asked.agreement)
    return MovedTold(dataset=alias, agreement=asked.agreement, verb="propose")


def answer(alias: str, asked: DatasetMoveAnswer) -> MovedTold:
    """Confirm what the other side proposed, or refuse it; who proposed it takes it back by refusing."""
    move = answer_move(runtime(), caller().actor, alias, asked.verb)
    return MovedTold(dataset=alias, agreement=move.agreement, verb=asked.verb)


def examine(key: str) -> WaitingTold:
    """Say what waits in quarantine of a batch."""
    waiting = examine_waiting(runtime(), caller().actor, key)
    rules = dict(sorted(waiting.rules.items()))
    return WaitingTold(batch=key, dataset=waiting.alias, objects=waiting.objects, bytes=waiting.size, rules=rules)


def refuse(key: str, asked: RefusalAsked) -> RefusedTold:
    """Refuse what waits in quarantine of a batch, or the named objects of it."""
    decided = refuse_waiting(runtime(), caller().actor, key, frozenset(asked.objects), asked.reason)
    return RefusedTold(batch=key, objects=decided.objects)
