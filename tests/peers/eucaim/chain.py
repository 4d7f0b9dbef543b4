"""Spot, Beam's broker, its two proxies and Focus as processes on loopback, each with the settings of its own documentation."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.peers.eucaim.vault import Signed, signed, vault
from tests.running import answers, eventually
from tests.servers import find, free_port

SITE, CENTRE = "site1.localhost", "central.localhost"
SPOT_PORT, PAGE_PORT = 8055, 3055
"""Written into the explorer's pages; and where they come from, which Spot allows."""
KEY = "k1"
SECONDS = 60


@dataclass(frozen=True)
class Chain:
    """What the processes need of one another."""

    programs: Path
    home: Path

    @contextlib.contextmanager
    def started(self, name: str, program: str, health: str = "", **environment: object) -> Iterator[None]:
        """A program with these variables alone, ended by SIGTERM; ready when it answers."""
        log = self.home / f"{name}.log"
        given = {"PATH": os.environ["PATH"], "RUST_LOG": "info", **{key: str(value) for key, value in environment.items()}}
        with log.open("ab") as out:
            command = [find("setpriv"), "--pdeathsig=TERM", self.programs / program]
            process = subprocess.Popen(command, env=given, cwd=self.home, stdout=out, stderr=subprocess.STDOUT)
        try:
            ready = not health or eventually(lambda: process.poll() is not None or answers(health), SECONDS)
            assert ready, (name, log.read_text()[-3000:])
            assert process.poll() is None, (name, log.read_text()[-3000:])
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def focus(beam: str, accord: str, secret: str, app: str = f"focus.{SITE}") -> dict[str, object]:
    """Focus' settings at a site."""
    return {
        "BEAM_PROXY_URL": beam,
        "BEAM_APP_ID_LONG": app,
        "API_KEY": KEY,
        "ENDPOINT_URL": f"{accord}/api/datasets/eucaimSearch",
        "ENDPOINT_TYPE": "omop",
        "PROVIDER": "Accord",
        "AUTH_HEADER": secret,
    }


@contextlib.contextmanager
def chain(programs: Path, home: Path, accord: str, secret: str) -> Iterator[str]:
    """All of it, before an Accord; Spot's address."""
    made = Chain(programs, home)
    root = signed("root", authority=True)
    intermediate = signed("intermediate", root, authority=True)
    site, centre = signed(SITE, intermediate), signed(CENTRE, intermediate)
    (home / "root.pem").write_bytes(root.pem)
    (home / "pki").write_text("token")
    with contextlib.ExitStack() as stack:
        pki = stack.enter_context(vault(intermediate, [site, centre]))
        broker = _broker(made, stack, pki)
        at_site = _proxy(made, stack, broker, site, "focus")
        stack.enter_context(made.started("focus", "focus", **focus(at_site, accord, secret)))
        yield _spot(made, stack, _proxy(made, stack, broker, centre, "spot"))


def _broker(made: Chain, stack: contextlib.ExitStack, pki: str) -> str:
    port = free_port()
    settings = {
        "BROKER_URL": f"http://localhost:{port}",
        "BIND_ADDR": f"127.0.0.1:{port}",
        "PKI_ADDRESS": pki,
        "PKI_APIKEY_FILE": made.home / "pki",
        "ROOTCERT_FILE": made.home / "root.pem",
    }
    stack.enter_context(made.started("broker", "beam-broker", f"http://127.0.0.1:{port}/v1/health", **settings))
    return f"http://localhost:{port}"


def _proxy(made: Chain, stack: contextlib.ExitStack, broker: str, own: Signed, app: str) -> str:
    """Of this certificate's common name, with one application behind it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "BROKER_URL": broker,
        "PROXY_ID": own.name,
        f"APP_{app}_KEY": KEY,
        "PRIVKEY_FILE": own.write(made.home / f"{own.name}.key"),
        "ROOTCERT_FILE": made.home / "root.pem",
        "BIND_ADDR": f"127.0.0.1:{port}",
    }
    stack.enter_context(made.started(own.name, "beam-proxy", f"{url}/v1/health", **settings))
    return url


def _spot(made: Chain, stack: contextlib.ExitStack, centre: str) -> str:
    url = f"http://127.0.0.1:{SPOT_PORT}"
    settings = {
        "BEAM_PROXY_URL": centre,
        "BEAM_APP_ID": f"spot.{CENTRE}",
        "BEAM_SECRET": KEY,
        "BIND_ADDR": f"127.0.0.1:{SPOT_PORT}",
        "CORS_ORIGIN": f"http://localhost:{PAGE_PORT}",
        "SITES": SITE.partition(".")[0],
        "PROJECT": "eucaim",
    }
    stack.enter_context(made.started("spot", "rustyspot", f"{url}/health", **settings))
    return url
