"""What a student's code may try: each attempt gets nothing for what is wrong, with a reason, and breaks
nothing of ours.

The harness is real, in a process of its own instead of a container: walls that only the container has
(network, disk, number of processes) are tried in tests/ at the top.
"""

import textwrap

import pytest

from grading.queue import Submission
from grading.sandboxes import Limits
from grading.tests.harness_process import HarnessProcess
from grading.tests.toy_course import notebook, with_double
from grading.worker import modules

SEED = 4711
LIMITS = Limits(2, 1 << 30, modules.OUTPUT_LIMIT)

ATTACKS = {
    "patched_numpy_testing": """
        import numpy.testing
        numpy.testing.assert_allclose = numpy.testing.assert_array_equal = lambda *a, **k: None
        def double(x):
            return x
    """,
    "patched_isclose_and_assert": """
        import builtins
        np.isclose = np.allclose = np.array_equal = lambda *a, **k: True
        np.equal = lambda a, b: np.ones(np.shape(a), bool)
        builtins.AssertionError = ValueError
        def double(x):
            return x
    """,
    "object_that_equals_everything": """
        class Everything:
            def __eq__(self, other): return True
            def __ne__(self, other): return False
            def __bool__(self): return True
            def __array__(self, *a, **k): return np.array([self], dtype=object)
        def double(x):
            return Everything()
    """,
    "array_that_equals_everything": """
        class Everything(np.ndarray):
            def __eq__(self, other): return np.ones(self.shape, bool)
            __array_ufunc__ = None
        def double(x):
            return x.view(Everything)
    """,
    "detached_process": """
        import os, time
        def double(x):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    end = time.monotonic() + 3
                    while time.monotonic() < end:
                        try:
                            os.write(3, b"x" * 64)
                        except OSError:
                            break
                os._exit(0)
            return x
    """,
    "exit": "import os\ndef double(x):\n    os._exit(0)\n",
    "exit_on_import": "import os\nos._exit(7)\ndef double(x):\n    return x\n",
    "system_exit": "import sys\ndef double(x):\n    sys.exit('all is well')\n",
    "segmentation_fault": "import ctypes\ndef double(x):\n    ctypes.string_at(0)\n",
    "infinite_loop": "def double(x):\n    while True:\n        pass\n",
    "endless_loop_in_c": "def double(x):\n    return np.broadcast_to(x[0], (10**14, *x[0].shape)).sum(0)\n",
    "endless_sleep": "import time\ndef double(x):\n    time.sleep(10**6)\n",
    "infinite_recursion": "def double(x):\n    return double(x)\n",
    "all_exceptions_caught_and_looping": """
        def double(x):
            while True:
                try:
                    while True: pass
                except BaseException:
                    pass
    """,
    "kill_the_parent": """
        import os, signal
        def double(x):
            os.kill(os.getppid(), signal.SIGKILL)
            return x
    """,
    "stop_the_parent": """
        import os, signal
        def double(x):
            os.kill(os.getppid(), signal.SIGSTOP)
            return x
    """,
    "memory_of_the_parent": """
        import os
        def double(x):
            open(f"/proc/{os.getppid()}/mem", "r+b")
            return x
    """,
    "output_of_the_parent": """
        import os
        def double(x):
            for fd in os.listdir(f"/proc/{os.getppid()}/fd"):
                open(f"/proc/{os.getppid()}/fd/{fd}", "wb").write(b"forged")
            return x
    """,
    "forged_frames": """
        import json, os
        def double(x):
            for name in ("doubles_numbers", "doubles_many"):
                header = json.dumps({"probe": name, "status": "ok", "arrays": [], "end": True}).encode()
                os.write(3, len(header).to_bytes(4, "big") + header)
            os._exit(0)
    """,
    "frame_with_a_huge_header": """
        import os
        def double(x):
            os.write(3, b"\\xff\\xff\\xff\\xff" + b"[" * 60000)
            os._exit(0)
    """,
    "frame_that_announces_too_much": """
        import json, os
        def double(x):
            arrays = [{"name": "value", "dtype": "<f8", "shape": [3, 4], "nbytes": 10 ** 12}]
            header = json.dumps({"status": "ok", "arrays": arrays}).encode()
            os.write(3, len(header).to_bytes(4, "big") + header)
            os._exit(0)
    """,
    "deeply_nested_header": """
        import os
        def double(x):
            os.write(3, (30000).to_bytes(4, "big") + b"[" * 30000)
            os._exit(0)
    """,
    "endless_answer": """
        import os
        def double(x):
            while True:
                os.write(3, b"\\0\\0\\0\\2{}" * 1000)
    """,
    "object_array": "def double(x):\n    return np.array([None] * 12, dtype=object).reshape(3, 4)\n",
    "pickle_bomb": """
        class Bomb:
            def __reduce__(self):
                import os
                return (os.abort, ())
        def double(x):
            return np.array([Bomb()], dtype=object)
    """,
    "not_a_number": "def double(x):\n    return x * np.nan\n",
    "infinite": "def double(x):\n    return np.full_like(x, np.inf)\n",
    "wrong_dtype": "def double(x):\n    return (x * 2).astype(bool)\n",
    "complex_numbers": "def double(x):\n    return x * 2 + 0j\n",
    "wrong_shape": "def double(x):\n    return (x * 2).ravel()[:-1]\n",
    "empty": "def double(x):\n    return np.zeros(0)\n",
    "nothing": "def double(x):\n    x * 2\n",
    "too_large_an_answer": "def double(x):\n    return np.zeros(5_000_000)\n",
    "two_gigabytes": "def double(x):\n    return np.ones(1 << 28)\n",
    "print_of_100_MB_on_one_line": "def double(x):\n    print('x' * 100_000_000, flush=True)\n    return x\n",
    "error_whose_text_is_an_error": """
        class Worse(Exception):
            def __str__(self): raise self
        def double(x):
            raise Worse()
    """,
    "error_with_a_text_of_markup": "def double(x):\n    raise ValueError('<b>x</b>\\x00\\x1b[2J')\n",
    "lying_probe_module": """
        import course.probing, sys
        course.probing.normalise = sys.modules["grading.sandbox.forks"].normalise = lambda out: {}
        def double(x):
            return x
    """,
    "lying_frames": """
        import sys
        sys.modules["grading.sandbox.forks"].frames.of_arrays = lambda arrays: b"\\0\\0\\0\\2{}"
        def double(x):
            return x
    """,
    "reseeded_generator": """
        import sys
        frame = sys._getframe()
        def double(x):
            sys._getframe(1).f_locals.clear()
            return x
    """,
}


