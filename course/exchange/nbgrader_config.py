"""nbgrader on a student's server: its exchange is the grading API."""

from course import exchange
from course.exchange.work import COURSE, home

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - nbgrader puts it here

exchange.use(c)
c.CourseDirectory.course_id = COURSE

# An instructor's own assignments lie in a folder of their own: none of their names is in tito's way.
c.Exchange.assignment_dir = str(home() / "assignments")
c.ClassroomExchange.modules_dir = str(home())
