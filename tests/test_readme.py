"""The README says what the code does: its tables are those that the code gives."""

import re
import sys
import tempfile
from pathlib import Path

import pytest

from adapters.identity import Keys
from consent.conditions import Action
from consent.data_use import TERMS, Values
from consent.deposit import RULES
from consent.person import ACTS, Act, PersonRole
from consent.policy import MATRIX
from consent.subject import Role
from mappings.fhir.resources import RESOURCES
from server.settings import described
from server.web import context
from server.web.app import create
from server.web.dicomweb_root import DATASET_ROOT, ROOT
from tests import builders

README = Path(__file__).parent.parent / "README.md"


CANONICAL, NARROWED = (
    rf"/({'|'.join(name for name, row in RESOURCES.items() if row.is_public is public)})\b" for public in (True, False)
)


def table(*rows: tuple[str, ...]) -> str:
    head, *body = rows
    lines = [head, tuple("---" for _ in head), *body]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines)


def settings() -> str:
    rows = [
        (f"`{name}`", f"`{f.default}`" if str(f.default) else "–", f.type.extra_json_schema["description"])
        for name, f in described().items()
    ]
    return table(("setting", "default", "what it is"), *rows)


def matrix() -> str:
    cells = [(str(role), *(str(MATRIX[role].get(a, "–")) for a in Action)) for role in Role]
    return table(("caller", *(str(a) for a in Action)), *cells)


def data_use() -> str:
    cells = [
        (
            term.code,
            f"DUO:{term.duo}",
            term.sentence,
            "values" if term.values is Values.SOME else "",
            "evidence" if term.needs_evidence else "",
        )
        for term in TERMS.values()
    ]
    return table(("term", "class", "says", "names", "needs"), *cells)


def people() -> str:
    cells = [(str(act), *(str(ACTS[role].get(act, "–")) for role in PersonRole)) for act in Act]
    return table(("act", *(str(role).replace("-", " ") for role in PersonRole)), *cells)


def rules() -> str:
    said = [(f"`{r.code}`", str(r.outcome_undeclared), str(r.outcome_declared), r.standard) for r in RULES if not r.alone]
    return table(("rule", "undeclared", "declared or attested", "standard"), *said)


def types() -> str:
    return table(("type", "what it is"), *((r.name, r.text) for r in RESOURCES.values()))


def routes() -> str:
    with tempfile.TemporaryDirectory() as folder:
        house = builders.runtime(Path(folder))
        app = create(house, Keys.load_or_make(Path(folder) / "keys.json"))
        house.close()
    rows = {}
    for rule in app.url_map.iter_rules():
        said = context.declaration(app, rule.endpoint)
        verbs = " ".join(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}))
        if not verbs:  # what describes every route of DICOMweb is a sentence above the table
            continue
        path = rule.rule.replace(DATASET_ROOT, ROOT)
        path = path if "$" in path else re.sub(NARROWED, "/{type}", re.sub(CANONICAL, "/{canonical}", path))
        kind = "query for ImagingStudy, Patient and Group, else discover" if "{type}" in path else f"{said.action}"
        scope = "open" if said.open else "`system/{type}.r` or `.s`" if "{type}" in path else f"`system/{said.scope}`"
        rows[verbs, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path)] = (kind, scope)
    return table(
        ("route", "action", "scope"), *((f"{v} `{p}`", *said) for (v, p), said in sorted(rows.items(), key=lambda r: r[0][::-1]))
    )


@pytest.mark.parametrize("made", [settings, data_use, matrix, people, rules, types, routes])
def test_a_table_of_the_readme_is_the_codes_own(made) -> None:
    assert made() in README.read_text()


if __name__ == "__main__":  # prints the tables, to be pasted
    sys.stdout.write("\n\n".join(made() for made in (settings, data_use, matrix, people, rules, types, routes)) + "\n")
