"""What a hub that was taken over might ask for. Everything here is refused, by name."""

import base64
import json
from typing import Any

import pytest

from hub.gate import policy, strict
from hub.gate.homes import Student
from hub.gate.settings import Settings, SettingsError
from hub.gate.strict import Refused


def in_base64(told: Any) -> str:
    return base64.b64encode(json.dumps(told).encode()).decode()


GIB = 2**30
STUDENT = {"memory": GIB, "cpus": 1.0, "pids": 256, "guarantee": 0, "cpu_share": 1.0, "gpus": 0}
LARGE = {
    "memory": 4 * GIB,
    "cpus": 2.0,
    "pids": 512,
    "guarantee": GIB,
    "cpu_share": 1.5,
    "gpus": 0,
    "title": "Large",
    "groups": [],
}
FAST = {**LARGE, "gpus": 2}
ENVIRONMENT = {
    "TT_NAME": "tinytorch",
    "TT_STATE": "/srv/tinytorch",
    "TT_STUDENT_IMAGE": "tinytorch/student:1",
    "TT_STUDENT_GPU_IMAGE": "tinytorch/student-gpu:1",
    "TT_INTERNET": "none",
    "TT_SANDBOX_IMAGE": "tinytorch/sandbox:1",
    "TT_STUDENTS_NETWORK": "tinytorch-students",
    "TT_PROFILES": in_base64({"student": STUDENT, "large": LARGE, "fast": FAST}),
    "TT_CEILING_GPUS": "4",
    "TT_CGROUP_STUDENTS": "/tinytorch/students",
    "TT_SANDBOX_SECONDS": "60",
    "TT_RETRAIN_SECONDS": "600",
    "TT_SANDBOX_MEMORY": "1G",
    "TT_SANDBOX_POOL": "0",
}
SETTINGS = Settings.from_environment(ENVIRONMENT)
ADA = Student("ada", "ada", 20_000)


def asked(**fields: Any) -> dict[str, Any]:
    """What DockerSpawner sends, with some fields replaced."""
    usual = {
        "Image": "tinytorch/student:1",
        "Cmd": ["jupyterhub-singleuser"],
        "Env": ["JUPYTERHUB_API_TOKEN=t", "EMPTY="],
        "Hostname": None,
        "User": None,
        "Tty": False,
        "Volumes": {},
        "ExposedPorts": {"8888/tcp": {}},
        "AttachStdout": True,
        "Labels": {"tinytorch.user": "ada"},
        "HostConfig": {
            "Memory": GIB // 2,
            "CpuPeriod": 100_000,
            "CpuQuota": 50_000,
            "Binds": [],
            "Links": [],
        },
    }
    return usual | fields


def built(**fields: Any) -> dict[str, Any]:
    return policy.student_container(asked(**fields), ADA, SETTINGS)


