"""The reactors that a socket drives: what of pynetdicom's inside they rest on, and that nothing waits for a clock."""

import inspect
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pynetdicom
import pytest
from pynetdicom import fsm
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.transport import AssociationSocket, RequestHandler

from server.dimse import reactors, scp
from tests import builders

CT, ECHO = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.1"
SAMPLE = builders.DICOM / "ct/lung_lctsc_ct01.dcm"

INSIDE: dict[Callable[..., object] | type, str] = {
    Association.__init__: "eb07516b8009",
    Association.run_reactor: "ed8bbbe3b3d6",
    Association._run_reactor: "f28838c5559e",
    Association._serve_request: "2f24c1759cdf",
    Association.kill: "8f9713666a7f",
    Association._abort_blocking: "10b43ef8c63c",
    DIMSEServiceProvider.__init__: "bbecd186810e",
    DIMSEServiceProvider.get_msg: "890e3e04283f",
    DIMSEServiceProvider.receive_primitive: "5f99c86b14a1",
    DIMSEServiceProvider.send_msg: "a839cf2fb469",
    DIMSEMessage.__init__: "b9c44307ebf2",
    DIMSEMessage.decode_msg: "f51c777e841a",
    DULServiceProvider.__init__: "c82dafa9438d",
    DULServiceProvider._decode_pdu: "fc71dd1bf853",
    DULServiceProvider._is_transport_event: "8725ed03bb8f",
    DULServiceProvider._process_recv_primitive: "4c0ebbb3e646",
    DULServiceProvider._read_pdu_data: "19f2d4e38c13",
    DULServiceProvider._send: "a850a7919e68",
    DULServiceProvider.run_reactor: "e3a10eb3a093",
    DULServiceProvider.send_pdu: "7cbce5da8594",
    DULServiceProvider.stop_dul: "28a7e0be126e",
    fsm.DT_1: "82e5c5d41145",
    fsm.DT_2: "9ec543394e0b",
    fsm.StateMachine.do_action: "9a883f44c7f3",
    P_DATA_TF.from_primitive: "1e84ddf2ecfd",
    P_DATA_TF.to_primitive: "3cba1cd31f03",
    P_DATA: "19c1aa5d5ee9",
    StorageServiceClass.SCP: "63afca7fc6c6",
    AssociationSocket: "4f95b1dce606",
    RequestHandler._create_association: "05c8d12b7986",
}
"""What server/dimse overrides, or counts on, and the digest of its source."""


@pytest.mark.parametrize("part", INSIDE, ids=lambda part: part.__qualname__)
def test_pynetdicom_is_inside_as_it_was_when_its_reactors_were_overridden(part: Callable[..., object]) -> None:
    """Where this fails, read what changed and what server/dimse overrides of it; then write down the new digest."""
    found = sha256(inspect.getsource(part).encode()).hexdigest()[:12]
    assert found == INSIDE[part], f"pynetdicom {pynetdicom.__version__} has another {part.__qualname__}: {found}"


def test_what_waits_is_woken_by_what_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store, an echo, a release and a loss, each of them answered though nobody looks for a minute."""
    monkeypatch.setattr(reactors, "LOOK_SECONDS", 60)
    runtime = builders.runtime(tmp_path)
    builders.seed(runtime, attested=True)
    door = scp.serve(runtime, bind="127.0.0.1", port=0)
    began = time.monotonic()
    for ending in ("release", "abort"):
        entity = pynetdicom.AE("STORESCU")
        entity.requested_contexts = [pynetdicom.build_context(sop_class) for sop_class in (CT, ECHO)]
        association = entity.associate("127.0.0.1", door.port, ae_title="LUNG")
        assert (association.send_c_echo().Status, association.send_c_store(SAMPLE).Status) == (0, 0)
        getattr(association, ending)()
    door.stop(30)
    runtime.close()
    assert time.monotonic() - began < 20
