"""nbgrader in the classroom: its exchange is the grading API. For students' servers and formgrader alike."""

import os
from pathlib import Path

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - nbgrader puts it here

for step in (
    "list",
    "fetch_assignment",
    "fetch_feedback",
    "release_assignment",
    "release_feedback",
    "submit",
    "collect",
):
    words = "".join(word.title() for word in step.split("_"))
    setattr(c.ExchangeFactory, step, f"course.exchange.plugins.Exchange{words}")
c.ExchangeFactory.exchange = "course.exchange.plugins.ClassroomExchange"

c.CourseDirectory.course_id = (
    "course"  # one classroom is one course; a course folder's own config may rename it
)

# A student's own assignments lie in a folder of their own: no name of an instructor's is in tito's way.
work = Path(os.environ.get("TT_WORK") or "~/course").expanduser()
c.Exchange.assignment_dir = str(work / "assignments")
c.ClassroomExchange.modules_dir = str(work)
