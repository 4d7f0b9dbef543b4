"""Pages: plain forms without any script, and how their failures are told. Whatever a page shows is escaped."""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from flask import Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from consent.policy import NEVER_FOR_DIAGNOSIS
from mappings.failures import Failure, Forbidden, Throttled
from server import faults
from server.faults import Fault
from server.web import browser
from server.web.context import csrf_token, new_form_secret, respond, runtime
from server.web.errors import Door, Told

TEMPLATES = Path(__file__).parent / "templates"
HTML = "text/html; charset=utf-8"


@cache
def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True)


@cache
def _style() -> str:
    return (TEMPLATES / "page.css").read_text()


@cache
def _style_source() -> str:
    return f"'sha256-{b64encode(sha256(_style().encode()).digest()).decode()}'"


def policy() -> str:
    """The Content-Security-Policy (level 3) of a page: our one style, and forms to us or to the provider that signs people in."""
    provider = runtime().openid
    forms = f"'self' {provider.origin}" if provider else "'self'"
    return f"default-src 'none'; style-src {_style_source()}; form-action {forms}; base-uri 'none'; frame-ancestors 'none'"


def page(template: str, status: int = 200, **values: Any) -> Response:
    """A page of this template, with a fresh CSRF token for its forms; it is stored nowhere and framed by nobody."""
    response = respond(_rendered(template, **{"failure": None} | values, csrf_token=csrf_token()), status, HTML)
    if made := new_form_secret():
        browser.keep(response, browser.FORM, made, secure=runtime().settings.is_secure)
    response.headers.update(_headers())
    return response


def _headers() -> dict[str, str]:
    return {
        "Content-Security-Policy": policy(),
        "Referrer-Policy": "no-referrer",  # an invitation's link is a secret
        "Cross-Origin-Opener-Policy": "same-origin",
        "X-Frame-Options": "DENY",
        "Cache-Control": "no-store",
    }


def _rendered(template: str, **values: Any) -> bytes:
    known = {"style": _style(), "repository": runtime().settings.repository, "notice": NEVER_FOR_DIAGNOSIS}
    return _environment().get_template(template).render(**known, **values).encode()


def again(failure: Failure, template: str, **values: Any) -> Response:
    """The same form with the sentence that says why not."""
    response = page(template, faults.fault(failure).http, failure=failure.sentence, **values)
    if isinstance(failure, Throttled):
        response.headers["Retry-After"] = str(failure.retry_after)
    return response


def go(path: str) -> Response:
    """To another page of ours, or to the provider, by GET (303, RFC 9110 section 15.4.4; never 307, RFC 9700 section 4.12)."""
    response = respond(b"", 303, Location=path)
    response.headers.update(_headers())
    return response


def require_place() -> None:
    """Raises Forbidden where people can't sign in safely: a session's cookie goes by https, or stays on this machine."""
    if not runtime().settings.takes_people:
        raise Forbidden("https-needed", "People sign in by https, and this repository is not served so. Tell its operator.")


def dialect(failure: Failure, fault: Fault, _request: str) -> Told:
    """A failure as a page; who has to sign in first is led there."""
    if failure.code == "sign-in-needed":
        return Told(303, b"", HTML, {"Location": "/sign-in", **_headers()})
    return Told(fault.http, _rendered("failure.html", failure=failure.sentence, csrf_token=""), HTML, _headers())


def door(name: str) -> Door:
    """A door of pages."""
    return Door(name, dialect)
