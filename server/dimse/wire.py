"""Sends messages of an association as bytes, in the thread that serves it: pynetdicom's own way costs half a millisecond each."""

import socket
from collections.abc import Iterable
from typing import Any

from mappings.dicom.dimse_message import command_pdus, data_pdus, fragment_size

TOGETHER = 1 << 17
"""Bytes that are gathered before they are sent."""


class Wire:
    """The sending side of an established association."""

    def __init__(self, association: Any) -> None:
        self._association = association
        self._size = fragment_size(association.dimse.maximum_pdu_size)
        self._waiting = bytearray()

    def put(self, context_id: int, command: bytes, data: bytes | None = None) -> None:
        """Send a small message, soon: when enough waits, or at `flush`. Raises OSError."""
        self._waiting += command_pdus(context_id, self._size, command)
        if data is not None:
            self._waiting += b"".join(data_pdus(context_id, self._size, [data]))
        if len(self._waiting) >= TOGETHER:
            self.flush()

    def send(self, context_id: int, command: bytes, data: Iterable[bytes | memoryview] = ()) -> None:
        """Send a message whose data set comes in pieces. Raises OSError, and what the pieces raise."""
        self._waiting += command_pdus(context_id, self._size, command)
        for pdus in data_pdus(context_id, self._size, data) if data else ():
            if len(self._waiting) + len(pdus) < TOGETHER:
                self._waiting += pdus
            else:
                self.flush()
                self._connection().sendall(pdus)  # as they are: to copy a large object once more takes a tenth of its time
        self.flush()

    def flush(self) -> None:
        """Send what waits. Raises OSError."""
        waiting, self._waiting = self._waiting, bytearray()
        self._connection().sendall(waiting)

    def cut(self) -> None:
        """Break the connection off: what was begun can't be ended, or nobody reads."""
        try:
            self._connection().shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def _connection(self) -> socket.socket:
        wrapped = self._association.dul.socket
        connection: socket.socket | None = None if wrapped is None else wrapped.socket
        if connection is None:
            raise ConnectionResetError("the association is over")
        return connection
