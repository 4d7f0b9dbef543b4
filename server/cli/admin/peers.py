"""What the registrations of peers on the DICOM network share: flags of what they show and may hold, and how lists tell it."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import click

from server.settings import Settings

R = TypeVar("R")
FINGERPRINT = "9f:86:d0:81:88:4c:7d:65:9a:2f:ea:a0:c5:5a:d0:15:a3:bf:4f:1b:2b:0b:82:2c:d1:5d:6c:15:b0:f0:0a:08"
"""As `openssl x509 -noout -fingerprint -sha256` prints one, for examples."""


def peering_flags(run: Callable[..., R]) -> Callable[..., R]:
    """The flags of a verb that registers one, handed on as `Peering` names them."""
    flags = (
        click.option(
            "--certificate", "certificates", multiple=True, metavar="SHA256", help="the certificate it shows, or several"
        ),
        click.option("--subject", metavar="NAME", help="or any certificate of this subject, such as CN=pacs,O=Hospital"),
        click.option("--authority", metavar="SHA256", help="the authority's certificate that signs for that subject"),
        click.option("--scp-tls", "tls", is_flag=True, help="call its own SCP by TLS, where it shows the same certificate"),
        click.option("--associations", type=int, metavar="N", help="how many it may have at once; default: what all share"),
    )
    for flag in reversed(flags):
        run = flag(run)
    return run


def origin(networks: Sequence[str], *, certified: bool) -> str:
    """Where it calls from, in words."""
    return (" ".join(networks) or "anywhere") + (", with its certificate" if certified else "")


def our_scp(settings: Settings, *, tls: bool) -> str:
    """The end of a line of dcmtk's that calls us, where our certificate's authority is in `ca.pem`."""
    port = settings.dimse_tls_port if tls else settings.dimse_port
    return f"{'+tls key.pem cert.pem +cf ca.pem ' if tls else ''}{settings.bind} {port}"


def told_scp(scp: tuple[str, int] | None, *, tls: bool) -> str | None:
    """Where its own SCP listens, as a list tells it."""
    return scp and "{}:{}".format(*scp) + (" by TLS" if tls else "")
