"""An Accord that programs connect to: the libraries that people use, unmodified, against a real server past a token's end."""

import subprocess
import sys
import threading
import time
from io import BytesIO

import httpx
import pytest
import requests
from dicomweb_client import DICOMwebClient
from fhirpy import SyncFHIRClient
from werkzeug.serving import make_server

from adapters import accord_client
from adapters.accord import Accord, connect
from adapters.client_file import write_client
from mappings.failures import Invalid, Unauthenticated
from server.usecases.client import set_client
from tests.adapters.researchers import SHARED, Researcher
from tests.builders import ACTOR
from tests.running import TOP
from tests.servers import free_port

SECONDS = 1
"""A token's life."""


class Served(Researcher):
    """A researcher's server on a real port, whose tokens live for a second."""

    def __init__(self, folder):
        port = free_port()
        super().__init__(folder, port=port, token_seconds=SECONDS)
        self.path = folder / "researcher.client.json"
        write_client(self.path, self.client)
        self.seen = []
        self.server = make_server("127.0.0.1", port, self._counted, threaded=True)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def _counted(self, environ, start):
        """What the wire's application answers, with a note of who was refused."""

        def noted(status, *more):
            self.seen.append((environ["PATH_INFO"], int(status[:3])))
            return start(status, *more)

        return self.wire.app(environ, noted)

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.runtime.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    made = Served(tmp_path_factory.mktemp("served"))
    yield made
    made.close()


@pytest.fixture
def accord(served):
    served.seen.clear()
    with connect(served.path) as made:
        yield made


def use_dicomweb(accord: Accord):
    with accord.session() as session:
        client = DICOMwebClient(accord.dicomweb_url, session=session)
        yield lambda: len(client.search_for_studies()) == 3
        while True:
            yield lambda: len(client.retrieve_study(SHARED[0], media_types=(("application/dicom", "*"),))) == 6


def use_fhirpy(accord: Accord):
    client = SyncFHIRClient(accord.fhir_url, requests_config={"auth": accord})
    yield lambda: len(client.resources("ImagingStudy").fetch_all()) == 3
    while True:
        yield lambda: len(client.resources("ImagingStudy").limit(1).fetch_all()) == 3


def use_requests(accord: Accord):
    while True:
        yield lambda: requests.get(f"{accord.dicomweb_url}/studies", auth=accord, timeout=9).status_code == 200


def use_httpx(accord: Accord):
    with httpx.Client(auth=accord) as client:
        while True:
            yield lambda: client.get(f"{accord.dicomweb_url}/studies").status_code == 200


USES = (use_dicomweb, use_fhirpy, use_requests, use_httpx)


def over(served: Served) -> None:
    """Let the tokens that were issued be over."""
    served.runtime.clock.on(SECONDS + 1)
    served.seen.clear()


def refused(served: Served) -> list[str]:
    return [path for path, status in served.seen if status == 401]


def test_what_people_use_goes_on_past_a_tokens_end_and_is_never_refused(served):
    with connect(served.path) as accord:
        uses = [use(accord) for use in USES]
        assert all(next(use)() for use in uses)
        over(served)
        time.sleep(SECONDS * 0.7)
        assert all(next(use)() for use in uses)
        assert refused(served) == []
        for use in uses:
            use.close()


def test_who_does_not_know_that_its_token_is_over_is_refused_once_and_goes_on(served):
    """As after a server's restart with another key, or where a machine was asleep."""
    with connect(served.path) as accord:
        uses = [use(accord) for use in USES]
        assert all(next(use)() for use in uses)
        for use in uses:
            over(served)
            accord._client._renew_at = float("inf")
            assert next(use)()
            assert len(refused(served)) == 1
            use.close()


