"""Code that wants to break the grader, or what runs beside it; it stands on top of the first exercise.

What it gets to see of others it leaves in the list FOUND, for the functions below it to tell. Never run it
outside a container with limits: each of these is real.
"""

BREAKING = {
    "fork bomb": """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
""",
    "8 GiB of memory": """
kept = []
try:
    while len(kept) < 8 * 1024:
        kept.append(b"x" * 2**20)
except MemoryError:
    import numpy as np
    kept.append(np.ones(2**30))
""",
    "1 GB of output on one line": """
import sys
for _ in range(1000):
    sys.stdout.write("x" * 1_000_000)
""",
    "1 GB written to every descriptor": """
import os
text = b"x" * 1_000_000
for _ in range(1000):
    for descriptor in range(1, 64):
        try:
            os.set_blocking(descriptor, False)
            os.write(descriptor, text)
        except OSError:
            pass
""",
    "endless loop in C: numpy": """
import numpy as np
np.broadcast_to(np.float64(1.0), (10**14,)).sum()
""",
    "endless loop in C: time.sleep": """
import time
time.sleep(10**6)
""",
    "endless loop that catches everything": """
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
""",
    "full disk": """
import os
block = b"x" * 2**20
for folder in (".", "/tmp", "/var/tmp", "/dev/shm", "/", os.path.expanduser("~")):
    for number in range(64):
        try:
            with open(os.path.join(folder, f"filled-{number}"), "wb") as file:
                for _ in range(64):
                    file.write(block)
        except OSError:
            pass
""",
    "as many files as there may be": """
number = 0
try:
    while True:
        number += 1
        open(f"/tmp/file-{number}", "w").close()
except OSError:
    pass
""",
    "detached process that acts later": """
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    while True:
        for descriptor in range(64):
            try:
                os.write(descriptor, b'{"status": "ok", "end": true}')
            except OSError:
                pass
        time.sleep(0.05)
""",
    "SIGKILL of the parent and all others": """
import os, signal
for process in (os.getppid(), 1, -1):
    for number in (signal.SIGKILL, signal.SIGSTOP):
        try:
            os.kill(process, number)
        except OSError:
            pass
""",
    "/proc of the parent": """
import os
found = []
for process in {os.getppid(), 1}:
    for name in ("mem", "maps", "environ", "fd/0", "fd/1", "fd/3", "fd/4", "cwd/x", "root/x", "auxv", "stack"):
        path = f"/proc/{process}/{name}"
        for mode in ("rb", "r+b"):
            try:
                with open(path, mode) as file:
                    if name in ("mem", "maps") or file.read(1):
                        found.append(path)
            except OSError:
                pass
FOUND = found
""",
    "ptrace of the parent": """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
found = [process for process in (os.getppid(), 1) if libc.ptrace(16, process, 0, 0) == 0]
FOUND = found
""",
    "environment": """
import os
words = ("TOKEN", "SECRET", "PASSWORD", "CRYPT", "TT_", "JUPYTERHUB", "DOCKER")
FOUND = [name for name in os.environ if any(word in name for word in words)]
""",
    "network": """
import socket
found = []
for host, port in (("169.254.169.254", 80), ("172.17.0.1", 22), ("127.0.0.1", 8081), ("1.1.1.1", 53), ("hub", 8081)):
    try:
        socket.create_connection((host, port), timeout=0.1).close()
        found.append(host)
    except OSError:
        pass
found += [name for _, name in socket.if_nameindex() if name != "lo"]
FOUND = found
""",
    "sockets of the engine and the gate": """
import os
places = ("/var/run/docker.sock", "/run/docker.sock", "/run/gate/gate.sock", "/run/containerd/containerd.sock")
FOUND = [path for path in places if os.path.exists(path)]
""",
    "privileges regained": """
import ctypes, os
found = []
calls = {"setuid": (0,), "setgid": (0,), "chroot": ("/tmp",), "mknod": ("/tmp/disk", 0o60666, 0x800)}
for name, arguments in calls.items():
    try:
        getattr(os, name)(*arguments)
        found.append(name)
    except OSError:
        pass
libc = ctypes.CDLL(None)
if libc.unshare(0x10000000 | 0x00020000) == 0:
    found.append("a namespace")
if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0:
    found.append("a mount")
FOUND = found
""",
}
