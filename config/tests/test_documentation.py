"""What the documentation points to is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECURITY = (ROOT / "docs" / "explanation" / "security.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:\w+/)+(?:test_\w+\.py)?)`", SECURITY))))
def test_every_test_that_security_names_is_there(path: str) -> None:
    found = ROOT / path
    assert found.is_file() if path.endswith(".py") else any(found.glob("test_*.py"))


def test_every_row_of_securitys_tables_names_a_test() -> None:
    rows = [line for line in SECURITY.splitlines() if line.startswith("| ") and "| tried by |" not in line]
    assert len(rows) > 40
    assert [row for row in rows if "tests/" not in row.rpartition(" | ")[2] and "---" not in row] == []
