"""Every table, in SQLAlchemy Core: the one description from which migrations, statements and tests come.

Times are whole microseconds since 1970 UTC; digests and documents are bytes; closed lists are their words. Rows never leave
`adapters.sql`. What each table is true about stands beside it.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from adapters.sql.keyset import sortable
from consent.custody import IN_CARE, UNFINISHED

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Key = BigInteger().with_variant(Integer, "sqlite")  # SQLite's rowid alias must be INTEGER
Time = BigInteger


def _key() -> Column[int]:
    return Column("id", Key, primary_key=True, autoincrement=True)


def _to(target: str, name: str | None = None, *, nullable: bool = False) -> Column[int]:
    return Column(name or target, Key, ForeignKey(f"{target}.id"), nullable=nullable)


# Governance: facts, versioned; the one-row counter changes with every one of them, so that facts may be kept while it stands.
governance = Table("governance", metadata, Column("id", Integer, primary_key=True), Column("counter", BigInteger, nullable=False))
party = Table(
    "party",
    metadata,
    _key(),
    Column("key", String(64), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("approved", Boolean, nullable=False),
    Column("updated", Time, nullable=False),
    Column("external", Boolean, nullable=False, server_default=text("false")),  # else a beneficiary
)
party_act = Table(  # what a party was from a moment on; append-only, guarded by triggers
    "party_act",
    metadata,
    _key(),
    _to("party"),
    Column("role", String(16), nullable=False),
    Column("approved", Boolean, nullable=False),
    Column("external", Boolean, nullable=False),
    Column("at", Time, nullable=False),
    Index("ix_party_act_party", "party", "id"),
)
node = Table(
    "node",
    metadata,
    _key(),
    Column("name", String(64), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("hosting", String(16), nullable=False),
    Column("url", Text, nullable=False),
    Column("secret_file", Text),
    Column("networks", Text, nullable=False),  # compute networks, CIDRs, space-separated
    Column("allow", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("updated", Time, nullable=False),
)
terms = Table(  # versions of the documents; immutable, guarded by a trigger
    "terms",
    metadata,
    _key(),
    Column("version", String(16), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("text", LargeBinary, nullable=False),
    Column("at", Time, nullable=False),
    Column("kind", String(24), nullable=False, server_default=text("'general'")),  # a `consent.terms.DocumentKind`
    Column("summary", Text, nullable=False, server_default=text("''")),
    Column("changes", Text, nullable=False, server_default=text("''")),  # since the one before, as a unified diff
    Column("effective_at", Time, nullable=False, server_default=text("0")),
    Column("renewal", Boolean, nullable=False, server_default=text("false")),  # whether providers must accept it
    Column("contains", Text, nullable=False, server_default=text("''")),  # earlier versions that it contains, by blanks
    UniqueConstraint("kind", "version"),
)
acceptance = Table(  # who accepted which version; append-only, guarded by triggers
    "acceptance",
    metadata,
    _key(),
    _to("terms"),
    Column("subject", String(80), nullable=False),  # a client's id, or `person:KEY`
    _to("party"),
    Column("actor", String(80), nullable=False),
    Column("at", Time, nullable=False),
    UniqueConstraint("subject", "terms"),
)
terms_task = Table(  # a provider is asked whether its agreements go on under a version; silence is no consent
    "terms_task",
    metadata,
    _key(),
    _to("terms"),
    _to("party"),
    Column("at", Time, nullable=False),
    Column("answer", String(16)),  # a `consent.terms.Answer`
    Column("answered", Time),
    Column("actor", String(80)),
    UniqueConstraint("terms", "party"),
)
agreement = Table(
    "agreement",
    metadata,
    _key(),
    Column("key", String(64), nullable=False, unique=True),
    _to("party"),
    Column("version", Integer, nullable=False),  # of the content in force
    Column("state", String(16), nullable=False),
    Column("stopped_by_provider", Time),  # since when; suspended while either stop stands
    Column("stopped_by_repository", Time),
    Column("updated", Time, nullable=False),
    Column("change", Integer),  # the version that is to replace the one in force, and how far it has come
    Column("change_state", String(16)),
)
agreement_version = Table(  # content; append-only, guarded by triggers
    "agreement_version",
    metadata,
    _key(),
    _to("agreement"),
    Column("version", Integer, nullable=False),
    _to("node"),
    _to("terms"),
    Column("starts", Time, nullable=False),
    Column("ends", Time),
    Column("access_class", String(16), nullable=False),
    Column("listed", Boolean, nullable=False),
    Column("actions", Text, nullable=False),
    Column("visibility", String(16), nullable=False),
    Column("purposes", Text, nullable=False),
    Column("at", Time, nullable=False),
    Column("hosting", String(16), nullable=False, server_default=text("''")),  # as agreed; the node's own may be changed
    Column("text", LargeBinary),  # its own words, None where they are on paper
    Column("documents", Text, nullable=False, server_default=text("''")),  # kind, version and SHA-256 of each, in lines
    Column("data_use", Text, nullable=False, server_default=text("''")),  # a `consent.conditions.DataUse` a line
    Column("cancers", Text, nullable=False, server_default=text("''")),
    Column("modalities", Text, nullable=False, server_default=text("''")),
    Column("sop_classes", Text, nullable=False, server_default=text("''")),
    Column("deviations", Text, nullable=False, server_default=text("''")),
    Column("circumstances", Text, nullable=False, server_default=text("''")),
    Column("means", String(16), nullable=False, server_default=text("'code'")),
    Column("external", Boolean, nullable=False, server_default=text("false")),
    Column("federated", Boolean, nullable=False, server_default=text("false")),
    Column("replaces", Integer),  # the version that was in force, where it differs from that by its terms alone
    UniqueConstraint("agreement", "version"),
)
agreement_application = Table(  # what an organisation asked for
    "agreement_application",
    metadata,
    Column("agreement", Key, ForeignKey("agreement.id"), primary_key=True, autoincrement=False),
    Column("contacts", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("deviations", Text, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("at", Time, nullable=False),
)
agreement_signature = Table(  # who signed a version for a side; append-only, guarded by triggers
    "agreement_signature",
    metadata,
    _key(),
    _to("agreement"),
    Column("version", Integer, nullable=False),
    Column("side", String(16), nullable=False),
    Column("person", String(80), nullable=False),
    Column("name", Text, nullable=False),  # as it was typed
    Column("means", String(16), nullable=False),
    Column("file_sha256", String(64)),
    Column("sha256", String(64), nullable=False),  # of every part of the version
    Column("declarations", Text, nullable=False),  # JSON
    Column("at", Time, nullable=False),
    UniqueConstraint("agreement", "version", "side"),
)
signing_code = Table(  # sent to a person to sign one version with; one use, a few minutes, a few tries
    "signing_code",
    metadata,
    _key(),
    _to("agreement"),
    Column("version", Integer, nullable=False),
    Column("person", String(80), nullable=False),
    Column("sha256", String(64), nullable=False),  # of every part of the version
    Column("digest", LargeBinary, nullable=False),  # of the salt and the code
    Column("salt", LargeBinary, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("at", Time, nullable=False),
    Column("ends", Time, nullable=False),
    Column("used", Boolean, nullable=False),
    Index("ix_signing_code_person", "person", "at"),
)
agreement_act = Table(  # what a side did; append-only, guarded by triggers
    "agreement_act",
    metadata,
    _key(),
    _to("agreement"),
    Column("verb", String(16), nullable=False),
    Column("side", String(16), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", Time, nullable=False),
    Index("ix_agreement_act_agreement", "agreement", "id"),
)
node_act = Table(  # each time a node was added, linked, suspended or unlinked; append-only, guarded by triggers
    "node_act",
    metadata,
    _key(),
    _to("node"),
    Column("verb", String(16), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("at", Time, nullable=False),
    Index("ix_node_act_node", "node", "id"),
)
dataset = Table(
    "dataset",
    metadata,
    _key(),
    Column("alias", String(16), nullable=False, unique=True),
    _to("agreement"),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("details", Text, nullable=False),  # JSON: what a catalogue needs that the index can't give
    Column("updated", Time, nullable=False),
    Column("stopped", Time),  # since when the whole of it is withdrawn
    Column("stopped_by", String(16)),  # a `consent.agreement.Side`
)
dataset_move = Table(  # proposed by one side to bring a dataset under another agreement of its provider, answered by the other
    "dataset_move",
    metadata,
    _key(),
    _to("dataset"),
    _to("agreement", "left"),
    _to("agreement"),  # it is to be under
    Column("side", String(16), nullable=False),  # that proposed it
    Column("actor", String(80), nullable=False),
    Column("at", Time, nullable=False),
    Column("answer", String(16)),  # confirm or refuse
    Column("answered_by", String(80)),
    Column("answered", Time),
)
_ASKED = dataset_move.c.answer.is_(None)
Index("uq_dataset_move_asked", dataset_move.c.dataset, unique=True, sqlite_where=_ASKED, postgresql_where=_ASKED)
description = Table(  # what the catalogue says of a dataset, made by a job; whether it is told now, the statement says
    "description",
    metadata,
    Column("dataset", Key, ForeignKey("dataset.id"), primary_key=True, autoincrement=False),
    Column("basis", Text, nullable=False),  # what it was made with: another release or setting makes it anew
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of what it says, but for when
    Column("lacking", Text, nullable=False),  # JSON: the mandatory properties that can't be given
    Column("at", Time, nullable=False),  # since when it says this
    Column("issued", Time),  # since when anybody may read one; None: nobody yet
    Column("agreement_version", Integer, nullable=False, server_default=text("0")),  # whose conditions it tells
)
description_piece = Table(  # what stands in a document of that form; none where something is lacking
    "description_piece",
    metadata,
    Column("dataset", Key, ForeignKey("dataset.id"), primary_key=True, autoincrement=False),
    Column("graph", String(16), primary_key=True),  # a `mappings.dcat.profiles.Graph`
    Column("media_type", String(32), primary_key=True),
    Column("piece", LargeBinary, nullable=False),
)
sender = Table(
    "sender",
    metadata,
    _key(),
    _to("dataset"),
    Column("aet", String(16), nullable=False),
    Column("network", String(64), nullable=False),
    Column("attested_by", Text),
    Column("attested_on", String(10)),
    Column("removed", Boolean, nullable=False, server_default=text("false")),
    Column("scp_address", String(64)),  # where its own SCP takes reports of Storage Commitment
    Column("scp_port", Integer),
    Column("certificates", Text),  # names of those it may show (mappings.certificate), in lines; where one is there, it must
    Column("scp_tls", Boolean, nullable=False, server_default=text("false")),  # whether its SCP is called by TLS
    Column("associations", Integer),  # that it may have at once
    UniqueConstraint("dataset", "aet", "network"),
)
commitment = Table(  # Storage Commitment (PS3.4 Annex J): requests whose report is outstanding
    "commitment",
    metadata,
    _key(),
    _to("sender"),
    Column("transaction", String(64), nullable=False),  # Transaction UID (0008,1195)
    Column("asked", Text, nullable=False),  # JSON: [SOP Class UID, SOP Instance UID] of each object
    Column("at", Time, nullable=False),
    UniqueConstraint("sender", "transaction"),
)
client = Table(
    "client",
    metadata,
    _key(),
    Column("client_id", String(64), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    _to("party"),
    _to("node", nullable=True),
    Column("purposes", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("jwks", Text, nullable=False),
    Column("jwks_url", Text),  # where its keys are published, instead
    Column("viewer", Boolean, nullable=False, server_default=text("false")),  # whether people look at images in it
    Column("enabled", Boolean, nullable=False),
)
application_entity = Table(  # an AE title (PS3.5 6.2) under which a client asks, and may have what it asks for sent to it
    "application_entity",
    metadata,
    _key(),
    Column("aet", String(16), nullable=False, unique=True),
    _to("client"),
    Column("networks", Text, nullable=False),  # CIDRs it calls from, by blanks
    Column("purpose", String(16)),
    Column("address", String(64)),  # where its own SCP listens
    Column("port", Integer),
    Column("certificates", Text),  # as a sender's
    Column("tls", Boolean, nullable=False, server_default=text("false")),  # whether its SCP is called by TLS
    Column("associations", Integer),  # that it may have at once
)
permit = Table(
    "permit",
    metadata,
    _key(),
    _to("dataset"),
    _to("party"),
    Column("starts", Time, nullable=False),
    Column("ends", Time),
    Column("export", Boolean, nullable=False, server_default=text("false")),  # whether it names export
    Column("revoked", Time),
    Column("evidence", Text, nullable=False, server_default=text("''")),  # codes of data-use terms, by blanks
)
replay = Table(  # assertions already used, until they expire: a token request can't be played again
    "replay",
    metadata,
    Column("issuer", String(64), primary_key=True),
    Column("jti", String(128), primary_key=True),
    Column("expires", Time, nullable=False, index=True),
)

# Deposit: what was presented, what is in our care, what may not come back.
batch = Table(
    "batch",
    metadata,
    _key(),
    Column("key", String(32), nullable=False, unique=True),  # unguessable; what the API calls it
    Column("door", String(16), nullable=False),
    _to("dataset"),
    Column("subject", Text, nullable=False),
    Column("peer", String(64), nullable=False),
    Column("calling", String(64), nullable=False),
    Column("called", String(64), nullable=False),
    Column("attested", Boolean, nullable=False),
    Column("opened", Time, nullable=False),
    Column("closed", Time),
    Column("touched", Time, nullable=False),
    Column("held_by", String(64)),
)
Index("ix_batch_open", batch.c.touched, sqlite_where=batch.c.closed.is_(None), postgresql_where=batch.c.closed.is_(None))
receipt = Table(
    "receipt",
    metadata,
    _key(),
    _to("batch"),
    Column("name", Text, nullable=False),
    Column("study_uid", String(64)),
    Column("sop_uid", String(64)),
    Column("digest", LargeBinary),
    Column("size", BigInteger, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("rule", String(32), nullable=False),
    Column("findings", Text, nullable=False),  # JSON: [[rule, where], …]
    Column("at", Time, nullable=False),
    Index("ix_receipt_batch", "batch", "id"),
    Index("ix_receipt_study", "batch", "study_uid"),
)
custody = Table(
    "custody",
    metadata,
    _key(),
    Column("sop_uid", String(64), nullable=False),
    Column("series_uid", String(64), nullable=False),
    Column("study_uid", String(64), nullable=False),
    Column("patient_id", Text, nullable=False),
    _to("dataset"),
    _to("node"),
    _to("batch"),
    Column("state", String(16), nullable=False),  # a `consent.custody.State`
    Column("quarantined", Boolean, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the data-set bytes
    Column("file_digest", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),  # of the file
    Column("dataset_start", Integer, nullable=False),
    Column("transfer_syntax", String(64), nullable=False),
    Column("place", Text),
    Column("name", Text, nullable=False),  # as it was presented: a recovery's receipt must be known to its sender
    Column("rule", String(32), nullable=False),
    Column("holder", String(64)),
    Column("lease", Time),
    Column("at", Time, nullable=False),
    Column("damaged", Time),  # since when its copy is known not to be what came; None: nothing is known against it
    Column("crc32", BigInteger),  # of the file, for archives; None where it came before that was kept
    Column("kept_until", Time),  # of what was withdrawn: its grace; None where it has none, or its receipt was written
    Index("ix_custody_dataset_digest", "dataset", "file_digest"),
    Index("ix_custody_study", "study_uid"),
    Index("ix_custody_batch", "batch"),
    sqlite_autoincrement=True,  # rows are dropped: an id must never come back as another object
)
_IN_CARE = custody.c.state.in_(IN_CARE)
Index("uq_custody_in_care", custody.c.sop_uid, unique=True, sqlite_where=_IN_CARE, postgresql_where=_IN_CARE)
_UNFINISHED = custody.c.state.in_(UNFINISHED)
Index("ix_custody_passing", custody.c.lease, sqlite_where=_UNFINISHED, postgresql_where=_UNFINISHED)
_DAMAGED = custody.c.damaged.is_not(None)
Index("ix_custody_damaged", custody.c.node, sqlite_where=_DAMAGED, postgresql_where=_DAMAGED)
part_digests = Table(  # of held objects of more than one block: see `mappings.digests`
    "part_digests",
    metadata,
    Column("custody", Key, ForeignKey("custody.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("blocks", LargeBinary, nullable=False),
    Column("frames", LargeBinary, nullable=False),
)
block = Table(
    "block",
    metadata,
    _key(),
    _to("dataset"),
    Column("study_uid", String(64)),
    Column("sop_uid", String(64)),
    Column("digest", LargeBinary),  # with a digest, only that content is blocked (a refused object may come corrected)
    Column("reason", String(32), nullable=False),
    Column("at", Time, nullable=False),
    Column("lifted", Time),
    Index("ix_block_study", "study_uid"),
    Index("ix_block_sop", "sop_uid"),
)

# The index: held instances only. Fragments are finished JSON; the public base URL is spliced in when they are served.
patient = Table(  # shared by the datasets of a provider, so it says nothing that one of them alone may show
    "patient",
    metadata,
    _key(),
    Column("key", String(32), nullable=False, unique=True),
    _to("party"),
    Column("patient_id", Text, nullable=False),
    Index("ix_patient_patient_id", "patient_id"),
)
study = Table(
    "study",
    metadata,
    _key(),
    Column("key", String(32), nullable=False, unique=True),
    Column("study_uid", String(64), nullable=False, unique=True),
    _to("dataset"),
    _to("patient"),
    Column("patient_id", Text, nullable=False),
    Column("patient_name", Text, nullable=False),  # folded for matching
    Column("patient_sex", String(16), nullable=False),
    Column("patient_birth_date", String(8), nullable=False),
    Column("age", Integer),  # whole years at study
    Column("study_date", String(8), nullable=False),
    Column("study_time", String(16), nullable=False),
    Column("started_from", Time),  # the span of what FHIR serves as `started`; None where that is nothing
    Column("started_to", Time),
    Column("accession_number", String(64), nullable=False),
    Column("study_id", String(64), nullable=False),
    Column("description", Text, nullable=False),  # folded
    Column("referring", Text, nullable=False),  # folded
    Column("header", Text, nullable=False),  # JSON of the study's own attributes, from which its fragment is made again
    Column("modalities", Text, nullable=False),
    Column("sop_classes", Text, nullable=False),
    Column("series", Integer, nullable=False),
    Column("instances", Integer, nullable=False),
    Column("fragment", LargeBinary, nullable=False),
    Column("document", LargeBinary),  # FHIR ImagingStudy, R4
    Column("form", Integer, nullable=False, server_default=text("0")),  # of the bytes: see `adapters.sql.index`
    Column("version", Integer, nullable=False),
    Column("updated", Time, nullable=False),  # when its document was published, a stamp of the feed; 0: not yet
    Column("published", Time),  # when its first one was
    Column("dirty_since", Time),
    Column("touched", Time, nullable=False),
    Index("ix_study_dataset", "dataset", "id"),
    Index("ix_study_date", "study_date", "id", "dataset"),
    Index("ix_study_started", "started_from", "id", "dataset"),
    Index("ix_study_ended", "started_to"),
    Index("ix_study_age", "age"),
    Index("ix_study_patient_id", "patient_id"),
    Index("ix_study_patient", "patient", "dataset", "patient_sex", "updated"),  # all that is told of a patient
    # who is in a dataset, when that changed, and what is counted of it: a count reads no row of kilobytes
    Index("ix_study_members", "dataset", "patient", "updated", "patient_sex", "age", "id"),
    Index("ix_study_accession", "accession_number"),
    Index("ix_study_patient_name", "patient_name", postgresql_ops={"patient_name": "text_pattern_ops"}),  # how it begins
    Index("ix_study_updated", "updated", "id", "dataset"),
)
Index("ix_study_started_order", sortable(study.c.started_from), study.c.id)
_DOCUMENTED = study.c.document.is_not(None)
Index("ix_study_documented", study.c.id, study.c.dataset, sqlite_where=_DOCUMENTED, postgresql_where=_DOCUMENTED)
Index(
    "ix_study_dirty",
    study.c.touched,
    sqlite_where=study.c.dirty_since.isnot(None),
    postgresql_where=study.c.dirty_since.isnot(None),
)
series = Table(
    "series",
    metadata,
    _key(),
    _to("study"),
    Column("series_uid", String(64), nullable=False),
    Column("modality", String(16), nullable=False),
    Column("body_part", String(64), nullable=False),
    Column("manufacturer", Text, nullable=False),  # folded
    Column("number", Integer),
    Column("description", Text, nullable=False),
    Column("performed_date", String(8), nullable=False, server_default=text("''")),
    Column("performed_time", String(16), nullable=False, server_default=text("''")),
    Column("header", Text, nullable=False),
    Column("instances", Integer, nullable=False),
    Column("fragment", LargeBinary, nullable=False),
    UniqueConstraint("study", "series_uid"),
    Index("ix_series_uid", "series_uid"),
    Index("ix_series_modality", "modality", "study"),
    Index("ix_series_body_part", "body_part", "study"),
    Index("ix_series_told", "study", "modality", "body_part"),  # a dataset's words, without reading a row
)
coded = Table(  # items of the sequences of codes that can be searched: of a study, or of one of its series
    "coded",
    metadata,
    _key(),
    _to("study"),
    _to("series", nullable=True),
    Column("sequence", String(8), nullable=False),  # its tag
    Column("scheme", String(16), nullable=False),
    Column("code", String(64), nullable=False),
    Column("meaning", Text, nullable=False),  # folded
    Index("ix_coded_code", "code", "study"),
    Index("ix_coded_study", "study", "sequence"),
    Index("ix_coded_series", "series"),
)
request = Table(  # items of a series' Request Attributes Sequence
    "request",
    metadata,
    _key(),
    _to("study"),
    _to("series"),
    Column("procedure_id", String(64), nullable=False),
    Column("step_id", String(64), nullable=False),
    Index("ix_request_procedure", "procedure_id", "study"),
    Index("ix_request_step", "step_id", "study"),
    Index("ix_request_study", "study"),
    Index("ix_request_series", "series"),
)
instance = Table(
    "instance",
    metadata,
    _key(),
    _to("study"),
    _to("series"),
    _to("custody"),
    Column("sop_uid", String(64), nullable=False, unique=True),
    Column("sop_class", String(64), nullable=False),
    Column("number", Integer),
    Column("frames", Integer, nullable=False),
    Column("title", Text),  # Image Type, else Content Label
    Column("laterality", String(16)),  # Image Laterality
    Column("summary", LargeBinary, nullable=False),  # QIDO
    Column("metadata", LargeBinary, nullable=False),  # WADO-RS metadata
    Index("ix_instance_series", "series", "id"),
    Index("ix_instance_study", "study", "id"),
)

# The feed: what came, changed and went, by stamps that grow in the order of commits; and what each of its readers had in sight.
feed = Table("feed", metadata, Column("id", Integer, primary_key=True), Column("at", Time, nullable=False))  # one row: the newest
tombstone = Table(  # a study that was withdrawn: feeds tell of it, and the record of access goes on naming it
    "tombstone",
    metadata,
    _key(),
    Column("key", String(32), nullable=False, index=True),
    Column("patient", String(32), nullable=False, index=True),  # its key
    _to("dataset"),
    Column("published", Time),  # None where it never was
    Column("at", Time, nullable=False),  # when it went, a stamp of the feed; 0: it is going
    Column("cause", String(16)),  # a `consent.stop.Cause`; None of what went before that was kept
    Index("ix_tombstone_at", "at", "id"),
    Index("ix_tombstone_dataset", "dataset", "id"),
)
reader = Table(  # who has read by search or feed, and since when
    "reader",
    metadata,
    _key(),
    Column("subject", String(80), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("since", Time, nullable=False),
    UniqueConstraint("subject", "purpose"),
)
sight = Table(  # from when to when a reader could see a dataset
    "sight",
    metadata,
    _key(),
    _to("reader"),
    Column("action", String(16), nullable=False),
    _to("dataset"),
    Column("since", Time, nullable=False),
    Column("until", Time),  # when its loss was told; None: it is seen
    Column("ends", Time),  # when it ends or ended by the clock, where that is before
    Index("ix_sight_reader", "reader", "action", "dataset"),
)
_SEEN = sight.c.until.is_(None)
Index("uq_sight_open", sight.c.reader, sight.c.action, sight.c.dataset, unique=True, sqlite_where=_SEEN, postgresql_where=_SEEN)

# The record: who asked what, and the ledger that an outsider can check.
window = Table(  # one use: the accesses of one subject to one study, for one purpose, in five minutes
    "use_window",
    metadata,
    _key(),
    Column("subject", String(80), nullable=False),
    Column("study_uid", String(64), nullable=False),
    Column("action", String(16), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("slot", BigInteger, nullable=False),
    _to("dataset"),
    Column("closed", Boolean, nullable=False),
    UniqueConstraint("subject", "study_uid", "action", "purpose", "slot"),
)
Index("ix_use_window_open", window.c.slot, sqlite_where=window.c.closed.is_(False), postgresql_where=window.c.closed.is_(False))
access = Table(
    "access",
    metadata,
    _key(),
    Column("at", Time, nullable=False, index=True),
    Column("subject", String(80), nullable=False),
    Column("action", String(16), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("target", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("count", Integer, nullable=False),
    Column("request", String(32), nullable=False),
    _to("use_window", "window", nullable=True),
    Column("interaction", String(16), nullable=False, server_default=text("'read'")),  # a `consent.access.Interaction`
    Index("ix_access_window", "window"),
    Index("ix_access_subject", "subject", "id"),
)
access_seen = Table(  # which resources an answer showed, by whose data that was; the ids outlive what they name
    "access_seen",
    metadata,
    _key(),
    _to("access"),
    _to("party", nullable=True),
    Column("type", String(32), nullable=False),
    Column("packed", LargeBinary, nullable=False),  # see `adapters.sql.seen`
    Index("ix_access_seen_access", "access"),
    Index("ix_access_seen_party", "party", "access"),
)
question_budget = Table(  # what a caller has spent of its distinct questions; kept when the answers go
    "question_budget",
    metadata,
    Column("caller", String(80), primary_key=True),
    Column("period", Integer, primary_key=True),
    Column("dataset", Key, ForeignKey("dataset.id"), primary_key=True),
    Column("spent", Integer, nullable=False),
)
kept_answer = Table(  # what a caller was told of a dataset: said again until the period is over, whatever came or went
    "kept_answer",
    metadata,
    Column("caller", String(80), primary_key=True),
    Column("period", Integer, primary_key=True),
    Column("question", String(64), primary_key=True),  # SHA-256
    Column("dataset", Key, ForeignKey("dataset.id"), primary_key=True),
    Column("told", Text, nullable=False),  # JSON
)
ledger_leaf = Table(  # append-only: guarded by triggers; the worker gives each leaf its index once
    "ledger_leaf",
    metadata,
    _key(),
    Column("leaf", LargeBinary, nullable=False),
    Column("position", BigInteger, unique=True),
)
Index(
    "ix_ledger_leaf_pending",
    ledger_leaf.c.id,
    sqlite_where=ledger_leaf.c.position.is_(None),
    postgresql_where=ledger_leaf.c.position.is_(None),
)
ledger_body = Table(  # may be erased; the leaf then commits to something nobody can read
    "ledger_body",
    metadata,
    Column("id", Key, ForeignKey("ledger_leaf.id"), primary_key=True, autoincrement=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("at", Time, nullable=False),
    Column("actor", String(80), nullable=False),
    _to("party", nullable=True),  # whose data or agreement it is about
    _to("dataset", nullable=True),
    _to("batch", nullable=True),
    Index("ix_ledger_body_dataset", "dataset", "id"),
    Index("ix_ledger_body_party", "party", "id"),
    Index("ix_ledger_body_batch", "batch"),
)
OF_WHOLE_DATASETS = ("govern.dataset.withdraw", "govern.dataset.restore")
"""Kinds of entries of which history asks for all."""
_OF_WHOLE = ledger_body.c.kind.in_(OF_WHOLE_DATASETS)
Index("ix_ledger_body_whole", ledger_body.c.id, sqlite_where=_OF_WHOLE, postgresql_where=_OF_WHOLE)
entry_target = Table(  # what an entry is about, as its body says; erased with it
    "entry_target",
    metadata,
    Column("entry", Key, ForeignKey("ledger_body.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("type", String(16), primary_key=True),
    Column("key", String(128), primary_key=True),
    Index("ix_entry_target_key", "key", "type", "entry"),
)
checkpoint = Table(
    "checkpoint",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("at", Time, nullable=False),
)
association = Table(  # who called the DICOM door of late: the newest of them
    "association",
    metadata,
    Column("calling", String(16), primary_key=True),
    Column("called", String(16), primary_key=True),
    Column("address", String(64), primary_key=True),
    Column("reason", String(32), primary_key=True),  # why it was refused; empty: it was not
    Column("times", BigInteger, nullable=False),
    Column("at", Time, nullable=False, index=True),
)

# Exports: what was asked for, of which datasets, how far it is, and the files it came to. Rows and files go when it expires.
export = Table(
    "export",
    metadata,
    _key(),
    Column("key", String(32), nullable=False, unique=True),  # unguessable; what its status and files are called by
    Column("subject", String(80), nullable=False, index=True),
    Column("action", String(16), nullable=False),  # process or export, as its caller was inside or not
    Column("purpose", String(16), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("asked", Text, nullable=False),  # JSON: a `mappings.fhir.bulk.Kickoff`
    Column("request", Text, nullable=False),  # the URL it was asked for by
    Column("requested", Time, nullable=False),
    Column("at", Time),  # the moment it tells of, from when it was begun
    Column("mark", BigInteger, nullable=False),  # the newest ledger entry then
    Column("step", Integer, nullable=False),  # under way, of those that `server.usecases.write_export` plans
    Column("position", String(128), nullable=False),  # in it: JSON of the place after which its next file begins
    Column("given", BigInteger, nullable=False),  # resources in the files that are finished
    Column("state", String(16), nullable=False),  # an `adapters.sql.exports.ExportState`
    Column("failure", String(64), nullable=False),
    Column("outcome", Text, nullable=False),  # a sentence, where it failed
    Column("expires", Time, nullable=False, index=True),
)
export_dataset = Table(  # what was granted when it was asked for, and what was refused then or since
    "export_dataset",
    metadata,
    Column("export", Key, ForeignKey("export.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("dataset", Key, ForeignKey("dataset.id"), primary_key=True, autoincrement=False),
    Column("rule", String(32), nullable=False),  # of `consent.policy`, by which it is left out; empty: granted
    Column("recorded", Boolean, nullable=False),  # whether the ledger has that some of it was given
)
export_file = Table(
    "export_file",
    metadata,
    Column("export", Key, ForeignKey("export.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),  # an array of the manifest: output, deleted, error
    Column("type", String(64), nullable=False),
    Column("step", Integer, nullable=False),
    Column("datasets", Text, nullable=False),  # ids, by blanks: whose rows it may hold
    Column("count", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("packed", BigInteger, nullable=False),  # bytes on disk
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of its NDJSON
)

# Work that no other row's state asks for.
node_sync = Table(  # a node whose own content is brought into a dataset: `adapters.sql.node_syncs` says how far
    "node_sync",
    metadata,
    Column("node", Key, ForeignKey("node.id"), primary_key=True, autoincrement=False),
    _to("dataset"),
    Column("actor", String(80), nullable=False),
    Column("begun", Time, nullable=False),
    Column("since", BigInteger),  # a place in the node's feed; None: it has none, or nothing was read of it
    Column("swept", Time),
)
worker = Table("worker", metadata, Column("holder", String(64), primary_key=True), Column("at", Time, nullable=False))
job = Table(
    "job",
    metadata,
    _key(),
    Column("kind", String(32), nullable=False),
    Column("subject", String(128), nullable=False),  # what it is about: a dataset, a node
    Column("state", String(16), nullable=False),  # an `adapters.sql.jobs.JobState`
    Column("due", Time, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("holder", String(64)),
    Column("lease", Time),
    Column("cancelled", Boolean, nullable=False),  # asked for; the job ends at its next heartbeat
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger),
    Column("outcome", Text, nullable=False),  # a sentence, without any value of a patient's
    Column("at", Time, nullable=False),  # when it came into this state
    Index("ix_job_kind", "kind", "subject"),
)
_WAITS = job.c.state == "waiting"
Index("uq_job_waiting", job.c.kind, job.c.subject, unique=True, sqlite_where=_WAITS, postgresql_where=_WAITS)
_OPEN = job.c.state.in_(["waiting", "running"])
Index("ix_job_open", job.c.kind, job.c.due, sqlite_where=_OPEN, postgresql_where=_OPEN)

# People. Secrets are kept as digests (of what is shown once) or sealed; an e-mail address is for mail, and proves nobody.
person = Table(
    "person",
    metadata,
    _key(),
    Column("key", String(64), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("blocked", Boolean, nullable=False),
    Column("added", Time, nullable=False),
    Column("updated", Time, nullable=False),
)
person_role = Table(  # what a person is in an organisation, and was
    "person_role",
    metadata,
    _key(),
    _to("person"),
    _to("party", nullable=True),  # None: in the repository itself
    Column("role", String(32), nullable=False),  # a `consent.person.PersonRole`
    Column("purposes", Text, nullable=False),
    Column("since", Time, nullable=False),
    Column("ended", Time),
    Index("ix_person_role_person", "person"),
)
person_identity = Table(  # OpenID Connect: (iss, sub), never an e-mail address
    "person_identity",
    metadata,
    _key(),
    _to("person"),
    Column("issuer", String(255), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("at", Time, nullable=False),
    Column("username", String(255)),  # preferred_username at the last sign-in: what workspaces call the person
    UniqueConstraint("issuer", "subject"),
    Index("ix_person_identity_person", "person"),
    Index("ix_person_identity_username", "issuer", "username"),
)
person_account = Table(  # a local account: password (Argon2id) and the secret of its one-time codes (sealed)
    "person_account",
    metadata,
    Column("person", Key, ForeignKey("person.id"), primary_key=True, autoincrement=False),
    Column("password", Text, nullable=False),
    Column("totp", Text, nullable=False),
    Column("step", BigInteger, nullable=False),  # of the last code that was used (RFC 6238 section 5.2)
    Column("at", Time, nullable=False),
)
invitation = Table(
    "invitation",
    metadata,
    _key(),
    _to("person"),
    Column("digest", LargeBinary, nullable=False, unique=True),  # SHA-256 of the token in its link
    Column("actor", String(80), nullable=False),
    Column("at", Time, nullable=False),
    Column("expires", Time, nullable=False),
    Column("used", Time),
    Index("ix_invitation_person", "person"),
)
session = Table(  # a person signed in: in a browser, or by a device's refresh tokens
    "session",
    metadata,
    _key(),
    Column("key", String(32), nullable=False, unique=True),  # what lists and tokens call it
    Column("digest", LargeBinary, nullable=False, unique=True),  # SHA-256 of the cookie's value
    _to("person"),
    _to("person_role", nullable=True),  # as which it acts; None: none is chosen
    Column("purpose", String(16), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("agent", String(120), nullable=False),
    Column("at", Time, nullable=False),
    Column("touched", Time, nullable=False),
    Column("expires", Time, nullable=False),
    Column("ended", Time),
    Index("ix_session_person", "person", "id"),
)
refresh_token = Table(  # one use each; a used one that comes again ends its session
    "refresh_token",
    metadata,
    _key(),
    Column("session", Key, ForeignKey("session.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("used", Time),
)
device_grant = Table(  # RFC 8628: a device that waits for its person
    "device_grant",
    metadata,
    _key(),
    Column("device", LargeBinary, nullable=False, unique=True),  # SHA-256 of the device code
    Column("code", LargeBinary, nullable=False, unique=True),  # SHA-256 of the user code
    Column("scopes", Text, nullable=False),
    Column("address", String(64), nullable=False),
    Column("interval", Integer, nullable=False),  # seconds
    Column("polled", Time),
    Column("expires", Time, nullable=False, index=True),
    Column("denied", Boolean, nullable=False),
    Column("session", Key, ForeignKey("session.id", ondelete="CASCADE")),  # once it is confirmed
)
attempt = Table(  # failed proofs of late: what is guessable is counted for all processes together
    "attempt",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("until", Time, nullable=False, index=True),
)
# Stops of people, what two persons decide, and what parties are told.
exclusion = Table(  # an organisation, person or client that the repository has blocked
    "exclusion",
    metadata,
    _key(),
    Column("kind", String(16), nullable=False),  # a `consent.exclusion.Excluded`
    Column("key", String(80), nullable=False),
    Column("circumstance", String(16), nullable=False),  # a word of `consent.agreement.CIRCUMSTANCES`
    Column("actor", String(80), nullable=False),
    Column("at", Time, nullable=False),
    Column("lifted", Time),
)
_STANDS = exclusion.c.lifted.is_(None)
Index("uq_exclusion_stands", exclusion.c.kind, exclusion.c.key, unique=True, sqlite_where=_STANDS, postgresql_where=_STANDS)
proposal = Table(  # an act that a second person decides on; what is proposed never changes, guarded by its digest
    "proposal",
    metadata,
    _key(),
    Column("key", String(32), nullable=False, unique=True),
    Column("act", String(32), nullable=False),  # of `server.usecases.proposal`
    Column("arguments", Text, nullable=False),  # canonical JSON
    Column("digest", String(64), nullable=False),  # SHA-256 of act and arguments, in hex
    Column("reason", Text, nullable=False),
    Column("proposer", String(80), nullable=False),
    Column("at", Time, nullable=False),
    Column("expires", Time, nullable=False),
    Column("state", String(16), nullable=False),  # a `consent.proposal.ProposalState`
    Column("decider", String(80)),
    Column("decided", Time),
)
notice = Table(  # what parties are told
    "notice",
    metadata,
    _key(),
    Column("key", String(32), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),  # a `consent.notice.NoticeKind`
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("about", String(128), nullable=False),  # what it is about, so that a reminder is sent once
    Column("effective", Time),  # from when on what is announced is so
    Column("at", Time, nullable=False),
    Index("ix_notice_about", "kind", "about"),
)
announcement = Table(  # what a notice says of an address, told with its answers; the newest of an address counts
    "announcement",
    metadata,
    _key(),
    Column("notice", String(32), nullable=False),  # its key
    Column("address", String(200), nullable=False),  # a path, and all below it
    Column("at", Time, nullable=False),
    Column("effective", Time),  # None: what was announced is taken back
    Column("until", Time),  # None: it is not there again
    Index("ix_announcement_address", "address", "id"),
)
publication = Table(  # published work on a dataset
    "publication",
    metadata,
    _key(),
    Column("key", String(32), nullable=False, unique=True),
    _to("dataset"),
    Column("title", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("doi_of_provider", Text),  # the DOI that this side wants told; told where both want the same
    Column("doi_of_repository", Text),
    Column("at", Time, nullable=False),
    Column("removed", Time),
    Index("ix_publication_dataset", "dataset", "id"),
)
delivery = Table(  # the outbox: a notice on its way to one party or person
    "delivery",
    metadata,
    _key(),
    _to("notice"),
    Column("party", String(64)),  # its key; None: the repository's operators
    Column("person", String(80)),  # its id; None: all of the party's
    Column("address", Text),  # of e-mail; None: there is none, so it is read here only
    Column("secret", Text),  # a code or link that goes with it; never listed, and forgotten once sent
    Column("state", String(16), nullable=False),  # a `consent.notice.DeliveryState`
    Column("at", Time, nullable=False),  # when it came into it
    Column("acknowledged", Time),
    Column("acknowledged_by", String(80)),
    Index("ix_delivery_notice", "notice"),
    Index("ix_delivery_party", "party", "id"),
)

# Other repositories that this one asks, and what was asked of them: answers go after an hour, the ledger has the question.
peer = Table(
    "peer",
    metadata,
    _key(),
    Column("name", String(64), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("url", Text, nullable=False, unique=True),
    Column("secret_file", Text),
    Column("client_file", Text),
    Column("added", Time, nullable=False),
)
trace_cursor = Table(  # how far the ledger's tree is told to an outside tracing service; no row: nothing yet
    "trace_cursor",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
)
peer_query = Table(
    "peer_query",
    metadata,
    _key(),
    Column("key", String(32), nullable=False, unique=True),
    Column("subject", String(80), nullable=False, index=True),
    Column("question", Text, nullable=False),
    Column("peers", Text, nullable=False),  # name and kind of each, as they were then
    Column("at", Time, nullable=False, index=True),
    Column("until", Time, nullable=False),  # by when every peer has answered, or has not
    Column("cancelled", Boolean, nullable=False),
)
peer_answer = Table(
    "peer_answer",
    metadata,
    Column("query", Key, ForeignKey("peer_query.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("peer", String(64), primary_key=True),
    Column("told", Text, nullable=False),
)
