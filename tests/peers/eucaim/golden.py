"""Writes `tests/server/focus.jsonl` anew with Focus itself: `python -m tests.peers.eucaim.golden FOCUS EXPLORER`.

FOCUS is the program, EXPLORER the explorer's folder.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mappings.eucaim import PATH
from tests.beam import APP, beam
from tests.focus import ICON, PROVIDER
from tests.peers.eucaim.chain import Chain, focus
from tests.peers.eucaim.rows import rows
from tests.server.test_focus import GOLDEN, SECRET, TRAPS, accord, asked, trapped


def main(program: Path, explorer: Path) -> None:
    """All rows of one Accord, each trap of one of its own."""
    with tempfile.TemporaryDirectory() as folder, GOLDEN.open("w") as file:
        home = Path(folder)
        for line in (*_rows(program, home, explorer), *_traps(program, home)):
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            print(line["told"]["status"], line["name"], flush=True)


@contextmanager
def _running(program: Path, home: Path, proxy: str, endpoint: str, secret: str) -> Iterator[None]:
    settings = focus(proxy, "", secret, APP) | {"ENDPOINT_URL": endpoint, "PROVIDER": PROVIDER, "PROVIDER_ICON": ICON}
    with Chain(program.parent, home).started("focus", program.name, **settings):
        yield


def _rows(program: Path, home: Path, explorer: Path) -> Iterator[dict[str, Any]]:
    with accord(home / "rows") as (url, sent), beam() as proxy, _running(program, home, proxy.url, url + PATH, SECRET):
        for row in rows(explorer):
            sent.clear()
            told = asked(proxy, row.name, row.ast)
            yield {"kind": "row", "name": row.name, "ast": row.ast, "sent": list(sent), "told": told}


def _traps(program: Path, home: Path) -> Iterator[dict[str, Any]]:
    def runs(proxy: str, endpoint: str, secret: str) -> Any:
        return _running(program, home, proxy, endpoint, secret)

    for number, (name, (ast, more)) in enumerate(TRAPS.items()):
        sent, told = trapped(home / str(number), name, ast, more, runs)
        yield {"kind": "trap", "name": name, "ast": ast, "sent": sent, "told": told}


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
