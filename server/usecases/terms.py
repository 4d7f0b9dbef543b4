"""The terms of use: published once and for ever, read by anybody."""

from adapters.sql import terms as versions
from adapters.sql.ledger import About, record
from consent.entries import TermsPublished
from consent.terms import Terms, is_version, terms_hash
from mappings.failures import Conflict, Invalid, NotFound
from server.usecases.runtime import Runtime


def publish_terms(runtime: Runtime, actor: str, version: str, text: bytes) -> str:
    """Publish a version of the terms, immutable; returns its SHA-256."""
    if not is_version(version):
        raise Invalid("terms-version", "A terms version is MAJOR.MINOR.PATCH.", "version")
    terms, now = Terms(version, terms_hash(text), text), runtime.clock()
    with runtime.governance_act() as connection:
        if versions.find_id(connection, version) is not None:
            raise Conflict("terms-immutable", f"Terms {version} are published; publish changes under a new version.", "version")
        versions.add(connection, now, terms)
        record(connection, TermsPublished(terms=version, sha256=terms.sha256), now, actor, About())
    return terms.sha256


def read_terms(runtime: Runtime, version: str | None = None) -> Terms:
    """The named version, or the newest. Raises NotFound."""
    published = [terms for terms in list_terms(runtime) if version in (None, terms.version)]
    if not published:
        raise NotFound("terms-unknown", "There is no such version of the terms.", "version")
    return published[-1]


def list_terms(runtime: Runtime) -> tuple[Terms, ...]:
    """Every published version, oldest first."""
    with runtime.store.read() as connection:
        return versions.read_all(connection)
