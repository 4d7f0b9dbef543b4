"""A server on loopback for clients that renew no token: they follow every address they are given, and nobody else gets in."""

import json
import logging
import socket
import threading
from io import BytesIO

import httpx
import pydicom
import pytest
from dicomweb_client import DICOMwebClient
from fhirpy import SyncFHIRClient
from werkzeug.test import Client

from adapters.accord import Accord
from adapters.accord_client import AccordClient
from adapters.client_file import write_client
from adapters.loopback_proxy import HOST, LoopbackProxy, serve
from server.cli import proxy
from server.usecases.client import set_client
from tests.adapters.researchers import SHARED, Researcher
from tests.builders import ACTOR
from tests.commands import run
from tests.servers import free_port

ORIGIN = "http://localhost:3000"


class Proxied:
    """A researcher's server, and the proxy before it."""

    def __init__(self, folder):
        self.researcher, self.port = Researcher(folder), free_port()
        self.accord = Accord(AccordClient(self.researcher.client, transport=self.researcher))
        self.proxy = LoopbackProxy(self.accord, self.port, [ORIGIN], transport=self.researcher)
        self.client = Client(self.proxy)

    def ask(self, path: str, method: str = "GET", **more):
        base = f"http://{HOST}:{self.port}"
        return self.client.open(f"{self.proxy.url.removeprefix(base)}/{path}", method=method, base_url=base, **more)

    def close(self):
        self.proxy.close()
        self.researcher.runtime.close()


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
    made = Proxied(tmp_path_factory.mktemp("proxied"))
    yield made
    made.close()


@pytest.fixture
def served(proxied):
    server = serve(proxied.proxy, proxied.port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield proxied
    server.shutdown()
    thread.join()
    server.server_close()


def addresses(value) -> list[str]:
    if isinstance(value, dict):
        return [each for inner in value.values() for each in addresses(inner)]
    if isinstance(value, list):
        return [each for inner in value for each in addresses(inner)]
    return [value] if isinstance(value, str) and value.startswith("http://127.0.0.1") else []


@pytest.mark.parametrize("path", ["dicom-web/studies", "dicom-web/studies/1.2.3/metadata", "fhir/R4/ImagingStudy?_count=1"])
def test_every_address_that_is_told_leads_through_the_proxy(proxied, path):
    told = proxied.ask(path)
    assert told.status_code == 200
    found = addresses(told.json)
    assert found
    assert all(address.startswith(proxied.proxy.url) for address in found)


def test_the_clients_of_the_field_read_through_it_without_a_token(served):
    images = DICOMwebClient(f"{served.proxy.url}/dicom-web")
    assert len(images.search_for_studies()) == 3
    assert len(images.retrieve_study(SHARED[0], media_types=(("application/dicom", "*"),))) == 6
    records = SyncFHIRClient(f"{served.proxy.url}/fhir/R4")
    studies = records.resources("ImagingStudy").limit(1).fetch_all()
    assert len(studies) == 3, "the address of the next page leads here too"
    patient = records.resources("Patient").limit(1).fetch()[0]
    system, value = patient["identifier"][0]["system"], patient["identifier"][0]["value"]
    assert system.startswith(served.proxy.url)
    assert len(records.resources("Patient").search(identifier=f"{system}|{value}").fetch()) == 1


def test_what_is_sent_in_pieces_arrives(served):
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.99"
    out = BytesIO()
    dataset.save_as(out, implicit_vr=False, little_endian=True)
    url = f"{served.proxy.url}/dicom-web/studies"
    told = httpx.post(url, content=iter([out.getvalue()]), headers={"Content-Type": "application/dicom"})
    assert told.status_code == 403, "the server has read it, and this client may not deposit"
    assert told.json()["title"] == "insufficient-scope"


def test_an_image_passes_as_it_is_with_its_range_and_tag(proxied):
    (instance, *_) = proxied.ask("dicom-web/studies/1.2.3/instances").json
    path = f"dicom-web/{instance['00081190']['Value'][0].partition('/dicom-web/')[2]}"
    form = {"Accept": "application/dicom; transfer-syntax=*"}
    whole = proxied.ask(path, headers=form)
    assert whole.data[128:132] == b"DICM"
    assert int(whole.headers["Content-Length"]) == len(whole.data)
    assert proxied.ask(path, headers=form | {"Range": "bytes=128-131"}).data == b"DICM"
    assert proxied.ask(path, headers=form | {"If-None-Match": whole.headers["ETag"]}).status_code == 304
    assert proxied.ask(path, "HEAD", headers=form).headers["Content-Length"] == whole.headers["Content-Length"]


def test_only_who_knows_the_secret_is_answered(proxied):
    base = f"http://{HOST}:{proxied.port}"
    for path in ("/dicom-web/studies", "/x/dicom-web/studies", f"/{'a' * 22}/fhir/R4/metadata", "/"):
        assert proxied.client.get(path, base_url=base).status_code == 404
    secret = proxied.proxy.url.rpartition("/")[2]
    other = proxied.client.get(f"/{secret}/dicom-web/studies", base_url=f"http://elsewhere.example:{proxied.port}")
    assert other.status_code == 421, "a name that was made to resolve to loopback"


_BEHIND = ("dicom-web/../health/ready", "dicom-web/%2e%2e/oauth/jwks", "fhir/R4/..%2F..%2Fhealth/live", "fhir/../../elsewhere")


@pytest.mark.parametrize("path", ["oauth/token", "api/batches", "health/ready", "", "dicom-web-x/studies", *_BEHIND])
def test_nothing_else_of_the_server_is_reached(proxied, path):
    told = proxied.ask(path)
    assert (told.status_code, told.json["detail"]) == (404, "There is nothing here.")


def sent(served, request: bytes) -> bytes:
    """What is answered to these bytes, in whose line the secret stands."""
    with socket.create_connection((HOST, served.port), timeout=20) as connection:
        connection.sendall(request.replace(b"SECRET", served.proxy.url.rpartition("/")[2].encode()))
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


_ASKED = b"SECRET/dicom-web/studies HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/dicom\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + _ASKED + b"X-Name: \xff\xfe\r\n\r\n", b"200"),
        (b"POST /" + _ASKED + b"Content-Length: 9\r\n\r\nabc", b"400"),
        (b"POST /" + _ASKED + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", b"400"),
        (b"GET /SECRET/dicom-web/a b HTTP/1.1\r\n\r\n", b"400"),
        (b"BREW /" + _ASKED + b"\r\n", b"405"),
    ],
)
def test_what_no_client_of_the_field_sends_is_answered_and_leaves_no_line(served, capfd, caplog, request_, status):
    caplog.set_level(logging.INFO, "werkzeug")
    assert sent(served, request_).split(b" ")[1] == status
    assert (*capfd.readouterr(), [r for r in caplog.records if r.name == "werkzeug"]) == ("", "", [])


