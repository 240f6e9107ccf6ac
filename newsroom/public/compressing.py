"""Which answers travel compressed: those that everybody gets alike, and static files. Feeds see to themselves.

How long a compressed answer is tells a listener something about what is in it, and who can put words of their own
beside a secret can guess it bit by bit (BREACH). So what may hold a secret is never compressed: the desk, links
with a token in them, what a form answers. See docs/decisions/0020-what-travels-compressed.md.
"""

from flask import Flask, Response, request
from flask_compress import Compress

SHARED = ("static", "styles.", "public.", "about.", "signup.choose")  # How their endpoints begin.
TYPES = ["text/html", "text/css", "text/javascript", "application/javascript", "image/svg+xml", "text/plain"]

compress = Compress()


def init_app(app: Flask) -> None:
    """Compress what may be, with Brotli or gzip."""
    app.config.from_mapping(
        COMPRESS_REGISTER=False, COMPRESS_ALGORITHM=["br", "gzip"], COMPRESS_STREAMS=False, COMPRESS_MIMETYPES=TYPES
    )
    compress.init_app(app)
    app.after_request(_compress)


def _compress(response: Response) -> Response:
    """Compress a whole answer to reading. Parts (206) and answers that set a cookie go as they are."""
    if (
        not (request.endpoint or "").startswith(SHARED)
        or request.method not in ("GET", "HEAD")
        or response.status_code not in (200, 304)
    ):
        return response
    if "Set-Cookie" in response.headers:
        return response
    if response.status_code == 304:
        response.close()  # Nobody reads the file, so nobody else closes it.
    elif response.is_streamed and response.mimetype in TYPES:
        response.direct_passthrough = False
        whole = response.get_data()  # A static file comes as a stream; whole, it has a length and an ETag to compare.
        response.close()
        response.set_data(whole)
    return compress.after_request(response)
