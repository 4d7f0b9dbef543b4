"""What is in care: batches and what of them waits for a decision, studies that go, and blocks that keep them out."""

import sys
from collections.abc import Iterator

import click

from consent.agreement import CIRCUMSTANCES
from consent.deposit import short
from mappings import report as forms
from server.cli.confirm import confirmed, irrevocable
from server.cli.help import examples, say_next
from server.cli.options import as_operator, lists, with_runtime
from server.cli.progress import in_words
from server.cli.sentences import many, withdrawal
from server.cli.table import Rows
from server.usecases import release, report, withdraw
from server.usecases.custody import count_held
from server.usecases.runtime import Runtime

_STUDY, _BATCH = "1.2.826.0.1.3680043.8.498.1", "4f1d2c3b4a596877"


@click.group(epilog=examples(f"accord admin study withdraw {_STUDY} --dry-run"))
def study() -> None:
    """Studies in care."""


@study.command(
    "withdraw",
    epilog=examples(
        f"accord admin study withdraw {_STUDY} --reason 'consent withdrawn'",
        "accord admin study withdraw --dataset BREAST-A --patient PSEUDONYM-7 --dry-run",
        f"accord admin study withdraw {_STUDY} --replace",
        f"accord admin study withdraw {_STUDY} --circumstance legal-order",
    ),
)
@click.argument("uid", required=False, metavar="[STUDY_UID]")
@click.option("--dataset", metavar="ALIAS", help="with --patient: the dataset it is in")
@click.option("--patient", metavar="PATIENT_ID", help="instead of a study: all of this pseudonym in a dataset")
@click.option("--replace", is_flag=True, help="leave no block: a replacement is to come")
@click.option("--circumstance", type=click.Choice([*CIRCUMSTANCES]), help="where it is not its provider's wish: why, of the list")
@irrevocable
@as_operator
def _withdraw_study(
    runtime: Runtime,
    actor: str,
    uid: str | None,
    dataset: str | None,
    patient: str | None,
    reason: str | None,
    circumstance: str | None,
    *,
    replace: bool,
    yes: bool,
    dry_run: bool,
) -> None:
    """Take a study, or all of one pseudonym, out at once and let it not come again."""
    if uid and not (dataset or patient):
        leaving = withdraw.find_study(runtime, uid)
    elif dataset and patient and not uid:
        leaving = withdraw.find_patient(runtime, dataset, patient)
    else:
        raise click.UsageError("Name a study, or --dataset and --patient.")
    told = withdrawal(leaving.alias, leaving.studies, leaving.objects, leaving.size, replace=replace)
    if confirmed(told, yes=yes, dry_run=dry_run):
        moved = withdraw.withdraw(runtime, actor, leaving, replace=replace, reason=reason, circumstance=circumstance)
        print(f"{many(moved, 'object')} withdrawn")


@click.group(epilog=examples(f"accord admin block lift {_STUDY}"))
def block() -> None:
    """What may not come again."""


@block.command("lift", epilog=examples(f"accord admin block lift {_STUDY}"))
@click.argument("uid")
@as_operator
def _lift_block(runtime: Runtime, actor: str, uid: str) -> None:
    """Let what was withdrawn or refused come again."""
    print(f"{many(withdraw.lift_block(runtime, actor, uid), 'block')} lifted")


@click.group(epilog=examples("accord admin batch list"))
def batch() -> None:
    """What came in together."""


@lists(batch, "batch", "dataset", "provider", "door", "opened", "state", "files", "waiting")
def _list_batches(runtime: Runtime) -> Rows:
    """The newest batches, at most a hundred."""
    return (
        (b.key, b.alias, b.provider, b.door, b.opened, "closed" if b.closed else "open", sum(b.counts.values()), b.waiting)
        for b in report.reports(runtime, None)
    )


@batch.command("show", epilog=examples(f"accord admin batch show {_BATCH}", f"accord admin batch show {_BATCH} --format csv"))
@click.argument("batch")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "csv"]), default="text", show_default=True, help="the report's form"
)
@with_runtime
def _show_batch(runtime: Runtime, batch: str, form: str) -> None:
    """What became of each file of a batch."""
    write = {"text": forms.to_text, "json": forms.to_json, "csv": forms.to_csv}[form]
    told = report.report(runtime, None, batch)
    sys.stdout.writelines(write(told))
    print()
    if told.waiting:
        say_next(f"accord admin batch release {batch} --dry-run", f"accord admin batch refuse {batch} --dry-run")


def _add_decision(verb: str, sentence: str, fate: str, done: str) -> None:
    @batch.command(verb, help=sentence, epilog=examples(f"accord admin batch {verb} {_BATCH} --dry-run"))
    @click.argument("batch")
    @click.argument("uids", nargs=-1, metavar="[SOP_UID]...")
    @irrevocable
    @as_operator
    def decide(
        runtime: Runtime, actor: str, batch: str, uids: tuple[str, ...], reason: str | None, *, yes: bool, dry_run: bool
    ) -> None:
        waiting = release.read_waiting(runtime, batch, frozenset(uids))
        if confirmed(_told(batch, waiting, fate), yes=yes, dry_run=dry_run):
            decided = {"release": release.release, "refuse": release.refuse}[verb](runtime, actor, batch, frozenset(uids), reason)
            print(done.format(objects=decided.objects, batch=decided.batch))


def _told(batch: str, waiting: release.Waiting, fate: str) -> Iterator[str]:
    """What a decision is about, in lines: counts, rules and samples."""
    yield f"{many(waiting.objects, 'object')} ({in_words(waiting.size)}) of batch {batch} wait for {waiting.alias}:"
    yield from (f"  {count} for {rule}: {short(rule)}" for rule, count in sorted(waiting.rules.items()))
    rest = waiting.objects - len(waiting.sample)
    yield f"  {', '.join(waiting.sample)}" + (f" and {rest} more (accord admin batch show {batch})" if rest else "")
    yield fate.format(node=waiting.node)


_add_decision(
    "release",
    "Release what waits in a batch, or only these objects of it.",
    "They go to node {node} and are found by all who may see the dataset. To take them out again is a withdrawal.",
    "{objects} released, under batch {batch}",
)
_add_decision(
    "refuse",
    "Refuse what waits in a batch, or only these objects of it.",
    "Their bytes are deleted, and the same files are rejected if they come again, until the block is lifted.",
    "{objects} refused",
)


@click.group(epilog=examples("accord admin custody show"))
def custody() -> None:
    """All that is in care."""


@custody.command("show", epilog=examples("accord admin custody show"))
@with_runtime
def _show_custody(runtime: Runtime) -> None:
    """Count what is held."""
    held = count_held(runtime)
    print(f"{held.objects} objects, {held.size} bytes held")
