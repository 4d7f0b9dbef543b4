"""What `accord check` says, as one page that a browser shows without asking anybody for anything: for who looks, and to hand on.

Every text in it is escaped, since files are named by who sent them. Its colours are never all that tells: each has its word.
"""

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from consent.deposit import sentence, short
from mappings.check_report import NOTHING_SENT, WORDS, CheckReport, SeriesReport, numbers
from mappings.report import ALL_NAMED, WARNING, Group, files, found, groups, shown

MOST_SERIES, MOST_ROWS = 200, 10
"""Series in the table of the minimum, and rows of any other; the rest is counted."""
_HOW = {**{str(outcome): word for outcome, word in WORDS.items()}, WARNING: "would be taken, with a warning"}
_STYLE = """
:root { color-scheme: light dark; --page: #f7f7f5; --card: #fff; --text: #1d2329; --soft: #59636e; --line: #dfe2e5;
  --pass: #1a7440; --review: #8f5a00; --reject: #b3261e; --warning: #59636e; }
@media (prefers-color-scheme: dark) { :root { --page: #14171a; --card: #1c2024; --text: #e6e8ea; --soft: #a3acb5; --line: #343a40;
  --pass: #6cc990; --review: #e8b04b; --reject: #ff8f85; --warning: #a3acb5; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.55 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.75rem 0 .75rem; }
h3 { font-size: 1rem; margin: 0; }
p { margin: .35rem 0; max-width: 48rem; }
.soft { color: var(--soft); }
.pass { --tone: var(--pass); } .review { --tone: var(--review); } .reject { --tone: var(--reject); }
.warning { --tone: var(--warning); }
.totals { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .75rem; margin: 1.5rem 0 .75rem;
  padding: 0; list-style: none; }
.totals li, article, .table { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
.totals li { padding: .8rem 1rem; color: var(--tone, var(--soft)); }
.totals b { display: block; font-size: 1.75rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.bar { display: flex; gap: 2px; height: .5rem; border-radius: .25rem; overflow: hidden; }
.bar i { background: var(--tone); min-width: 3px; }
article { border-left: 4px solid var(--tone); padding: .9rem 1.1rem; margin: .75rem 0; }
article header { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .25rem 1rem; }
.word { color: var(--tone); }
details { margin-top: .5rem; } summary { cursor: pointer; color: var(--soft); }
.table { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
article table { width: auto; margin-top: .5rem; }
caption { text-align: left; padding: .6rem .75rem; color: var(--soft); }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem; border-top: 1px solid var(--line);
  overflow-wrap: anywhere; }
article th, article td { padding: .25rem 1.5rem .25rem 0; }
thead th { border-top: 0; font-weight: 600; overflow-wrap: normal; vertical-align: bottom; }
tbody th { font-weight: 400; }
.count { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
h3 .id { color: var(--soft); font-weight: 400; margin-left: .35rem; }
.id { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .8125rem; }
.lacks { color: var(--reject); font-weight: 600; } .has { color: var(--soft); }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .875rem; }
@media print { body { background: none; } main { padding: 0; } article, .table { break-inside: avoid; } }
"""


def to_page(report: CheckReport) -> Iterator[str]:
    """One HTML document: totals, a block for each rule, then what series lack, missing slices and copies."""
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>What would become of these files</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>What would become of these files</h1>\n"
    )
    yield f'<p class="soft">{escape(report.seen)}. {escape(NOTHING_SENT)}</p>\n'
    yield from _totals(report)
    yield "<h2>By rule</h2>\n"
    for group in groups(report.as_batch):
        yield from _rule(group)
    yield from _minimum(report)
    yield from _missing([series for series in report.series if series.missing])
    yield from _copies(list(report.copies.items()))
    yield f"<footer>Said by <code>accord check</code>. {escape(NOTHING_SENT)}</footer>\n</main>\n</body>\n</html>\n"


def _totals(report: CheckReport) -> Iterator[str]:
    yield '<ul class="totals">\n'
    for outcome, count in report.outcomes.items():
        yield f'<li class="{outcome}"><b>{count:,}</b>{escape(WORDS[outcome])}</li>\n'
    yield f"<li><b>{report.skipped:,}</b>skipped, not looked at</li>\n</ul>\n"
    shares = "".join(f'<i class="{o}" style="flex:{count}"></i>' for o, count in report.outcomes.items() if count)
    yield f'<div class="bar" aria-hidden="true">{shares}</div>\n'


