"""An association's connection: bounds how long a PDU is and how long it takes, whatever a peer announces."""

import socket
import threading
import time

from pynetdicom.association import Association

from adapters.dicom_peer import PolledSocket
from server.dimse.arrivals import LONGEST_PDU

PDU_SECONDS = 60
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)


class BoundedSocket(PolledSocket):
    """Reads a PDU of bounded length in bounded time, and acknowledges it at once; sends one after another, whoever sends."""

    def __init__(self, assoc: Association, client_socket: socket.socket) -> None:
        super().__init__(assoc, client_socket=client_socket)
        self._sending = threading.Lock()

    def send(self, bytestream: bytes) -> None:
        """As pynetdicom's."""
        with self._sending:
            super().send(bytestream)

    def recv(self, nr_bytes: int) -> bytearray:
        """The next bytes, fewer where the peer closed. Raises OSError, which closes the connection, past a bound."""
        if self.socket is None or nr_bytes > LONGEST_PDU:
            raise OSError("PDU too long")
        received = bytearray(nr_bytes)
        seconds = PDU_SECONDS if self.assoc.is_established else self.assoc.acse_timeout or PDU_SECONDS
        with memoryview(received) as view:
            count = self._fill(self.socket, view, seconds)
        del received[count:]
        if _QUICKACK is not None:
            # a sender with Nagle's algorithm on waits 40 ms an object for a delayed acknowledgement; Linux forgets the option
            self.socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        return received

    @staticmethod
    def _fill(source: socket.socket, view: memoryview, seconds: float) -> int:
        count, until = 0, time.monotonic() + seconds
        while count < len(view):
            got = source.recv_into(view[count:])
            if not got:
                break
            count += got
            if time.monotonic() > until:
                raise TimeoutError("PDU too slow")
        return count
