"""The `newsroom` command: Flask's command group with our app in it."""

import logging
import sys

from flask.cli import FlaskGroup
from sqlalchemy.exc import DBAPIError

from config import BadSetting, load
from newsroom import create_app


def main() -> None:
    """Run one command. Our own errors, and a database that fails, end it with one line and a non-zero code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        settings = load()
        group = FlaskGroup(create_app=lambda: create_app(settings), help="Newsroom: news, topics and letters.")
        group.main(prog_name="newsroom")
    except BadSetting as error:
        print(f"newsroom: {error}", file=sys.stderr)
        sys.exit(2)
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        print(f"newsroom: the database can't do that: {reason} (NEWSROOM_SQLALCHEMY_DATABASE_URI)", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
