"""SMART's fhirclient on an Accord: it proves itself with an assertion (SMART Backend Services)."""

import sys
from collections.abc import Iterable

from fhirclient.client import FHIRClient
from fhirclient.models.bundle import Bundle
from fhirclient.models.imagingstudy import ImagingStudy
from requests import HTTPError

base, assertion, pseudonym = sys.argv[1:]
auth = {"aud": base, "token_uri": f"{base.removesuffix('/fhir/R4')}/oauth/token", "jwt_token": assertion}
known = {"base_uri": f"{base}/", "auth_type": "oauth2", "auth": auth}
client = FHIRClient(state={"app_id": "reader", "scope": "system/*.rs", "server": known})
server = client.server


def ids(found: Iterable, kind: str = "ImagingStudy") -> list[str]:
    """The ids of this type among what was found."""
    return [each.id for each in found if each.resource_type == kind]


def search(**asked: object) -> list:
    """All that is found, page by page."""
    return list(ImagingStudy.where(asked).perform_resources_iter(server))


def refused() -> str:
    """What is said of a question that is refused."""
    try:
        search(colour="red")
    except HTTPError as error:
        return error.response.json()["issue"][0]["diagnostics"]
    return ""


def tell(what: str, seen: Iterable[object]) -> None:
    """Print it as all the others do."""
    print(what, *seen, sep="\t")


server.authorize()
chained = ids(search(**{"patient.identifier": pseudonym}))
tell("chained", chained)
tell("read", [ImagingStudy.read(chained[0], server).started.origval])
tell("found", ids(search(modality="CT")))
tell("paged", ids(search(_count="7")))
tell("sorted", ids(search(_sort="-started")))
including = ImagingStudy.where({"_id": chained[0]}).include("subject").perform_resources_iter(server)
tell("included", ids(including, "Patient"))
tell("counted", [Bundle.read_from("ImagingStudy?_summary=count", server).total])
tell("refused", [refused()])
