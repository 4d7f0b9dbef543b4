"""Where a C-MOVE sends to: one association for up to 128 pairs of class and syntax, each of which it is asked for by itself."""

import socket
import time
from collections.abc import Iterable, Sequence
from typing import Any

from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket

from adapters.sql.entity import EntityRow
from adapters.sql.instances import StoredInstance
from mappings.failures import Unavailable
from server.dimse.associations import BoundedSocket
from server.dimse.suboperations import Stores

MOST_CONTEXTS = 128
CONNECT_SECONDS, ANSWER_SECONDS = 10, 60
_PAUSE = 0.005
Pair = tuple[str, str]


class Destination:
    """An AE that takes objects. Associations are opened when they are needed, the first at once; one that broke off stays closed.

    Raises Unavailable where that is not to be had.
    """

    def __init__(self, title: str, entity: EntityRow, objects: Sequence[StoredInstance], originator: str, request: int) -> None:
        self._title, self._entity = title, entity
        self._originator = (originator, request)
        pairs = list(dict.fromkeys((o.sop_class, o.transfer_syntax) for o in objects))
        self._groups = [pairs[at : at + MOST_CONTEXTS] for at in range(0, len(pairs), MOST_CONTEXTS)]
        self._group = {pair: number for number, group in enumerate(self._groups) for pair in group}
        self._opened: dict[int, tuple[Association, Stores] | None] = {}
        if self._groups and self._open(0) is None:
            raise Unavailable("destination-silent", "The destination takes no association now.")

    def store(self, located: StoredInstance, chunks: Iterable[bytes]) -> int | None:
        """Send an object; the status of its answer, None where it could not be sent."""
        number = self._group[located.sop_class, located.transfer_syntax]
        opened = self._open(number)
        if opened is None:
            return None
        try:
            return opened[1].store(located, chunks)
        except OSError:
            self._opened[number] = None
            opened[1].wire.cut()
            return None

    def close(self) -> None:
        """Release what is open."""
        for opened in filter(None, self._opened.values()):
            release(opened[0])

    def _open(self, number: int) -> tuple[Association, Stores] | None:
        if number not in self._opened:
            contexts = [build_context(sop_class, syntax) for sop_class, syntax in self._groups[number]]
            association = associate(self._title, self._entity.aet, self._entity.address or "", self._entity.port or 0, contexts)
            self._opened[number] = None if association is None else (association, Stores(association, *self._originator))
        return self._opened[number]


def associate(
    calling: str, called: str, address: str, port: int, contexts: list[Any], roles: Sequence[Any] = ()
) -> Association | None:
    """An association that we ask for, its messages ours to take; None where there is nobody, or it is refused."""
    entity = _Entity(calling)
    entity.connection_timeout = entity.acse_timeout = CONNECT_SECONDS
    entity.dimse_timeout = entity.network_timeout = ANSWER_SECONDS
    quick = [(evt.EVT_CONN_OPEN, _open_quickly)]
    association = entity.associate(
        address,
        port,
        contexts=contexts,
        ae_title=called,
        ext_neg=list(roles),
        evt_handlers=quick,  # type: ignore[arg-type]
    )
    if not association.is_established:
        return None
    _pause(association)
    return association


class _Entity(AE):
    """One whose connections read within bounds, and are closed where they never came about."""

    def _create_socket(self, assoc: Association, address: Any, _tls: Any) -> AssociationSocket:
        return BoundedSocket(assoc, address=address)


def release(association: Association) -> None:
    """End it, as was agreed."""
    association._reactor_checkpoint.set()  # noqa: SLF001 - as pynetdicom's own requests do when they are answered
    association.release()


def _pause(association: Association) -> None:
    """Have its own thread take no message: we do, as pynetdicom's own requests do."""
    association._reactor_checkpoint.clear()  # noqa: SLF001
    while not association._is_paused and association.is_alive():  # noqa: SLF001
        time.sleep(_PAUSE)


def _open_quickly(event: evt.Event) -> None:
    """EVT_CONN_OPEN: small messages go at once (without it each waits 40 ms), and who does not read is left in time."""
    wrapped: Any = event.assoc.dul.socket
    connection: socket.socket = wrapped.socket
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(ANSWER_SECONDS)
