"""nbgrader in the classroom. The course folder's own nbgrader_config.py comes after this."""

import sys
import warnings
from pathlib import Path

from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader.preprocessors import GetGrades
from sqlalchemy.exc import SAWarning

from course import exchange
from grading.nbgrader_side import audit, autograde
from grading.nbgrader_side.api import gradebook_url
from grading.nbgrader_side.feedback import FeedbackExporter, HideHiddenTests

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - nbgrader puts it here

COURSE = Path("/srv/nbgrader")
# nbgrader reads nbgrader_config.py, which is Python, where it is started: never one that a student handed in.
if {"submitted", "autograded", "feedback"} & set(Path.cwd().parts):
    sys.exit(f"nbgrader is not started among students' files. First: cd {COURSE}")

# The exchange, as in students' servers.
load_subconfig("nbgrader_config.py", path=str(Path(exchange.__file__).parent))  # type: ignore[name-defined]  # noqa: F821

warnings.simplefilter("ignore", SAWarning)  # of nbgrader's own models, at each new submission
autograde.install()
audit.install()

c.CourseDirectory.root = str(COURSE)
c.CourseDirectory.db_url = gradebook_url()
c.GenerateFeedback.preprocessors = [GetGrades, HideHiddenTests, CSSHTMLHeaderPreprocessor]
c.GenerateFeedback.exporter_class = FeedbackExporter
c.ExportApp.plugin_class = "grading.exports.nbgrader.QuotedExport"  # nbgrader's own quotes nothing
