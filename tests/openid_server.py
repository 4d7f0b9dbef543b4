"""An OpenID provider that is not ours (pyop), as a process: `python -m tests.openid_server PORT REDIRECT_URI`.

Whoever comes is signed in as the subject that stands in the file `subject` of the working directory.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from Cryptodome.PublicKey import RSA
from jwkest.jwk import RSAKey
from pyop.authz_state import AuthorizationState
from pyop.provider import Provider
from pyop.subject_identifier import HashBasedSubjectIdentifierFactory
from pyop.userinfo import Userinfo

CLIENT, SECRET = "accord", "a secret with % and +"


def serve(port: int, redirect_uri: str) -> None:
    issuer = f"http://127.0.0.1:{port}"
    said = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorization",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks",
        "subject_types_supported": ["public"],
        "response_types_supported": ["code"],
        "authorization_response_iss_parameter_supported": True,
    }
    clients = {
        CLIENT: {
            "client_secret": SECRET,
            "redirect_uris": [redirect_uri],
            "response_types": ["code"],
            "subject_type": "public",
            "token_endpoint_auth_method": "client_secret_basic",
        }
    }
    people = Userinfo({name: {"email": "same@example.org"} for name in ("ada", "eve")})
    state = AuthorizationState(HashBasedSubjectIdentifierFactory("salt"))
    signing = RSAKey(key=RSA.generate(2048), alg="RS256", kid="one")
    provider = Provider(signing, {**said, **_by_https(said)}, state, clients, people)
    provider.configuration_information["issuer"] = issuer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, query = urlsplit(self.path).path, urlsplit(self.path).query
            if path == "/authorization":
                asked = provider.parse_authentication_request(query)
                told = provider.authorize(asked, Path("subject").read_text())
                where = told.request(asked["redirect_uri"])
                self._answer(302, b"", {"Location": f"{where}&iss={issuer}"})
            else:
                document = provider.jwks if path == "/jwks" else said
                self._answer(200, json.dumps(document).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            try:
                told = provider.handle_token_request(body, {"Authorization": self.headers["Authorization"]})
            except Exception as error:  # noqa: BLE001 - it says so in its own words
                self._answer(400, json.dumps({"error": getattr(error, "oauth_error", "invalid_request")}).encode())
            else:
                self._answer(200, told.to_json().encode())

        def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": len(body), **(headers or {})}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


def _by_https(said: dict[str, object]) -> dict[str, str]:
    """As it wants to be configured, though on loopback it is asked without TLS."""
    return {name: url.replace("http:", "https:") for name, url in said.items() if isinstance(url, str)}


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
