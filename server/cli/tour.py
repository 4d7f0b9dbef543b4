"""`accord demo --tour`: an agreement's whole life, told as it happens, through the doors that everybody uses.

Each step is seen to be so; where one is not, the tour ends there and says which.
"""

import html
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from consent.person import Actor, PersonRole
from mappings.failures import Conflict
from server.cli.demo_data import ACTOR
from server.usecases.demo import token_file
from server.usecases.party import add_party
from server.usecases.person import add_person
from server.usecases.runtime import Runtime

STARTUP = "demo-startup"
SECONDS = 30
_HIDDEN = re.compile(r'<input type="hidden" name="csrf_token" value="([^"]*)"')


@dataclass(slots=True)
class Person:
    """Somebody of the demo, signed in with a browser of its own."""

    name: str
    browser: httpx.Client
    token: str = field(repr=False)

    def asks(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Send a request as this person."""
        return self.browser.request(method, path, json=body, headers={"X-CSRF-Token": self.token})

    def does(self, method: str, path: str, body: object = None) -> Any:
        """The same, which is answered by a yes; what that says."""
        answer = self.asks(method, path, body)
        be_so(f"{self.name} may {method} {path}", answer.is_success, answer.text)
        return answer.json()

    def sees(self, studies: str) -> int:
        """How many studies are found at this path."""
        answer = self.asks("GET", studies)
        return len(answer.json()) if answer.status_code == httpx.codes.OK else 0


@dataclass(slots=True)
class People:
    """Those whom the tour is about."""

    ada: Person
    grace: Person
    marie: Person
    lise: Person
    alan: Person
    rosa: Person


@dataclass(frozen=True, slots=True)
class Tour:
    """What a step is handed."""

    runtime: Runtime
    who: People
    files: Mapping[str, Path]
    samples: Path


Step = Callable[[Tour], Iterator[str]]
"""Does what its docstring's first line says, and tells it line by line."""


def prepare(runtime: Runtime) -> None:
    """Add whom the tour needs beside the demo's people: an external company, and who works there."""
    here = Actor(ACTOR, None, frozenset({PersonRole.OPERATOR}), is_local=True)
    add_party(runtime, ACTOR, STARTUP, "DEMO Startup", "user", external=True)
    add_person(
        runtime, here, "demo-rosa", name="Rosa, of the start-up", role="researcher", party=STARTUP, purposes=["AIRESEARCH"]
    )


def walk(runtime: Runtime, files: Mapping[str, Path], samples: Path, steps: Sequence[Step]) -> None:
    """Tell the story, step by step. Raises Conflict at the step that is not as it is told."""
    began = time.monotonic()
    with ExitStack() as browsers:
        who = People(**{name: _signed_in(runtime, browsers, name) for name in People.__slots__})
        for number, step in enumerate(steps, 1):
            print(f"\n{number:2} {(step.__doc__ or '').partition(chr(10))[0]}", flush=True)
            for line in step(Tour(runtime, who, files, samples)):
                print(f"     {line}", flush=True)
    print(f"\nAll of it was so, in {time.monotonic() - began:.0f} s.")


def be_so(what: str, is_so: bool, said: object = "") -> None:
    """Raises Conflict where it is not, with what was `said`."""
    if not is_so:
        raise Conflict("tour", f"The tour ends here: it is not so that {what}. {str(said)[:300]}")


def _signed_in(runtime: Runtime, browsers: ExitStack, name: str) -> Person:
    base, door = f"http://localhost:{runtime.settings.port}", f"/demo/{token_file(runtime).read_text()}"
    browser = browsers.enter_context(httpx.Client(base_url=base, timeout=SECONDS, trust_env=False))
    browser.post(door, data={"csrf_token": _form_token(browser.get(door)), "person": f"demo-{name}"})
    return Person(name.title(), browser, _form_token(browser.get("/account")))


def _form_token(page: httpx.Response) -> str:
    found = _HIDDEN.search(page.text)
    return html.unescape(found[1]) if found else ""


def eventually(what: str, so: Callable[[], bool]) -> None:
    """Wait until it is so. Raises Conflict where it does not come to be."""
    until = time.monotonic() + SECONDS
    while not so():
        be_so(what, time.monotonic() < until)
        time.sleep(0.2)
