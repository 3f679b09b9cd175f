"""The application behind a real server on a real socket, as the service runs it."""

import socket
import threading
from collections.abc import Iterator

import httpx
import pytest
import uvicorn

from headend.tokens import Scope
from tests.headend.web.world import Served, Story


@pytest.fixture
def url(story: Story) -> Iterator[str]:
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    ready = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready.set()

    server = Server(uvicorn.Config(story.served.app(), log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    assert ready.wait(30)
    yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    server.should_exit = True
    thread.join(30)
    bound.close()


def test_a_server_answers_readers_at_once_and_refuses_strangers(story: Story, url: str) -> None:
    secret = story.served.token(*Scope)
    answers: list[int] = []

    def read(path: str) -> None:
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"}) as client:
            answers.extend(client.get(path).status_code for _ in range(5))

    digest = story.second.digest.hex()
    paths = ["/v1/meters", f"/v1/actuals/{digest}", f"/v1/evidence/{digest}", "/console/", "/metrics", "/v1/windows"]
    readers = [threading.Thread(target=read, args=(path,)) for path in paths]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)
    assert answers == [200] * 30
    with httpx.Client(base_url=url) as stranger:
        assert stranger.get("/v1/meters").status_code == 401
        assert stranger.get("/v1/log/checkpoint").status_code == 200


def test_two_applications_in_one_process_share_nothing(served: Served) -> None:
    first, second = served.app(), served.app()
    assert first.state.desk is not second.state.desk
    assert first.routes is not second.routes
