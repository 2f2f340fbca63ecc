"""Browsers that somebody has signed in with: what strangers guess elsewhere does not hold them up.

Each carries a signed cookie with a mark of its own. It opens nothing: who has it still needs the password,
and has as few guesses as anybody. A new password makes it worthless.
"""

import json
import secrets
from typing import Any

from tornado.web import RequestHandler

from hub.accounts.store import Account

COOKIE = "tinytorch-known-browser"
DAYS = 180


def known(handler: RequestHandler, account: Account | None) -> str:
    """This browser's mark, if it is one that the owner of the account signed in with; or nothing."""
    signed = handler.get_secure_cookie(COOKIE, max_age_days=DAYS)
    if not signed or not account:
        return ""
    username, fingerprint, mark = json.loads(signed)
    return str(mark) if (username, fingerprint) == (account.username, account.fingerprint) else ""


def remember(handler: Any, account: Account) -> None:
    """Know this browser again. `handler` is one of JupyterHub's."""
    mark = known(handler, account) or f"browser {secrets.token_hex(6)}"
    value = json.dumps([account.username, account.fingerprint, mark])
    path, age = handler.hub.base_url, DAYS * 24 * 3600
    handler._set_cookie(COOKIE, value, path=path, max_age=age, expires_days=None)
