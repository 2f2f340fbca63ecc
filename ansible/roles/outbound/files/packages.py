"""Prints where pip of this machine finds packages, as JSON: its index, and HOST:PORT of all it leads to."""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import sys
import urllib.request
from urllib.parse import urljoin, urlsplit

TRUSTED = "/etc/ssl/certs/ca-certificates.crt"  # what students' servers are given, too
EXAMPLE = "pip"  # a package that every index has


def main() -> str:
    """The JSON; raises SystemExit with a sentence."""
    # pip says there what its configuration comes to, and hides what is secret; on one line, if there is room.
    wide = {**os.environ, "COLUMNS": "10000"}
    helped = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--help"],
        capture_output=True, text=True, check=True, env=wide,
    ).stdout  # fmt: skip
    found = re.search(r"--index-url <url>.*\(default:? (\S+)\)", helped)
    if not found:
        raise SystemExit("pip does not say where its index is: `pip install --help` names no default.")
    index = found[1].rstrip("/") + "/"
    if "@" in urlsplit(index).netloc:
        raise SystemExit(
            "pip's index on this machine wants a password, which students would read. Set student.internet "
            "to none, or pip's index-url to one without."
        )
    page = urljoin(index, f"{EXAMPLE}/")
    try:
        trusted = ssl.create_default_context(cafile=TRUSTED)
        with urllib.request.urlopen(page, timeout=60, context=trusted) as answer:  # noqa: S310 - pip asks it, too
            links = re.findall(r'href="([^"#]+)', answer.read().decode())
    except (ValueError, OSError) as error:
        raise SystemExit(f"{page} cannot be read ({error}). Is the package index in reach?") from None
    places = [index, *(urljoin(page, link) for link in links)]
    return json.dumps({"index": index, "hosts": sorted({_port(url) for url in places})})


def _port(url: str) -> str:
    place = urlsplit(url)
    return f"{place.hostname}:{place.port or (443 if place.scheme == 'https' else 80)}"


if __name__ == "__main__":
    print(main())
