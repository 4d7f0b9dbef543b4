"""TLS on the DICOM network: dcmtk's programs as they come, who is known by a certificate, and who never gets so far."""

import contextlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydicom import config
from pynetdicom import AE, AllStoragePresentationContexts, evt

from mappings.dicom.commitment import PUSH_MODEL, CommitmentRequest
from mappings.failures import Invalid
from server.dimse import arrivals, scp
from server.usecases.association import list_associations
from server.usecases.commitment import KIND, ask
from server.usecases.entity import add_entity
from server.usecases.identify import AeTitle, identify
from server.usecases.peering import Peering
from server.usecases.sender import add_sender
from server.worker.jobs import KINDS, work_off
from tests import builders
from tests.builders import made
from tests.certificates import Certificate, certificate
from tests.network import LITTLE_ENDIAN, Network, hold, network
from tests.servers import find, free_port

STUDY = ["-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.1"]
SAMPLE = builders.DICOM / "ct/lung_lctsc_ct01.dcm"
if TYPE_CHECKING:
    from pynetdicom.transport import ThreadedAssociationServer

Answer = subprocess.CompletedProcess[str]
BOTH = pytest.mark.parametrize("reactors", ["socket", "stock"])
"""For what an association reads and writes; who gets one is decided before there are reactors."""


@dataclass
class Secured:
    """A door with a port for TLS, its authority, and what that signed: PACS, who stores, and GPU, who asks."""

    net: Network
    authority: Certificate
    pacs: Certificate
    gpu: Certificate
    other: Certificate

    def run(
        self, program: str, *arguments: str, shows: Certificate | None, calling: str, called: str, tls: bool = True
    ) -> Answer:
        """One of dcmtk's programs."""
        secured = ["+tls", str(shows.key), str(shows.pem)] if shows else ["+tla"]
        port = self.net.scp.tls_port if tls else self.net.scp.port
        peer = [*(secured if tls else []), *(["+cf", str(self.authority.pem)] if tls else []), "-aec", called, "-aet", calling]
        line = [str(find(program)), "-v", *peer, "127.0.0.1", str(port), *arguments]
        return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)

    def echo(self, shows: Certificate | None, *, calling: str = "PACS", called: str = "LUNG", tls: bool = True) -> bool:
        """Whether an echo is answered."""
        return self.run("echoscu", shows=shows, calling=calling, called=called, tls=tls).returncode == 0

    def connect(self) -> socket.socket:
        """A plain connection to the TLS port."""
        connection = socket.create_connection(("127.0.0.1", self.net.scp.tls_port))
        connection.settimeout(10)
        return connection

    def greet(self, *, to: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, shows: Certificate | None = None) -> ssl.SSLSocket:
        """A connection that speaks TLS."""
        context = self.context(shows)
        context.minimum_version, context.maximum_version = min(to, ssl.TLSVersion.TLSv1_2), to
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        return context.wrap_socket(self.connect())

    def context(self, shows: Certificate | None) -> ssl.SSLContext:
        """That of a client who shows this."""
        context = ssl.create_default_context(cafile=str(self.authority.pem))
        context.check_hostname = False
        if shows:
            context.load_cert_chain(shows.pem, shows.key)
        return context


@pytest.fixture
def reactors() -> str:
    return "socket"


@pytest.fixture
def secured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reactors: str) -> Iterator[Secured]:
    monkeypatch.setattr(config.settings, "reading_validation_mode", config.settings.reading_validation_mode)
    authority = certificate(tmp_path / "ours", "authority", authority=True)
    own, pacs, gpu, other = (
        certificate(tmp_path / "ours", name, issuer=authority) for name in ("accord", "pacs", "gpu", "other")
    )
    files = {"certificate": str(own.pem), "key": str(own.key), "authorities": str(authority.pem), "port": free_port()}
    settings = {f"dimse_tls_{name}": value for name, value in files.items()} | {"arrival_seconds": 2, "dimse_reactors": reactors}
    with network(tmp_path, settings=settings) as net:
        shown = Peering(certificates=[pacs.fingerprint])
        add_sender(net.runtime, builders.ACTOR, "LUNG", "PACS", peering=shown)
        subject = Peering(subject="CN=gpu,O=Test", authority=authority.fingerprint)
        add_entity(net.runtime, builders.ACTOR, "GPU", client="researcher", purpose="AIRESEARCH", peering=subject)
        yield Secured(net, authority, pacs, gpu, other)


