"""E-mail addresses: what is one, and when two are the same."""

import unicodedata
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

LONGEST = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets.
_NOBODYS = "%\ufffd"  # Mail servers take user%host for a route; and both are what a sign lost on the way leaves behind.


class BadAddress(Exception):
    """Not an address that a letter could reach."""


@dataclass(frozen=True)
class Address:
    """`shown` is what people see; `key` is the normal form in which addresses are compared.

    The key's domain is in ASCII by IDNA 2008, so straße.de stays apart from strasse.de, and its local part is in
    lower case (composed, NFC): no mail server in use tells Ana@ from ana@.
    """

    shown: str
    key: str


def read_address(text: str) -> Address:
    """Read an address as a person typed it. Raises BadAddress. Asks no name server."""
    text = text.strip()
    if len(text) > LONGEST or any(sign in text for sign in _NOBODYS):
        raise BadAddress
    try:
        found = validate_email(text, check_deliverability=False)
    except (EmailNotValidError, UnicodeError) as error:
        raise BadAddress from error
    local = unicodedata.normalize("NFC", found.local_part.lower())  # J̌ has no composed capital, ǰ is one letter.
    return Address(shown=found.normalized, key=f"{local}@{found.ascii_domain}")


def envelope_address(shown: str) -> str:
    """The address as a mail server takes it: its domain in ASCII."""
    local, _, domain = shown.rpartition("@")
    return shown if domain.isascii() else f"{local}@{read_address(shown).key.rpartition('@')[2]}"
