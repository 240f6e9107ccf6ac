"""The readers' style sheet: Designsystemet, the theme, and what is ours, joined once into a single file.

The theme is one short file. What the page itself must know of it, its font and its ground, is read out of it.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, Flask, Response, current_app, request

NAME = "readers.css"
BASE = ("vendor/designsystemet-theme.css", "vendor/designsystemet.css")
OURS = ("palette.css", "newsroom.css")

bp = Blueprint("styles", __name__)


@dataclass(frozen=True)
class Look:
    """The joined sheet, the theme's first font file under /static/, and the page's ground by day and by night."""

    sheet: bytes
    font: str
    grounds: tuple[str, ...]


def read_look(static: Path, theme: Path) -> Look:
    """Join the sheets. A theme that names no font file, or gives its ground another way, gives none here.

    A font's address gets the file's version, as other addresses do, so that it is kept for good.
    """

    def versioned(found: re.Match[str]) -> str:
        file = static / found[2]
        version = f"?v={hashlib.sha256(file.read_bytes()).hexdigest()[:10]}" if file.is_file() else ""
        return f"{found[1]}{found[2]}{version}{found[3]}"

    css = re.sub(r"""(url\(["']?)([^"')?]+\.woff2)(["']?\))""", versioned, theme.read_text())
    font = re.search(r"""url\(["']?([^"')?]+\.woff2[^"')]*)["']?\)""", css)
    grounds = re.search(r"--paper:\s*light-dark\(\s*(#[0-9a-fA-F]{3,8})\s*,\s*(#[0-9a-fA-F]{3,8})\s*\)", css)
    parts = [(static / name).read_text() for name in BASE] + [css] + [(static / name).read_text() for name in OURS]
    return Look("\n".join(parts).encode(), font[1] if font else "", grounds.groups() if grounds else ())


def init_app(app: Flask) -> Look:
    """Hang the sheet into the app, at an address among the static files, since it names some of them."""
    app.register_blueprint(bp)
    look = read_look(Path(app.static_folder or ""), Path(app.config["THEME_FILE"]))
    app.extensions["newsroom-look"] = look
    app.jinja_env.globals["look"] = look
    return look


@bp.get(f"/static/{NAME}")
def sheet() -> Response:
    """Serve the joined sheet; its address has its version, so it is kept for good."""
    look: Look = current_app.extensions["newsroom-look"]
    response = Response(look.sheet, mimetype="text/css")
    response.set_etag(hashlib.sha256(look.sheet).hexdigest()[:32])
    response.make_conditional(request)
    return response
