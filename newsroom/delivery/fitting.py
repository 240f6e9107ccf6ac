"""What goes into a letter that mail clients show whole. Pure: the ways of writing it are handed in, and measured."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

# Octets. Gmail cuts a message's HTML at 102 kB. We hold the whole letter to it, of which the HTML is the most, and
# leave room for the headers that come later.
LARGEST_LETTER = 100_000


class Written(Protocol):
    """Something that has a letter's bytes."""

    @property
    def letter(self) -> bytes: ...


AnyWritten = TypeVar("AnyWritten", bound=Written)


def write_what_fits(write: Callable[..., AnyWritten], choices: Sequence[dict[str, object]]) -> AnyWritten:
    """The first way of writing a letter that isn't too long; the last where all are."""
    written = write(values=choices[0])
    for values in choices[1:]:
        if not fits(written):
            written = write(values=values)
    return written


def write_most_that_fits(write: Callable[[int], AnyWritten], count: int) -> AnyWritten:
    """The letter that tells the most items, `count` or fewer, without being too long; one item is always told.

    Writing takes time, so this guesses by the mean length of an item between the longest letter that fitted and the
    shortest that didn't, which for items much alike takes half as many tries as halving. It ends where by that mean not
    one more would fit.
    """
    written = write(count)
    if fits(written):
        return written
    too_many, too_long = count, len(written.letter)
    told, written = 1, write(1)
    while fits(written):
        length = len(written.letter)
        more = (LARGEST_LETTER - length) * (too_many - told) // (too_long - length)
        if more == 0:
            break
        longer = write(told + more)
        if fits(longer):
            told, written = told + more, longer
        else:
            too_many, too_long = told + more, len(longer.letter)
    return written


def fits(written: Written) -> bool:
    """Whether a letter is short enough to be shown whole."""
    return len(written.letter) <= LARGEST_LETTER
