"""What becomes of a form that comes too often from one network: it is given back as it was filled in, with the wait."""

import math
from collections.abc import Callable

from flask import Response, make_response
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_limiter import RequestLimit

from newsroom import clock
from newsroom.extensions import limiter


def wait_seconds() -> int:
    """How long until the limit lets the next request through, to the second that it says itself."""
    held = limiter.current_limit
    return max(1, math.floor(held.reset_at - clock.now().timestamp())) if held else 60


def say_wait(seconds: int) -> str:
    """How long to wait, in seconds or minutes."""
    if seconds < 100:
        return str(ngettext("Wait %(num)s second, then try again.", "Wait %(num)s seconds, then try again.", seconds))
    minutes = math.ceil((seconds - 1) / 60)
    return str(ngettext("Wait %(num)s minute, then try again.", "Wait %(num)s minutes, then try again.", minutes))


def giving_back(show: Callable[[dict[str, str]], str | None]) -> Callable[[RequestLimit], Response | None]:
    """What the limiter does instead of an error's page: answer with the form.

    `show` reads the form as its view does, and gives the page with these errors; or nothing, where there is no form to
    show, and then the error has its page.
    """

    def answer(_limit: RequestLimit) -> Response | None:
        seconds = wait_seconds()
        said = (
            _("Many requests have come from your network in a short time."),
            _("Nothing has been saved or sent, but what you filled in is still here."),
            say_wait(seconds),
        )
        page = show({"form": " ".join(said)})
        return make_response(page, 429, {"Retry-After": str(seconds)}) if page is not None else None

    return answer
