"""Holds the house: which room may import which, what a file may be called, and that nothing happens at import.

Every import statement counts, in functions and under TYPE_CHECKING too. The checker reads a tree of files, so that the last tests
can plant each fault in a small tree and see it found.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from consent.custody import State

HOUSE = Path(__file__).parent.parent
ROOMS = ("consent", "mappings", "adapters", "server")
"""From the bottom up: a room imports itself and what stands before it."""

FLOORS = {
    "settings": 0,
    "log": 0,
    "shares": 0,
    "throttle": 0,
    "usecases": 1,
    "faults": 1,
    "web": 2,
    "dimse": 2,
    "worker": 2,
    "wiring": 3,
    "cli": 4,
}
"""Inside `server`, from the bottom up; those on one floor don't import each other."""
DOORS = {"web", "dimse", "worker"}

EVERYBODY = {"runtime", "governance", "access", "naming"}
"""What each use case is handed, where an answered request is noted, and how names and words are checked."""
ALLOWED = {
    "demo": {"session"},  # whoever it lets in has a session
    "device": {"attempts", "session"},  # a code is tried so often; what is granted is a session
    "identify": {"session"},  # a person asks by a session
    "sign_in": {"attempts", "session"},  # a factor is tried so often; who signs in has a session
    "association": {"identify"},  # what an AE title proved, or why it did not; and a called one is an alias
    "explain": {"identify"},  # decided for the subject that a request of this client would have
    "party": {"second_person"},  # whom only two admit
    "terms": {
        "identify",
        "notice",
        "second_person",
    },  # whom a version affects is decided for the subjects that requests of its clients would have
    "peer_query": {"ask"},  # it is asked as the operator asks
    "access_check": {"identify"},  # as explain, for a person
    "tell_traces": {"job", "peer"},  # a job's work; a URL is read as a peer's
    "audit": {"identify"},  # as explain
    "check": {"admission", "parse"},  # a file is read and judged as at a door
    "backup": {"node"},  # what rests elsewhere is named
    # each of them says what is wrong of its own
    "examine": {
        "backup",
        "compare",
        "declared",
        "describe",
        "federate",
        "health",
        "job",
        "node",
        "peer",
        "reindex",
        "vet_node",
        "worker",
    },
    "export": {"deliver", "sights", "sources"},  # bytes leave by the action that they are delivered by, of what its caller sees
    "give_export": {"export"},  # its own file's use
    "export_steps": {"export", "follow", "identify", "sources"},  # what a search or a feed would tell its caller
    "write_export": {"admission", "export", "export_steps", "job"},  # a disk has room
    "health": {"worker", "admission", "describe", "node"},  # a megabyte; how each node is; what the catalogue leaves out
    "sights": {"identify"},  # a reader sees by the worker's look what its next request would
    "feeds": {"sources"},  # what changes is what is read
    "follow": {"feeds", "sights", "sources"},  # what happened is told by what its resource is now
    "agreement": {"draft"},  # a new agreement is a first draft
    "application": {"agreement"},  # what is applied for becomes one
    "dataset_move": {"agreement", "dataset"},  # who acts for whom; an act on a dataset, as above
    "versions": {"follow", "sources"},  # what is out of sight is told as any other's loss
    "quarantine": {"release"},  # by whoever may, as it is done
    "signing": {"agreement", "notice"},  # who acts for whom, what a version in force is followed by; and a code goes out
    "issue_token": {"acceptance", "identify"},  # a token is issued to the subject that the next request will find
    "permit": {"dataset"},  # an act on a dataset concerns its provider
    "commitment": {"job", "peering"},  # it is reported by a job, as its sender is called
    "entity": {"peering"},  # what binds a peer is read in one way
    "sender": {"dataset", "peering"},  # an act on a dataset, as above; what binds a peer
    "peering": {"node"},  # a network is written as a node's
    "withdraw": {"dataset"},
    # what two persons decide on is done by its own use case; and operators are told of it
    "proposal": {"notice", "proposable", "second_person"},
    "proposable": {"party", "purge", "release", "rotate_keys", "terms"},
    "notice": {"job"},
    # who acts on a dataset; the other side has a notice; and who may know of it
    "publication": {"dataset", "listed", "notice"},
    "listed": {"told"},  # what is not there may have been
    "remind": {"declared", "notice"},  # what is due is told
    # a whole dataset goes by studies, in a job; its bytes by a job; what comes back is settled as it was kept
    "withdraw_dataset": {"dataset", "job", "withdraw"},
    "purge": {"dataset", "job", "reconcile", "withdraw"},
    "restore": {"admission", "batch", "dataset", "job", "keep", "parse", "read_back", "receipts", "withdraw"},
    "vet_node": {"node"},  # a node that fails its probe is suspended
    "validate": {"describe"},  # what would be told
    "describe": {"identify", "job", "told"},  # what is listed is what anybody may see; and what a job is handed
    "pieces": {"read_back"},  # each is believed by its digest
    # what is searched brings others along, each from where it comes; and who searches is a reader of feeds from then on
    "read": {"include", "sights", "sources", "told"},  # what is not there may have been
    "include": {"sources"},
    "render": {"deliver", "pieces"},  # a picture is granted and recorded as bytes are
    "deliver_pixels": {"deliver", "pieces", "read_back"},  # parts of an object leave as it would, each believed by its digest
    "convert": {"read_back"},  # what is written in another syntax is read whole, and believed, first
    # what is delivered is a file; a selection is as many deliveries as studies; a patient's studies are those it finds
    "retrieve": {"convert", "deliver", "search"},
    "search": {"deliver"},  # metadata is of a study that was decided on as its bytes are
    "reindex": {"job", "parse", "read_back"},  # the same
    "compare": {"job", "parse", "read_back"},  # a job's work; what is read is held against its digest
    "deliver": {"convert", "read_back", "told"},  # what leaves is believed by its digest, and goes in the syntax that was chosen
    # each file of a node is taken like any other, in a job's time
    "sync": {"admission", "batch", "job", "read_back", "receipts", "take"},
    "take": {"admission", "parse", "batch", "keep", "mend", "read_back", "receipts"},  # a file is read, judged, kept and told of
    "mend": {"keep", "parse", "read_back"},  # what is put back is stored as it was kept
    "keep": {"admission", "parse", "receipts"},  # a stop binds when it settles, with its receipt
    "admission": {"parse", "batch"},  # what is judged, and where it comes from
    "receipts": {"parse", "batch"},  # the same
    "push": {"admission", "batch", "receipts"},  # a provider's client opens, fills and closes a batch
    "reconcile": {"parse", "batch", "keep", "read_back", "receipts"},  # what a crash left is settled as any deposit
    "release": {"admission", "job", "parse", "batch", "keep", "read_back", "receipts"},  # the same, of what waited
}
"""Use case → use cases it may call, with the reason."""

