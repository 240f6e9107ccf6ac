"""Every address that leaves the site in a letter or a feed. One test holds each against the site's own routes."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Links:
    """Absolute addresses under the site's public one, such as https://nyheter.example.org; English stands under /en."""

    site: str
    language: str = "sv"

    def in_language(self, language: str) -> "Links":
        """The same addresses for readers of another language."""
        return replace(self, language=language)

    def _at(self, path: str) -> str:
        return f"{self.site}{'/en' if self.language == 'en' else ''}{path}"

    def front(self) -> str:
        return self._at("/")

    def news(self) -> str:
        return self._at("/nyheter")

    def all_topics(self) -> str:
        return self._at("/amnen")

    def item(self, slug: str) -> str:
        return self._at(f"/nyheter/{slug}")

    def topic(self, slug: str) -> str:
        return self._at(f"/amnen/{slug}")

    def feed(self, name: str) -> str:
        return f"{self.site}/feeds/{name}.rss"

    def subscribe(self) -> str:
        return self._at("/prenumerera")

    def confirm(self, token: str) -> str:
        return self._at(f"/bekrafta/{token}")

    def unsubscribe(self, token: str, mailing_key: str) -> str:
        """`token` is the subscriber's; the mailing says which topics the letter came for."""
        return self._at(f"/avsluta/{token}/{mailing_key}")

    def leave_topic(self, token: str, mailing_key: str, slug: str) -> str:
        """Ends one of the topics that the letter came for."""
        return self._at(f"/avsluta/{token}/{mailing_key}/amne/{slug}")

    def leave_all(self, token: str, mailing_key: str) -> str:
        """Ends everything that the letter's subscriber follows."""
        return self._at(f"/avsluta/{token}/{mailing_key}/alla")

    def my_topics(self) -> str:
        return self._at("/mina-amnen")

    def login(self, token: str) -> str:
        """Leads to one's own topics; the token is a login letter's, and works once."""
        return self._at(f"/mina-amnen/logga-in/{token}")

    def confirm_address(self, token: str) -> str:
        """Asks whether letters may go to a new address; the token is that of the letter that went there."""
        return self._at(f"/mina-amnen/ny-adress/{token}")
