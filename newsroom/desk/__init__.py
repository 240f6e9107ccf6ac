"""The editors' door: log in, write, see, rehearse, publish, and follow the letters."""

from flask import Flask

from newsroom.desk import installation, items, login, mailings, reading_letters, rehearsal, topics, wording


def init_app(app: Flask) -> None:
    """Hang the desk into the app."""
    login.init_app(app)
    for module in (items, rehearsal, mailings, installation, reading_letters, topics):
        app.register_blueprint(module.bp)
    app.jinja_env.globals.update(
        format_count=wording.format_count,
        format_span=wording.format_span,
        name_of_state=wording.name_of_state,
        count_letters=wording.count_letters,
    )
