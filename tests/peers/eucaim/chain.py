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
    names = {"site": SITE, "centre": CENTRE}
    own = {name: signed(common, intermediate) for name, common in names.items()}
    (home / "root.pem").write_bytes(root.pem)
    (home / "pki").write_text("token")
    with contextlib.ExitStack() as stack:
        pki = stack.enter_context(vault(intermediate, list(own.values())))
        broker = _broker(made, stack, pki, own["site"])
        site = _proxy(made, stack, broker, "site", SITE, own["site"], "focus")
        centre = _proxy(made, stack, broker, "centre", CENTRE, own["centre"], "spot")
        stack.enter_context(made.started("focus", "focus", **focus(site, accord, secret)))
        yield stack.enter_context(_spot(made, centre))


def _broker(made: Chain, stack: contextlib.ExitStack, pki: str, own: Signed) -> str:
    port = free_port()
    url = f"http://localhost:{port}"
    settings = {
        "BROKER_URL": url,
        "BIND_ADDR": f"127.0.0.1:{port}",
        "PKI_ADDRESS": pki,
        "PKI_APIKEY_FILE": made.home / "pki",
        "PRIVKEY_FILE": own.write(made.home / "broker.key"),
        "ROOTCERT_FILE": made.home / "root.pem",
        "MONITORING_API_KEY": KEY,
    }
    stack.enter_context(made.started("broker", "beam-broker", f"http://127.0.0.1:{port}/v1/health", **settings))
    return url


def _proxy(made: Chain, stack: contextlib.ExitStack, broker: str, name: str, proxy: str, own: Signed, app: str) -> str:
    port = free_port()
    settings = {
        "BROKER_URL": broker,
        "PROXY_ID": proxy,
        f"APP_{app}_KEY": KEY,
        "PRIVKEY_FILE": own.write(made.home / f"{name}.key"),
        "ROOTCERT_FILE": made.home / "root.pem",
        "BIND_ADDR": f"127.0.0.1:{port}",
    }
    url = f"http://127.0.0.1:{port}"
    stack.enter_context(made.started(name, "beam-proxy", f"{url}/v1/health", **settings))
    return url


def _spot(made: Chain, centre: str) -> contextlib.AbstractContextManager[str]:
    settings = {
        "BEAM_PROXY_URL": centre,
        "BEAM_APP_ID": f"spot.{CENTRE}",
        "BEAM_SECRET": KEY,
        "BIND_ADDR": f"127.0.0.1:{SPOT_PORT}",
        "CORS_ORIGIN": f"http://localhost:{PAGE_PORT}",
        "SITES": SITE.split(".", maxsplit=1)[0],
        "PROJECT": "eucaim",
    }
    url = f"http://127.0.0.1:{SPOT_PORT}"

    @contextlib.contextmanager
    def running() -> Iterator[str]:
        with made.started("spot", "rustyspot", f"{url}/health", **settings):
            yield url

    return running()
