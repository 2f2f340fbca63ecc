"""The description of the API, for programs."""

from __future__ import annotations

from typing import Any

ROUTES: list[tuple[Any, ...]] = []
