"""Words for readers about the letters sent to them. No queries."""

from flask_babel import gettext as _

from newsroom.delivery.history import SentLetter
from newsroom.public.frame import format_day, format_days


def name_of_letter(letter: SentLetter) -> str:
    """What a letter is called, where it is no item's own."""
    start, end = letter.period_start or letter.at, letter.period_end or letter.at
    names: dict[str, str] = {
        "daily": _("The day's news, %(day)s", day=format_day(end)),
        "weekly": _("The week's news, %(days)s", days=format_days(start, end)),
        "confirmation": _("Confirm your subscription"),
        "reminder": _("A reminder to confirm your subscription"),
        "login": _("A link to your topics"),
        "change": _("Confirm your new address"),
        "changed": _("About a new address for your letters"),
        "goodbye": _("Everything about you has been erased"),
    }
    return names.get(letter.kind, letter.items[0].headline if letter.items else letter.kind)


def tell_state(letter: SentLetter) -> str:
    """What became of a letter, in plain words."""
    match letter.state, letter.reason:
        case "accepted", _reason:
            return str(_("Sent"))
        case "waiting", _reason if letter.tried:
            return str(_("On its way: your mail server has asked us to come back later"))
        case "waiting", _reason:
            return str(_("On its way"))
        case "uncertain", _reason:
            return str(_("Uncertain: the letter left, but we got no answer"))
        case "refused", "address":
            return str(_("Refused: your mail server said that the address takes no mail"))
        case "refused", "gave up":
            return str(_("Not delivered: your mail server kept asking us to come back later"))
        case "refused", _reason:
            return str(_("Refused by your mail server"))
        case "skipped", "unsubscribed":
            return str(_("Not sent: you had stopped following the topic"))
        case "skipped", "withdrawn":
            return str(_("Not sent: the news had been withdrawn"))
        case "skipped", "paused":
            return str(_("Not sent: your letters were paused"))
        case "skipped", "already confirmed" | "no longer needed":
            return str(_("Not sent: it was no longer needed"))
        case "skipped", "address refused before":
            return str(_("Not sent: your address had been refused several times"))
        case _state:
            return str(_("Not sent"))
