"""`accord ask`: how much other repositories have of something, each as soon as it answers."""

import getpass
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mappings.peers.answer import COUNTED, PeerAnswer, State, by_dataset, total
from mappings.peers.question import DIAGNOSES, MAKERS, Question, read_question
from server.cli.help import examples
from server.cli.options import with_runtime, words
from server.cli.sentences import many, warn
from server.cli.table import print_rows
from server.usecases.ask import ask as ask_peers
from server.usecases.ask import unanswered
from server.usecases.peer import list_peers
from server.usecases.runtime import Runtime

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = ("peer", "answer", "studies", "subjects", "datasets", "seconds", "why")
_COLOURS = {State.ANSWERED: "green", State.AT_LEAST: "green", State.WAITING: "dim", State.CANNOT_EXPRESS: "yellow"}
Answers = dict[str, PeerAnswer]


@click.command(
    epilog=examples(
        "accord ask --modality MR --body-part PROSTATE --sex M --age 40-70",
        "accord ask --modality CT,PT --manufacturer siemens --diagnosis lung --peer upv --peer huvr --json",
    )
)
@click.option("--modality", type=words, default="", metavar="MR", help="a modality as DICOM codes it; any of several by commas")
@click.option("--body-part", multiple=True, metavar="PROSTATE", help="a word of Body Part Examined, or again for another")
@click.option("--sex", type=words, default="", metavar="M", help="M, F or O")
@click.option("--age", metavar="40-70", help="whole years at the study, both included; 40- and -70 are open")
@click.option("--manufacturer", type=words, default="", help=f"one of: {', '.join(MAKERS)}")
@click.option("--diagnosis", type=words, default="", help=f"a cancer of: {', '.join(DIAGNOSES)}")
@click.option("--peer", "names", multiple=True, metavar="NAME", help="a peer to ask, or again for another; default: all")
@click.option("--json", "as_json", is_flag=True, help="print one object, with every dataset")
@with_runtime
def ask(runtime: Runtime, *, names: tuple[str, ...], as_json: bool, **criteria: Sequence[str] | str | None) -> int:
    """Ask other repositories how much they have; ends with 1 where none told a count.

    All are asked at once, and each has its time. What they come to together is the least there is: who gave no answer may have
    some, and a dataset that two of them name counts once.
    """
    question = read_question(**criteria)  # type: ignore[arg-type]
    answers = _asked(runtime, question, names, live=sys.stdout.isatty() and not as_json)
    if as_json:
        _print_json(question, answers)
    elif not sys.stdout.isatty():
        print_rows(COLUMNS, map(_cells, answers.values()))
    warn(_summary(list(answers.values())))
    return 0 if any(answer.state in COUNTED for answer in answers.values()) else 1


def _asked(runtime: Runtime, question: Question, names: Sequence[str], *, live: bool) -> Answers:
    """Every peer's answer, in the order they are registered; Ctrl-C waits for no more of them."""
    known = {row.name: row.kind for row in list_peers(runtime) if row.name in names or not names}
    answers = {name: PeerAnswer(name, kind, State.WAITING) for name, kind in known.items()}
    cancelled = False
    with _shown(answers) if live else _unseen() as show:

        def told(answer: PeerAnswer) -> None:
            answers[answer.peer] = answer
            show()

        try:
            ask_peers(runtime, f"operator:{getpass.getuser()}", question, names, told)
        except KeyboardInterrupt:
            cancelled = True
        waiting = (answer for answer in answers.values() if answer.state is State.WAITING)
        answers |= {each.peer: unanswered(each.peer, each.kind, cancelled=cancelled) for each in waiting}
        show()
    return answers


@contextmanager
def _unseen() -> Iterator[Callable[[], None]]:
    yield lambda: None


@contextmanager
def _shown(answers: Answers) -> Iterator[Callable[[], None]]:
    """A table on the terminal, made anew whenever what is handed out is called."""
    from rich.live import Live

    with Live(_table(answers), auto_refresh=False) as live:
        yield lambda: live.update(_table(answers), refresh=True)


def _table(answers: Mapping[str, PeerAnswer]) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, justify="right" if column in COLUMNS[2:6] else "left", overflow="fold")
    for answer in answers.values():
        peer, state, *numbers, why = _cells(answer)
        shown = Text(str(state), _COLOURS.get(answer.state, "red"))
        table.add_row(Text(str(peer)), shown, *("–" if n is None else str(n) for n in numbers), Text(str(why or "")))
    return table


def _cells(answer: PeerAnswer) -> tuple[object, ...]:
    datasets = len(answer.datasets) if answer.datasets or answer.subjects is not None else None
    seconds = None if answer.state is State.WAITING else answer.seconds
    return answer.peer, answer.state, answer.studies, answer.subjects, datasets, seconds, answer.said or None


def _print_json(question: Question, answers: Answers) -> None:
    told = [{n: v for n, v in asdict(answer).items() if n != "datasets"} for answer in answers.values()]
    datasets = [asdict(named.counted) | {"peers": named.peers} for named in by_dataset(list(answers.values()))]
    said = {"question": json.loads(question.text), "peers": told, "datasets": datasets}
    print(json.dumps(said | {"at_least": asdict(total(list(answers.values())))}, indent=1))


def _summary(answers: Sequence[PeerAnswer]) -> str:
    least, silent = total(answers), sum(answer.state not in COUNTED for answer in answers)
    counts = f"At least {many(least.studies, 'study', 'studies')} of {many(least.subjects, 'subject')} where these are told"
    rest = f"; {many(silent, 'peer')} told no count and may have more." if silent else "."
    return f"{counts}, in {many(least.datasets, 'dataset')}{rest}"
