"""The demo's way in, which is there in a demo alone."""

from urllib.parse import urlsplit

from flask import Response

from consent.conditions import Action
from server.usecases.demo import list_demo_people, sign_in_to_demo
from server.web import browser
from server.web.context import form, headers, runtime, serves
from server.web.errors import Door
from server.web.pages import door as pages_door
from server.web.pages import go, page

MOST_BODY = 4096
_RULE = "/demo/<token>"


def door() -> Door:
    """The page that lists the demo's people, and the form that signs in as one."""
    routes = pages_door("demo")
    serves(routes, _RULE, Action.DISCOVER, anonymous=True)(choose)
    serves(routes, _RULE, Action.DISCOVER, anonymous=True, methods=("POST",), body=MOST_BODY, form=True)(be)
    return routes


def choose(token: str) -> Response:
    """Whom one may be."""
    return page("demo.html", people=list_demo_people(runtime(), token, _host()), token=token)


def be(token: str) -> Response:
    """Signed in as one of them."""
    secret = sign_in_to_demo(runtime(), token, _host(), form(MOST_BODY).get("person", ""), headers().get("User-Agent", ""))
    response = go("/account")
    browser.keep(response, browser.SESSION, secret, secure=runtime().settings.is_secure)
    return response


def _host() -> str:
    """The name that the request was made to, whatever its port: another site's that leads here is none of this machine's."""
    try:
        return urlsplit(f"//{headers().get('Host', '')}").hostname or ""
    except ValueError:
        return ""
