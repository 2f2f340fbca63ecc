"""Live updates: server-sent events for pages."""

from __future__ import annotations

from typing import Any

ROUTES: list[tuple[Any, ...]] = []
