"""nbgrader's exchange: release, list, fetch, submit, collect, feedback."""

from __future__ import annotations

from typing import Any

ROUTES: list[tuple[Any, ...]] = []