def test_container_of_a_spawn_is_confined() -> None:
    body = built()
    host = body["HostConfig"]
    assert body["User"] == "20000:20000"
    assert body["Labels"] == {
        "tinytorch.classroom": "tinytorch",
        "tinytorch.role": "student",
        "tinytorch.user": "ada",
        "tinytorch.profile": "student",
    }
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["NetworkMode"] == "tinytorch-students"
    assert host["Dns"] == ["127.0.0.1"]
    assert host["CgroupParent"] == "/tinytorch/students"
    assert host["ReadonlyRootfs"] is True
    assert host["Tmpfs"]["/tmp"].startswith(f"size={GIB // 4},nr_inodes=65536,")
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (GIB // 2, GIB // 2, 256)
    assert "DeviceRequests" not in host
    assert [(mount["Source"], mount["Target"], mount["ReadOnly"]) for mount in host["Mounts"]] == [
        ("/srv/tinytorch/homes/ada", "/home/ada", False),
        ("/srv/tinytorch/passwd/ada.passwd", "/etc/passwd", True),
        ("/srv/tinytorch/passwd/ada.group", "/etc/group", True),
        ("/srv/tinytorch/datasets", "/srv/datasets", True),
        ("/srv/tinytorch/course/public", "/srv/course", True),
    ]


def test_without_limits_a_student_gets_the_ceilings() -> None:
    host = built(HostConfig=None)["HostConfig"]
    assert (host["Memory"], host["CpuQuota"], host["PidsLimit"]) == (GIB, 100_000, 256)
    assert (host["MemoryReservation"], host["CpuShares"]) == (0, 1024)


def profiled(profile: Any, **host: Any) -> dict[str, Any]:
    return built(Labels={"tinytorch.user": "ada", "tinytorch.profile": profile}, HostConfig=host)


def test_a_profile_has_the_settings_limits_whatever_the_hub_says() -> None:
    body = profiled("large")
    host = body["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["MemoryReservation"]) == (4 * GIB, 4 * GIB, GIB)
    assert (host["CpuQuota"], host["CpuShares"], host["PidsLimit"]) == (200_000, 1536, 512)
    assert body["Labels"]["tinytorch.profile"] == "large"
    usual = built()
    for same in ("User", "Image"):
        assert body[same] == usual[same]
    for same in ("Mounts", "CapDrop", "SecurityOpt", "NetworkMode", "CgroupParent"):
        assert host[same] == usual["HostConfig"][same]
    less = profiled("large", Memory=GIB // 2)["HostConfig"]
    assert (less["Memory"], less["MemoryReservation"]) == (GIB // 2, GIB // 2)


def with_gpus(*gpus: str, labels: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    whose = {"tinytorch.user": "ada", "tinytorch.profile": "fast", **(labels or {})}
    image = "tinytorch/student-gpu:1"
    fields = {"Image": image, "Env": [], "HostConfig": {}, **fields}
    return policy.student_container(asked(Labels=whose, **fields), ADA, SETTINGS, gpus)


def test_gpus_are_those_that_the_gate_chose() -> None:
    body = with_gpus("1", "3")
    assert body["HostConfig"]["DeviceRequests"] == [
        {"Driver": "nvidia", "DeviceIDs": ["1", "3"], "Capabilities": [["gpu"]]}
    ]
    assert body["Labels"]["tinytorch.gpus"] == "1,3"
    assert body["Image"] == "tinytorch/student-gpu:1"
    assert "NVIDIA_VISIBLE_DEVICES=1,3" in body["Env"]


def test_without_gpus_none_is_seen_whatever_the_engines_runtime_and_the_hub_say() -> None:
    environment = built(Env=["NVIDIA_VISIBLE_DEVICES=all", "CUDA_VERSION=12"])["Env"]
    assert [line for line in environment if line.startswith("NVIDIA")] == ["NVIDIA_VISIBLE_DEVICES=void"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"labels": {"tinytorch.gpus": "0"}}, r"Labels\.tinytorch\.gpus"),
        ({"labels": {"tinytorch.gpus": ["1", "3"]}}, r"Labels\.tinytorch\.gpus"),
        ({"HostConfig": {"DeviceRequests": [{"Count": -1, "Capabilities": [["gpu"]]}]}}, "DeviceRequests"),
        ({"HostConfig": {"DeviceRequests": [{"Driver": "nvidia", "DeviceIDs": ["0"]}]}}, "DeviceRequests"),
        ({"HostConfig": {"Runtime": "nvidia"}}, "Runtime"),
        ({"Image": "tinytorch/student:1"}, "Image"),
    ],
)
def test_the_hub_names_no_gpu(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(Refused, match=named):
        with_gpus("1", "3", **fields)


def test_without_gpus_there_is_no_image_for_them_and_no_label() -> None:
    with pytest.raises(Refused, match="Image"):
        built(Image="tinytorch/student-gpu:1")
    with pytest.raises(Refused, match=r"Labels\.tinytorch\.gpus"):
        built(Labels={"tinytorch.user": "ada", "tinytorch.gpus": "0"})


@pytest.mark.parametrize(
    ("held", "wanted", "given"),
    [
        ([], 1, ["0"]),
        ([], 4, ["0", "1", "2", "3"]),
        (["0,2"], 2, ["1", "3"]),
        (["1", "0"], 1, ["2"]),
        (["7"], 1, ["0"]),  # given out while the ceiling was higher
    ],
)
def test_the_lowest_free_gpus_are_taken(held: list[str], wanted: int, given: list[str]) -> None:
    holders = [{"Labels": {"tinytorch.gpus": numbers}} for numbers in held]
    assert policy.free_gpus(wanted, holders, SETTINGS) == given


@pytest.mark.parametrize(
    ("held", "sentence"),
    [("0,1,2,3", "No room now: all GPUs are taken."), ("0,1,2", "No room now: too few GPUs are free.")],
)
def test_without_a_free_gpu_a_start_is_refused_in_words(held: str, sentence: str) -> None:
    with pytest.raises(Refused) as refusal:
        policy.free_gpus(2, [{"Labels": {"tinytorch.gpus": held}}], SETTINGS)
    assert (refusal.value.status, str(refusal.value)) == (429, sentence)


@pytest.mark.parametrize(("internet", "more"), [("none", 0), ("packages", 2), ("all", 2)])
def test_with_a_way_out_a_server_knows_whom_to_trust_there_and_cannot_change_it(
    internet: str, more: int
) -> None:
    settings = Settings.from_environment(ENVIRONMENT | {"TT_INTERNET": internet})
    mounts = policy.student_container(asked(), ADA, settings)["HostConfig"]["Mounts"]
    added = [mount for mount in mounts if mount["Target"] in ("/run/ca.crt", "/etc/pip.conf")]
    assert len(added) == more
    assert all(mount["ReadOnly"] for mount in added)


def test_who_teaches_has_the_folder_of_assignments_and_nobody_else() -> None:
    usual, teaching = built(), built(Labels={"tinytorch.user": "ada", "tinytorch.teaches": "yes"})
    source = "/srv/tinytorch/grading/nbgrader/source"
    assert "teaches" not in str(usual["Labels"])
    assert not usual["HostConfig"]["GroupAdd"]
    assert teaching["HostConfig"].pop("GroupAdd") == ["1007"]
    own = teaching["HostConfig"]["Mounts"].pop()
    assert (own["Source"], own["Target"], own["ReadOnly"]) == (source, "/srv/nbgrader/source", False)
    assert teaching["Labels"].pop("tinytorch.teaches") == "yes"
    del usual["HostConfig"]["GroupAdd"]
    assert teaching == usual


@pytest.mark.parametrize("said", ["", "no", "Yes", True, ["yes"], {"yes": "yes"}])
def test_another_word_for_teaching_is_refused(said: Any) -> None:
    with pytest.raises(Refused, match=r"Labels\.tinytorch\.teaches") as refusal:
        built(Labels={"tinytorch.user": "ada", "tinytorch.teaches": said})
    assert refusal.value.status == 403


@pytest.mark.parametrize(
    "profile", ["huge", "Large", "large ", "", None, True, ["large"], {"memory": GIB}, "__class__"]
)
def test_a_profile_that_the_settings_do_not_have_is_refused(profile: Any) -> None:
    with pytest.raises(Refused, match=r"Labels\.tinytorch\.profile") as refusal:
        profiled(profile)
    assert refusal.value.status == 403


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Memory", 4 * GIB + 1),
        ("MemoryReservation", 2 * GIB),
        ("MemorySwap", -1),
        ("CpuQuota", 200_001),
        ("CpuShares", 10_000),
        ("PidsLimit", 10_000),
        ("DeviceRequests", [{"Count": -1, "Capabilities": [["gpu"]]}]),
    ],
)
def test_more_than_the_profile_has_is_refused(field: str, value: Any) -> None:
    with pytest.raises(Refused, match=rf"HostConfig\.{field}"):
        profiled("large", **{field: value})


def test_home_and_name_are_the_gates_to_say() -> None:
    environment = built(Env=["HOME=/", "USER=root", "LD_PRELOAD=x", "TEXT=a=b\nc"])["Env"]
    own = ["HOME=/home/ada", "USER=ada", "LOGNAME=ada", "NVIDIA_VISIBLE_DEVICES=void"]
    assert environment == [*own, "LD_PRELOAD=x", "TEXT=a=b\nc"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Privileged", True),
        ("Binds", ["/:/host"]),
        ("Binds", ["/srv/tinytorch/homes/alan:/home/alan"]),
        ("Binds", ["/srv/tinytorch/course:/srv/course"]),
        ("Mounts", [{"Type": "bind", "Source": "/", "Target": "/host"}]),
        ("Mounts", [{"Type": "bind", "Source": "/srv/tinytorch/course/public", "Target": "/srv/course"}]),
        ("VolumesFrom", ["tinytorch-hub-1"]),
        ("Devices", [{"PathOnHost": "/dev/sda"}]),
        ("DeviceRequests", [{"Count": -1}]),
        ("DeviceCgroupRules", ["a *:* rwm"]),
        ("CapAdd", ["SYS_ADMIN"]),
        ("CapDrop", ["CHOWN"]),
        ("NetworkMode", "host"),
        ("NetworkMode", "container:tinytorch-hub-1"),
        ("NetworkMode", "tinytorch_services"),
        ("PidMode", "host"),
        ("IpcMode", "host"),
        ("UTSMode", "host"),
        ("UsernsMode", "host"),
        ("CgroupnsMode", "host"),
        ("Cgroup", "container:x"),
        ("Runtime", "other"),
        ("CgroupParent", "/"),
        ("SecurityOpt", ["seccomp=unconfined"]),
        ("SecurityOpt", ["no-new-privileges", "apparmor=unconfined"]),
        ("MaskedPaths", ["/nothing"]),
        ("ReadonlyPaths", ["/nothing"]),
        ("Sysctls", {"net.ipv4.ip_forward": "1"}),
        ("ExtraHosts", ["hub:10.0.0.1"]),
        ("Dns", ["10.0.0.1"]),
        ("Links", ["tinytorch-hub-1:hub"]),
        ("PortBindings", {"8888/tcp": [{"HostPort": "80"}]}),
        ("PublishAllPorts", True),
        ("GroupAdd", ["0"]),
        ("OomScoreAdj", -1000),
        ("OomKillDisable", True),
        ("PidsLimit", -1),
        ("MemorySwap", -1),
        ("NanoCpus", 10**12),
        ("CpuShares", 10**6),
        ("CpuRealtimeRuntime", 950_000),
        ("Ulimits", [{"Name": "memlock", "Soft": -1, "Hard": -1}]),
        ("ShmSize", 2**40),
        ("Tmpfs", {"/run": "exec"}),
        ("StorageOpt", {"size": "1T"}),
        ("LogConfig", {"Type": "syslog", "Config": {"syslog-address": "tcp://10.0.0.1"}}),
        ("VolumeDriver", "other"),
        ("RestartPolicy", {"Name": "always"}),
        ("Init", True),
        ("privileged", True),  # the engine reads names in any case
        ("PRIVILEGED", True),
        ("Priv\N{LATIN SMALL LETTER DOTLESS I}leged", True),
        ("ThisIsNewIn2030", {"a": 1}),
        ("Memory", GIB + 1),
        ("Memory", -1),
        ("Memory", True),
        ("Memory", "1G"),
        ("CpuQuota", 100_001),
        ("CpuQuota", -1),
        ("CpuPeriod", 1000),
    ],
)
def test_host_config_that_asks_for_more_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(Refused, match=rf"HostConfig\.({field}|CpuQuota)") as refusal:
        built(HostConfig={field: value})
    assert refusal.value.status == 403


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Image", "debian"),
        ("Image", "tinytorch/student:1 "),
        ("Image", "tinytorch/gate:1"),
        ("Image", ["tinytorch/student:1"]),
        ("User", "0"),
        ("User", 0.5),
        ("User", "20001:20001"),
        ("User", "20000:0"),
        ("Entrypoint", ["/bin/sh"]),
        ("WorkingDir", "/root"),
        ("Volumes", {"/host": {}}),
        ("NetworkingConfig", {"EndpointsConfig": {"tinytorch_services": {}}}),
        ("MacAddress", "02:42:ac:11:00:02"),
        ("Hostname", "hub"),
        ("Domainname", "example.org"),
        ("Healthcheck", {"Test": ["CMD", "true"]}),
        ("StopSignal", "SIGCONT"),
        ("OnBuild", ["RUN true"]),
        ("Shell", ["/bin/sh"]),
        ("Runtime", "other"),
        ("Tty", True),
        ("OpenStdin", True),
        ("Cmd", "true"),
        ("Cmd", ["true", 1]),
        ("Cmd", ["tr\0ue"]),
        ("Env", {"A": "b"}),
        ("Env", ["NO_VALUE"]),
        ("Env", ["A=\0"]),
        ("Env", ["A B=c"]),
        ("Env", ["=c"]),
        ("HostConfig", ["Privileged"]),
    ],
)
def test_field_that_asks_for_more_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(Refused, match=field) as refusal:
        built(**{field: value})
    assert refusal.value.status == 403