def test_threads_that_are_refused_the_same_token_renew_it_once(served, accord):
    accord.header()
    accord._client._token = accord_client.Token("refused", 300)
    accord._client._renew_at = float("inf")
    with httpx.Client(auth=accord, timeout=30) as client:
        asking = [threading.Thread(target=client.get, args=(f"{accord.dicomweb_url}/studies",)) for _ in range(8)]
        served.seen.clear()
        for each in asking:
            each.start()
        for each in asking:
            each.join()
    assert [path for path, _ in served.seen].count("/oauth/token") == 1
    assert [status for path, status in served.seen if path == "/dicom-web/studies" and status == 200] == [200] * 8


@pytest.mark.parametrize("body", [None, b"x"])
def test_who_is_refused_for_good_hears_it_and_is_tried_twice(served, accord, body):
    served.seen.clear()
    accord._client.bearer = lambda refused="": "never good"
    for answer in (
        requests.post(f"{accord.base_url}/api/batches", data=body, auth=accord, timeout=9),
        httpx.post(f"{accord.base_url}/api/batches", content=body, auth=accord),
    ):
        assert answer.status_code == 401
    assert served.seen == [("/api/batches", 401)] * 4


def test_a_body_that_can_not_be_sent_twice_is_sent_once(served, accord):
    served.seen.clear()
    accord._client.bearer = lambda refused="": "never good"
    for send in (
        lambda body: requests.post(f"{accord.base_url}/api/batches", data=body, auth=accord, timeout=9),
        lambda body: httpx.post(f"{accord.base_url}/api/batches", content=body, auth=accord),
    ):
        assert send(iter([b"x"])).status_code == 401
    assert served.seen == [("/api/batches", 401)] * 2


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://example.org/dicom-web", "https://127.0.0.1/", "http://127.0.0.1.x/"]
)
def test_no_other_host_is_shown_a_token(accord, url):
    prepared = requests.Request("GET", url, auth=accord).prepare()
    (asked,) = [next(accord.auth_flow(httpx.Request("GET", url)))]
    assert "Authorization" not in {**prepared.headers, **asked.headers}
    assert prepared.hooks["response"] == []


def test_a_client_that_is_disabled_hears_the_servers_sentence(served, accord):
    set_client(served.runtime, ACTOR, "researcher", enabled=False)
    try:
        with pytest.raises(Unauthenticated, match="disabled"):
            requests.get(f"{accord.dicomweb_url}/studies", auth=accord, timeout=9)
    finally:
        set_client(served.runtime, ACTOR, "researcher", enabled=True)


def test_a_purpose_may_be_another_of_the_clients(served):
    with connect(served.path, purpose="AITRAIN") as accord, pytest.raises(Unauthenticated, match="purpose"):
        accord.header()


def test_what_is_no_client_file_is_said_before_anything_is_asked(tmp_path):
    with pytest.raises(Invalid, match="client file"):
        connect(tmp_path / "none.json")


def test_who_connects_waits_for_no_library_that_is_not_used():
    big = "{'requests', 'flask', 'sqlalchemy', 'pydicom', 'numpy'}"
    code = f"import sys; import adapters.accord; sys.exit(bool({big} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=TOP, check=False).returncode == 0


def test_a_redirect_that_comes_back_by_another_host_is_refused_and_no_error(served, accord):
    """requests takes the authorization from what goes to another host, and does not give it back (RFC 9110 section 15.4)."""
    there = f"{accord.dicomweb_url}/studies"

    def away(_environ, start):
        start("302 Found", [("Location", there)])
        return [b""]

    other = make_server("127.0.0.1", free_port(), away, threaded=True)
    thread = threading.Thread(target=other.serve_forever)
    thread.start()
    try:
        moved = requests.Response()
        moved.status_code, moved.headers["Location"] = 302, f"http://127.0.0.1:{other.server_port}/"
        with accord.session() as session:
            request = session.prepare_request(requests.Request("GET", there))
            moved.request, moved.url, moved.raw = request, there, BytesIO()
            (*_, last) = session.resolve_redirects(moved, request)
        assert last.status_code == 401
    finally:
        other.shutdown()
        thread.join()
        other.server_close()
