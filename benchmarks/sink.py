"""The bare sink: pynetdicom as it comes, each object written to a file and flushed before its answer. No verdict, no index.

`sink.py PORT FOLDER`; with TCP_NODELAY=1 in the environment its connections are without Nagle's algorithm, as dcmtk reads it.
"""

import os
import socket
import sys
from itertools import count
from pathlib import Path

from pynetdicom import AE, AllStoragePresentationContexts, evt

PDU = 131072  # as Accord announces


def _nodelay(event: evt.Event) -> None:
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _stored(event: evt.Event, folder: Path, numbers: "count[int]") -> int:
    with (folder / f"{next(numbers)}.dcm").open("wb") as file:
        file.write(event.encoded_dataset())
        file.flush()
        os.fsync(file.fileno())
    return 0


def main() -> None:
    """Serve until ended."""
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir()
    entity = AE("SINK")
    entity.maximum_pdu_size = PDU
    entity.supported_contexts = AllStoragePresentationContexts
    handlers = [(evt.EVT_C_STORE, _stored, [folder, count()])]
    if os.environ.get("TCP_NODELAY") == "1":
        handlers.append((evt.EVT_CONN_OPEN, _nodelay))
    entity.start_server(("127.0.0.1", port), evt_handlers=handlers)


if __name__ == "__main__":
    main()
