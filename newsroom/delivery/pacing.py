"""One worker's place in the lines that all share (see `pace`): which letter may leave now, or how long to wait."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from newsroom.delivery.pace import EVERYTHING

Ask = Callable[[str, int, float], tuple[int, float]]
"""ask(name, most, per_second): how many letters may leave, and in how many seconds the first; see `pace.take`."""


@dataclass(slots=True)
class _Line:
    per_second: float
    left: int = 0
    at: float = 0.0  # When the next letter may leave; without one left, when to ask again (monotonic seconds).


class Pacer:
    """Keeps the rights to send that a worker has taken until it uses them. Asks only where a limit is set.

    `rate_of` gives a domain's own limit in letters a second, or None; it is None itself where no domain has one.
    """

    def __init__(self, ask: Ask, *, per_second: float | None, rate_of: Callable[[str], float | None] | None) -> None:
        self._ask = ask
        self._rate_of = rate_of
        self._lines: dict[str, _Line | None] = {EVERYTHING: _Line(per_second) if per_second else None}
        self.limits = per_second is not None or rate_of is not None

    def wait_for_all(self, *, letters: int, may_ask: bool) -> float:
        """Seconds until any letter may leave. `letters` says how many this worker could send.

        Where it would have to ask the database and may not, the wait is endless.
        """
        return self._wait(EVERYTHING, letters, may_ask)

    def wait_for(self, domain: str, *, letters: int, may_ask: bool) -> float:
        """Seconds until a letter to a domain may leave, as far as the domain's own limit goes."""
        if self._rate_of is None:
            return 0.0
        if domain not in self._lines:
            rate = self._rate_of(domain)
            self._lines[domain] = _Line(rate) if rate else None
        return self._wait(domain, letters, may_ask)

    def use(self, domain: str) -> None:
        """A letter to a domain leaves now."""
        for name in (EVERYTHING, domain):
            line = self._lines.get(name)
            if line is not None:
                line.left -= 1
                line.at += 1 / line.per_second

    def _wait(self, name: str, letters: int, may_ask: bool) -> float:
        line = self._lines[name]
        if line is None:
            return 0.0
        if line.left == 0 and time.monotonic() >= line.at:
            if not may_ask:
                return math.inf
            line.left, seconds = self._ask(name, letters, line.per_second)
            line.at = time.monotonic() + seconds
        return max(0.0, line.at - time.monotonic()) if line.left else max(0.001, line.at - time.monotonic())