def _rule(group: Group) -> Iterator[str]:
    how = escape(_HOW[group.outcome])
    title = f'{escape(short(group.rule))} <span class="id">{escape(group.rule)}</span>'
    yield f'<article class="{group.outcome}">\n<header><h3>{title}</h3>'
    yield f'<span class="word">{files(group.count)} {how}</span></header>\n'
    yield f"<p>{escape(sentence(group.rule))}</p>\n"
    if group.attributes:
        rows = [(attribute, f"{count:,}") for attribute, count in group.attributes.most_common(MOST_ROWS)]
        yield _table(("Found in", "Files"), rows, count=1)
        yield _rest(len(group.attributes), MOST_ROWS, "the JSON report names all")
    yield f"<details><summary>{'Its file' if group.count == 1 else 'Its first files'}</summary>\n"
    yield _table(("File", "Where"), [(shown(receipt.name), found(receipt, group.rule)) for receipt in group.first])
    yield _rest(group.count, len(group.first), ALL_NAMED) + "</details>\n</article>\n"


def _minimum(report: CheckReport) -> Iterator[str]:
    """Every series by what EUCAIM asks of it; those that lack something come first."""
    if not report.series:
        return
    lacking = sorted(report.series, key=lambda series: (-len(series.lacks), series.series))
    whole = sum(not series.lacks for series in lacking)
    yield "<h2>EUCAIM's imaging minimum</h2>\n"
    yield f"<p>{whole:,} of {len(lacking):,} series have all of it. No catalogue filter finds what is missing.</p>\n"
    rows = [(name, f"{sum(name in series.lacks for series in lacking):,}") for name in report.minimum]
    yield f'<div class="table">{_table(("Asked for", "Series without"), rows, count=1)}</div>\n'
    heads = ("Series", "Files", *(name.partition(" (")[0] for name in report.minimum))
    head = "".join(_cell(text, "col", number=at == 1) for at, text in enumerate(heads))
    yield f'<div class="table"><table>\n<thead><tr>{head}</tr></thead>\n'
    yield from (_series(series, report.minimum) for series in lacking[:MOST_SERIES])
    yield "</table></div>\n" + _rest(len(lacking), MOST_SERIES, "the JSON report names all")


def _series(series: SeriesReport, minimum: Sequence[str]) -> str:
    cells = "".join('<td class="lacks">missing</td>' if name in series.lacks else '<td class="has">yes</td>' for name in minimum)
    return f'<tr><th scope="row" class="id">{escape(series.series)}</th><td class="count">{series.files:,}</td>{cells}</tr>\n'


def _missing(series: Sequence[SeriesReport]) -> Iterator[str]:
    if series:
        yield f"<h2>Missing slices</h2>\n<p>Series with gaps between their first and last Instance Number: {len(series):,}.</p>\n"
        rows = [(each.series, f"{len(each.missing):,}", numbers(each.missing)) for each in series[:MOST_ROWS]]
        yield f'<div class="table">{_table(("Series", "Missing", "Instance Numbers"), rows, count=1)}</div>\n'
        yield _rest(len(series), MOST_ROWS, "the JSON report names all")


def _copies(copies: Sequence[tuple[str, Sequence[str]]]) -> Iterator[str]:
    if copies:
        yield "<h2>One object, several files</h2>\n"
        yield f"<p>SOP Instance UIDs that several files have: {len(copies):,}. A server keeps the first of each.</p>\n"
        rows = [(uid, ", ".join(map(shown, names[:MOST_ROWS]))) for uid, names in copies[:MOST_ROWS]]
        yield f'<div class="table">{_table(("SOP Instance UID", "Files"), rows)}</div>\n'
        yield _rest(len(copies), MOST_ROWS, "the JSON report names all")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, count: int | None = None) -> str:
    """A table whose first column heads its rows; the column `count` holds numbers."""
    head = "".join(_cell(text, "col", number=at == count) for at, text in enumerate(heads))
    cells = ("".join(_cell(text, "" if at else "row", number=at == count) for at, text in enumerate(row)) for row in rows)
    body = "".join(f"<tr>{row}</tr>\n" for row in cells)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n"


def _cell(text: str, scope: str, *, number: bool) -> str:
    tag = f'th scope="{scope}"' if scope else "td"
    style = ' class="count"' if number else ""
    return f"<{tag}{style}>{escape(text)}</{tag[:2]}>"


def _rest(count: int, named: int, where: str) -> str:
    return f'<p class="soft">and {count - named:,} more: {where}</p>\n' if count > named else ""
