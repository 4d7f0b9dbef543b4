"""Settings: a frozen value read once from `ACCORD_*`, every one of them safe by default and listed in the README."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path


def _setting(default: object, text: str) -> object:
    return field(default=default, metadata={"text": text})


@dataclass(frozen=True, slots=True)
class Settings:
    """How this Accord runs. Each field is `ACCORD_` and its name in capitals; its text is the README's."""

    data_dir: Path = _setting(Path("accord-data"), "Where the embedded database, folder nodes, quarantine, spool and keys live.")  # type: ignore[assignment]
    database_url: str = _setting("", "SQLAlchemy URL; empty: SQLite in the data directory. PostgreSQL: `postgresql://…`.")  # type: ignore[assignment]
    bind: str = _setting("127.0.0.1", "Address the doors listen on.")  # type: ignore[assignment]
    port: int = _setting(8080, "HTTP port.")  # type: ignore[assignment]
    dimse_port: int = _setting(11112, "DICOM port.")  # type: ignore[assignment]
    public_url: str = _setting("", "The base URL callers use; empty: `http://BIND:PORT`. Never taken from a request.")  # type: ignore[assignment]
    trusted_proxies: str = _setting("", "CIDRs whose `X-Forwarded-For` is believed.")  # type: ignore[assignment]
    repository: str = _setting("Accord repository", "The repository's name: custodian of agreements, publisher of the catalogue.")  # type: ignore[assignment]
    contact: str = _setting("contact@example.org", "E-mail address in the catalogue and in refusals that say whom to ask.")  # type: ignore[assignment]
    min_subjects: int = _setting(10, "Fewer matching subjects than this are not told; 1: counts are exact.")  # type: ignore[assignment]
    federation_secret: str = _setting("", "What `Authorization` must be, exactly, on `eucaimSearch`; empty: 404.")  # type: ignore[assignment]
    web_workers: int = _setting(2, "HTTP processes.")  # type: ignore[assignment]
    streams: int = _setting(24, "Byte streams served at once by each HTTP process; more: 503.")  # type: ignore[assignment]
    uploads: int = _setting(6, "Uploads taken at once by each HTTP process; more: 503.")  # type: ignore[assignment]
    searches: int = _setting(12, "Searches and everything else answered at once by each HTTP process; more: 503.")  # type: ignore[assignment]
    forms: int = _setting(8, "Small bodies (token requests, posted searches) read at once by each HTTP process; more: 503.")  # type: ignore[assignment]
    associations: int = _setting(64, "DICOM associations at once.")  # type: ignore[assignment]
    gathered_mb: int = _setting(
        4096, "Megabytes of objects that all DICOM associations hold in memory together; more: the one that asks is aborted."
    )  # type: ignore[assignment]
    max_object_mb: int = _setting(4096, "Largest object taken, in megabytes.")  # type: ignore[assignment]
    min_free_mb: int = _setting(1024, "Free megabytes below which nothing is taken: A700 / 507.")  # type: ignore[assignment]
    lease_seconds: int = _setting(60, "How long a claim on an object lasts before others may ask what became of it.")  # type: ignore[assignment]
    quiet_seconds: int = _setting(600, "Quiet time after which an open batch is closed.")  # type: ignore[assignment]
    token_seconds: int = _setting(300, "Life of an access token; at most 300.")  # type: ignore[assignment]
    node_min_version: str = _setting("", "Orthanc version below which a node is refused; empty: `doctor` warns below 1.13.0.")  # type: ignore[assignment]
    log_level: str = _setting("INFO", "Level of the structured log on standard error.")  # type: ignore[assignment]

    @property
    def base_url(self) -> str:
        """The public base URL, without a trailing slash."""
        return (self.public_url or f"http://{self.bind}:{self.port}").rstrip("/")

    @property
    def sqlalchemy_url(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute()}/accord.db"


def read(environment: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Settings from `ACCORD_*` (the process's environment by default); `overrides` that are not None win. Raises ValueError.

    `ACCORD_NAME_FILE` names a file that holds it, as containers are given secrets; raises OSError where that can't be read.
    """
    found = os.environ if environment is None else environment
    if strangers := sorted(k for k in found if k.startswith("ACCORD_") and k.removesuffix("_FILE") not in _NAMES):
        raise ValueError(f"There is no setting called {', '.join(strangers)}.")
    values: dict[str, object] = {}
    for setting in fields(Settings):
        name = f"ACCORD_{setting.name.upper()}"
        file = found.get(f"{name}_FILE")
        text = found.get(name) if file is None else Path(file).read_text().strip()
        if text is not None:
            values[setting.name] = _read(setting.name, text, setting.default)
    known = {k: v for k, v in overrides.items() if v is not None}
    made = Settings(**(values | known))  # type: ignore[arg-type]
    for name, (least, most) in _BOUNDS.items():
        if not least <= getattr(made, name) <= most:
            raise ValueError(f"ACCORD_{name.upper()} must be from {least} to {most}")
    return made


_NAMES = {f"ACCORD_{setting.name.upper()}" for setting in fields(Settings)} | {"ACCORD_PARENT_PID"}
"""Every setting, and what `accord serve` tells its processes."""
_BOUNDS = {
    **dict.fromkeys(("port", "dimse_port"), (1, 65535)),
    **dict.fromkeys(("min_subjects", "web_workers", "streams", "uploads", "searches", "associations"), (1, 10_000)),
    **dict.fromkeys(("max_object_mb", "lease_seconds", "quiet_seconds"), (1, 1_000_000)),
    "min_free_mb": (0, 1_000_000_000),
    "token_seconds": (1, 300),
}


def _read(name: str, text: str, default: object) -> object:
    try:
        return type(default)(text)  # type: ignore[call-arg]
    except ValueError:
        raise ValueError(f"ACCORD_{name.upper()} must be a {type(default).__name__}") from None