def test_a_callers_own_credentials_are_not_sent_on(proxied):
    assert proxied.ask("dicom-web/studies", headers={"Authorization": "Bearer x", "Cookie": "a=b"}).status_code == 200


def test_pages_of_a_named_origin_read_it_and_no_others(proxied):
    for origin, shared in ((ORIGIN, ORIGIN), ("http://elsewhere.example", None), ("null", None)):
        told = proxied.ask("dicom-web/studies", headers={"Origin": origin})
        assert told.headers.get("Access-Control-Allow-Origin") == shared
        preflight = {"Origin": origin, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "accept"}
        assert proxied.ask("dicom-web/studies", "OPTIONS", headers=preflight).headers.get("Access-Control-Allow-Origin") == shared


def test_a_refusal_is_the_servers_own_and_a_server_that_is_gone_is_said(proxied):
    missing = proxied.ask("dicom-web/studies/9.9.9/metadata")
    assert (missing.status_code, missing.json["title"]) == (404, "study-unknown")

    def gone(request):
        raise httpx.ConnectError("gone", request=request)

    proxied.researcher.before = gone
    told = proxied.ask("dicom-web/studies")
    proxied.researcher.restore()
    assert (told.status_code, json.loads(told.data)["title"]) == (502, "server-unavailable")


def test_a_client_that_is_disabled_meanwhile_is_told_so(proxied):
    set_client(proxied.researcher.runtime, ACTOR, proxied.researcher.client.client_id, enabled=False)
    told = proxied.ask("dicom-web/studies")
    set_client(proxied.researcher.runtime, ACTOR, proxied.researcher.client.client_id, enabled=True)
    assert told.status_code in (401, 403)
    assert proxied.ask("dicom-web/studies").status_code == 200


def test_the_command_says_where_it_serves_and_who_takes_its_port(proxied, tmp_path, capsys, monkeypatch):
    file, addresses_said = tmp_path / "researcher.client.json", []
    write_client(file, proxied.researcher.client)
    monkeypatch.setattr(
        proxy, "AccordClient", lambda *_, **__: AccordClient(proxied.researcher.client, transport=proxied.researcher)
    )

    class Stopped:
        def serve_forever(self):
            addresses_said.append(capsys.readouterr().out)

    monkeypatch.setattr(proxy, "serve", lambda *_: Stopped())
    assert run("proxy", "--as", str(file)) == 0
    assert "/dicom-web" in addresses_said[0]
    monkeypatch.setattr(proxy, "serve", serve)
    with socket.create_server((HOST, 0)) as taken:
        assert run("proxy", "--port", str(taken.getsockname()[1]), "--as", str(file)) == 2
    assert "already" in capsys.readouterr().err
