"""The page of a node, as a scraper gets it, and as samples."""

from __future__ import annotations

import urllib.request
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

DEADLINE_S = 60.0


class PageSample(NamedTuple):
    family: str
    type: str
    name: str
    labels: dict[str, str]
    value: float


def scrape(port: int) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=DEADLINE_S) as response:
        assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
        body: bytes = response.read()
    return body


def samples_of(page: bytes) -> list[PageSample]:
    return [
        PageSample(family.name, family.type, sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    ]
