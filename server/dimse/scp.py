"""Opens the DICOM network door: C-STORE for registered senders, who call a dataset by its alias; queries for clients.

Nothing of pynetdicom is patched: its server, request handler, association, messages and socket are subclassed.
"""

import contextlib
import gc
import logging
import socket
import sys
import threading
import time
from typing import Any

from pydicom.config import IGNORE
from pydicom.config import settings as pydicom_settings
from pynetdicom import AE, AllStoragePresentationContexts, _config, build_context, evt
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from mappings.dicom.dimse import TRANSFER_SYNTAXES
from mappings.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from mappings.network import counted
from server.dimse.arrivals import Arrival, Arrivals, reject
from server.dimse.associations import MAXIMUM_PDU, DepositAssociation, IdleTimer
from server.dimse.gathered import Gathering
from server.dimse.listeners import BACKLOG, Listeners, open_listeners
from server.dimse.reactors import SocketAssociation
from server.dimse.services import agreed, commitment_context, offered, query_contexts
from server.dimse.sockets import PDU_SECONDS, BoundedSocket
from server.dimse.store import LOCAL_LIMIT, Deposit, admitted, registered, stored
from server.dimse.tls_arrivals import TlsPort
from server.shares import Shares
from server.usecases.admission import MEGABYTE
from server.usecases.association import Noticed
from server.usecases.runtime import Runtime

_LOG = logging.getLogger("accord.dimse")
COLLECT_SECONDS, NOTE_SECONDS = 6, 1
_REACTORS: dict[str, type[DepositAssociation]] = {"socket": SocketAssociation, "stock": DepositAssociation}


class Scp:
    """A running door."""

    def __init__(self, server: "_Server") -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="dimse", daemon=True)
        self._telling = threading.Thread(target=server.tell, name="noticed", daemon=True)
        self._thread.start()
        self._telling.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def tls_port(self) -> int:
        """The one for TLS; 0: none."""
        tls = self._server.listeners.tls
        return 0 if tls is None else int(tls.getsockname()[1])

    def stop(self, seconds: float = 10) -> None:
        """Accept no more, give associations these seconds to end, then abort the rest; every batch is closed on return."""
        self._server.shutdown()
        self._thread.join()
        self._telling.join(NOTE_SECONDS)
        self._server.server_close()
        until = time.monotonic() + seconds
        _join(self._server.active_associations, until)
        for association in self._server.active_associations:
            if isinstance(association, DepositAssociation):
                association.cut()
        _join(self._server.active_associations, time.monotonic() + PDU_SECONDS)


def _join(associations: list[Any], until: float) -> None:
    for association in associations:
        association.join(max(0.0, until - time.monotonic()))


def serve(runtime: Runtime, *, bind: str, port: int) -> Scp:
    """Listen on this address (port 0: a free one) until `stop()`. Raises OSError where the port is taken.

    With a certificate it listens on the settings' port for TLS too. Raises Invalid where that can't be used.
    """
    listeners = open_listeners(bind, port, runtime.settings.dimse_tls_port if runtime.tls else None)
    try:
        return _serve_on(runtime, listeners)
    except BaseException:
        listeners.close()
        raise


def _serve_on(runtime: Runtime, listeners: Listeners) -> Scp:
    """The same on these sockets. pynetdicom's settings are the process's: this door has a process of its own."""
    _quiet()
    entity = AE("ACCORD")
    entity.maximum_pdu_size = MAXIMUM_PDU
    entity.implementation_class_uid, entity.implementation_version_name = IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
    entity.maximum_associations = sys.maxsize  # it counts threads that have ended their association; we count places
    entity.acse_timeout, entity.dimse_timeout, entity.connection_timeout = runtime.settings.arrival_seconds, 60, 10
    return Scp(_Server(runtime, entity, listeners))


def _quiet() -> None:
    """Keep what peers send out of the log (requests hold names), and every class but the listed ones out of the door."""
    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
    _config.UNRESTRICTED_STORAGE_SERVICE = False
    _config.STORE_RECV_CHUNKED_DATASET = False
    pydicom_settings.reading_validation_mode = IGNORE  # its warnings quote the command sets they are about
    for library in ("pynetdicom", "pydicom"):
        logging.getLogger(library).setLevel(logging.CRITICAL)


def contexts() -> list[PresentationContext]:
    """What a dataset's AE understands: verification, Storage Commitment, the classes of PS3.4 §B.5 in every syntax kept."""
    storage = [build_context(str(c.abstract_syntax), list(TRANSFER_SYNTAXES)) for c in AllStoragePresentationContexts]
    return [build_context(Verification), commitment_context(), *storage]