CLI_REACHES = {
    "adapters.client_file",
    "adapters.login_file",
    "adapters.identity",
    "adapters.accord",
    "adapters.accord_client",
    "adapters.loopback_proxy",
    "adapters.repository",
    "adapters.packed",
    "adapters.download",
    "adapters.download_folder",
    "adapters.offered",
    "adapters.series_download",
}
"""What commands may import beside use cases: client files and keys, and the HTTP client that providers' and researchers' are."""

NO_IO = {
    "asyncio",
    "fcntl", "flask", "ftplib", "glob", "http", "httpx", "logging", "mmap", "multiprocessing", "os", "pathlib", "psycopg",
    "pynetdicom", "random", "requests", "secrets", "select", "shutil", "signal", "smtplib", "socket", "sqlalchemy", "sqlite3",
    "ssl", "subprocess", "tempfile", "threading", "time", "urllib.request",
}  # fmt: skip
"""What reaches outside, or knows the time or chance: not for rooms that decide and translate."""
CLOCKS = {"now", "today", "utcnow"}

NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "managers", "misc"}

GLOBALS = {"request", "g", "current_app", "session"}
MEET_GLOBALS = {"server/web/context.py", "server/web/app.py"}
"""`context` makes what a request has; `app` wraps it (limits, faults, the log). A view takes `request` from `context`."""

MADE_IN = {"Caller": "server/usecases/identify.py", "Delivery": "server/usecases/deliver.py"}
"""Values that vouch for how they came about: who somebody is was proven, and a use was recorded before its bytes."""

AT_IMPORT = {
    "create_engine",
    "Flask",
    "Thread",
    "Timer",
    "Process",
    "open",
    "connect",
    "Store",
    "runtime",
    "read_text",
    "read_bytes",
    "mkdir",
}
"""Calls that would make an engine, an app, a thread or a file's content exist because somebody imported a module."""

LOGGERS, LEVELS = {"log", "_LOG"}, {"debug", "info", "warning", "error", "exception", "critical"}


@dataclass(frozen=True)
class Module:
    """A file of the house: its path below the root and its tree."""

    path: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """Its dotted name; a package's own for `__init__`."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def imports(self) -> Iterator[tuple[str, int]]:
        """(what is imported, whole, as if every imported name were a module; line)."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                start = "." * node.level + (node.module or "")
                yield from ((f"{start}.{alias.name}" if node.module else start + alias.name, node.lineno) for alias in node.names)


