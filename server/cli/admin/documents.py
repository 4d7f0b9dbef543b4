"""The documents of use: publishing a version after seeing whom it affects, reading them, and what providers answer."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import click

from consent.person import Actor
from consent.terms import TITLES, Answer, DocumentKind
from server.cli.admin.two_persons import ALONE, decided
from server.cli.confirm import confirmed
from server.cli.help import examples, say_next
from server.cli.options import as_actor, date, lists, with_runtime, words
from server.cli.sentences import many
from server.cli.table import print_rows
from server.usecases.proposable import publishing
from server.usecases.renewal import answer, list_tasks
from server.usecases.runtime import Runtime
from server.usecases.terms import Draft, Effect, foresee, list_documents, read_terms

NAMED = 5


@click.group(epilog=examples("accord admin document list"))
def document() -> None:
    """The documents of use, in immutable versions."""


_KIND = click.option(
    "--kind", type=click.Choice([*map(str, DocumentKind)]), default="general", show_default=True, help="which document"
)


@document.command(
    "publish",
    epilog=examples(
        "accord admin document publish terms.txt --version 2.0.0 --renewal --effective 2027-03-01 --dry-run",
        "accord admin document publish terms.txt --version 2.0.1 --contains 2.0.0 --summary 'Typing errors mended.' --yes",
        "accord admin document publish guidelines.txt --kind guidelines --version 1.0.0 --yes",
    ),
)
@click.argument("file", type=Path)
@_KIND
@click.option("--version", required=True, metavar="MAJOR.MINOR.PATCH", help="its version, greater than the last")
@click.option("--summary", default="", metavar="TEXT", help="what changed, for convenience only")
@click.option("--effective", type=date, metavar="DATE", help="when it takes effect; default: now")
@click.option(
    "--renewal", is_flag=True, help="providers must accept it; until one does, external users wait from when it takes effect"
)
@click.option(
    "--contains", type=words, default="", metavar="VERSIONS", help="earlier versions that who accepts this one has accepted too"
)
@ALONE
@click.option("--yes", is_flag=True, help="do it without asking")
@click.option("--dry-run", is_flag=True, help="say whom it would affect, and do nothing")
@as_actor
def _publish(
    runtime: Runtime,
    actor: Actor,
    file: Path,
    kind: str,
    effective: datetime | None,
    contains: Sequence[str],
    alone: str | None,
    *,
    renewal: bool,
    yes: bool,
    dry_run: bool,
    **said: str,
) -> None:
    """Publish a version of a document, once and for ever, after saying whom it affects: by two operators, where there are two."""
    chosen = {"kind": DocumentKind(kind), "needs_renewal": renewal, "contains": contains}
    draft = Draft(text=file.read_bytes(), effective_at=effective, **chosen, **said)  # type: ignore[arg-type]
    if confirmed(_effect(draft, foresee(runtime, actor, draft)), yes=yes, dry_run=dry_run):
        print(decided(runtime, actor, "publish", publishing(draft), f"{kind} {draft.version}", alone))
        say_next("accord admin document tasks" if renewal else f"accord admin document show {draft.version} --kind {kind}")


def _effect(draft: Draft, effect: Effect) -> Iterator[str]:
    day = f"{effect.effective_at:%-d %B %Y}"
    yield f"{TITLES[draft.kind]} {draft.version}, in effect from {day}."
    if not draft.needs_renewal:
        yield "No provider is asked, and nobody loses access by it."
        return
    reached = f"{many(len(effect.providers), 'provider')}, {many(len(effect.users), 'user')}"
    losing = f"{many(len(effect.losing), 'external user')} {'loses' if len(effect.losing) == 1 else 'lose'}"
    yield f"{reached}; {losing} access on {day} unless the provider accepts."
    for what, names in (("Asked", effect.providers), ("Losing access", effect.losing)):
        if names:
            yield f"{what}: {_some(names)}."


def _some(names: Sequence[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


@lists(document, "kind", "version", "effective", "renewal", "contains", "sha256")
def _list(runtime: Runtime) -> Iterator[tuple[object, ...]]:
    """Every version of every document."""
    for terms in list_documents(runtime):
        issue = terms.issue
        yield terms.kind, issue.version, issue.effective_at, issue.needs_renewal, " ".join(sorted(issue.contains)), terms.sha256


_VERSION = click.argument("version", required=False)


@document.command("show", epilog=examples("accord admin document show", "accord admin document show 1.0.0 --kind guidelines"))
@_VERSION
@_KIND
@with_runtime
def _show(runtime: Runtime, version: str | None, kind: str) -> None:
    """The text of a version as it was published; without one, of that in force."""
    terms = read_terms(runtime, version, DocumentKind(kind))
    effective = f"in effect from {terms.issue.effective_at:%Y-%m-%d %H:%M}"
    click.echo(f"{TITLES[terms.kind]} {terms.version}, {effective}, SHA-256 {terms.sha256}", err=True)
    if terms.summary:
        click.echo(f"For convenience only: {terms.summary}", err=True)
    click.echo(terms.text.decode(errors="replace"), nl=False)


@document.command("diff", epilog=examples("accord admin document diff", "accord admin document diff 1.0.0 --kind guidelines"))
@_VERSION
@_KIND
@with_runtime
def _diff(runtime: Runtime, version: str | None, kind: str) -> None:
    """What a version changed of the one before; without one, that in force."""
    print(read_terms(runtime, version, DocumentKind(kind)).changes or "No line of an earlier version changed.")


# --- renewed consent


@document.command("tasks", epilog=examples("accord admin document tasks"))
@click.option("--json", "as_json", is_flag=True, help="print an array of objects, for scripts")
@as_actor
def _tasks(runtime: Runtime, actor: Actor, *, as_json: bool) -> None:
    """What providers are asked about new terms, and what they answered."""
    columns = "terms", "provider", "effective", "answer", "answered", "by"
    rows = ((k.version, k.party, k.effective_at, k.answer, k.answered, k.actor) for k in list_tasks(runtime, actor))
    print_rows(columns, rows, as_json=as_json)


_SENTENCES = {
    Answer.ACCEPT: "Keep that a provider accepted new terms on paper: its agreements go on under them.",
    Answer.DECLINE: "Keep that a provider declined new terms on paper: its data stays with beneficiaries under the terms before.",
}


def _add_answer(said: Answer) -> None:
    @document.command(str(said), help=_SENTENCES[said], epilog=examples(f"accord admin document {said} 2.0.0 --party hospital-a"))
    @click.argument("version")
    @click.option("--party", required=True, metavar="KEY", help="the provider that said so")
    @as_actor
    def keep(runtime: Runtime, actor: Actor, version: str, party: str) -> None:
        kept = answer(runtime, actor, party, version, said)
        print(f"{party}: {said} {version}")
        for key, number in kept.agreements.items():
            print(f"{key}@{number} is under terms {version}")


for _said in Answer:
    _add_answer(_said)
