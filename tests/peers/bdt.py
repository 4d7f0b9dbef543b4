"""The SMART team's suite of bulk data tests on a filled Accord: `python -m tests.peers.bdt FOLDER`, where BDT 2.0.0 is installed.

BDT (smart-on-fhir/bdt, Apache 2.0) is on no package registry, so `make peers` can't get it: whoever has it names its folder. What
it printed at its commit 3a17211 is below: 162 tests of Bulk Data 2.0, of which those named don't pass, each for its reason. The
command fails where others do, or these pass.
"""

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapters.client_file import read_client
from tests.peers.conftest import ran
from tests.peers.served import ROOT
from tests.peers.world import world
from tests.running import Accord

LEVELS = ("system", "Patient", "Group")
TESTS = 162
_REPLAYED = "it sends one assertion several times: a jti is good once (SMART App Launch 2.2, asymmetric authentication)"
_UNSERVED = "it wants a scope for Observation, which is not served: what is asked may be granted in part (RFC 6749 section 3.3)"
_ACCEPT = "without Accept a server may go on as if FHIR's JSON was said (Bulk Data 2.0, kick-off request, headers)"
_SINCE = "_since may be any instant: nothing has changed after a future one yet (Bulk Data 2.0, query parameters)"
_NAME = "an operation's name is what its URL says after $ (R4, CapabilityStatement.rest.resource.operation.name): export"
_DISCOVERY = "the token endpoint stands in .well-known/smart-configuration; oauth-uris is of SMART 1.0"
_MANIFEST = "it looks for OperationOutcomes in the manifest's error, which lists files of them (Bulk Data 2.0, complete status)"
WRONG = {
    "Handles V1 scopes correctly": (1, _REPLAYED),
    "Handles V2 scopes correctly": (1, _REPLAYED),
    "Rejects explicit mutation V2 scopes": (1, _REPLAYED),
    "Supports mixed v1 and v2 scopes": (1, _UNSERVED),
    "Requires Accept header": (len(LEVELS), _ACCEPT),
    "Requires Accept header in POST requests": (len(LEVELS), _ACCEPT),
    "Rejects _since={future date} parameter": (len(LEVELS), _SINCE),
    "Rejects _since={future date} parameter in POST requests": (len(LEVELS), _SINCE),
    'Check if "patient-export" operation is defined in the CapabilityStatement': (1, _NAME),
    'Check if "group-export" operation is defined in the CapabilityStatement': (1, _NAME),
    "Includes the token endpoint in the CapabilityStatement": (1, _DISCOVERY),
    "Includes lenient errors in the payload errors array": (1, _MANIFEST),
}
"""What BDT calls failed and its standards don't: test → how often, and why."""
INAPPLICABLE = {
    "Authorization using JWKS URL": (1, "the client is registered by its keys"),
    "Rejects a download if the client scopes do not cover that resource type": (1, _UNSERVED),
    "Supports binary file attachments in DocumentReference resources": (1, "there is no DocumentReference here"),
}
"""What BDT itself calls not supported."""


def configured(site: Accord) -> dict[str, Any]:
    """BDT's configuration for the reader, by Backend Services."""
    proof = {"clientId": "reader", "privateKey": read_client(site.clients["reader"]).private_jwk, "tokenSignAlgorithm": "ES384"}
    where = {
        "baseURL": site.base + ROOT,
        "patientExportEndpoint": "Patient/$export",
        "groupExportEndpoint": "Group/LIVER/$export",
    }
    token = {"type": "backend-services", "scope": "system/*.read", "tokenEndpoint": f"{site.base}/oauth/token"}
    return where | {"fastestResource": "Patient", "authentication": token | proof}


def outcomes(program: Path) -> Iterator[tuple[str, str]]:
    """(status, name) of each of its tests that was meant for this version."""
    with tempfile.TemporaryDirectory() as home, world(Path(home)) as site:
        config = Path(home) / "config.js"
        config.write_text(f"module.exports = {json.dumps(configured(site))}")
        printed = ran("node", program / "build/lib/bin.js", "test", "--config", config, "--reporter", "json")
    for event in map(json.loads, printed.splitlines()):
        if event["type"] == "testEnd" and event["data"]["status"] != "skipped":
            yield event["data"]["status"], event["data"]["name"]


def main(folder: str) -> str | None:
    """None where it went as said above; else what did not."""
    seen = Counter(outcomes(Path(folder).absolute()))
    expected = Counter({("failed", name): times for name, (times, _) in WRONG.items()})
    expected |= Counter({("not-supported", name): times for name, (times, _) in INAPPLICABLE.items()})
    others = Counter({test: times for test, times in seen.items() if test[0] != "succeeded"})
    print(f"{seen.total() - others.total()} of {seen.total()} pass")
    if seen.total() == TESTS and others == expected:
        return None
    return f"{seen.total()} tests of {TESTS}; new: {list(others - expected)}; no longer: {list(expected - others)}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
