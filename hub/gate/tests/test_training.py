"""A training's container: the data sets read-only, a longer time, and nothing else."""

from pathlib import Path

import pytest

from hub.gate import sandbox
from hub.gate.engine import Engine
from hub.gate.pool import Pool
from hub.gate.tests.test_sockets import SETTINGS, calling
from hub.gate.worker_socket import WorkerSocket


def test_training_has_the_data_sets_read_only_and_differs_in_nothing_else() -> None:
    usual, training = (sandbox.sandbox_container(SETTINGS, 2**26, each) for each in (False, True))
    assert usual["HostConfig"].pop("Mounts") == []
    (mount,) = training["HostConfig"].pop("Mounts")
    assert mount["Source"] == f"{SETTINGS.state}/datasets"
    assert (mount["Target"], mount["ReadOnly"]) == ("/srv/datasets", True)
    assert training == usual


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("seconds=61", "seconds is"),
        ("seconds=601&purpose=training", "seconds is"),
        ("purpose=rooting", "knows the purpose"),
        ("purpose=", "knows the purpose"),
        ("purpose=training&purpose=training", "given twice"),
        ("purpose=training&datasets=/", "no parameter"),
    ],
)
async def test_purpose_gives_its_own_limit_and_no_more(tmp_path: Path, query: str, said: str) -> None:
    async with (
        Engine(tmp_path / "no.sock") as engine,
        Pool(engine, SETTINGS) as pool,
        calling(WorkerSocket(SETTINGS, engine, pool).app()) as client,
    ):
        answer = await client.post(f"/sandbox?{query}", data=b"{}")
        assert answer.status in (400, 403)
        assert said in (await answer.json())["error"]
        allowed = await client.post("/sandbox?seconds=599&purpose=training", data=b"{}")
        assert allowed.status == 503, "let through; the engine is away"
