"""The documents of use over HTTP: listed for everybody, accepted by who uses data, answered by providers' signatories."""

from consent.person import Act
from mappings.api import documents as shapes
from mappings.api.documents import (
    AcceptanceAsked,
    AcceptancesTold,
    AcceptanceTold,
    AnswerAsked,
    AnsweredTold,
    DocumentsTold,
    TasksTold,
)
from server.usecases import acceptance, renewal
from server.usecases.terms import list_documents
from server.web.api import Api
from server.web.context import caller, runtime

_ACCEPTED, _TASKS = "/api/acceptances", "/api/terms-tasks"


def door() -> Api:
    """The routes of documents, acceptances and tasks."""
    routes = Api("documents")
    accepts, answers = {"act": Act.ACCEPT_TERMS, "body": AcceptanceAsked}, {"act": Act.ANSWER_TERMS, "body": AnswerAsked}
    routes.row("GET", "/api/documents", DocumentsTold, anonymous=True)(list_all)
    routes.row("GET", _ACCEPTED, AcceptancesTold, scope="Consent.s")(list_accepted)
    routes.row("POST", _ACCEPTED, AcceptanceTold, scope="Consent.u", status=201, **accepts)(accept)  # type: ignore[arg-type]
    routes.row("GET", _TASKS, TasksTold, scope="Consent.s")(list_tasks)
    routes.row("POST", f"{_TASKS}/<version>", AnsweredTold, scope="Consent.u", **answers)(answer)  # type: ignore[arg-type]
    return routes


def list_all() -> DocumentsTold:
    """List every version of every document."""
    return DocumentsTold(documents=[shapes.tell(terms) for terms in list_documents(runtime())])


def list_accepted() -> AcceptancesTold:
    """List what the caller itself accepted."""
    kept = acceptance.list_accepted(runtime(), caller().actor)
    return AcceptancesTold(acceptances=[shapes.tell_acceptance(one) for one in kept])


def accept(asked: AcceptanceAsked) -> AcceptanceTold:
    """Accept a version of a document, by its bytes, for oneself in one's organisation."""
    return shapes.tell_acceptance(acceptance.accept(runtime(), caller().actor, asked.kind, asked.version, asked.sha256))


def list_tasks() -> TasksTold:
    """List what one's organisation is asked about new terms; every provider's for who reads the record of all."""
    return TasksTold(tasks=[shapes.tell_task(task) for task in renewal.list_tasks(runtime(), caller().actor)])


def answer(version: str, asked: AnswerAsked) -> AnsweredTold:
    """Accept or decline a version of the general terms for a provider."""
    told = renewal.answer(runtime(), caller().actor, asked.party, version, asked.answer)
    return AnsweredTold(party=told.party, version=told.version, answer=told.said, agreements=told.agreements)
