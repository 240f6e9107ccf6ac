"""How an installation delivers: what its settings amount to, as one value that is handed in."""

import datetime as dt
import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from newsroom.delivery.composing import Stationery
from newsroom.delivery.digests import Schedule
from newsroom.delivery.installation import Identity


@dataclass(frozen=True)
class Rules:
    """`keys` are the secrets that links are signed with, newest first.

    `letters_per_second` holds over all workers, and so does each domain's own rate; None sets no limit. `domain_rates`
    has rates by recipient domain, with `*` for every other one by itself.
    """

    stationery: Stationery
    keys: tuple[str, ...]
    identity: Identity
    schedules: Sequence[Schedule] = ()
    batch_size: int = 500
    first_slice: int = 2_000  # Subscribers matched in a mailing's first transaction, so that its first letters leave,
    slice_size: int = 20_000  # and in a later one, at the most.
    lease: dt.timedelta = dt.timedelta(minutes=2)
    look_seconds: float = 1.0  # Between a worker's looks whether the mailing still goes out and the batch is its own.
    lateness: dt.timedelta = dt.timedelta(hours=12)
    resend: bool = True  # Whether a letter whose answer was lost goes again, under the same Message-ID.
    most_refusals: int = 3
    letters_per_second: float | None = None
    domain_rates: Mapping[str, float] = field(default_factory=dict)

    def rate_of(self, domain: str) -> float | None:
        """A recipient domain's own limit, in letters a second."""
        return self.domain_rates.get(domain, self.domain_rates.get("*"))

    def may_get_letters(self, address: str) -> bool:
        """Whether the list of allowed addresses, where there is one, lets letters to an address leave."""
        patterns = self.identity.only_to
        return not patterns or any(fnmatch.fnmatchcase(address.lower(), pattern) for pattern in patterns)
