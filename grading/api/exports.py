"""Marks and code out of the classroom, for staff."""

from __future__ import annotations

from typing import Any

ROUTES: list[tuple[Any, ...]] = []
