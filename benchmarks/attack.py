"""What a hostile client can cost, through the real doors: the dearest questions that are accepted, of a full index; slow sockets.

    python -m benchmarks.attack [questions] [sockets] [--studies 100000] [--postgresql]

Each question is asked alone, with how long it took and how it was answered. Then one client asks the dearest of them on sixteen
connections, over and over, while another client's plain searches are timed beside what they take when nothing else is asked. The
same for FHIR searches beside thirty harvesters, who need no credentials (`benchmarks.harvesters` alone).
"""

import argparse
import json
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from tqdm import tqdm

from benchmarks import harvesters, slow_sockets, studies, world
from server.settings import Settings

SECRET = "attack-secret"  # noqa: S105 - of a server that lives for one run
CONNECTIONS = 16
PATIENCE_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Question:
    """One request: a GET of `path`, or a POST of `body`."""

    name: str
    path: str
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


def main() -> None:
    """Measure and print."""
    parts = {"questions": _questions, "sockets": slow_sockets.measure}
    args = world.options(__doc__ or "", parts)
    print(f"# Attack\n\n{world.machine()}\n")
    for part in args.parts or parts:
        parts[part](args)


def _questions(args: argparse.Namespace) -> None:
    with world.folder() as home, world.database(postgresql=args.postgresql) as url:
        chosen = world.settings(home, url)
        runtime = world.governed(chosen, harvesters.ALIASES)
        studies.fill(runtime, args.studies)
        harvesters.describe(runtime)
        runtime.close()
        with world.accord(chosen, "web", ACCORD_FEDERATION_SECRET=SECRET, ACCORD_FEDERATION_MINUTE="10000") as pid:
            took = _alone(chosen)
            _beside(args, chosen, pid, max(took, key=lambda name: took[name]))
            harvesters.measure(args, chosen, pid)
    world.say(
        f"{args.studies} studies in {len(harvesters.ALIASES)} datasets on {world.database_name(args)}, default settings.",
        "Bound by the deadline of a web process's reading (3 s; 10 s for the federation's counts) and the cores shared.",
    )


# --- the questions


def questions() -> Iterator[Question]:
    """The dearest of each dialect, within its own limits and the common one."""
    yield _fhir("39 x 100 modality:not", [("modality:not", _words(100, n)) for n in range(39)])
    yield _fhir("38 x 100 bodysite:not, a total", [("bodysite:not", _words(100, n)) for n in range(38)] + _TOTAL)
    yield _fhir("10 x 25 dates, none of them", [("_lastUpdated", _dates(n)) for n in range(10)])
    yield _fhir("four that are not missing, a total", [(f"{name}:missing", "false") for name in _PRESENT] + _TOTAL)
    yield _fhir("39 x 100 _has, not", [("_has:ImagingStudy:patient:modality:not", _words(100, n)) for n in range(39)], "Patient")
    yield _fhir("a chain to names, a total", [("performer.name:contains", "a,b,c")] * 4 + _TOTAL)
    yield _fhir("4 x 100 _has over a link", [("_has:ImagingStudy:endpoint:bodysite:not", _words(100, 1))] * 4, "Endpoint")
    yield _fhir("39 x 12 entities, a total", [("entity", _entities(12))] * 39 + _TOTAL, "AuditEvent")
    yield _fhir("1000 patients, their studies", [("_revinclude", "ImagingStudy:patient"), ("_count", "1000")], "Patient")
    yield _fhir("1000 studies in pretty XML", [("_count", "1000"), ("_format", "xml"), ("_pretty", "true")])
    yield Question("FHIR: 1000 of the history of all", "/fhir/R4/_history?_count=1000")
    yield Question("FHIR: 1000 studies as R5", "/fhir/R5/ImagingStudy?_count=1000")
    yield _qido("60 patterns of a series' description", [("SeriesDescription", f"*{n}?*{n}*") for n in range(60)])
    yield _qido("400 patterns of a modality", [("Modality", "\\".join(f"*{n}?" for n in range(400)))])
    yield _qido("every text of a study, none found", [(key, "*a?b*c?d*") for key in _TEXTS] + [("offset", "9000000")])
    yield _eucaim("four bars of sixty", {"operand": "OR", "children": [_bar(n) for n in range(4)]})
    yield _eucaim("fourteen within each other", _within(14))


