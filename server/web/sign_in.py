"""Signing in: a local account by password and one-time code, or the OpenID provider; and joining by an invitation.

Between two steps a browser keeps a sealed cookie of ten minutes, so nothing is kept here for who only begins. No GET changes or
uses up anything but the provider's answer, whose code is good once and for this browser alone.
"""

import json
from collections.abc import Mapping
from typing import Any

from flask import Response

from adapters.local_account import LEAST
from adapters.openid_provider import Begun, OpenIdProvider
from consent.conditions import Action
from mappings.failures import Failure, Invalid, NotFound, Unauthenticated
from server.usecases.session import end_session
from server.usecases.sign_in import join, link, prove_code, prove_password, read_invitation, show_again, sign_in_as
from server.web import browser
from server.web.context import View, caller, form, peer, request, runtime, serves
from server.web.errors import Door
from server.web.pages import again, go, page, require_place
from server.web.pages import door as pages_door

MOST_BODY = 8192
_STEP = b"a step of signing in"
_NEXT = {"device": "/device"}
"""Where a sign-in may lead, by word: a path of somebody else's making never."""
_ACCOUNT = "/account"


def door() -> Door:
    """The routes of signing in, by pages."""
    routes = pages_door("sign-in")
    shown: dict[str, View] = {
        "/sign-in": sign_in,
        "/sign-in/code": code,
        "/sign-in/openid/return": come_back,
        "/invitation/<token>": invitation,
    }
    posted: dict[str, View] = {
        "/sign-in": prove,
        "/sign-in/code": enter,
        "/sign-in/openid": leave,
        "/sign-out": sign_out,
        "/invitation/<token>": accept,
        "/invitation/<token>/openid": leave_invited,
    }
    for rule, view in shown.items():
        serves(routes, rule, Action.DISCOVER, anonymous=True)(view)
    for rule, view in posted.items():
        serves(routes, rule, Action.DISCOVER, anonymous=True, methods=("POST",), body=MOST_BODY, form=True)(view)
    return routes


def sign_in() -> Response:
    """The form of a local account, and the way to the provider."""
    require_place()
    return page("sign_in.html", **_sign_in(request.args))


def _sign_in(said: Mapping[str, str]) -> dict[str, Any]:
    name = said.get("name", "")[:64]
    return {"provider": _provider_name(), "next": said.get("next", "")[:16], "name": name}


def _provider_name() -> str | None:
    provider = runtime().openid
    return provider.origin.partition("://")[2] if provider else None


def prove() -> Response:
    """The first factor: the form of the second, or the first again."""
    require_place()
    said = form(MOST_BODY)
    try:
        person = prove_password(runtime(), said.get("name", ""), said.get("password", ""), peer())
    except Failure as failure:
        return again(failure, "sign_in.html", **_sign_in(said))
    return _with_step(go("/sign-in/code"), {"person": person, "next": said.get("next", "")})


def code() -> Response:
    """The form of the second factor."""
    _step("person")
    return page("code.html")


def enter() -> Response:
    """The second factor: signed in, or the form again."""
    step = _step("person")
    try:
        secret = prove_code(runtime(), step["person"], form(MOST_BODY).get("code", ""), peer(), agent=_agent(), ended=_session())
    except Failure as failure:
        return again(failure, "code.html")
    return _signed_in(secret, step)


def leave() -> Response:
    """To the provider."""
    require_place()
    return _left({"next": form(MOST_BODY).get("next", "")})


def leave_invited(token: str) -> Response:
    """To the provider, to be linked to who was invited; the invitation is not used up yet."""
    require_place()
    read_invitation(runtime(), token)
    return _left({"invitation": token})


def _left(step: dict[str, Any]) -> Response:
    url, begun = _provider().begin()
    return _with_step(go(url), step | {"state": begun.state, "nonce": begun.nonce, "verifier": begun.verifier})


def come_back() -> Response:
    """What the provider says of who was sent there."""
    step = _step("state")
    begun = Begun(step["state"], step["nonce"], step["verifier"])
    identity = _provider().finish(begun, request.args.to_dict(), runtime().clock())
    if "invitation" in step:
        return _signed_in(link(runtime(), step["invitation"], identity, agent=_agent()), step)
    return _signed_in(sign_in_as(runtime(), identity, agent=_agent(), ended=_session()), step)


def sign_out() -> Response:
    """End the session of this browser."""
    end_session(runtime(), caller())
    response = go("/sign-in")
    browser.drop(response, browser.SESSION, secure=runtime().settings.is_secure)
    return response


def invitation(token: str) -> Response:
    """The form of an invitation; opening it uses nothing up."""
    require_place()
    joining = read_invitation(runtime(), token)
    return page("invitation.html", joining=joining, token=token, least=LEAST, provider=_provider_name())


def accept(token: str) -> Response:
    """Make the local account: signed in, or the form again with the same secret."""
    require_place()
    said = form(MOST_BODY)
    sealed = said.get("sealed", "")
    given = {"password": said.get("password", ""), "sealed": sealed, "code": said.get("code", "")}
    try:
        return _signed_in(join(runtime(), token, **given, address=peer(), agent=_agent()), {})
    except (Invalid, Unauthenticated) as failure:
        joining = show_again(runtime(), token, sealed)
        return again(failure, "invitation.html", joining=joining, token=token, least=LEAST, provider=_provider_name())


def _signed_in(secret: str, step: Mapping[str, Any]) -> Response:
    """On to where it was to lead, with the session's new cookie and without the step's."""
    secure = runtime().settings.is_secure
    response = go(_NEXT.get(step.get("next", ""), _ACCOUNT))
    browser.keep(response, browser.SESSION, secret, secure=secure)
    browser.drop(response, browser.STEP, secure=secure)
    return response


def _provider() -> OpenIdProvider:
    provider = runtime().openid
    if provider is None:
        raise NotFound("openid-none", "Nobody signs in by a provider here.")
    return provider


def _agent() -> str:
    return request.headers.get("User-Agent", "")


def _session() -> str:
    return browser.session_of(request.cookies, secure=runtime().settings.is_secure)


# --- steps


def _with_step(response: Response, step: dict[str, Any]) -> Response:
    until = runtime().clock().timestamp() + browser.STEP_SECONDS
    sealed = runtime().cursors.seal(_STEP, json.dumps(step | {"until": until}).encode())
    browser.keep(response, browser.STEP, sealed, secure=runtime().settings.is_secure, seconds=browser.STEP_SECONDS)
    return response


def _step(needed: str) -> dict[str, Any]:
    """What this browser keeps of a step before. Raises Unauthenticated `sign-in-needed` where it keeps none of that kind."""
    kept = request.cookies.get(browser.named(browser.STEP, secure=runtime().settings.is_secure), "")
    opened = runtime().cursors.opened(_STEP, kept)
    step: dict[str, Any] = json.loads(opened) if opened else {}
    if needed not in step or step["until"] <= runtime().clock().timestamp():
        raise Unauthenticated("sign-in-needed", "Begin to sign in again.")
    return step