@pytest.mark.parametrize(
    "labels",
    [
        {"tinytorch.user": "alan"},
        {"tinytorch.user": "ada", "tinytorch.role": "sandbox"},
        {"tinytorch.user": "ada", "tinytorch.classroom": "other"},
        {"tinytorch.user": "ada", "com.docker.compose.project": "tinytorch"},
    ],
)
def test_label_that_says_something_else_is_refused(labels: dict[str, str]) -> None:
    with pytest.raises(Refused, match=r"Labels\."):
        built(Labels=labels)


@pytest.mark.parametrize("labels", [None, [], "x", {}, {"tinytorch.user": None}, {"tinytorch.user": ["ada"]}])
def test_container_of_nobody_is_refused(labels: Any) -> None:
    with pytest.raises(Refused, match="Labels"):
        policy.user_of({"Labels": labels})


def test_own_name_is_accepted() -> None:
    policy.check_name("tinytorch-student-20000", ADA, SETTINGS)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "20000",
        "tinytorch-student-ada",
        "tinytorch-student-20001",
        "tinytorch-student-200001",
        "tinytorch-student-20000\n",
        "tinytorch-student-20000\0",
        "tinytorch-student-20000/../x",
        "tinytorch-student-2000\N{FULLWIDTH DIGIT ZERO}",
        "tinytorch-hub-1",
        "other-student-20000",
    ],
)
def test_name_of_another_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="name"):
        policy.check_name(name, ADA, SETTINGS)