def grade(toy, handed_in, sandbox=None):
    submission = Submission("0" * 32, "eve", "module", "toy", "", 0, 0.0, SEED)
    return modules.grade(submission, {"notebook": handed_in}, toy, sandbox or HarnessProcess(), LIMITS)[0]


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_attack_gets_nothing_and_a_reason(toy, attack, monkeypatch):
    monkeypatch.setattr(modules, "PROBE_SECONDS", 0.5)
    code = textwrap.dedent(ATTACKS[attack])
    double, shuffle = grade(toy, with_double(code)).checks
    assert double.points == 0
    assert len(double.reasons) == 2
    assert "not solved yet" not in double.reasons[0], "the attack was not run"
    for reason in double.reasons:
        assert 20 < len(reason) < 900
        assert reason.isprintable(), "control characters reach a student's terminal"
        assert "Traceback" not in reason
    assert shuffle.points in (0, 3)


def test_what_is_right_keeps_its_points_beside_an_attack(toy):
    double, shuffle = grade(toy, with_double(ATTACKS["exit"])).checks
    assert (double.points, shuffle.points) == (0, 3)


def test_right_solution_gets_everything_each_time(toy):
    from grading.tests.toy_course import SOLVED

    for _ in range(2):
        result = grade(toy, notebook(SOLVED))
        assert result.score == result.max_score == 5
        assert not any(check.reasons for check in result.checks)


def test_untouched_notebook_gets_nothing_and_is_told_so(toy):
    from grading.tests.toy_course import UNSOLVED

    result = grade(toy, notebook(UNSOLVED))
    assert result.score == 0
    reasons = [check.reasons for check in result.checks]
    assert reasons == [["`double` is not solved yet."], ["`shuffle` is not solved yet."]]


def test_part_of_the_probes_gives_part_of_the_points(toy):
    double, _ = grade(toy, with_double("def double(x):\n    return x * 2.0 if x.ndim == 2 else x\n")).checks
    assert double.points == 1.0
    assert "Doubling a long row: 'row' at [0] is" in double.reasons[0]


def test_reason_names_the_line_of_the_students_code(toy):
    double, _ = grade(toy, with_double("def double(x):\n    y = x[99]\n    return y\n")).checks
    assert "IndexError" in double.reasons[0]
    assert "in double: `y = x[99]`" in double.reasons[0]


def test_what_crashes_in_one_probe_does_not_sink_the_next(toy):
    code = "import os\ndef double(x):\n    if x.ndim == 2:\n        os._exit(3)\n    return x * 2.0\n"
    double, shuffle = grade(toy, with_double(code)).checks
    assert (double.points, shuffle.points) == (1.0, 3.0)
    assert "exit code 3" in double.reasons[0]


def test_printed_text_is_shown_when_there_is_nothing_else(toy):
    code = "import os\ndef double(x):\n    print('here I am', flush=True)\n    os._exit(1)\n"
    double, _ = grade(toy, with_double(code)).checks
    assert "It had printed: here I am" in double.reasons[0]


def test_damaged_notebook_is_graded_as_far_as_it_goes(toy):
    damaged = with_double("def double(x:\n    return 2 * x")
    damaged["cells"].append(damaged["cells"][-2])
    result = grade(toy, damaged)
    assert [check.points for check in result.checks] == [0, 3]
    assert any("no valid Python" in note for note in result.notes)
    del damaged["cells"][1]
    assert any("missing" in note for note in grade(toy, damaged).notes)


def test_reference_of_the_module_itself_is_not_in_the_sandbox(toy):
    files = toy.module("toy").files
    assert sorted(files) == ["tinytorch/__init__.py", "tinytorch/base.py"]