_TOTAL = [("_total", "accurate")]
_PRESENT = ("modality", "bodysite", "age", "basedon")
_TEXTS = ("PatientName", "StudyDescription", "ReferringPhysicianName", "SeriesDescription", "Manufacturer", "PatientID")
_MAKER, _MODALITY, _AGE = "C25392", "RID10311", "SNOMEDCT423493009"


def _words(count: int, start: int) -> str:
    return ",".join(f"Z{start}Z{n}" for n in range(count))


def _dates(start: int) -> str:
    return ",".join(f"ne{1000 + 25 * start + n}" for n in range(25))


def _entities(count: int) -> str:
    return ",".join(f"ImagingStudy/{n:032x}" for n in range(count))


def _fhir(name: str, arguments: list[tuple[str, str]], resource: str = "ImagingStudy") -> Question:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return Question(f"FHIR: {name}", f"/fhir/R4/{resource}/_search", urlencode(arguments).encode(), kind)


def _qido(name: str, arguments: list[tuple[str, str]]) -> Question:
    return Question(f"QIDO: {name}", f"/dicom-web/studies?{urlencode(arguments, quote_via=quote)}")


def _leaf(key: str, value: object) -> dict[str, object]:
    return {"key": key, "type": "NOT_EQUALS", "value": value}


def _bar(number: int, of_each: int = 20) -> dict[str, object]:
    ages = [_leaf(_AGE, 10 * age + number) for age in range(of_each)]
    leaves = [*ages, *[_leaf(_MODALITY, "RID10312"), _leaf(_MAKER, "birnlex_12833")] * of_each]
    return {"operand": "AND", "children": leaves}


def _within(depth: int) -> dict[str, object]:
    bar = _bar(depth, 5)
    return bar | {"children": [*bar["children"], _within(depth - 1)]} if depth else bar  # type: ignore[misc]


def _eucaim(name: str, ast: object) -> Question:
    told = {"Content-Type": "application/json", "Authorization": SECRET}
    return Question(f"EUCAIM: {name}", "/api/datasets/eucaimSearch", json.dumps({"ast": ast}).encode(), told)


# --- asking


def _ask(chosen: Settings, question: Question, token: dict[str, str]) -> str:
    """How it was answered: status, and the code of a failure."""
    request = urllib.request.Request(chosen.base_url + question.path, question.body, token | question.headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - our own server
            answer.read()
            return str(answer.status)
    except urllib.error.HTTPError as refused:
        said = json.loads(refused.read() or b"{}")
        return f"{refused.code} {said.get('title') or said.get('issue', [{}])[0].get('code', '')}"


def _alone(chosen: Settings) -> dict[str, float]:
    """Seconds of each question, asked alone; printed."""
    took, rows = {}, []
    for question in tqdm(list(questions()), desc="questions", leave=False):
        token, began = world.bearer(chosen), time.perf_counter()
        answered = _ask(chosen, question, token)
        took[question.name] = time.perf_counter() - began
        rows.append((question.name, f"{took[question.name]:.2f}", answered))
    world.table(("asked alone", "seconds", "answered"), rows)
    print(f"- slowest of the questions: {max(took.values()):.2f} s\n")
    return took


def _beside(args: argparse.Namespace, chosen: Settings, pid: int, dearest: str) -> None:
    """A plain search of another client, alone and beside the dearest question on many connections of one."""
    question = next(q for q in questions() if q.name == dearest)
    url = f"{chosen.base_url}/dicom-web/studies?limit=100"
    drive: Callable[[], world.Figures] = lambda: world.drive(url, world.bearer(chosen, "inside"), 1, args.seconds, (pid,))  # noqa: E731
    idle = drive()
    answers: Counter[str] = Counter()
    with _asking(chosen, question, answers):
        busy = drive()
    rows = [(name, f"{f.rate:.1f}", f"{f.p50:.2f}", f"{f.p99:.2f}") for name, f in (("idle", idle), ("beside it", busy))]
    world.table((f"a plain search beside {CONNECTIONS} x {dearest}", "answers/s", "p50 ms", "p99 ms"), rows)
    print(f"- the dearest question was answered: {dict(answers)}\n")


def _asking(chosen: Settings, question: Question, answers: Counter[str]) -> AbstractContextManager[None]:
    """The question over and over on every connection, until the block ends."""
    token = world.bearer(chosen)

    def ask() -> None:
        answers[_ask(chosen, question, token)] += 1

    return world.beside(CONNECTIONS, ask)


if __name__ == "__main__":
    main()