@cache
def modules(root: Path, _stamp: int) -> list[Module]:
    """Every file of the four rooms; read once for each `_stamp`."""
    files = sorted(f for room in ROOMS for f in (root / room).rglob("*.py"))
    return [Module(str(f.relative_to(root)), ast.parse(f.read_text())) for f in files]


def faults(root: Path, stamp: int = 0) -> list[str]:
    """Every sentence about this tree that is not as the house wants it."""
    found = modules(root, stamp)
    packages = {m.name for m in found if m.path.endswith("__init__.py")}
    return [
        f"{m.path}{said}"
        for m in found
        for said in (*_imports(m, packages), *_names(m), *_globals(m), *_vouched(m), *_words(m), *_at_import(m), *_log_lines(m))
    ]


def _imports(module: Module, packages: set[str]) -> Iterator[str]:
    for target, line in module.imports:
        rules = (
            _relative(target),
            _upward(module, target),
            _inside(module, target),
            _commands(module, target),
            _pure(module, target),
        )
        for said in rules:
            if said:
                yield f":{line}: {said}"
        if target in packages:
            yield f":{line}: imports the package {target}, not a module of it"


def _relative(target: str) -> str | None:
    return f"the import of {target} is relative" if target.startswith(".") else None


def _upward(module: Module, target: str) -> str | None:
    room, other = module.name.split(".", 1)[0], target.split(".", 1)[0]
    if other in ROOMS and ROOMS.index(other) > ROOMS.index(room):
        return f"{room} imports upward: {target}"
    return f"imports {target} from outside the house's rooms" if other in {"tests", "benchmarks"} else None


def _inside(module: Module, target: str) -> str | None:
    mine, theirs = module.name.split("."), target.split(".")
    if mine[0] != "server" or theirs[0] != "server" or len(mine) < 2 or len(theirs) < 2 or theirs[1] not in FLOORS:
        return None
    if theirs[1] == "faults" and mine[1] not in DOORS:
        return "only doors use faults"
    if mine[1] == theirs[1] == "usecases":
        return _between_use_cases(mine[2], theirs[2] if len(theirs) > 2 else "")
    if mine[1] != theirs[1] and FLOORS[theirs[1]] >= FLOORS[mine[1]]:
        return f"server.{mine[1]} imports server.{theirs[1]}, which is not below it"
    return None


def _commands(module: Module, target: str) -> str | None:
    reached = target.startswith("adapters.") and not any(f"{target}.".startswith(f"{a}.") for a in CLI_REACHES)
    return f"a command imports {target}: it calls use cases" if module.name.startswith("server.cli.") and reached else None


def _between_use_cases(mine: str, theirs: str) -> str | None:
    allowed = theirs in EVERYBODY | ALLOWED.get(mine, set())
    return None if allowed else f"the use case {mine} calls {theirs}, which ALLOWED does not list"


def _pure(module: Module, target: str) -> str | None:
    room, other = module.name.split(".", 1)[0], target.split(".", 1)[0]
    if room == "consent" and other not in (*ROOMS, *sys.stdlib_module_names):
        return f"consent imports {other}, which is not the standard library's"
    if room in ("consent", "mappings") and any(f"{target}.".startswith(f"{n}.") for n in NO_IO):
        return f"{room} imports {target}: no I/O, clock or chance here"
    return None


def _names(module: Module) -> Iterator[str]:
    stem = module.path.rsplit("/", 1)[-1].removesuffix(".py")
    if stem in NAMES:
        yield f": the name {stem} says nothing"
    if stem in sys.stdlib_module_names:
        yield f": {stem} is a name of the standard library"


def _globals(module: Module) -> Iterator[str]:
    """Flask's globals, by import or as an attribute of `flask`."""
    if module.path in MEET_GLOBALS:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("flask", "flask.globals"):
            yield from (f":{node.lineno}: touches Flask's {a.name}" for a in node.names if a.name in GLOBALS)
        if isinstance(node, ast.ImportFrom) and node.module == "server.web.context":
            yield from (f":{node.lineno}: touches Flask's {a.name}" for a in node.names if a.name in GLOBALS - {"request"})
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "flask"
            and node.attr in GLOBALS
        ):
            yield f":{node.lineno}: touches Flask's {node.attr}"


