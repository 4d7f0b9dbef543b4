"""Datasets over HTTP: their moves between agreements by both sides, and the provider's half of quarantine."""

from functools import partial

from consent.person import Act
from mappings.api.datasets import (
    DatasetMoveAnswer,
    DatasetMoveAsked,
    DatasetMovesTold,
    DatasetMoveTold,
    DatasetShown,
    DecidedTold,
    DoiAsked,
    MovedTold,
    PublicationAsked,
    PublicationsTold,
    PublicationTold,
    RemovedTold,
    WaitingAsked,
    WaitingTold,
    tell_publication,
)
from server.usecases.dataset_move import answer_move, moves_of, propose_move
from server.usecases.listed import read_dataset
from server.usecases.publication import add_publication, list_publications, remove_publication, want_doi
from server.usecases.quarantine import examine_waiting, refuse_waiting, release_waiting
from server.web.api import Api
from server.web.context import caller, runtime

_DATASET = "/api/datasets/<alias>"
_MOVES, _WORK = f"{_DATASET}/moves", f"{_DATASET}/publications"


def door() -> Api:
    """The routes of datasets."""
    routes = Api("datasets")
    move, scope = Act.MOVE_DATASET, "Consent.u"
    routes.row("GET", "/api/dataset-moves", DatasetMovesTold, scope="Consent.s")(list_all)
    routes.row("POST", _MOVES, MovedTold, body=DatasetMoveAsked, act=move, scope=scope, status=201)(propose)
    routes.row("POST", f"{_MOVES}/answer", MovedTold, body=DatasetMoveAnswer, act=move, scope=scope)(answer)
    routes.row("GET", "/api/batches/<key>/waiting", WaitingTold, act=Act.EXAMINE, scope="ImagingStudy.r")(examine)
    routes.row("POST", "/api/batches/<key>/refusal", DecidedTold, body=WaitingAsked, act=Act.REFUSE, scope="ImagingStudy.d")(
        refuse
    )
    released = {"body": WaitingAsked, "act": Act.RELEASE, "scope": "ImagingStudy.c"}
    routes.row("POST", "/api/batches/<key>/release", DecidedTold, **released)(release)  # type: ignore[arg-type]
    routes.row("GET", _DATASET, DatasetShown, anonymous=True)(show)
    routes.row("GET", _WORK, PublicationsTold, anonymous=True)(publications)
    tell = partial(routes.row, "POST", act=Act.TELL_OF_WORK, scope=scope)
    tell(_WORK, PublicationTold, body=PublicationAsked, status=201)(publish)
    tell(f"{_WORK}/<key>/doi", PublicationTold, body=DoiAsked)(doi)
    tell(f"{_WORK}/<key>/removal", RemovedTold)(remove)
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


def refuse(key: str, asked: WaitingAsked) -> DecidedTold:
    """Refuse what waits in quarantine of a batch, or the named objects of it."""
    decided = refuse_waiting(runtime(), caller().actor, key, frozenset(asked.objects), asked.reason)
    return DecidedTold(batch=key, objects=decided.objects)


def release(key: str, asked: WaitingAsked) -> DecidedTold:
    """Release what waits in quarantine of a batch, or the named objects of it; two persons decide on what is not declared."""
    decided = release_waiting(runtime(), caller().actor, key, frozenset(asked.objects), asked.reason)
    return DecidedTold(batch=decided.batch, objects=decided.objects)


def show(alias: str) -> DatasetShown:
    """Say where a dataset is hosted and what is disclaimed of it, to who may know of it."""
    d = read_dataset(runtime(), caller(), alias)
    said = {"title": d.title, "description": d.description, "provider": d.provider}
    return DatasetShown(dataset=d.alias, hosting=d.hosting, disclaimers=list(d.disclaimers), **said)


def publications(alias: str) -> PublicationsTold:
    """List the published work on a dataset, to who may know of it."""
    found = list_publications(runtime(), caller(), alias)
    return PublicationsTold(dataset=alias, publications=[tell_publication(one) for one in found])


def publish(alias: str, asked: PublicationAsked) -> PublicationTold:
    """Tell of published work on a dataset: title and short summary, and a DOI once the other side wants it told too."""
    return tell_publication(add_publication(runtime(), caller().actor, alias, asked.title, asked.summary, asked.doi))


def doi(alias: str, key: str, asked: DoiAsked) -> PublicationTold:
    """Say for one's side which DOI of a work is told."""
    return tell_publication(want_doi(runtime(), caller().actor, alias, key, asked.doi))


def remove(alias: str, key: str) -> RemovedTold:
    """Tell of a work no more."""
    remove_publication(runtime(), caller().actor, alias, key)
    return RemovedTold(key=key)
