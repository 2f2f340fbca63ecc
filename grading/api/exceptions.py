"""Extensions, excused work and extra time, for staff."""

from __future__ import annotations

from typing import Any

ROUTES: list[tuple[Any, ...]] = []
