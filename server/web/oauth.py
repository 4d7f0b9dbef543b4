"""The authorization server's door (RFC 6749, Authlib): tokens for client credentials, keys, introspection, discovery.

Clients prove themselves by `private_key_jwt` only. Authlib's own check of assertions is replaced, not extended: it refuses
SMART's two algorithms, takes assertions of ten years and arrays of audiences, and fails on hostile header names. People sign in
by pages and let a command line act as them by the device grant (RFC 8628), so there is no authorization endpoint; tokens are
signed texts of five minutes, and what ends before (a client, a person's session) is found out by each request.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2 import OAuth2Error, OAuth2Request
from authlib.oauth2.rfc6749 import OAuth2Payload
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from flask import Response
from werkzeug.datastructures import MultiDict

from adapters.identity import ALGORITHMS, Keys
from consent.conditions import Action, Purpose
from consent.subject import Role
from mappings.failures import Invalid, Unauthenticated
from mappings.smart import SUPPORTED
from server.usecases import device
from server.usecases.identify import ROLES, active
from server.usecases.issue_token import Proven, authenticate, issue
from server.usecases.runtime import Runtime
from server.web import errors
from server.web.context import form, headers, peer, respond, serves
from server.web.errors import Door

MOST_BYTES = 32 * 1024
METHOD = "private_key_jwt"
GRANT_TYPE = "client_credentials"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
DEVICE_GRANT, REFRESH = "urn:ietf:params:oauth:grant-type:device_code", "refresh_token"
TOKEN, INTROSPECT, JWKS = "/oauth/token", "/oauth/introspect", "/oauth/jwks"
DEVICE, REVOKE = "/oauth/device", "/oauth/revoke"


def door(runtime: Runtime, keys: Keys) -> Door:
    """The routes of OAuth and of SMART's discovery."""
    routes = Door("oauth", errors.oauth)
    server = _Server(runtime, keys)
    base = runtime.settings.base_url

    @serves(routes, TOKEN, Action.DISCOVER, anonymous=True, methods=("POST",), body=MOST_BYTES)
    def token() -> Response:
        return server.answer(server.token)

    @serves(routes, INTROSPECT, Action.DISCOVER, anonymous=True, methods=("POST",), body=MOST_BYTES)
    def introspect() -> Response:
        return server.answer(server.introspection)

    @serves(routes, DEVICE, Action.DISCOVER, anonymous=True, methods=("POST",), body=MOST_BYTES)
    def wait() -> Response:
        return server.answer(server.waiting)

    @serves(routes, REVOKE, Action.DISCOVER, anonymous=True, methods=("POST",), body=MOST_BYTES)
    def revoke() -> Response:
        return server.answer(server.revocation)

    @serves(routes, JWKS, Action.DISCOVER, anonymous=True)
    def jwks() -> Response:
        return respond(json.dumps(keys.public()), Cache_Control="public, max-age=300")

    @serves(routes, "/.well-known/oauth-authorization-server", Action.DISCOVER, anonymous=True)
    def authorization_server() -> Response:
        return respond(json.dumps(_metadata(base)))

    @serves(routes, "/fhir/R4/.well-known/smart-configuration", Action.DISCOVER, anonymous=True)
    def smart_configuration() -> Response:
        return respond(json.dumps(_metadata(base) | _SMART))

    return routes


def _metadata(base: str) -> dict[str, object]:
    """RFC 8414 section 2. `purposes_supported` is ours: the values of the token request's `purpose`."""
    return {
        "issuer": base,
        "token_endpoint": base + TOKEN,
        "jwks_uri": base + JWKS,
        "introspection_endpoint": base + INTROSPECT,
        "device_authorization_endpoint": base + DEVICE,
        "revocation_endpoint": base + REVOKE,
        "revocation_endpoint_auth_methods_supported": ["none"],
        "grant_types_supported": [GRANT_TYPE, DEVICE_GRANT, REFRESH],
        "response_types_supported": [],
        "scopes_supported": SUPPORTED,
        "token_endpoint_auth_methods_supported": [METHOD, "none"],
        "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "introspection_endpoint_auth_methods_supported": [METHOD],
        "introspection_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "purposes_supported": list(Purpose),
    }


_SMART = {
    "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
    "code_challenge_methods_supported": ["S256"],
}
"""SMART App Launch 2.2, conformance: the second SHALL be there and hold S256, also where there is no code to challenge."""


class _Request(OAuth2Request):
    """Authlib's view of a form; `url` is the token endpoint's public one, of our settings and never of the request's Host."""

    def __init__(self, url: str, fields: MultiDict[str, str]) -> None:
        super().__init__("POST", url)
        self.payload = _Payload(fields)

    @property
    def form(self) -> MultiDict[str, str]:
        return self.payload.data


class _Payload(OAuth2Payload):
    """Form fields, none of them twice (RFC 6749 section 3.2)."""

    def __init__(self, fields: MultiDict[str, str]) -> None:
        if any(len(values) > 1 for values in fields.listvalues()):
            raise Invalid("parameter-repeated", "A parameter is given twice.")
        self._fields = fields

    @property
    def data(self) -> MultiDict[str, str]:
        return self._fields