def reasons(net: Network) -> list[str]:
    """Why associations were refused."""
    net.scp._server._tell()
    return [each.row.reason for each in list_associations(net.runtime) if each.row.reason]


def eventually(true: object, seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:  # type: ignore[operator]
        time.sleep(0.02)
    return bool(true())  # type: ignore[operator]


@BOTH
def test_dcmtk_stores_and_asks_by_tls(secured: Secured, tmp_path: Path) -> None:
    large = tmp_path / "large.dcm"
    large.write_bytes(made("1.2.9.1.1", study="1.2.9", Rows=2000, Columns=2000, PixelData=bytes(4_000_000)))
    stored = secured.run("storescu", str(SAMPLE), str(large), shows=secured.pacs, calling="PACS", called="LUNG")
    assert stored.returncode == 0, stored.stderr
    assert (stored.stdout + stored.stderr).count("Received Store Response (Success)") == 2
    hold(secured.net.runtime, made("1.2.1.1.1", study="1.2.1"))
    found = secured.run("findscu", "-S", *STUDY, shows=secured.gpu, calling="GPU", called="ACCORD")
    assert (found.returncode, "1.2.1" in found.stdout + found.stderr) == (0, True), found.stderr


@BOTH
def test_objects_are_taken_by_tls_as_they_are_stored(secured: Secured) -> None:
    """Of dcmtk 3.6.7, getscu and movescu speak none."""
    large = made("1.2.1.1.2", study="1.2.1", PixelData=bytes(300_000))
    hold(secured.net.runtime, made("1.2.1.1.1", study="1.2.1"), large)
    asked = secured.net.retrieve(calling="GPU", tls=secured.context(secured.gpu))
    assert asked.get("STUDY", StudyInstanceUID="1.2.1")[-1] == (0x0000, None, 2, 0, 0)
    asked.association.release()
    assert bytes(large).endswith(asked.came["1.2.1.1.2"])
    assert len(asked.came["1.2.1.1.2"]) > 300_000


@BOTH
def test_an_association_by_tls_ends_with_the_door(secured: Secured) -> None:
    asked = secured.net.retrieve(calling="GPU", tls=secured.context(secured.gpu)).association
    assert asked.is_established
    with contextlib.closing(asked.dul.socket.socket):  # type: ignore[union-attr,arg-type] - pynetdicom as SCU leaves it open
        began = time.monotonic()
        secured.net.scp.stop(0.2)
        assert time.monotonic() - began < 2
        assert eventually(lambda: asked.is_aborted)


def test_who_is_bound_to_a_certificate_shows_it_wherever_it_calls(secured: Secured) -> None:
    assert secured.echo(secured.pacs)
    assert not secured.echo(secured.other)
    assert not secured.echo(None)
    assert not secured.echo(None, tls=False)
    assert reasons(secured.net) == ["other-certificate"]
    assert any("bound to a certificate" in each.outcome for each in list_associations(secured.net.runtime))


def test_who_is_bound_to_a_subject_may_renew_its_certificate(secured: Secured, tmp_path: Path) -> None:
    renewed = certificate(tmp_path / "renewed", "gpu", issuer=secured.authority)
    assert secured.echo(secured.gpu, calling="GPU", called="ACCORD")
    assert secured.echo(renewed, calling="GPU", called="ACCORD")
    assert not secured.echo(secured.pacs, calling="GPU", called="ACCORD")


def test_who_is_bound_to_an_address_may_come_by_either_port(secured: Secured) -> None:
    assert secured.echo(None, calling="STORESCU")
    assert secured.echo(secured.other, calling="STORESCU")
    assert secured.echo(None, calling="STORESCU", tls=False)


def test_a_certificate_and_an_address_are_both_needed_where_both_are_named(secured: Secured) -> None:
    shown = Peering(certificates=[secured.other.fingerprint])
    add_sender(secured.net.runtime, builders.ACTOR, "LUNG", "FAR", "192.0.2.0/24", peering=shown)
    add_sender(secured.net.runtime, builders.ACTOR, "LUNG", "NEAR", "127.0.0.0/8", peering=shown)
    assert [secured.echo(secured.other, calling=title) for title in ("FAR", "NEAR")] == [False, True]


def test_a_certificate_of_nobody_we_trust_gets_no_association(secured: Secured, tmp_path: Path) -> None:
    elsewhere = certificate(tmp_path / "elsewhere", "authority", authority=True)
    forged = certificate(tmp_path / "elsewhere", "pacs", issuer=elsewhere)
    assert not secured.echo(forged, calling="STORESCU")
    assert reasons(secured.net) == []


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_what_came_before_tls_1_2_is_not_spoken(secured: Secured) -> None:
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with pytest.raises(ssl.SSLError):
            secured.greet(to=version)
    secured.greet(to=ssl.TLSVersion.TLSv1_2).close()


def test_a_plain_client_of_the_tls_port_is_closed_and_not_reset(secured: Secured) -> None:
    with secured.connect() as connection:
        connection.sendall(b"\x01\x00" + (4000).to_bytes(4, "big") + bytes(4000))
        while connection.recv(100):
            continue
    assert secured.echo(secured.pacs)


def test_who_greets_slowly_or_is_silent_holds_nobody_up_and_is_closed_in_time(secured: Secured) -> None:
    silent = [secured.connect() for _ in range(30)]
    for connection in silent[10:20]:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a ClientHello
    greeted = [secured.greet() for _ in range(10)]
    for asked in greeted[5:]:
        asked.sendall(b"\x01\x00\x00\x00\x10\x00")  # that of a request
    began = time.monotonic()
    assert secured.echo(secured.pacs)
    assert time.monotonic() - began < 2
    assert eventually(lambda: not secured.net.scp._server.arrivals._waiting)
    for connection in (*silent, *greeted):
        with connection:
            assert connection.recv(100) == b""


def test_a_request_that_is_too_long_or_more_than_all_may_hold_is_closed(
    secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    with secured.greet() as connection:
        connection.sendall(b"\x01\x00" + (arrivals.LONGEST_PDU + 1).to_bytes(4, "big"))
        assert connection.recv(1) == b""
    gathering = secured.net.scp._server.tls._gathering
    monkeypatch.setattr(gathering, "_limit", 40_000)
    part = b"\x01\x00" + (100_000).to_bytes(4, "big") + bytes(30_000)
    with secured.greet() as first, secured.greet() as second:
        first.sendall(part)
        assert eventually(lambda: sum(gathering._held.values()) == len(part))
        second.sendall(part)
        began = time.monotonic()
        assert second.recv(1) == b""
        assert time.monotonic() - began < 1
    assert eventually(lambda: not gathering._held)


def test_a_request_in_many_records_is_one(secured: Secured) -> None:
    whole = bytearray()
    entity = AE("PACS")
    entity.add_requested_context("1.2.840.10008.1.1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        entity.acse_timeout = 0.2
        entity.associate("127.0.0.1", listener.getsockname()[1], ae_title="LUNG")
        caught, _ = listener.accept()
        whole += caught.recv(10_000)
        caught.close()
    whole = whole[: 6 + int.from_bytes(whole[2:6], "big")]
    with secured.greet(shows=secured.pacs) as connection:
        for byte in whole:
            connection.sendall(bytes([byte]))
        assert connection.recv(1) == b"\x02"


# --- whom we call


class Taker:
    """The AE TAKER, which speaks TLS, shows a certificate and asks for one."""

    def __init__(self, secured: Secured, shows: Certificate) -> None:
        self.came: list[str] = []
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(secured.authority.pem))
        context.load_cert_chain(shows.pem, shows.key)
        context.verify_mode = ssl.CERT_REQUIRED
        entity = AE("TAKER")
        entity.supported_contexts = AllStoragePresentationContexts
        self.server: ThreadedAssociationServer = entity.start_server(  # type: ignore[assignment]
            ("127.0.0.1", 0), block=False, ssl_context=context, evt_handlers=[(evt.EVT_C_STORE, self._take)]
        )
        bound = {"client": "compute", "networks": ["127.0.0.0/8"], "scp": f"127.0.0.1:{self.server.server_address[1]}"}
        peering = Peering(certificates=[secured.other.fingerprint], tls=True)
        add_entity(secured.net.runtime, builders.ACTOR, "TAKER", **bound, peering=peering)  # type: ignore[arg-type]

    def _take(self, event: evt.Event) -> int:
        self.came.append(event.request.AffectedSOPInstanceUID)
        return 0x0000

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def test_objects_go_by_tls_to_who_shows_its_certificate_and_to_no_other(secured: Secured) -> None:
    large = made("1.2.1.1.2", study="1.2.1", PixelData=bytes(300_000))
    hold(secured.net.runtime, made("1.2.1.1.1", study="1.2.1"), large)
    asked = secured.net.retrieve(calling="COMPUTE")
    with contextlib.closing(Taker(secured, secured.other)) as taker:
        assert asked.move("TAKER", "STUDY", StudyInstanceUID="1.2.1")[-1] == (0x0000, None, 2, 0, 0)
        assert sorted(taker.came) == ["1.2.1.1.1", "1.2.1.1.2"]


def test_nothing_goes_to_who_shows_another_certificate(secured: Secured) -> None:
    hold(secured.net.runtime, made("1.2.1.1.1", study="1.2.1"))
    asked = secured.net.retrieve(calling="COMPUTE")
    with contextlib.closing(Taker(secured, secured.gpu)) as taker:
        assert [status for status, *_ in asked.move("TAKER", "STUDY", StudyInstanceUID="1.2.1")] == [0xA702]
        assert taker.came == []
    assert secured.net.accesses() == []


def test_a_report_of_commitment_goes_by_tls(secured: Secured) -> None:
    reports: list[int] = []
    entity = AE("MODALITY")
    entity.add_supported_context(PUSH_MODEL, LITTLE_ENDIAN, scu_role=False, scp_role=True)

    def take(event: evt.Event) -> tuple[int, None]:
        reports.append(event.event_type)
        return 0x0000, None

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(secured.authority.pem))
    context.load_cert_chain(secured.other.pem, secured.other.key)
    handlers = [(evt.EVT_N_EVENT_REPORT, take)]
    server: ThreadedAssociationServer = entity.start_server(  # type: ignore[assignment]
        ("127.0.0.1", 0), block=False, ssl_context=context, evt_handlers=handlers
    )
    peering = Peering(certificates=[secured.other.fingerprint], tls=True)
    scp_address = f"127.0.0.1:{server.server_address[1]}"
    add_sender(secured.net.runtime, builders.ACTOR, "LUNG", "MODALITY", scp=scp_address, peering=peering)
    titles = AeTitle("LUNG", "MODALITY", "127.0.0.1", frozenset({secured.other.fingerprint.lower()}))
    registration = identify(secured.net.runtime, titles).registration
    assert registration is not None
    ask(secured.net.runtime, registration, CommitmentRequest("1.5.1", (("1.2.840.10008.5.1.4.1.1.4", "1.2.1.1.1"),)))
    work_off(secured.net.runtime, KIND, KINDS[KIND], threading.Event())
    server.shutdown()
    server.server_close()
    assert reports == [2]


def test_a_certificate_that_cannot_be_used_is_said_at_the_start(tmp_path: Path) -> None:
    own, other = certificate(tmp_path, "own"), certificate(tmp_path, "other")
    for files in ({"certificate": own.pem, "key": other.key}, {"certificate": tmp_path / "none.pem"}):
        settings = {f"dimse_tls_{name}": str(value) for name, value in files.items()} | {"dimse_tls_port": free_port()}
        runtime = builders.runtime(tmp_path, **settings)
        with pytest.raises(Invalid, match="ACCORD_DIMSE_TLS"):
            scp.serve(runtime, bind="127.0.0.1", port=0)
        runtime.close()
