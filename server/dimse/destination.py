"""Where a C-MOVE sends to: one association for up to 128 pairs of class and syntax, each of which it is asked for by itself.

It is offered the syntax that each object is stored in, and those that it can be sent in without loss.
"""

import ssl
from collections.abc import Iterable, Sequence

from pynetdicom import build_context
from pynetdicom.association import Association

from adapters import dicom_peer
from adapters.sql.entity import EntityRow
from adapters.sql.instances import StoredInstance
from mappings.dicom.transfer_syntax import syntaxes
from mappings.failures import Unavailable
from server.dimse.suboperations import Stores
from server.usecases.runtime import Runtime

MOST_CONTEXTS = 128
Pair = tuple[str, str]


class Destination:
    """An AE that takes objects. Associations are opened when they are needed, the first at once; one that broke off stays closed.

    Raises Unavailable where that is not to be had.
    """

    def __init__(
        self,
        runtime: Runtime,
        entity: EntityRow,
        objects: Sequence[StoredInstance],
        originator: tuple[str, int],
        tls: ssl.SSLContext | None,
    ) -> None:
        self._runtime, self._entity, self._originator, self._tls = runtime, entity, originator, tls
        self._groups: list[dict[Pair, None]] = []
        self._group: dict[Pair, int] = {}
        for stored in dict.fromkeys((o.sop_class, o.transfer_syntax) for o in objects):
            self._group[stored] = self._room(dict.fromkeys((stored[0], syntax) for syntax in syntaxes(stored[1])))
        self._opened: dict[int, tuple[Association, Stores] | None] = {}
        if self._groups:
            self._opened[0] = self._associate(0)

    def _room(self, pairs: dict[Pair, None]) -> int:
        """The group that these are in by now: the last one, or a new one where that has no room for them."""
        if not self._groups or len(self._groups[-1] | pairs) > MOST_CONTEXTS:
            self._groups.append({})
        self._groups[-1] |= pairs
        return len(self._groups) - 1

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
            dicom_peer.release(opened[0])

    def _open(self, number: int) -> tuple[Association, Stores] | None:
        if number not in self._opened:
            try:
                self._opened[number] = self._associate(number)
            except Unavailable:
                self._opened[number] = None
        return self._opened[number]

    def _associate(self, number: int) -> tuple[Association, Stores]:
        contexts = [build_context(sop_class, syntax) for sop_class, syntax in self._groups[number]]
        peer = (self._entity.address or "", self._entity.port or 0)
        title = self._runtime.settings.ae_title
        association = dicom_peer.associate(title, self._entity.aet, peer, contexts, tls=self._tls)
        dicom_peer.take_over(association)
        return association, Stores(self._runtime, association, *self._originator)
