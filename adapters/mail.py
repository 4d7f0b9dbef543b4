"""Sending one plain-text e-mail, by SMTP (RFC 5321) with a deadline or into a Maildir; nothing said in it becomes a header."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from mailbox import Maildir
from pathlib import Path

from mappings.failures import Invalid, Unavailable

SECONDS = 20
"""For each step of a conversation with the server."""
MOST_TITLE, MOST_TEXT, MOST_ADDRESS = 200, 20_000, 254


@dataclass(frozen=True, slots=True)
class MailServer:
    """How mail leaves: `tls` is `starttls`, `tls` from the start, or `none`; `user` empty: nobody signs in."""

    host: str
    port: int
    tls: str
    sender: str
    user: str = ""
    secret: str = ""
    seconds: float = SECONDS

    def take(self, message: EmailMessage) -> None:
        """Have it sent. Raises OSError and SMTPException."""
        with _connected(self) as smtp:
            smtp.send_message(message)


@dataclass(frozen=True, slots=True)
class MailFolder:
    """A Maildir that takes mail, made for its owner alone where there is none."""

    path: Path
    sender: str

    def take(self, message: EmailMessage) -> None:
        """Put a message into it. Raises OSError."""
        Maildir(self.path, create=True).add(message)


def send(server: MailServer | MailFolder, address: str, title: str, text: str) -> None:
    """Send a text to one address. Raises Invalid for what is no address, Unavailable where the server does not take it."""
    message = EmailMessage()
    message["From"], message["To"] = _address(server.sender), _address(address)
    message["Subject"] = " ".join(title.split())[:MOST_TITLE]
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=server.sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence answers
    message.set_content(text[:MOST_TEXT])
    try:
        server.take(message)
    except (OSError, smtplib.SMTPException) as error:
        raise Unavailable("mail-unsent", f"The mail server did not take it: {type(error).__name__}.") from None


@contextmanager
def _connected(server: MailServer) -> Iterator[smtplib.SMTP]:
    context = ssl.create_default_context()
    at, patience = (server.host, server.port), server.seconds
    whole = server.tls == "tls"
    with smtplib.SMTP_SSL(*at, timeout=patience, context=context) if whole else smtplib.SMTP(*at, timeout=patience) as smtp:
        if server.tls == "starttls":
            smtp.starttls(context=context)
        if server.user:
            smtp.login(server.user, server.secret)
        yield smtp


def is_address(text: str) -> bool:
    """Whether a text is one plain address, with nothing that a header could be made of."""
    name, _, domain = text.rpartition("@")
    plain = text.isascii() and text.isprintable() and not set(text) & set(' ,;:<>()[]"\\')
    return plain and bool(name) and "." in domain.strip(".") and len(text) <= MOST_ADDRESS


def _address(text: str) -> str:
    if not is_address(text):
        raise Invalid("address", "This is no e-mail address.", "address")
    return text