@pytest.mark.parametrize(
    "labels",
    [
        None,
        {},
        {"tinytorch.role": "student"},
        {"tinytorch.classroom": "other", "tinytorch.role": "student"},
        {"tinytorch.classroom": "tinytorch", "tinytorch.role": "sandbox"},
    ],
)
def test_container_of_another_is_not_a_students(labels: dict[str, str] | None) -> None:
    assert not policy.is_students({"Config": {"Labels": labels}}, SETTINGS)


@pytest.mark.parametrize(
    "body",
    [
        b'{"Image": "a", "Image": "b"}',
        b'{"HostConfig": {"Privileged": false, "Privileged": true}}',
        b"[]",
        b"null",
        b"",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"Memory": ' + b"9" * 5000 + b"}",
    ],
)
def test_body_with_two_meanings_or_none_is_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        strict.json_object(body)


def test_body_with_one_meaning_is_read() -> None:
    assert strict.json_object(json.dumps(asked()).encode()) == asked()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TT_STUDENTS_NETWORK", "host"),
        ("TT_STUDENTS_NETWORK", "container:hub"),
        ("TT_STATE", "relative"),
        ("TT_STATE", "/"),
        ("TT_PROFILES", "large"),
        ("TT_PROFILES", in_base64(["large"])),
        ("TT_PROFILES", in_base64({"student": {"memory": GIB}})),
        ("TT_PROFILES", in_base64({"student": {**STUDENT, "memory": 0}})),
        ("TT_PROFILES", in_base64({"student": {**STUDENT, "cpus": float("nan")}})),
        ("TT_PROFILES", in_base64({"student": {**STUDENT, "pids": "many"}})),
        ("TT_PROFILES", in_base64({"student": {**STUDENT, "gpus": -1}})),
        ("TT_CEILING_GPUS", "all"),
        ("TT_INTERNET", "yes"),
        ("TT_SANDBOX_MEMORY", "1 GB"),
        ("TT_SANDBOX_SECONDS", "-1"),
        ("TT_NAME", "Tiny Torch"),
    ],
)
def test_setting_that_makes_no_sense_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        Settings.from_environment(ENVIRONMENT | {variable: value})


@pytest.mark.parametrize("variable", ENVIRONMENT)
def test_missing_setting_is_named(variable: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable} is not set"):
        Settings.from_environment({name: value for name, value in ENVIRONMENT.items() if name != variable})
