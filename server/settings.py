"""Settings: a frozen value read once from `ACCORD_*`, every one of them safe by default and listed in the README."""

import os
import re
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, ValidationError
from msgspec.inspect import Field, IntType, LiteralType, Metadata, StructType, type_info

from consent.disclosure import Budget

Port = Annotated[int, Meta(ge=1, le=65535)]
Count = Annotated[int, Meta(ge=1, le=10_000)]
Megabytes = Annotated[int, Meta(ge=1, le=1_000_000)]
Days = Annotated[int, Meta(ge=1, le=3650)]
Grace = Annotated[int, Meta(ge=0, le=3650)]
Seconds = Annotated[int, Meta(ge=1, le=1_000_000)]
Minutes = Annotated[int, Meta(ge=1, le=100_000)]


class Settings(msgspec.Struct, frozen=True):
    """How this Accord runs. Each field is `ACCORD_` and its name in capitals; its description is the README's."""

    data_dir: Annotated[Path, Meta(description="Where the embedded database, folder nodes, quarantine, spool and keys live.")] = (
        Path("accord-data")
    )
    database_url: Annotated[
        str, Meta(description="SQLAlchemy URL; empty: SQLite in the data directory. PostgreSQL: `postgresql://…`.")
    ] = ""
    bind: Annotated[str, Meta(description="Address the doors listen on.")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="HTTP port.")] = 8080
    dimse_port: Annotated[Port, Meta(description="DICOM port.")] = 11112
    dimse_tls_port: Annotated[Port, Meta(description="DICOM port for TLS, beside the other, where there is a certificate.")] = (
        2762
    )
    dimse_tls_certificate: Annotated[
        str, Meta(description="PEM file: our certificate on the DICOM network, with its chain; empty: no TLS there.")
    ] = ""
    dimse_tls_key: Annotated[str, Meta(description="PEM file: its key; empty: the certificate's file has it.")] = ""
    dimse_tls_authorities: Annotated[
        str,
        Meta(description="PEM file: authorities of peers' certificates, or these themselves; empty: nobody is known by one."),
    ] = ""
    ae_title: Annotated[
        str, Meta(min_length=1, max_length=16, description="Called AE title for queries; a dataset's alias is that for storage.")
    ] = "ACCORD"
    public_url: Annotated[
        str, Meta(description="The base URL callers use; empty: `http://BIND:PORT`. Never taken from a request.")
    ] = ""
    jwks_hosts: Annotated[
        str,
        Meta(description="Hosts, by blanks, from which clients' key sets may be fetched by https."),
    ] = ""
    trusted_proxies: Annotated[str, Meta(description="CIDRs whose `X-Forwarded-For` is believed.")] = ""
    origins: Annotated[
        str, Meta(description="Origins, by blanks, of viewers in browsers that may read answers: `https://viewer.example.org`.")
    ] = ""
    repository: Annotated[
        str, Meta(description="The repository's name: custodian of agreements, publisher of the catalogue.")
    ] = "Accord repository"
    contact: Annotated[str, Meta(description="E-mail address in the catalogue and in refusals that say whom to ask.")] = (
        "contact@example.org"
    )
    min_subjects: Annotated[
        Count,
        Meta(
            description="Fewer matching subjects than this are not told; 1: counts are exact, without noise, decades or budget."
        ),
    ] = 10
    budget_questions: Annotated[
        Count,
        Meta(
            description="Distinct questions a caller of `eucaimSearch` may ask about a dataset in a period; beyond, it is "
            "left out. The larger, the more noise."
        ),
    ] = 100
    budget_days: Annotated[Days, Meta(description="Days of that period; as long is an answer kept.")] = 90
    federation_secret: Annotated[
        str, Meta(description="What `Authorization` must be, exactly, on `eucaimSearch`; with no further callers either: 404.")
    ] = ""
    federation_callers: Annotated[
        str,
        Meta(
            description="Further callers of `eucaimSearch`, one a line: its name, a space, what its `Authorization` must be. A "
            "second line of a name (or one of `eucaim`) is a second secret: both are valid while it changes."
        ),
    ] = ""
    federation_minute: Annotated[
        Count,
        Meta(description="Questions that a caller of `eucaimSearch` may ask of each HTTP process in a minute; more: 429."),
    ] = 120
    peer_seconds: Annotated[
        Count, Meta(description="Seconds that another repository has for its answer, all in all, when it is asked.")
    ] = 30
    tracing_url: Annotated[
        str,
        Meta(description="Base URL of an EUCAIM tracing service (v2) that is told of datasets and their uses; empty: none is."),
    ] = ""
    tracing_client: Annotated[
        str, Meta(description="Client file by whose key this Accord proves itself to it; empty: by nothing.")
    ] = ""
    web_workers: Annotated[Count, Meta(description="HTTP processes.")] = 2
    streams: Annotated[Count, Meta(description="Byte streams served at once by each HTTP process; more: 503.")] = 32
    uploads: Annotated[Count, Meta(description="Uploads taken at once by each HTTP process; more: 503.")] = 8
    renders: Annotated[Count, Meta(description="Pictures made at once by each HTTP process; more: 503.")] = 8
    searches: Annotated[
        Count,
        Meta(
            description="Searches, readiness and most else answered at once by each HTTP process; more: 503. The catalogue "
            "has 32 places of its own, `/health/live` needs none."
        ),
    ] = 12
    forms: Annotated[
        Count,
        Meta(description="Small bodies (token requests, posted searches) worked on at once by each HTTP process; more: 503."),
    ] = 8
    bodies: Annotated[
        Count, Meta(description="Small bodies on their way at once to each HTTP process, shared by address; more: 503.")
    ] = 256
    connections: Annotated[
        Count,
        Meta(
            description="TCP connections at once to each HTTP process, and those to the DICOM door that ask for nothing yet; "
            "fewer where two descriptors for each are not to be had."
        ),
    ] = 2048
    arrival_seconds: Annotated[
        Seconds,
        Meta(description="Time for a request to come: an HTTP head, then a small body (408); a DICOM association request."),
    ] = 10
    pictures: Annotated[
        Count, Meta(description="Children that draw in each HTTP process, of at most 1 GB each; none free for 2 s: 503.")
    ] = 2
    associations: Annotated[
        Count, Meta(description="DICOM associations at once, three quarters of them for registered senders' addresses.")
    ] = 64
    dimse_reactors: Annotated[
        Literal["socket", "stock"],
        Meta(
            description="What drives a DICOM association: `socket` (its connection wakes it), or `stock` (pynetdicom's own "
            "reactors, which look every millisecond)."
        ),
    ] = "socket"
    gathered_mb: Annotated[
        Megabytes,
        Meta(description="Megabytes of objects in memory over all DICOM associations; more: the asking one is aborted."),
    ] = 4096
    max_object_mb: Annotated[Megabytes, Meta(description="Largest object taken, in megabytes.")] = 4096
    min_free_mb: Annotated[
        int, Meta(ge=0, le=1_000_000_000, description="Free megabytes below which nothing is taken: A700 / 507.")
    ] = 1024
    lease_seconds: Annotated[
        Seconds,
        Meta(
            description="How long a claim on an object (and a second for each megabyte), or a worker's on a job, lasts "
            "before others may take it up."
        ),
    ] = 60
    quiet_seconds: Annotated[Seconds, Meta(description="Quiet time after which an open batch is closed.")] = 600
    grace_days: Annotated[
        Grace,
        Meta(description="Days that the bytes of what was withdrawn are kept, out of sight, until they are purged; 0: none."),
    ] = 7
    mail_folder: Annotated[
        str, Meta(description="Maildir that takes notices instead, for a mail system of this machine; before the host.")
    ] = ""
    mail_host: Annotated[str, Meta(description="Host that takes notices as e-mail (SMTP); empty: nothing is mailed.")] = ""
    mail_port: Annotated[Port, Meta(description="Its port.")] = 587
    mail_tls: Annotated[
        Literal["starttls", "tls", "none"], Meta(description="How it is reached: `starttls`, `tls` from the start, or `none`.")
    ] = "starttls"
    mail_sender: Annotated[str, Meta(description="Address that e-mail comes from; empty: the contact, where that is one.")] = ""
    mail_user: Annotated[str, Meta(description="User there; empty: nobody signs in.")] = ""
    mail_secret: Annotated[str, Meta(description="That user's password.")] = ""
    notice_days: Annotated[Days, Meta(description="Days before an agreement ends that both its sides are reminded.")] = 30
    presence_days: Annotated[
        Days, Meta(description="Days from the end of one look whether each object is on its node and has its size to the next.")
    ] = 7
    sync_minutes: Annotated[
        Minutes, Meta(description="Minutes from one look at what has come to a node whose own content is brought in to the next.")
    ] = 15
    digest_days: Annotated[
        Days, Meta(description="Days from the end of one reading of each object against its digest to the next.")
    ] = 90
    exports: Annotated[Count, Meta(description="Bulk exports that a client has at once, under way or kept; more: 429.")] = 20
    export_mb: Annotated[
        Megabytes, Meta(description="Megabytes of exports kept in all, half of them for one client at most; more: 507.")
    ] = 50_000
    export_hours: Annotated[Count, Meta(description="Hours from its end for which an export is kept.")] = 24
    token_seconds: Annotated[int, Meta(ge=1, le=300, description="Life of an access token; at most 300.")] = 300
    session_minutes: Annotated[Minutes, Meta(description="Minutes without a request after which a person's session ends.")] = 30
    session_hours: Annotated[Count, Meta(description="Hours after which a person's session ends, however much it is used.")] = 12
    openid_issuer: Annotated[
        str, Meta(description="The OpenID provider that people sign in at, exactly as it calls itself; empty: local accounts.")
    ] = ""
    openid_client_id: Annotated[str, Meta(description="What this Accord is called there.")] = ""
    openid_client_secret: Annotated[
        str, Meta(description="Its secret there; better in a file: `ACCORD_OPENID_CLIENT_SECRET_FILE`.")
    ] = ""
    node_seconds: Annotated[
        Seconds,
        Meta(
            description="How long a node may keep a call waiting: at a time for an object's bytes (and a second for each 20 "
            "MB), else in all."
        ),
    ] = 20
    node_min_version: Annotated[
        str, Meta(description="Orthanc version below which a node is refused; empty: `doctor` warns below 1.13.0.")
    ] = ""
    log_level: Annotated[str, Meta(description="Level of the structured log on standard error.")] = "INFO"

    @property
    def base_url(self) -> str:
        """The public base URL, without a trailing slash."""
        return (self.public_url or f"http://{self.bind}:{self.port}").rstrip("/")

    @property
    def sqlalchemy_url(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute()}/accord.db"

    @property
    def allowed_origins(self) -> frozenset[str]:
        """The origins of others that may read answers, as browsers write them. Raises ValueError."""
        named = frozenset(self.origins.split())
        if not all(map(_ORIGIN.fullmatch, named)):
            raise ValueError("ACCORD_ORIGINS must be origins by blanks, each a scheme, a host in lower case and no path.")
        return named

    @property
    def tls(self) -> bool:
        """Whether there is TLS on the DICOM network. Raises ValueError where it is half said."""
        if not self.dimse_tls_certificate and (self.dimse_tls_key or self.dimse_tls_authorities):
            raise ValueError("ACCORD_DIMSE_TLS_KEY and ACCORD_DIMSE_TLS_AUTHORITIES need ACCORD_DIMSE_TLS_CERTIFICATE.")
        return bool(self.dimse_tls_certificate)

    @property
    def openid(self) -> tuple[str, str, str] | None:
        """(issuer, client id, secret) of the OpenID provider; None: there is none. Raises ValueError where it is half said."""
        known = self.openid_issuer, self.openid_client_id, self.openid_client_secret
        if any(known) and not all(known):
            raise ValueError("ACCORD_OPENID_ISSUER needs ACCORD_OPENID_CLIENT_ID and ACCORD_OPENID_CLIENT_SECRET.")
        if any(known) and not _ISSUER.fullmatch(self.openid_issuer):
            raise ValueError("ACCORD_OPENID_ISSUER must be an https URL without query (http on loopback).")
        return known if all(known) else None

    @property
    def is_secure(self) -> bool:
        """Whether callers come by https."""
        return self.base_url.startswith("https://")

    @property
    def takes_people(self) -> bool:
        """Whether people may sign in: by https, or on this machine alone."""
        return self.is_secure or bool(_LOOPBACK.match(self.base_url))

    @property
    def budget(self) -> Budget:
        """What a caller of the federated search may ask."""
        return Budget(self.budget_questions, self.budget_days)

    @property
    def federation(self) -> dict[str, tuple[str, ...]]:
        """Caller of the federated search → its secrets, what its Authorization must be: two at most. Raises ValueError."""
        callers: dict[str, tuple[str, ...]] = {EUCAIM: (self.federation_secret,)} if self.federation_secret else {}
        for line in filter(None, map(str.strip, self.federation_callers.splitlines())):
            name, _, rest = line.partition(" ")
            secret, own = rest.strip(), callers.get(name, ())
            if not _CALLER.fullmatch(name) or not secret or secret in chain(*callers.values()) or len(own) == MOST_SECRETS:
                said = "lines of a name, a space and a secret, a name at most twice and a secret once."
                raise ValueError(f"ACCORD_FEDERATION_CALLERS must be {said}")
            callers[name] = (*own, secret)
        return callers