@dataclass(frozen=True, slots=True)
class _Client:
    """A client that proved itself, as Authlib asks about it."""

    proven: Proven

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return method == METHOD

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == GRANT_TYPE


class _ClientCredentials(ClientCredentialsGrant):
    """RFC 6749 section 4.4, with our tokens."""

    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = [METHOD]

    def create_token_response(self) -> tuple[int, dict[str, object], list[tuple[str, str]]]:
        fields = self.request.form
        asked = fields.get("purpose", self.client.proven.purpose)
        issued = issue(self.server.runtime, self.server.keys, self.client.proven.row, fields.get("scope"), asked)
        body: dict[str, object] = {"access_token": issued.token, "token_type": "Bearer", "expires_in": issued.seconds}
        body["scope"] = issued.scope
        return 200, body | ({"purpose": issued.purpose} if issued.purpose else {}), self.TOKEN_RESPONSE_HEADER


def _person(granted: device.Granted) -> tuple[int, dict[str, object], list[tuple[str, str]]]:
    """A person's tokens (RFC 6749 section 5.1)."""
    body: dict[str, object] = {"access_token": granted.token, "token_type": "Bearer", "expires_in": granted.seconds}
    body |= {"refresh_token": granted.refresh_token, "scope": granted.scope}
    return 200, body | ({"purpose": granted.purpose} if granted.purpose else {}), ClientCredentialsGrant.TOKEN_RESPONSE_HEADER


class _Server(AuthorizationServer):
    """Authlib's server with one grant and one way for clients to prove themselves."""

    def __init__(self, runtime: Runtime, keys: Keys) -> None:
        super().__init__()
        self.runtime, self.keys = runtime, keys
        self.register_client_auth_method(METHOD, self._proven)
        self.register_grant(_ClientCredentials)

    def create_oauth2_request(self, _request: object) -> _Request:
        return _Request(self.runtime.settings.base_url + TOKEN, form(MOST_BYTES))

    def token(self) -> Any:
        """RFC 6749 section 3.2. Authlib calls a request without a grant type one of another type."""
        if "grant_type" not in form(MOST_BYTES):
            raise Invalid("grant-type-missing", f"Send grant_type={GRANT_TYPE}.", "grant_type")
        fields = self.create_oauth2_request(None).form
        match fields["grant_type"]:
            case "urn:ietf:params:oauth:grant-type:device_code":
                code = fields.get("device_code", "")
                return _person(device.poll(self.runtime, self.keys, fields.get("client_id", ""), code))
            case "refresh_token":
                spent = fields.get("refresh_token", "")
                return _person(device.refresh(self.runtime, self.keys, fields.get("client_id", ""), spent))
        return self.create_token_response()

    def waiting(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """RFC 8628 section 3.2."""
        fields = self.create_oauth2_request(None).form
        told = device.begin(self.runtime, fields.get("client_id", ""), fields.get("scope"), peer())
        return 200, asdict(told), ClientCredentialsGrant.TOKEN_RESPONSE_HEADER

    def revocation(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """RFC 7009: of refresh tokens; who has one may end it."""
        device.revoke(self.runtime, self.create_oauth2_request(None).form.get("token", ""))
        return 200, {}, ClientCredentialsGrant.TOKEN_RESPONSE_HEADER

    def answer(self, work: Callable[[], Any]) -> Response:
        """The response `work` makes, or Authlib's own refusal; a failure of ours goes on, to be told in this door's dialect."""
        response: Response
        try:
            response = self.handle_response(*made) if isinstance(made := work(), tuple) else made
        except OAuth2Error as error:
            response = self.handle_error_response(None, error)
        return response

    def introspection(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """RFC 7662: a client may ask about its own tokens, the operator about all; any other token is *inactive*."""
        request = self.create_oauth2_request(None)
        asker = self._proven(None, request).proven.row
        claims = active(self.runtime, self.keys, request.form.get("token", ""))
        mine = claims is not None and (claims["client_id"] == asker.client_id or ROLES[asker.role] is Role.OPERATOR)
        body = {"active": True, "token_type": "Bearer", **claims} if claims and mine else {"active": False}
        return 200, body, ClientCredentialsGrant.TOKEN_RESPONSE_HEADER

    def _proven(self, _query: object, request: _Request) -> _Client:
        """The client of this request (an Authlib client authentication method). Raises Unauthenticated."""
        fields = request.form
        if "Authorization" in headers():
            raise Invalid("two-proofs", "Prove who you are in one way: a client_assertion, and no Authorization header.")
        assertion = fields.get("client_assertion", "")
        if fields.get("client_assertion_type") != ASSERTION_TYPE or not assertion:
            raise Unauthenticated("assertion-missing", f"Send a client_assertion, and client_assertion_type={ASSERTION_TYPE}.")
        proven = authenticate(self.runtime, assertion, (request.uri, self.runtime.settings.base_url), peer())
        if fields.get("client_id", proven.row.client_id) != proven.row.client_id:
            raise Unauthenticated("assertion-invalid", "client_id is not the client of the assertion.")
        return _Client(proven)