def _vouched(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        called = _called(node) if isinstance(node, ast.Call) else ""
        if MADE_IN.get(called, module.path) != module.path:
            yield f":{node.lineno}: makes a {called}, which only {MADE_IN[called]} may"


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _words(module: Module) -> Iterator[str]:
    if not ast.get_docstring(module.tree):
        yield ": opens with no sentence"
    if module.path.endswith("__init__.py") and len(module.tree.body) > 1:
        yield ": a package's __init__ holds its docstring only"


def _at_import(module: Module) -> Iterator[str]:
    for node in _ran_at_import(module.tree.body):
        if isinstance(node, ast.Call) and (called := _called(node)) in AT_IMPORT:
            yield f":{node.lineno}: {called}() happens at import"
    if module.name.split(".")[0] in ("consent", "mappings"):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
                yield f":{node.lineno}: asks a clock ({node.func.attr})"


def _log_lines(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
            logger = getattr(node.func.value, "id", "")
            if logger in LOGGERS and not (len(node.args) == 1 and isinstance(node.args[0], ast.Constant)):
                yield f":{node.lineno}: a line of the log is one constant message, and what happened stands in extra"


def _ran_at_import(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """What runs when the module is imported: everything but the bodies of functions and lambdas."""
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]
        elif not isinstance(node, ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def test_the_house_is_as_it_is_drawn() -> None:
    assert faults(HOUSE) == []


def test_every_room_is_read() -> None:
    """A checker that finds no files finds no faults."""
    count = {room: sum(m.path.startswith(f"{room}/") for m in modules(HOUSE, 0)) for room in ROOMS}
    assert all(n >= 8 for n in count.values()), count


def test_the_table_of_calls_between_use_cases_lists_no_call_that_is_not_made() -> None:
    made: dict[str, set[str]] = {}
    for module in modules(HOUSE, 0):
        if module.name.startswith("server.usecases."):
            targets = {t.split(".")[2] for t, _ in module.imports if t.startswith("server.usecases.")}
            made[module.name.split(".")[2]] = targets - EVERYBODY
    assert {k: v for k, v in made.items() if v} == ALLOWED


DEPOSIT = ("take", "mend", "keep", "admission", "receipts", "read_back", "parse", "batch", "runtime")
"""What a C-STORE walks through below its door: each may call what stands behind it, none is returned to from below."""


def test_a_deposit_walks_down_a_line() -> None:
    for module in modules(HOUSE, 0):
        place = module.name.removeprefix("server.usecases.")
        if place in DEPOSIT:
            called = {t.split(".")[2] for t, _ in module.imports if t.startswith("server.usecases.")} - EVERYBODY
            assert called <= set(DEPOSIT[DEPOSIT.index(place) + 1 :]), f"{place} calls {called}"


def test_calls_between_use_cases_go_one_way() -> None:
    assert list(TopologicalSorter(ALLOWED).static_order())


OTHER_MEANINGS = {
    ("consent/agreement.py", "refused"),  # an agreement
    ("consent/deposit.py", "review"),  # an outcome
    ("server/cli/demo.py", "review"),  # the same, in JSON
    ("server/cli/demo.py", "refused"),  # what people call a reject
    ("mappings/report.py", "refused"),  # the same
    ("adapters/accord_client.py", "refused"),  # what a peer says that gives no reason
    ("mappings/peers/answer.py", "refused"),  # a question, by another repository
}


def test_the_states_of_custody_are_named_in_one_file_only() -> None:
    named = {
        (module.path, node.value)
        for module in modules(HOUSE, 0)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and node.value in {str(state) for state in State}
    }
    assert {(path, word) for path, word in named if path != "consent/custody.py" and "/migrations/" not in path} == OTHER_MEANINGS


def test_custody_is_written_in_one_file_and_its_state_by_a_claim_and_a_move_only() -> None:
    writers = {
        (module.path, function.name)
        for module in modules(HOUSE, 0)
        for function in ast.walk(module.tree)
        if isinstance(function, ast.FunctionDef) and _writes_custody(function)
    }
    assert {path for path, _ in writers} == {"adapters/sql/custody.py"}
    (module,) = (m for m in modules(HOUSE, 0) if m.path == "adapters/sql/custody.py")
    functions = [node for node in module.tree.body if isinstance(node, ast.FunctionDef)]
    assert {f.name for f in functions if _writes_custody(f) and _sets_a_state(f)} == {"claim", "_moving"}
    assert not any(_writes_custody(statement) for statement in module.tree.body if statement not in functions)


def _writes_custody(tree: ast.AST) -> bool:
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    named = (call for call in calls if ast.unparse(call.func) in {"insert", "update", "delete", "insert_one"})
    return any("t.custody" in map(ast.unparse, call.args) for call in named)


def _sets_a_state(tree: ast.AST) -> bool:
    """Whether it writes the word as a keyword or as a key."""
    nodes = list(ast.walk(tree))
    keywords = any(isinstance(node, ast.keyword) and node.arg == "state" for node in nodes)
    return keywords or any(isinstance(node, ast.Constant) and node.value == "state" for node in nodes)


PLANTED = {
    "consent/planted.py": ("import mappings.query", "imports upward"),
    "consent/typed.py": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from adapters.sql import store",
        "imports upward",
    ),
    "mappings/planted.py": ("def late():\n    from adapters.sql.store import Store", "imports upward"),
    "mappings/reads.py": ("from pathlib import Path", "no I/O"),
    "mappings/fetches.py": ("import urllib.request", "no I/O"),
    "mappings/waits.py": ("from datetime import datetime\ndef f():\n    return datetime.now()", "asks a clock"),
    "consent/foreign.py": ("import msgspec", "not the standard library's"),
    "consent/clock.py": ("from time import monotonic", "no I/O"),
    "adapters/planted.py": ("from server.settings import Settings", "imports upward"),
    "adapters/tests_too.py": ("from tests import builders", "outside the house's rooms"),
    "server/usecases/planted.py": ("from server.web import context", "not below it"),
    "server/usecases/unlisted.py": ("from server.usecases import keep", "ALLOWED does not list"),
    "server/usecases/unlisted_too.py": ("from server.usecases.take import take", "ALLOWED does not list"),
    "server/usecases/faulty.py": ("from server import faults", "only doors use faults"),
    "server/web/planted.py": ("from server.dimse.store import stored", "not below it"),
    "server/dimse/planted.py": ("from server import wiring", "not below it"),
    "server/cli/planted.py": ("from adapters.sql import custody", "it calls use cases"),
    "server/cli/late.py": ("def verb():\n    from adapters.sql.node import NodeRow", "it calls use cases"),
    "server/wiring.py": ("from server.cli import main", "not below it"),
    "server/web/view.py": ("from flask import Response, g", "touches Flask's g"),
    "server/web/other_view.py": ("import flask\ndef f():\n    return flask.request", "touches Flask's request"),
    "server/web/third_view.py": ("from server.web.context import g", "touches Flask's g"),
    "server/web/vouches.py": ("from server.usecases.runtime import Caller\ndef f():\n    return Caller(None)", "makes a Caller"),
    "server/web/hasty.py": ("from server.usecases import deliver\ndef f():\n    deliver.Delivery()", "makes a Delivery"),
    "adapters/relative.py": ("from . import sql", "is relative"),
    "adapters/rooted.py": ("import adapters", "imports the package adapters"),
    "adapters/rooted_too.py": ("from server.usecases import *", "imports upward"),
    "adapters/utils.py": ("", "says nothing"),
    "adapters/queue.py": ("", "name of the standard library"),
    "adapters/engine.py": ("from sqlalchemy import create_engine\nENGINE = create_engine('sqlite://')", "happens at import"),
    "server/app.py": ("from flask import Flask\nclass A:\n    app = Flask('x')", "happens at import"),
    "server/threads.py": ("import threading\nthreading.Thread(target=print).start()", "happens at import"),
    "mappings/table.py": ("TABLE = open('table.csv').read()", "happens at import"),
    "adapters/__init__.py": ("from adapters.sql import store", "docstring only"),
    "server/web/logs.py": ("def f(log, x):\n    log.info('it is %s', x)", "stands in extra"),
    "server/web/formatted.py": ("def f(log, x):\n    log.info(f'it is {x}')", "stands in extra"),
}


@pytest.mark.parametrize("path", PLANTED)
def test_a_planted_fault_is_found(tmp_path: Path, path: str) -> None:
    code, expected = PLANTED[path]
    for package in (
        "consent",
        "mappings",
        "adapters",
        "adapters/sql",
        "server",
        "server/usecases",
        "server/web",
        "server/dimse",
        "server/cli",
    ):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text('"""A room."""\n')
    assert faults(tmp_path) == []
    (tmp_path / path).write_text(f'"""A module."""\n{code}\n')
    found = faults(tmp_path, stamp=1)
    assert any(said.startswith(path) and expected in said for said in found), found


def test_a_module_without_a_sentence_is_found(tmp_path: Path) -> None:
    (tmp_path / "consent").mkdir()
    (tmp_path / "consent" / "mute.py").write_text("X = 1\n")
    assert faults(tmp_path) == ["consent/mute.py: opens with no sentence"]
