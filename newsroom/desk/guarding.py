"""What stands before every page of the desk: who it is, and that a form came from a page of ours."""

from collections.abc import Callable

from flask import flash, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_security import current_user
from flask_wtf.csrf import CSRFError

from newsroom.desk.login import LOGIN
from newsroom.extensions import csrf


def let_editors_in(
    *, back: str, keep: Callable[[str, int], ResponseReturnValue] | None = None
) -> ResponseReturnValue | None:
    """Ask who it is; a form that was typed into meanwhile is shown again by `keep`, not thrown away.

    To be called before each request. A form too old to count leads `back`, with a line that says so.
    """
    session.permanent = True
    if not current_user.is_authenticated:
        if request.method == "POST" and keep is not None:
            return keep(_("You have been logged out. Log in again in another tab, then press Save here."), 401)
        return redirect(url_for(LOGIN, next=request.path if request.method == "GET" else None))
    try:
        csrf.protect()
    except CSRFError:
        text = _("The page had been open for too long. Nothing is lost: press the button again.")
        if keep is not None:
            return keep(text, 400)
        flash(text, "danger")
        return redirect(back)
    return None
