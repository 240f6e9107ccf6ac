"""Writes docs/performance.md and its curve from what the benches found; `make bench` calls it at its end.

It measures nothing itself, and every row stands there, met or not.
"""

import ast
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
CURVE = "performance-curve.svg"
BENCHES = {
    "starting": "Starting",
    "sending": "Sending",
    "latency": "A mail server that is far away",
    "matching": "Writing the ledger",
    "memory": "Memory",
    "confirming": "Confirmations during a mailing",
    "digests": "Digests",
    "searching": "Searching and reading",
    "cluster": "The cluster engine",
    "curve": "What a longer list costs",
}
INTRO = """\
# Performance

What we claim about speed, and what was measured last. `make bench` measures all of it anew and writes this page; each
part is a command of its own in `bench/`, and needs nothing but this machine: the mail servers that take the letters are
on it too. Letters are of 8 to 10 kB, and all personal links and the ledger are included. A figure that must be reached
and isn't stands here all the same.
"""

Row = dict[str, Any]
Points = Sequence[tuple[int, float]]


def show(value: float | None) -> str:
    """A number for people, with commas between the thousands."""
    return "–" if value is None else f"{value:,}"


def show_value(row: Row) -> str:
    """A row's value, with its range where it was measured several times."""
    value = show(row["value"])
    return f"{value} ({show(row['from'])} to {show(row['to'])})" if "from" in row else value


def describe(name: str) -> str:
    """The words that a bench's module begins with."""
    code = (PROJECT / "bench" / f"{name}.py").read_text()
    words = ast.get_docstring(ast.parse(code)) or ""
    return words.split("\n\nWrites ")[0]


def write_table(rows: Sequence[Row]) -> Iterator[str]:
    """A bench's rows as Markdown."""
    yield from ("| what | value | must | met |", "|---|---:|---:|---|")
    for row in rows:
        must = "–" if row["must"] is None else f"{row.get('bound') or ''} {show(row['must'])}".strip()
        met = "–" if row["must"] is None else "yes" if row["met"] else "**no**"
        yield f"| {row['what']} | {show_value(row)} | {must} | {met} |"


def write_page(results: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The page, line by line."""
    yield INTRO
    musts = [row for result in results.values() for row in result["rows"] if row["must"] is not None]
    yield f"Of {len(musts)} figures, {sum(row['met'] for row in musts)} are met."
    for name, title in BENCHES.items():
        yield f"\n## {title}\n"
        yield describe(name)
        yield ""
        if name not in results:
            yield "Not measured yet."
            continue
        if name == "curve":
            yield f"![Letters a second by the number of subscribers; the table below has the figures.]({CURVE})\n"
        yield from write_table(results[name]["rows"])
        yield f"\nOn {results[name]['machine']}."


WIDTH, HEIGHT = 640, 340
LEFT, RIGHT, TOP, BOTTOM = 70, 30, 30, 60
STYLE = """\
text { font: 14px system-ui, sans-serif; fill: #1e2b3c; }
.grid { stroke: #d4dae3; }
.line { fill: none; stroke: #0062ba; stroke-width: 3; }
.dot { fill: #0062ba; }
@media (prefers-color-scheme: dark) {
  text { fill: #f1f3f6; }
  .grid { stroke: #4a5668; }
  .line { stroke: #7fb8f0; }
  .dot { fill: #7fb8f0; }
}"""


def choose_step(largest: float) -> int:
    """The distance between grid lines: 1, 2 or 5 times a power of ten, so that at most six of them are needed."""
    power = 10 ** math.floor(math.log10(largest / 6))
    return int(next(power * factor for factor in (1, 2, 5, 10) if power * factor * 6 >= largest))


def draw_curve(points: Points) -> Iterator[str]:
    """Letters a second over subscribers as SVG, line by line; subscribers on a logarithmic axis."""
    step = choose_step(max(rate for _, rate in points))
    top = step * math.ceil(max(rate for _, rate in points) / step)
    first, last = (math.log10(size) for size in (points[0][0], points[-1][0]))

    def x(size: int) -> float:
        share = (math.log10(size) - first) / (last - first) if last > first else 0.5
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(rate: float) -> float:
        return round(HEIGHT - BOTTOM - rate / top * (HEIGHT - TOP - BOTTOM), 1)

    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="t d">'
    yield '<title id="t">Letters a second by the number of subscribers</title>'
    said = ", ".join(f"{show(round(rate))} for {show(size)}" for size, rate in points)
    yield f'<desc id="d">Letters a second, with the number of subscribers growing tenfold at each step: {said}.</desc>'
    yield f"<style>\n{STYLE}\n</style>"
    for rate in range(0, top + 1, step):
        yield f'<path class="grid" d="M{LEFT} {y(rate)}H{WIDTH - RIGHT}"/>'
        yield f'<text x="{LEFT - 10}" y="{y(rate) + 5}" text-anchor="end">{show(rate)}</text>'
    for size, _ in points:
        anchor = "end" if size == points[-1][0] and len(points) > 1 else "middle"
        yield f'<text x="{x(size)}" y="{HEIGHT - BOTTOM + 24}" text-anchor="{anchor}">{show(size)}</text>'
    yield f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">subscribers</text>'
    yield f'<text x="{LEFT - 10}" y="{TOP - 12}" text-anchor="end">letters/s</text>'
    yield f'<path class="line" d="M{"L".join(f"{x(size)} {y(rate)}" for size, rate in points)}"/>'
    yield from (f'<circle class="dot" cx="{x(size)}" cy="{y(rate)}" r="5"/>' for size, rate in points)
    yield "</svg>"


def main() -> None:
    found = {path.stem: json.loads(path.read_text()) for path in (PROJECT / "bench" / "results").glob("*.json")}
    unknown = found.keys() - BENCHES.keys()
    if unknown:
        sys.exit(f"tools/performance.py has no title for: {', '.join(sorted(unknown))}")
    docs = PROJECT / "docs"
    (docs / "performance.md").write_text("\n".join(write_page(found)) + "\n")
    if "curve" in found:
        points = [(row["subscribers"], row["value"]) for row in found["curve"]["rows"]]
        (docs / CURVE).write_text("\n".join(draw_curve(points)) + "\n")
    print(f"Wrote docs/performance.md from {len(found)} results.")


if __name__ == "__main__":
    main()
