"""A classroom's environment, as compose would give it."""

import base64
import json
from typing import Any

GIB = 2**30


def environment(**changed: str) -> dict[str, str]:
    return {
        "TT_NAME": "tinytorch",
        "TT_TITLE": "Deep Learning from Scratch",
        "TT_BASE_PATH": "/course/",
        "TT_STUDENTS_NETWORK": "tinytorch-students",
        "TT_HUB_IP": "127.0.0.1",
        "TT_API_IP": "127.0.0.1",
        "TT_STUDENTS_RANGE": "127.8.0.0/16",
        "TT_STUDENT_IMAGE": "tinytorch/student:0.1.0",
        "TT_STUDENT_GPU_IMAGE": "tinytorch/student-gpu:0.1.0",
        "TT_CEILING_GPUS": "0",
        "TT_INTERNET": "none",
        "TT_OUTBOUND_IP": "127.0.0.1",
        "TT_PROFILES": profiles(),
        "TT_CEILING_STUDENTS_MEMORY_BYTES": str(12 * GIB),
        "TT_STUDENT_DISK": str(2**31),
        "TT_STUDENT_FILES": "1000",
        "TT_CONCURRENT_SPAWNS": "8",
        "TT_IDLE_TIMEOUT": "3600",
        "TT_ADMIN": "admin",
        "TT_AUTH": "accounts",
        "TT_OIDC": "",
        "TT_LTI": "",
        "TT_SELF_REGISTRATION": "open",
        "TT_MAY_OPEN_SERVERS": "admin",
        "TT_TRACK": "discovery",
        "TT_DATASETS": "/srv/datasets",
        "TT_GRADING_TOKEN": "grading" * 4,
        "TT_FORMGRADER_TOKEN": "formgrader" * 4,
        "TT_METRICS_TOKEN": "metrics" * 4,
        "TT_ROUTES_TOKEN": "routes" * 4,
        "TT_ROSTER_TOKEN": "roster" * 4,
        "TT_WARM_TOKEN": "warm" * 6,
        "TT_ADMIN_PASSWORD": "first-of-the-admin",
        "TT_PROBE_PASSWORD": "secret-of-the-probe",
        "CONFIGPROXY_AUTH_TOKEN": "0" * 32,
        "JPY_COOKIE_SECRET": "1" * 64,
        "JUPYTERHUB_CRYPT_KEY": "2" * 64,
        **changed,
    }


def profiles(**more: dict[str, Any]) -> str:
    """TT_PROFILES of a classroom that has these beside everybody's own, or says so of those."""
    usual = {"memory": GIB, "cpus": 1.0, "pids": 256, "guarantee": 0, "cpu_share": 1.0, "gpus": 0}
    usual |= {"groups": [], "description": "For something."}
    told = {"student": {}, "instructor": {}, **more}
    whole = {name: {**usual, "title": name.capitalize(), **each} for name, each in told.items()}
    return base64.b64encode(json.dumps(whole).encode()).decode()
