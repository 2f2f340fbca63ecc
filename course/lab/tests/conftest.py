"""A student's folder beside the tiny course, as tito's own tests have it."""

from course.tito.tests.conftest import tito, work  # noqa: F401
