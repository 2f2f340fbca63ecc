"""Code that looks for what is not its business, and leaves what it found in `FOUND`, for the functions to tell.

`MARKER` stands in another student's submission; the test puts it there.
"""

MARKER = "the-secret-of-another-student-4711"

_FILES = """
import os, stat
def _files():
    for folder, names, files in os.walk("/"):
        names[:] = [] if folder in ("/proc", "/sys", "/dev", "/usr", "/lib", "/opt/venv", "/etc") else names
        for name in files:
            path = os.path.join(folder, name)
            try:
                if stat.S_ISREG(os.stat(path).st_mode) and os.stat(path).st_size < 3_000_000:
                    yield path, open(path, "rb").read()
            except OSError:
                pass
"""

READING = {
    "another student's submission": _FILES
    + f"""
found = [path for path, text in _files() if b"{MARKER[:20]}" + b"{MARKER[20:]}" in text]
FOUND = [path for path in found if 'mallory' not in path]
""",
    "the solution of what is asked": _FILES
    + """
words = b"### BEGIN " + b"SOLUTION", b"def memory_bytes"
found = [path for path, text in _files() if path.endswith((".ipynb", ".py")) and words[0] in text and words[1] in text]
FOUND = [path for path in found if 'mallory' not in path]
""",
    "a gradebook, and writes into it": _FILES
    + """
import sqlite3
found = []
for path, text in _files():
    if text.startswith(b"SQLite format 3"):
        try:
            with sqlite3.connect(path, timeout=1) as book:
                book.execute("UPDATE submitted_assignment SET timestamp = timestamp")
            found.append(path)
        except sqlite3.Error:
            pass
FOUND = found
""",
    "tokens and passwords in the environment": """
import os, re
found = [name for name in os.environ if re.search("TOKEN|PASSWORD|SECRET|DATABASE|JUPYTERHUB", name)]
FOUND = found
""",
    "the memory and the files of the parent process": """
import os
found = []
parent = os.getppid()
for what in ("mem", "environ", "fd", "maps"):
    path = f"/proc/{parent}/{what}"
    try:
        if what == "fd":
            found += [path for each in os.listdir(path) if os.readlink(f"{path}/{each}")][:1]
        else:
            open(path, "rb").close() if what == "mem" else open(path, "rb").read(10)
            found.append(path)
    except OSError:
        pass
FOUND = found
""",
    "another machine": """
import socket
found = []
for name in ("hub", "api", "gate", "proxy"):
    try:
        found.append(socket.gethostbyname(name))
    except OSError:
        pass
for interface in socket.if_nameindex():
    if interface[1] not in ("lo", "tunl0", "sit0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6gre0"):
        found.append(interface[1])
FOUND = found
""",
}
