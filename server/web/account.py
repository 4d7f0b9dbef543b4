"""A person's own page: as what they act, and where they are signed in; and the page where a command line is let in."""

from flask import Response

from adapters.sql.person import RoleRow
from consent.conditions import Action
from mappings.failures import Failure, Invalid, Unauthenticated
from server.usecases import device
from server.usecases.session import choose_role, end_session, list_sessions, signed_in
from server.web import browser
from server.web.context import caller, form, runtime, serves
from server.web.errors import Door
from server.web.pages import again, go, page
from server.web.pages import door as pages_door

MOST_BODY = 4096


def door() -> Door:
    """The pages of who is signed in."""
    routes = pages_door("account")
    for rule, view in {"/account": read, "/device": ask}.items():
        serves(routes, rule, Action.DISCOVER, anonymous=True)(view)
    posted = {"/account/role": choose, "/account/sessions/end": end, "/device": show, "/device/answer": answer}
    for rule, view in posted.items():
        serves(routes, rule, Action.DISCOVER, anonymous=True, methods=("POST",), body=MOST_BODY, form=True)(view)
    return routes


def read() -> Response:
    """Roles and sessions."""
    known = signed_in(runtime(), caller())
    return page("account.html", known=known, sessions=list_sessions(runtime(), caller()), of=_of)


def _of(role: RoleRow) -> str:
    return f"of {role.party}" if role.party else "of this repository"


def choose() -> Response:
    """Act by another role, in a session with a new id."""
    said = form(MOST_BODY)
    role = said.get("role", "")
    if not (role.isascii() and role.isdigit() and len(role) < 16):
        raise Invalid("role-unreadable", "This is no role of yours.", "role")
    secret = choose_role(runtime(), caller(), int(role), said.get("purpose", ""))
    response = go("/account")
    browser.keep(response, browser.SESSION, secret, secure=runtime().settings.is_secure)
    return response


def end() -> Response:
    """End a session of one's own."""
    end_session(runtime(), caller(), form(MOST_BODY).get("session", ""))
    return go("/account")


def ask() -> Response:
    """The form for a command line's code."""
    try:
        signed_in(runtime(), caller())
    except Unauthenticated:
        return go("/sign-in?next=device")
    return page("device.html", answered=None, asked=None)


def show() -> Response:
    """What a command line asks for, to be confirmed."""
    code = form(MOST_BODY).get("user_code", "")[:16]
    try:
        known, found = device.look(runtime(), caller(), code)
    except Failure as failure:
        return again(failure, "device.html", answered=None, asked=None)
    role = f"{known.role.role} {_of(known.role)}" if known.role else ""
    asked = {"scopes": found.scopes, "address": found.address, "user_code": code}
    return page("device.html", answered=None, role=role, purpose=known.session.purpose, asked=asked)


def answer() -> Response:
    """The person's yes or no."""
    said = form(MOST_BODY)
    is_yes = said.get("answer") == "yes"
    device.answer(runtime(), caller(), said.get("user_code", "")[:16], yes=is_yes)
    told = "The command line goes on as you. Its session stands on the page of your account." if is_yes else "It is refused."
    return page("device.html", answered=told, asked=None)
