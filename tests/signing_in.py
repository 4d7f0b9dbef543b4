"""A browser that signs people in at a house: it keeps cookies, fills in forms, and follows redirects within the house."""

import html
import re
from dataclasses import dataclass, field
from datetime import datetime

import pyotp
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from consent.person import Actor, PersonRole
from server.usecases.person import add_person
from server.usecases.runtime import Runtime

PASSWORD = "correct horse battery"
LOCAL = Actor("local:test", None, frozenset({PersonRole.OPERATOR}), is_local=True)
FIELD = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"')
SECRET = re.compile(r"secret=([A-Z2-7]+)")


@dataclass
class Browser:
    """One person's browser."""

    client: FlaskClient
    address: str = "192.0.2.7"
    headers: dict[str, str] = field(default_factory=lambda: {"User-Agent": "Test/1.0"})

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, headers=self.headers | headers, environ_base={"REMOTE_ADDR": self.address})

    def post(self, path: str, **given: object) -> TestResponse:
        """Send a form as it stands here."""
        return self.client.post(path, headers=self.headers, environ_base={"REMOTE_ADDR": self.address}, data=given)

    def fill(self, page: str, to: str = "", **given: object) -> TestResponse:
        """Open a page and send a form of it, with its hidden fields, there or `to` another path."""
        shown = self.get(page)
        assert shown.status_code == 200, (page, shown.status_code, shown.text)
        return self.post(to or page, **(hidden(shown) | given))


def hidden(page: TestResponse) -> dict[str, str]:
    return {name: html.unescape(value) for name, value in FIELD.findall(page.text)}


def browser(flask: Flask, **known: object) -> Browser:
    return Browser(flask.test_client(), **known)


def code_at(secret: str, moment: datetime) -> str:
    return pyotp.TOTP(secret).at(moment)


def path_of(url: str) -> str:
    return "/" + url.split("/", 3)[3]


def invited(runtime: Runtime, key: str, role: str, party: str | None = None, **more: object) -> str:
    """The path of a fresh invitation of a new person."""
    return path_of(add_person(runtime, LOCAL, key, name=key.title(), role=role, party=party, **more).url)


def join(runtime: Runtime, flask: Flask, invitation: str) -> tuple[Browser, str]:
    """A browser that took an invitation, and the person's secret of one-time codes."""
    opened = browser(flask)
    page = opened.get(invitation)
    secret = SECRET.search(page.text)[1]
    done = opened.post(invitation, **(hidden(page) | {"password": PASSWORD, "code": code_at(secret, runtime.clock())}))
    assert (done.status_code, done.headers["Location"]) == (303, "/account"), done.text
    return opened, secret


def signed_in(runtime: Runtime, flask: Flask, key: str, role: str, party: str | None = None, **more: object) -> Browser:
    """The browser of a new person with one role, signed in."""
    return join(runtime, flask, invited(runtime, key, role, party, **more))[0]
