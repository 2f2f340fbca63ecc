"""Work in an exam, kept with each save."""

from __future__ import annotations

from typing import Any

ROUTES: list[tuple[Any, ...]] = []
