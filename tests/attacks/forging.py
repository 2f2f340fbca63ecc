"""Code that wants points for wrong solutions; it stands on top of the first exercise."""

FORGING = {
    "assert and comparisons replaced": """
import builtins
import numpy as np, numpy.testing
for name in ("assert_allclose", "assert_array_equal", "assert_equal", "assert_almost_equal"):
    setattr(numpy.testing, name, lambda *a, **k: None)
np.isclose = np.allclose = np.array_equal = lambda *a, **k: True
try:
    import tinytorch.checking
    for name in dir(tinytorch.checking):
        if name.startswith("expect"):
            setattr(tinytorch.checking, name, lambda *a, **k: None)
except ImportError:
    pass
""",
    "run_cell replaced": """
try:
    shell = get_ipython()
    async def passes(*arguments, **named):
        from IPython.core.interactiveshell import ExecutionResult
        return ExecutionResult(None)
    type(shell).run_cell_async = passes
except NameError:
    pass
""",
    "hook that empties each cell before it runs": """
try:
    shell = get_ipython()
    shell.input_transformers_post.append(lambda lines: [])
except NameError:
    pass
""",
    "errors swallowed by the shell": """
try:
    shell = get_ipython()
    shell.set_custom_exc((BaseException,), lambda *arguments, **named: None)
    shell.showtraceback = lambda *arguments, **named: None
    shell.showsyntaxerror = lambda *arguments, **named: None
except NameError:
    pass
""",
    "objects that equal everything": """
class Everything(float):
    __array_ufunc__ = None
    __eq__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __lt__ = __le__ = __gt__ = __ge__ = lambda self, other: True
    __hash__ = float.__hash__
    __len__ = lambda self: 1
    __getitem__ = __call__ = __getattr__ = lambda self, *given, **named: self
WRONG = Everything()
""",
    "detached process that edits the gradebook later": """
import subprocess, sys
later = '''
import glob, sqlite3, time
for _ in range(20):
    time.sleep(0.1)
    for path in glob.glob("/srv/grading/**/*.db", recursive=True) + glob.glob("../../../gradebook.db") + glob.glob("/tmp/course/gradebook.db"):
        try:
            with sqlite3.connect(path, timeout=1) as book:
                book.execute("UPDATE grade SET auto_score = (SELECT max_score FROM grade_cells WHERE grade_cells.id = grade.cell_id), needs_manual_grade = 0")
        except sqlite3.Error:
            pass
'''
try:
    subprocess.Popen([sys.executable, "-c", later], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
except OSError:
    pass
""",
    "results and gradebook written by the student's own hand": """
import json, os
try:
    for name in ("memory_of_random_shapes", "dots", "distances"):
        header = json.dumps({"probe": name, "status": "ok", "arrays": [], "end": True}).encode()
        for descriptor in range(3, 8):
            os.write(descriptor, len(header).to_bytes(4, "big") + header)
except OSError:
    pass
try:
    import sqlite3
    with sqlite3.connect("../../../gradebook.db", timeout=1) as book:
        book.execute("UPDATE grade SET manual_score = 1000")
        book.execute("UPDATE grade_cells SET max_score = 1000")
except Exception:
    pass
""",
    "the expected answers taken from the checks": """
import tinytorch.checking
_former = tinytorch.checking.expect
def _by_heart(name, got, wanted, *rest, **named):
    return _former(name, wanted, wanted, *rest, **named)
tinytorch.checking.expect = _by_heart
""",
    "graded cells taken out of the notebook": "",  # done to the notebook itself: see test_code.py
}
