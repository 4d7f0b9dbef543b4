"""Other application entities on the DICOM network: associations that we ask for, whose connections read within bounds."""

import contextlib
import logging
import select
import socket
import ssl
import time
from collections.abc import Sequence
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, _config, build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AssociationSocket

from adapters.tls import TlsSocket
from mappings.dicom.commitment import PUSH_MODEL, PUSH_MODEL_INSTANCE
from mappings.dicom.dimse import LITTLE_ENDIAN
from mappings.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from mappings.failures import Unavailable

CONNECT_SECONDS, ANSWER_SECONDS = 10, 60
_PAUSE = 0.005
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)


class PolledSocket(AssociationSocket):
    """A connection that is watched by poll, and closed however it ended."""

    @property
    def ready(self) -> bool:
        """Whether there is something to read, or the end. As pynetdicom's, whose `select` fails from descriptor 1024 on."""
        return self.wait(0)

    def wait(self, seconds: float) -> bool:
        """Whether there is something to read, or the end, so many seconds from now at the latest."""
        if self.socket is None or not self._is_connected:
            return False
        waiting = select.poll()
        try:
            if isinstance(self.socket, TlsSocket):  # poll says nothing of what is decrypted, and much of what holds no data
                return self.socket.has_come(seconds)
            waiting.register(self.socket, select.POLLIN)
            return bool(waiting.poll(1000 * seconds))
        except (OSError, ValueError):
            self.event_queue.put("Evt17")
            return False

    def _shutdown_socket(self) -> None:
        """Close it even where the peer went first: pynetdicom's own leaves the descriptor to the garbage collector then."""
        if self.socket is not None:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            self.socket.close()


class _QuickSocket(PolledSocket):
    patience = 0.0
    """Seconds that pynetdicom's thread waits for what comes, instead of sleeping one of a thousand and looking again."""

    @property
    def ready(self) -> bool:
        return self.wait(self.patience)

    def recv(self, nr_bytes: int) -> bytearray:
        """What came, acknowledged at once: an SCP with Nagle's algorithm on waits 40 ms for each delayed acknowledgement."""
        received = super().recv(nr_bytes)
        if _QUICKACK is not None and self.socket is not None:
            self.socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)  # Linux forgets the option
        return received


class _Entity(AE):
    def _create_socket(self, assoc: Association, address: Any, tls: Any) -> AssociationSocket:
        made = _QuickSocket(assoc, address=address)
        made.tls_args = tls
        return made


def associate(
    calling: str,
    called: str,
    peer: tuple[str, int],
    contexts: Sequence[PresentationContext],
    roles: Sequence[Any] = (),
    tls: ssl.SSLContext | None = None,
) -> Association:
    """An association that we ask for, with some context accepted; by `tls` where that is given. Raises Unavailable."""
    _quiet()
    entity = _Entity(calling)
    entity.implementation_class_uid, entity.implementation_version_name = IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
    entity.connection_timeout = entity.acse_timeout = CONNECT_SECONDS
    entity.dimse_timeout = entity.network_timeout = ANSWER_SECONDS
    handlers: list[Any] = [(evt.EVT_CONN_OPEN, _open_quickly)]
    wanted = {"contexts": list(contexts), "ae_title": called, "ext_neg": list(roles), "evt_handlers": handlers}
    wanted |= {"tls_args": (tls, None)} if tls else {}
    association = entity.associate(*peer, **wanted)  # type: ignore[arg-type]
    if not association.is_established:
        raise Unavailable("peer-silent", f"{called} takes no association now.")
    return association


def take_over(association: Association) -> None:
    """Have its own thread take no message until it is released: we do, as pynetdicom's own requests do for a moment."""
    association._reactor_checkpoint.clear()  # noqa: SLF001
    _wait(association, _PAUSE)
    while not association._is_paused and association.is_alive():  # noqa: SLF001
        time.sleep(_PAUSE)


def release(association: Association) -> None:
    """End it, as was agreed."""
    _wait(association, 0)
    association._reactor_checkpoint.set()  # noqa: SLF001
    association.release()


def _wait(association: Association, seconds: float) -> None:
    wrapped: Any = association.dul.socket
    if wrapped is not None:
        wrapped.patience = seconds


def report_commitment(
    calling: str, called: str, peer: tuple[str, int], event: int, information: Dataset, tls: ssl.SSLContext | None = None
) -> None:
    """Report what became of a Storage Commitment request (N-EVENT-REPORT, PS3.4 J.3.3), as its SCP on an association of our own.

    Raises Unavailable unless the peer says that it has it.
    """
    role = build_role(PUSH_MODEL, scp_role=True)
    association = associate(calling, called, peer, [build_context(PUSH_MODEL, LITTLE_ENDIAN)], [role], tls)
    try:
        status, _ = association.send_n_event_report(information, event, PUSH_MODEL, PUSH_MODEL_INSTANCE)
    except (ValueError, RuntimeError):  # it does not take this, or is gone
        raise Unavailable("peer-refuses", f"{called} takes no reports of commitment.") from None
    finally:
        association.release()
    if status.get("Status") != 0:
        raise Unavailable("peer-refuses", f"{called} did not take the report of a commitment.")


def _quiet() -> None:
    """What goes to others holds names; pynetdicom's log is the process's."""
    _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)


def _open_quickly(event: evt.Event) -> None:
    """EVT_CONN_OPEN: small messages go at once (without it each waits 40 ms), and who does not read is left in time."""
    wrapped: Any = event.assoc.dul.socket
    connection: socket.socket = wrapped.socket
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(ANSWER_SECONDS)
    if isinstance(connection, TlsSocket):
        connection.share()
