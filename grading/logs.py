"""Logs: to standard error, where the container's logs are; a line each, with time and level."""

from __future__ import annotations

import logging


def start() -> None:
    """Begin logging."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
