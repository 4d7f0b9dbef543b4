"""A researcher's client against a whole application, without a network: two studies it may take, and one it may only preview."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from adapters.accord_client import AccordClient
from adapters.client_file import ClientFile, new_client_key
from adapters.identity import Keys
from server.usecases import document
from server.usecases.batch import close_batch
from server.usecases.client import add_client
from server.usecases.dataset import set_dataset
from server.usecases.party import add_party
from server.usecases.permit import add_permit
from server.usecases.take import take
from server.web import app
from tests import builders
from tests.builders import ACTOR, made

SHARED = ("1.2.3", "1.2.4")
"""Of LUNG; each of two series of three objects."""
OPEN = "1.2.5"
"""Of OPEN, which nobody takes out."""
CONDITIONAL = {"access_class": "conditional", "actions": ("query", "process", "export"), "visibility": "full"}
Before = Callable[[httpx.Request], httpx.Response | None]
Answered = Callable[[httpx.Request, httpx.Response], httpx.Response]


class Researcher(httpx.BaseTransport):
    """An Accord behind a wire: `before` may answer or break instead; `answered` may change what is answered."""

    def __init__(self, folder: Path, **settings: object) -> None:
        clock = builders.Clock(datetime.now(UTC) - timedelta(seconds=30))
        self.runtime = builders.runtime(folder, clock=clock, **settings)
        builders.seed(self.runtime, **CONDITIONAL)
        builders.seed(self.runtime, alias="OPEN", provider="hospital-b", visibility="preview")
        set_dataset(self.runtime, ACTOR, "LUNG", builders.DETAILS)
        self.client = self._client()
        self.wire = httpx.WSGITransport(app.create(self.runtime, Keys.load_or_make(folder / "signing.json")))
        self.restore()
        for study, person in zip((*SHARED, OPEN), ("P1", "P2", "P3"), strict=True):
            self.deposit(study, person)
        clock.on(30)  # now: a client proves itself by its own clock
        document.rebuild(self.runtime)
        builders.described(self.runtime)

    def restore(self) -> None:
        """Nothing was asked yet, and the wire does nothing."""
        self.asked: list[tuple[str, str]] = []
        self.pauses: list[float] = []
        self.before: Before = lambda _request: None
        self.answered: Answered = lambda _request, answer: answer

    def _client(self) -> ClientFile:
        key, jwks = new_client_key()
        scopes = ["system/*.rs"]
        add_party(self.runtime, ACTOR, "university", "University", "user")
        registered = {"party": "university", "jwks": jwks, "scopes": scopes, "terms": builders.TERMS, "purposes": ["AIRESEARCH"]}
        add_client(self.runtime, ACTOR, "researcher", **registered)
        add_permit(self.runtime, ACTOR, "LUNG", "university", export=True)
        return ClientFile("researcher", self.runtime.settings.base_url, scopes[0], "AIRESEARCH", key)

    def deposit(self, study: str, person: str) -> None:
        """Two series of three objects each."""
        alias, provider = ("OPEN", "hospital-b") if study == OPEN else ("LUNG", "hospital-a")
        batch = builders.batch(self.runtime, alias, provider=provider)
        for series in (f"{study}.1", f"{study}.2"):
            for number in (1, 2, 3):
                file = made(f"{series}.{number}", study=study, series=series, PatientID=person)
                assert take(self.runtime, batch, "a", file).outcome == "pass"
        close_batch(self.runtime, batch.id)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((request.method, request.url.path))
        return self.before(request) or self.answered(request, self.wire.handle_request(request))

    def connect(self) -> AccordClient:
        return AccordClient(self.client, transport=self, pause=self.pauses.append)
