"""The deploy's host step sets limits for every uid there can be, and touches nobody else's."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from hub.gate import homes

SCRIPT = Path(__file__).parents[3] / "ansible" / "roles" / "quota" / "files" / "quota.py"
SIZE, FILES = 2**31, 262_144
LIMITS = (2**21, FILES)  # in blocks of 1024 bytes, and in files


@pytest.fixture(scope="module")
def quota() -> ModuleType:
    spec = importlib.util.spec_from_file_location("quota", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class FileSystem:
    """Quotas as a kernel keeps them: who owns how many bytes, and who has which limits."""

    def __init__(self, quota: ModuleType, owned: dict[int, int]) -> None:
        self.quota, self.owned = quota, owned
        self.limits: dict[int, tuple[int, int]] = {}
        self.calls = 0

    def between(self, first: int, last: int) -> Iterator[object]:
        for uid in sorted(self.owned.keys() | self.limits.keys()):
            blocks, inodes = self.limits.get(uid, (0, 0))
            yield self.quota.Quota(
                uid=uid, bytes=self.owned.get(uid, 0), hard_blocks=blocks, hard_inodes=inodes
            )

    def limit(self, uid: int, blocks: int, inodes: int) -> None:
        self.calls += 1
        self.limits[uid] = (blocks, inodes)


def test_uids_are_those_that_the_gate_gives_out(quota: ModuleType) -> None:
    assert (quota.FIRST_UID, quota.LAST_UID) == (homes.FIRST_UID, homes.LAST_UID)


def test_every_student_there_can_be_is_held_and_nobody_else(quota: ModuleType) -> None:
    system = FileSystem(quota, owned={20_000: 5, 31_000: 5})
    quota.set_limits(system, {20_000}, SIZE, FILES)
    assert system.limits[20_000] == system.limits[20_001] == system.limits[59_999] == LIMITS
    assert 31_000 not in system.limits, "it is no student's, and owns something: the campus's own"
    assert set(system.limits) <= set(range(20_000, 60_000))


def test_second_deploy_changes_nothing_and_another_setting_all(quota: ModuleType) -> None:
    system = FileSystem(quota, owned={})
    assert quota.set_limits(system, set(), SIZE, FILES) == 40_000
    assert quota.set_limits(system, set(), SIZE, FILES) == 0
    assert quota.set_limits(system, set(), SIZE // 2, FILES) == 40_000
    assert system.limits[20_000] == (2**20, FILES)
    assert quota.set_limits(system, set(), 0, 0) == 40_000
    assert set(system.limits.values()) == {(0, 0)}


def test_where_nothing_was_set_nothing_is_lifted(quota: ModuleType) -> None:
    system = FileSystem(quota, owned={20_000: 5})
    assert quota.set_limits(system, {20_000}, 0, 0) == 0
    assert system.calls == 0


def test_students_are_those_of_the_gates_table(quota: ModuleType, tmp_path: Path) -> None:
    assert quota.students(tmp_path / "students.sqlite") == set(), "the first deploy has none"
    for folder in ("gate", "homes", "passwd"):
        (tmp_path / folder).mkdir()
    table = homes.Homes(tmp_path)
    table._add("ada", "ada")
    table.close()
    assert quota.students(tmp_path / "gate" / "students.sqlite") == {20_000}
