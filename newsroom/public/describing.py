"""An item for machines that read pages: schema.org's NewsArticle as JSON-LD. It is data, and no browser runs it."""

import json
from typing import Any

from flask import current_app

from newsroom.links import Links
from newsroom.news.models import Item


def describe_item(item: Item) -> str:
    """The item as a JSON-LD block's content, safe inside a script element (HTML section 4.12.1.3)."""
    config = current_app.config
    links = Links(config["PUBLIC_URL"]).in_language(item.language)
    published = item.published_at or item.created_at
    organisation = {"@type": "GovernmentOrganization", "name": config["ORGANISATION_NAME"], "url": links.front()}
    data: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "@id": item.guid,
        "headline": item.headline,
        "description": item.lede,
        "url": links.item(item.slug),
        "mainEntityOfPage": links.item(item.slug),
        "inLanguage": item.language,
        "datePublished": published.isoformat(timespec="seconds"),
        "dateModified": max(item.updated_at, published).isoformat(timespec="seconds"),
        "author": organisation,
        "publisher": organisation,
        "isAccessibleForFree": True,
        "about": [
            {"@type": "Thing", "name": topic.name_in(item.language), "url": links.topic(topic.slug)}
            for topic in item.topics
        ],
    }
    if item.corrections:
        data["correction"] = [
            {
                "@type": "CorrectionComment",
                "text": correction.text,
                "datePublished": correction.corrected_at.isoformat(timespec="seconds"),
            }
            for correction in item.corrections
        ]
    written = json.dumps(data, ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        written = written.replace(sign, f"\\u{ord(sign):04x}")
    return written