class _Handler(RequestHandler):
    """Makes the association of a connection. As pynetdicom's, but contexts are shared: copying them costs 50 ms each time."""

    server: "_Server"

    def _create_association(self) -> DepositAssociation:
        server = self.server
        idle = IdleTimer(server.places)
        kind = _REACTORS[server.runtime.settings.dimse_reactors]
        association = kind(self.ae, Deposit(server.runtime, server.noticed), server.gathering, idle)
        association.ending.callback(server.places.give, counted(self.client_address[0]))
        association._server = server  # noqa: SLF001 - as its parent does
        association.certificate = server.shown(self.request)
        association.name = f"AcceptorThread@{self.client_address[1]}"  # by this name active_associations finds it
        association.set_socket(BoundedSocket(association, client_socket=self.request))
        acceptor = association.acceptor
        acceptor.maximum_length = self.ae.maximum_pdu_size
        acceptor.ae_title = server.ae_title
        acceptor.address_info = self.local
        acceptor.implementation_class_uid = self.ae.implementation_class_uid
        acceptor.implementation_version_name = self.ae.implementation_version_name
        acceptor.supported_contexts = server.contexts
        association.requestor.address_info = self.remote
        association.bind(evt.EVT_REQUESTED, admitted, [server.senders])
        association.bind(evt.EVT_REQUESTED, offered, [server.queries])
        association.bind(evt.EVT_SOP_EXTENDED, agreed)
        association.bind(evt.EVT_C_STORE, stored)
        return association


class _Server(ThreadedAssociationServer):
    """The listening socket, and what every connection gets before a byte is read."""

    daemon_threads = True

    def __init__(self, runtime: Runtime, entity: AE, listeners: Listeners) -> None:
        settings = runtime.settings
        self.runtime, self.listeners = runtime, listeners
        self.tls = TlsPort(runtime.tls) if runtime.tls else None
        self.gathering = Gathering(settings.gathered_mb * MEGABYTE)
        self.arrivals = Arrivals(settings.connections, settings.arrival_seconds)
        self.places = Shares(settings.associations, reserved=settings.associations * 3 // 4)
        self.senders = Shares(settings.associations)
        self.queries = query_contexts()
        self.noticed = Noticed()
        self._stopping = threading.Event()
        super().__init__(entity, listeners.plain.getsockname(), "ACCORD", contexts(), request_handler=_Handler)
        self.arrivals.listen(listeners.plain, self._accept)
        if listeners.tls is not None:
            self.arrivals.listen(listeners.tls, self._accept_tls)

    def server_bind(self) -> None:
        """Listen where it is listened already."""
        if self.socket is not None:
            self.socket.close()
        self.socket = self.listeners.plain

    def server_activate(self) -> None:
        """It was."""

    def server_close(self) -> None:
        """Close both sockets: pynetdicom knows one."""
        self.listeners.close()

    def tell(self) -> None:
        """Write down who called, again and again until `shutdown`, and once more."""
        while not self._stopping.wait(NOTE_SECONDS):
            self._tell()
        self._tell()

    def _tell(self) -> None:
        try:
            self.noticed.write(self.runtime)
        except Exception as error:  # noqa: BLE001 - as where the database takes no writes for a while; the next ones are told of
            _LOG.error("telling failed", extra={"cause": type(error).__name__})  # a trace holds the statement

    def serve_forever(self, poll_interval: float = 0.1) -> None:
        """Accept connections and begin the associations that are asked for, until `shutdown`; nothing here waits for a peer."""
        collect = time.monotonic()
        while not self._stopping.is_set():
            try:
                for arrival in self.arrivals.come(poll_interval):
                    threading.Thread(target=self._begin, args=(arrival,), name="arrival", daemon=True).start()
            except Exception:  # noqa: BLE001 - it failed for one of them; the door stays open
                _LOG.exception("accepting failed")
            if time.monotonic() > collect:
                gc.collect()  # an association refers to itself
                collect = time.monotonic() + COLLECT_SECONDS
        self.arrivals.close()

    def _next(self, listener: socket.socket) -> tuple[socket.socket, tuple[str, int]]:
        """A connection that answers at once (no Nagle) and can't hold a thread by silence in the middle of a PDU."""
        connection, address = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(self.runtime.settings.arrival_seconds)
        return connection, address

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # all are accepted, or one is gone again
            for _ in range(BACKLOG):
                self.arrivals.add(*self._next(self.listeners.plain))

    def _accept_tls(self) -> None:
        if self.tls is None or self.listeners.tls is None:
            return
        with contextlib.suppress(OSError):
            for _ in range(BACKLOG):
                connection, address = self._next(self.listeners.tls)
                self.arrivals.add(self.tls.greet(connection), address, self.tls.arrival)

    def shown(self, connection: socket.socket) -> frozenset[str]:
        """What the certificate is called that was shown on this connection."""
        return self.tls.shown(connection) if self.tls else frozenset()

    def _begin(self, arrival: Arrival) -> None:
        """Begin the association that was asked for, where its address may have a place; else say so (PS3.8 Table 9-21, 2/3/2)."""
        connection = arrival.begin()
        try:
            known = registered(self.runtime, arrival.address[0], self.shown(connection))
            if self.places.take(arrival.holder, known=known):
                self._associate(connection, arrival)
            else:
                reject(connection, *LOCAL_LIMIT)
        finally:
            self.arrivals.leave(arrival)

    def _associate(self, connection: socket.socket, arrival: Arrival) -> None:
        try:
            self.finish_request(connection, arrival.address)
        except BaseException:
            self.places.give(arrival.holder)
            connection.close()
            raise

    def shutdown(self) -> None:
        """Stop listening."""
        self._stopping.set()
