"""Marks computed again, compared, and then applied; for staff."""

from __future__ import annotations

from typing import Any

ROUTES: list[tuple[Any, ...]] = []
