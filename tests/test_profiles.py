"""A server of another kind, by way of the real gate: its limits, and that nobody else gets one."""

from __future__ import annotations

import json

from tests.classroom import Classroom, run


def test_a_profile_has_its_own_limits_and_only_its_group_has_it(classroom: Classroom) -> None:
    [plain] = classroom.enrol("plain")
    plain.start_server()  # which signing in has begun
    plain.stop_server()
    refused = plain.api("POST", "users/plain/server", json={"profile": "roomy"})
    assert refused.status_code == 403, refused.text
    assert "no profile 'roomy' for you" in refused.text

    [roomy] = classroom.enrol("roomy", section="Roomy")
    roomy.start_server()
    roomy.stop_server()
    page = roomy.session.get(f"{classroom.url}hub/spawn", timeout=30)
    assert "For whoever trains a network." in page.text
    assert roomy.api("POST", "users/roomy/server", json={"profile": "roomy"}).status_code in (201, 202)
    roomy.start_server()
    [told] = json.loads(run("docker", "inspect", roomy.container).stdout)
    host = told["HostConfig"]
    assert told["Config"]["Labels"]["tinytorch.profile"] == "roomy"
    assert (host["Memory"], host["MemorySwap"], host["MemoryReservation"]) == (2**30, 2**30, 2**28)
    assert (host["CpuQuota"], host["CpuShares"], host["PidsLimit"]) == (50_000, 2048, 300)
    assert "MEM_LIMIT=1073741824" in told["Config"]["Env"]  # by which JupyterLab shows how full it is
    roomy.stop_server()
