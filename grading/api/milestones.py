"""Milestones: every attempt of a student, and of the class."""

from __future__ import annotations

from typing import Any

ROUTES: list[tuple[Any, ...]] = []
