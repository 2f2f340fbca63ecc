# mypy: disable-error-code="no-untyped-call"
"""The page on which somebody arrives whom others have signed in."""

from typing import Any

from hub.accounts import pages as accounts
from hub.roster.applying import OURS


class Arriving(accounts.Page):
    """Puts who arrives into the groups that the others' word gives them."""

    async def auth_to_user(self, authenticated: dict[str, Any], user: Any = None) -> Any:
        """Besides what the hub keeps: the groups that the claims say, in place of those of last time."""
        groups = authenticated.pop("campus_groups", None)
        found = await super().auth_to_user(authenticated, user)
        if groups is not None:
            others = {group.name for group in found.groups if not group.name.startswith(OURS)}
            found.sync_groups(others | groups)
        return found
