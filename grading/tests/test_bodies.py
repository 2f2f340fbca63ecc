"""What is taken in, and what is refused with which sentence."""

import json
import time

import pytest

from grading import bodies
from grading.tests import toy_course

RIGHT = {"notebook": toy_course.notebook(toy_course.UNSOLVED)}
ATTEMPT = {"files": {"tinytorch/tensor.py": "x = 1\n", "perceptron.py": ""}, "weights": {"w": "AAAA"}}


def test_notebook_and_milestone_are_taken():
    bodies.check("module", "toy", json.dumps(RIGHT).encode())
    bodies.check("milestone", "sign", json.dumps(ATTEMPT).encode())
    bodies.check("milestone", "sign", json.dumps({**ATTEMPT, "weights": {}}).encode())


def test_damaged_notebook_is_taken_too():
    notebook = {"nbformat": 4, "cells": [{"cell_type": "code", "source": ["x = ", "1"], "metadata": None}]}
    bodies.check("module", "toy", json.dumps({"notebook": notebook}).encode())


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not readable as JSON"),
        (b"\xff\xfe\x00", "not readable as JSON"),
        (b"PK\x03\x04", "not readable as JSON"),
        (b"[" * 100_000, "not readable as JSON"),
        (b'{"x": ' + b"[" * 900 + b"]" * 900 + b"}", "nested more than 100 deep"),
        (b'{"x": ' * 150 + b"1" + b"}" * 150, "nested more than 100 deep"),
        (b"[]", "no JSON object"),
        (b"null", "no JSON object"),
        (b"{}", "holds no notebook"),
        (b'{"notebook": "text"}', "holds no notebook"),
        (b'{"notebook": {}}', "no notebook"),
        (b'{"notebook": {"nbformat": 3, "cells": []}}', "no notebook"),
        (b'{"notebook": {"nbformat": 4, "cells": {}}}', "no notebook"),
        (b'{"notebook": {"nbformat": 4, "cells": [1]}}', "A cell"),
        (b'{"notebook": {"nbformat": 4, "cells": [{"cell_type": "code"}]}}', "A cell"),
        (b'{"notebook": {"nbformat": 4, "cells": [{"cell_type": "code", "source": [1]}]}}', "A cell"),
        (b'{"notebook": {"nbformat": 4, "cells": [], "metadata": {"tinytorch": {"module": "b"}}}}', "of 'b'"),
    ],
)
def test_what_is_no_notebook_is_refused_in_one_sentence(body, said):
    with pytest.raises(bodies.Refused, match=said):
        bodies.check("module", "toy", body)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"files": None}, "'files' must hold"),
        ({"files": {}}, "'files' must hold"),
        ({"files": {"../a.py": ""}}, "no name for a Python file"),
        ({"files": {"/etc/passwd.py": ""}}, "no name for a Python file"),
        ({"files": {"a.so": ""}}, "no name for a Python file"),
        ({"files": {"a.py": 1}}, "is no text"),
        ({"files": {f"a{i}.py": "" for i in range(500)}}, "'files' must hold"),
        ({"weights": None}, "'weights' must be"),
        ({"weights": {"a b": "AAAA"}}, "name must be"),
        ({"weights": {"w": "not base64"}}, "no array in base64"),
        ({"weights": {"w": [1.0]}}, "no array in base64"),
    ],
)
def test_what_is_no_milestone_is_refused_in_one_sentence(change, said):
    with pytest.raises(bodies.Refused, match=said):
        bodies.check("milestone", "sign", json.dumps({**ATTEMPT, **change}).encode())


def test_notebook_of_100000_cells_is_checked_within_a_second():
    cells = [{"cell_type": "code", "source": "x = 1", "metadata": {}}] * 100_000
    body = json.dumps({"notebook": {"nbformat": 4, "cells": cells, "metadata": {}}}).encode()
    started = time.process_time()
    bodies.check("module", "toy", body)
    assert time.process_time() - started < 1
