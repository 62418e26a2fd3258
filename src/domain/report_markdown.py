"""A report as a page of Markdown, with its figures as files beside it."""

from collections.abc import Iterator, Sequence

from domain.report import Report, Section, Table, written


def to_markdown(report: Report, figures: str) -> str:
    """Return the page; `figures` is the folder of the figures, as seen from it."""
    return "\n".join(_lines(report, figures)).rstrip() + "\n"


def _lines(report: Report, figures: str) -> Iterator[str]:
    yield from [f"# {_text(report.title)}", ""]
    if report.warning:
        yield from [f"> **{_text(report.warning)}**", ""]
    for sentence in report.summary:
        yield from [_text(sentence), ""]
    for section in report.sections:
        yield from _section(section, figures)


def _section(section: Section, figures: str) -> Iterator[str]:
    yield from [f"## {_text(section.title)}", ""]
    for sentence in section.sentences:
        yield from [_text(sentence), ""]
    if section.points:
        yield from [*(f"- {_text(point)}" for point in section.points), ""]
    if section.command:
        yield from ["```sh", section.command, "```", ""]
    for table in section.tables:
        yield from [*_table(table), ""]
    for figure in section.figures:
        yield from [f"![{_text(figure.title)}]({figures}/{figure.name}.svg)", ""]


def _table(table: Table) -> Iterator[str]:
    yield _row(table.header)
    yield "|" + "|".join("---:" if figure else "---" for figure in table.figures) + "|"
    for row in table.rows:
        yield _row([written(cell) for cell in row])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_text, cells))} |"


def _text(text: str) -> str:
    """Return a text in which nothing but code is Markdown or HTML: what is between backquotes."""
    parts = " ".join(text.split()).split("`")
    if len(parts) % 2 == 0:
        return "\\`".join(map(_plain, parts))
    return "".join(f"`{part}`" if n % 2 else _plain(part) for n, part in enumerate(parts))


def _plain(text: str) -> str:
    for sign in "\\*_[]<>|":
        text = text.replace(sign, "&lt;" if sign == "<" else f"\\{sign}")
    return text
