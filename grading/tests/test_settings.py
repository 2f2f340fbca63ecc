"""What the environment says, and what it may not say."""

from pathlib import Path

import pytest

from grading import settings


def test_nothing_given_is_the_image_as_it_is():
    assert settings.load({}) == settings.Settings()


def test_values_are_read_with_their_units():
    environment = {"TT_BASE_PATH": "course", "TT_SANDBOX_MEMORY": "512M", "TT_GRADING_FOLDER": "/data"}
    given = settings.load(environment)
    assert given.prefix == "/course/services/grading/"
    assert given.sandbox_memory == 512 * 1024 * 1024
    assert given.database_url == "sqlite:////data/grading.db"
    assert given.submissions == Path("/data/submissions")


@pytest.mark.parametrize("value", ["many", "-1", "0", "1.5", "G", "1T"])
def test_number_that_is_none_is_refused_by_its_name(value):
    with pytest.raises(settings.SettingsError, match=f"TT_SANDBOX_SECONDS is '{value}'"):
        settings.load({"TT_SANDBOX_SECONDS": value})