MOST_SECRETS = 2
"""Of a caller of the federated search: the one it had, and the one it changes to."""
EUCAIM = "eucaim"
"""The caller that `federation_secret` is of."""
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")
_ISSUER = re.compile(r"(https://[^\s?#]+|http://(127\.0\.0\.1|\[::1\]|localhost)(:[0-9]{1,5})?(/[^\s?#]*)?)")
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|\[::1\]|localhost)(:|/|$)")
_CALLER = re.compile(r"[a-z0-9-]{1,32}")
OTHER_NAMES = frozenset({"ACCORD_PARENT_PID"})
"""What `accord serve` tells its processes beside their settings."""


def described() -> dict[str, Field]:
    """Every setting by its `ACCORD_` name, with its type, bounds, default and description."""
    shape = type_info(Settings)
    return {f"ACCORD_{field.name.upper()}": field for field in shape.fields} if isinstance(shape, StructType) else {}


def read(environment: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Settings from `ACCORD_*` (the process's environment by default); `overrides` that are not None win. Raises ValueError.

    `ACCORD_NAME_FILE` names a file that holds it, as containers are given secrets; raises OSError where that can't be read.
    """
    given = os.environ if environment is None else environment
    fields = described()
    names = fields.keys() | OTHER_NAMES
    if unknown := sorted(k for k in given if k.startswith("ACCORD_") and k.removesuffix("_FILE") not in names):
        raise ValueError(f"There is no setting called {', '.join(unknown)}.")
    values: dict[str, object] = {field.name: text for name, field in fields.items() if (text := _text(given, name)) is not None}
    values |= {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=lambda kind, text: kind(text))
    except ValidationError as error:
        raise ValueError(_sentence(error, fields)) from None
    _ = settings.federation, settings.allowed_origins, settings.tls, settings.openid
    return settings


def bounds(field: Field) -> tuple[int, int] | None:
    """The least and the greatest value of a number; None for a text."""
    match field.type:
        case Metadata(type=IntType(ge=int(least), le=int(most))):
            return least, most
    return None


def _text(given: Mapping[str, str], name: str) -> str | None:
    file = given.get(f"{name}_FILE")
    return given.get(name) if file is None else Path(file).read_text().strip()


def _sentence(error: ValidationError, fields: Mapping[str, Field]) -> str:
    """Which setting, and what it must be; never what it was, which may be a secret."""
    name = "ACCORD_" + str(error).rpartition("$.")[2].rstrip("`").upper()
    match fields[name].type:
        case Metadata(type=LiteralType(values=words)):
            return f"{name} must be {' or '.join(map(str, words))}."
    limits = bounds(fields[name])
    return f"{name} must be " + (f"a whole number from {limits[0]} to {limits[1]}." if limits else "a text.")
