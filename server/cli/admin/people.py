"""People: who they are, what they are in organisations, and their invitations."""

import click

from consent.conditions import Purpose
from consent.person import Actor, PersonRole
from server.cli.help import examples
from server.cli.options import as_actor, lists, words
from server.cli.table import Rows
from server.usecases.person import (
    Invited,
    add_person,
    block_person,
    give_role,
    invite_again,
    list_people,
    take_role,
    unblock_person,
)
from server.usecases.runtime import Runtime
from server.usecases.session import end_sessions_of


@click.group(epilog=examples("accord admin person list"))
def person() -> None:
    """People who sign in."""


_ROLE = click.option("--role", type=click.Choice([str(r) for r in PersonRole]), help="what the person is there")
_PARTY = click.option("--party", metavar="KEY", help="the organisation; without one, the repository itself")
_PURPOSES = click.option("--purposes", type=words, metavar="WORDS", help=f"of a researcher, among {', '.join(Purpose)}")


@person.command(
    "add",
    epilog=examples(
        'accord admin person add ada --operator --name "Ada L." --email ada@example.org',
        'accord admin person add grace --role signatory --party hospital-a --name "Grace H."',
        'accord admin person add alan --role researcher --party university-b --purposes AIRESEARCH --name "Alan T."',
    ),
)
@click.argument("key")
@click.option("--name", required=True, help="what the person is called on pages")
@click.option("--email", default="", help="for mail only; it proves nobody")
@click.option("--operator", is_flag=True, help="an operator of this repository")
@_ROLE
@_PARTY
@_PURPOSES
@as_actor
def _add(
    runtime: Runtime, actor: Actor, key: str, name: str, email: str, role: str | None, *, operator: bool, **there: object
) -> None:
    """Add a person, and print the link that lets them make an account. It is printed once."""
    if operator is (role is not None):
        raise click.UsageError("Say what the person is: --operator, or --role.")
    said = {"name": name, "email": email, "role": role or str(PersonRole.OPERATOR), **_there(there)}
    _print(add_person(runtime, actor, key, **said))  # type: ignore[arg-type]


def _there(said: dict[str, object]) -> dict[str, object]:
    return {"party": said["party"], "purposes": said["purposes"] or ()}


def _print(invited: Invited) -> None:
    print(
        f"{invited.person}: invited until {invited.expires:%Y-%m-%d %H:%M} (UTC). The link is good once, and told to that person:"
    )
    print(invited.url)


@person.command("invite", epilog=examples("accord admin person invite ada"))
@click.argument("key")
@as_actor
def _invite(runtime: Runtime, actor: Actor, key: str) -> None:
    """Invite a person anew: the link was too old, or a password or device was lost. What was before ends when it is used."""
    _print(invite_again(runtime, actor, key))


@person.command(
    "give",
    epilog=examples(
        "accord admin person give grace --role data-manager --party hospital-a",
        "accord admin person give alan --role researcher --party university-b --purposes AITRAIN",
    ),
)
@click.argument("key")
@_ROLE
@_PARTY
@_PURPOSES
@as_actor
def _give(runtime: Runtime, actor: Actor, key: str, role: str | None, **there: object) -> None:
    """Give a person one more role."""
    give_role(runtime, actor, key, _said(role), **_there(there))  # type: ignore[arg-type]
    print(f"{key}: {role}")


def _said(role: str | None) -> str:
    if role is None:
        raise click.UsageError("Say which: --role.")
    return role


@person.command("take", epilog=examples("accord admin person take grace --role data-manager --party hospital-a"))
@click.argument("key")
@_ROLE
@_PARTY
@as_actor
def _take(runtime: Runtime, actor: Actor, key: str, role: str | None, party: str | None) -> None:
    """Take a role back; sessions that act by it end."""
    take_role(runtime, actor, key, _said(role), party=party)
    print(f"{key}: no more {role}")


@person.command("block", epilog=examples("accord admin person block grace"))
@click.argument("key")
@as_actor
def _block(runtime: Runtime, actor: Actor, key: str) -> None:
    """Keep a person out at once: sessions, devices and invitations end."""
    block_person(runtime, actor, key)
    print(f"{key}: blocked")


@person.command("unblock", epilog=examples("accord admin person unblock grace"))
@click.argument("key")
@as_actor
def _unblock(runtime: Runtime, actor: Actor, key: str) -> None:
    """Let a person sign in again."""
    unblock_person(runtime, actor, key)
    print(f"{key}: may sign in")


@person.command("sign-out", epilog=examples("accord admin person sign-out grace"))
@click.argument("key")
@as_actor
def _sign_out(runtime: Runtime, actor: Actor, key: str) -> None:
    """End every session of a person, devices too."""
    print(f"{key}: {end_sessions_of(runtime, actor, key)} ended")


@lists(person, "person", "name", "blocked", "signs in by", "roles")
def _list(runtime: Runtime) -> Rows:
    """Everybody."""
    everybody = Actor("local", None, frozenset({PersonRole.OPERATOR}), is_local=True)
    for row in list_people(runtime, everybody):
        ways = ("account",) if row.has_account else ()
        roles = " ".join(f"{r.role}@{r.party or 'repository'}" for r in row.roles)
        yield row.key, row.name, row.blocked, " ".join((*ways, *row.issuers)) or "–", roles or "–"
