"""The whole HTTP application without a network, and clients of it."""

from collections.abc import Sequence
from pathlib import Path

import httpx

from adapters.accord_client import AccordClient
from adapters.client_file import ClientFile, new_client_key
from adapters.identity import Keys
from server.usecases.client import add_client
from server.usecases.party import add_party, list_parties
from server.web import app
from tests import builders

ROLES = {"hospital-a": "provider", "hospital-b": "provider", "university": "user", "centre": "operator"}


class Wire:
    """An Accord with the dataset LUNG of hospital-a, and its application as a transport of httpx."""

    def __init__(self, folder: Path) -> None:
        self.runtime = builders.runtime(folder)
        builders.seed(self.runtime)
        self.transport = httpx.WSGITransport(app.create(self.runtime, Keys.load_or_make(folder / "signing.json")))
        self._clients: list[AccordClient] = []

    def file(self, name: str, party: str, scopes: Sequence[str] | None = None, purposes: Sequence[str] = ()) -> ClientFile:
        """What a new client of this party keeps."""
        if party not in {each.key for each in list_parties(self.runtime)}:
            add_party(self.runtime, builders.ACTOR, party, party, ROLES[party])
        private, jwks = new_client_key()
        links = {"party": party, "terms": builders.TERMS}
        row = add_client(self.runtime, builders.ACTOR, name, jwks=jwks, scopes=scopes, purposes=purposes, **links)
        purpose = next(iter(purposes), None)
        return ClientFile(name, self.runtime.settings.base_url, " ".join(row.scopes), purpose, private)

    def client(self, name: str, party: str, scopes: Sequence[str] | None = None, purposes: Sequence[str] = ()) -> AccordClient:
        """A new client of this party, connected."""
        made = AccordClient(self.file(name, party, scopes, purposes), transport=self.transport, pause=lambda _seconds: None)
        self._clients.append(made)
        return made

    def close(self) -> None:
        """Let go of all of it."""
        for client in self._clients:
            client.close()
        self.runtime.close()
