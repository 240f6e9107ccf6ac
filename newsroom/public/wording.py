"""What the readers' pages say in more than one place, in plain words. No queries."""

from flask_babel import gettext as _
from flask_babel import ngettext

DAYS_A_WEEK, WEEKS_A_MONTH = 7, 52 / 12


def say_rate(items_per_week: float | None) -> str:
    """How often a topic publishes, such as "about 3 a week"; None where it never has.

    It is a guess about the future, so it stays rough: a number only where there are some a month.
    """
    if items_per_week is None:
        return str(_("nothing yet"))
    if items_per_week == 0:
        return str(_("nothing for a long time"))
    if items_per_week >= 2 * DAYS_A_WEEK:
        return str(ngettext("about one a day", "about %(num)s a day", round(items_per_week / DAYS_A_WEEK)))
    if items_per_week >= 0.9:
        return str(ngettext("about one a week", "about %(num)s a week", round(items_per_week)))
    a_month = round(items_per_week * WEEKS_A_MONTH)
    if a_month >= 1:
        return str(ngettext("about one a month", "about %(num)s a month", a_month))
    return str(_("a few a year"))


def say_letters(letters_per_week: float | None) -> str:
    """How many letters some choices would bring, as a sentence; None where nothing was ever published about them."""
    if letters_per_week is None:
        return str(_("Nothing has been published about this yet."))
    if letters_per_week == 0:
        return str(_("Nothing has been published about this for a long time."))
    if letters_per_week >= 2 * DAYS_A_WEEK:
        return str(ngettext("About one letter a day.", "About %(num)s letters a day.", round(letters_per_week / 7)))
    if letters_per_week >= 0.9:
        return str(ngettext("About one letter a week.", "About %(num)s letters a week.", round(letters_per_week)))
    a_month = round(letters_per_week * WEEKS_A_MONTH)
    if a_month >= 1:
        return str(ngettext("About one letter a month.", "About %(num)s letters a month.", a_month))
    return str(_("A few letters a year."))


def say_nothing_chosen() -> str:
    """What stands in the place of an estimate before anything is chosen."""
    return str(_("Choose topics, and we tell you how many letters to expect."))
