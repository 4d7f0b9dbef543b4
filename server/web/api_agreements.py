"""Agreements over HTTP: a provider reads its own, the repository's operator and auditor all."""

from mappings.api import agreements
from mappings.api.agreements import AgreementsTold, AgreementTold
from server.usecases.agreement import CitedAgreement, agreement_of, agreements_of
from server.web.api import Api
from server.web.context import caller, runtime


def door() -> Api:
    """The routes of agreements."""
    routes = Api("agreements")
    routes.row("GET", "/api/agreements", AgreementsTold, scope="Consent.s")(list_all)
    routes.row("GET", "/api/agreements/<key>", AgreementTold, scope="Consent.r")(read)
    return routes


def list_all() -> AgreementsTold:
    """List the agreements that the caller may see, each with the content in force."""
    return AgreementsTold(agreements=[_told(one) for one in agreements_of(runtime(), caller().actor)])


def read(key: str) -> AgreementTold:
    """Read an agreement by its key, or as `key@version` with the content of that version."""
    return _told(agreement_of(runtime(), caller().actor, key))


def _told(one: CitedAgreement) -> AgreementTold:
    return agreements.tell(one.key, one.provider, one.standing, one.content, one.acts)
