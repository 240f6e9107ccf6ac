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
