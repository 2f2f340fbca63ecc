"""nbgrader in the classroom. The course folder's own nbgrader_config.py comes after this."""

import os
import sys
from pathlib import Path

from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader.preprocessors import GetGrades

from grading.nbgrader_side import audit, autograde
from grading.nbgrader_side.api import gradebook_url
from grading.nbgrader_side.feedback import FeedbackExporter, HideHiddenTests

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - nbgrader puts it here

COURSE = Path("/srv/nbgrader")
# nbgrader reads nbgrader_config.py, which is Python, where it is started: never one that a student handed in.
if {"submitted", "autograded", "feedback"} & set(Path.cwd().parts):
    sys.exit(f"nbgrader is not started among students' files. First: cd {COURSE}")

autograde.install()
audit.install()

c.CourseDirectory.root = str(COURSE)
c.CourseDirectory.course_id = os.environ["TT_NAME"]
c.CourseDirectory.db_url = gradebook_url()
c.GenerateFeedback.preprocessors = [GetGrades, HideHiddenTests, CSSHTMLHeaderPreprocessor]
c.GenerateFeedback.exporter_class = FeedbackExporter
