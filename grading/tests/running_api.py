"""The service on a free port, with a stand-in for the hub behind it."""

import json

import sqlalchemy as sa
from jupyterhub.services.auth import HubOAuth
from tornado.httpclient import AsyncHTTPClient
from tornado.testing import bind_unused_port

from grading.api.app import application, server
from grading.database import submissions
from grading.tests import hub_stand_in, toy_course

BODY = json.dumps({"notebook": toy_course.notebook(toy_course.UNSOLVED)}).encode()
PREFIX = "/services/grading/"
MODULE = "api/submissions/module/toy"


class Api:
    """The service on a free port, and a way to ask it."""

    def __init__(self, service, hub):
        auth = HubOAuth(
            api_url=hub.url,
            api_token="secret",
            base_url=PREFIX,
            oauth_client_id="service-grading",
            access_scopes={hub_stand_in.SCOPE},
            cache_max_age=0,
        )
        self.service, self.hub = service, hub
        socket, self.port = bind_unused_port()
        self.server = server(application(service, auth))
        self.server.add_socket(socket)

    async def ask(self, path, token="token-ann", headers=None, **kwargs):
        headers = {**({"Authorization": f"token {token}"} if token else {}), **(headers or {})}
        url = f"http://127.0.0.1:{self.port}{PREFIX}{path}"
        return await AsyncHTTPClient().fetch(
            url, headers=headers, raise_error=False, follow_redirects=False, **kwargs
        )

    async def json(self, path, token="token-ann", **kwargs):
        answer = await self.ask(path, token, **kwargs)
        return answer.code, json.loads(answer.body)

    async def hand_in(self, path=MODULE, body=BODY, token="token-ann", **kwargs):
        return await self.json(path, token, method="POST", body=body, **kwargs)

    def kept(self):
        """Files in the store and rows in the queue: what stayed of what was sent."""
        files = [path for path in self.service.store.folder.rglob("*") if path.is_file()]
        with self.service.engine.connect() as connection:
            rows = connection.execute(sa.select(sa.func.count()).select_from(submissions))
            return len(files), rows.scalar_one()
