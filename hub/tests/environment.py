"""A classroom's environment, as compose would give it."""


def environment(**changed: str) -> dict[str, str]:
    return {
        "TT_NAME": "tinytorch",
        "TT_TITLE": "Deep Learning from Scratch",
        "TT_BASE_PATH": "/course/",
        "TT_STUDENTS_NETWORK": "tinytorch-students",
        "TT_HUB_IP": "127.0.0.1",
        "TT_API_IP": "127.0.0.1",
        "TT_STUDENT_IMAGE": "tinytorch/student:0.1.0",
        "TT_STUDENT_MEMORY": "1G",
        "TT_STUDENT_CPUS": "1.0",
        "TT_CONCURRENT_SPAWNS": "8",
        "TT_IDLE_TIMEOUT": "3600",
        "TT_ADMIN": "admin",
        "TT_SELF_REGISTRATION": "open",
        "TT_TRACK": "discovery",
        "TT_DATASETS": "/srv/datasets",
        "TT_GRADING_TOKEN": "grading" * 4,
        "TT_FORMGRADER_TOKEN": "formgrader" * 4,
        "TT_METRICS_TOKEN": "metrics" * 4,
        "TT_ROUTES_TOKEN": "routes" * 4,
        "TT_ROSTER_TOKEN": "roster" * 4,
        "TT_ADMIN_PASSWORD": "first-of-the-admin",
        "TT_PROBE_PASSWORD": "secret-of-the-probe",
        "CONFIGPROXY_AUTH_TOKEN": "0" * 32,
        "JPY_COOKIE_SECRET": "1" * 64,
        "JUPYTERHUB_CRYPT_KEY": "2" * 64,
        **changed,
    }
