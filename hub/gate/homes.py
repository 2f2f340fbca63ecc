"""Who a student is to the machine: a key, a uid of their own, a home and a passwd file.

The key is what a username is called wherever it must be plain: folder, login name, container. `key_of` is
the only place that makes it. A uid is never given out twice, not even after its student was removed: what
still lies on some disk under a uid stays with the person it belonged to.
"""

import hashlib
import os
import re
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hub.gate.strict import Refused

FIRST_UID, LAST_UID = 20_000, 59_999  # above a distribution's own users, below systemd's and nobody's
TEACHING = 1007  # the group of those who teach, on the machine: the folder of their assignments is its own
LONGEST_NAME = 255
PLAIN = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_KEY = 32  # what Linux allows for a login name
TAKEN = {"root", "nobody"}  # the other two names in every passwd file

# AUTOINCREMENT: the uid of a deleted row never returns.
TABLE = f"""
CREATE TABLE students (
    uid INTEGER PRIMARY KEY AUTOINCREMENT CHECK (uid <= {LAST_UID}),
    username TEXT NOT NULL UNIQUE,
    key TEXT NOT NULL UNIQUE
);
INSERT INTO sqlite_sequence VALUES ('students', {FIRST_UID - 1});
PRAGMA user_version = 1;
"""  # noqa: S608 - two constants


def key_of(username: str) -> str:
    """The plain name of a username: itself where that is plain, else its plain letters, a dot and a hash.

    Two usernames never share a key: a plain key has no dot, and the table refuses a hash made to collide.
    """
    if not username or len(username) > LONGEST_NAME or not username.isprintable():
        raise Refused(
            400, f"{username[:40]!r} is no username: it has 1 to {LONGEST_NAME} visible characters."
        )
    if PLAIN.fullmatch(username) and len(username) <= LONGEST_KEY and username not in TAKEN:
        return username
    letters = re.sub(r"[^a-z0-9]+", "-", username.lower())[:19].strip("-")
    return f"{letters or 'student'}.{hashlib.sha256(username.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Student:
    """A person with a uid."""

    username: str
    key: str
    uid: int

    @property
    def passwd(self) -> str:
        """An /etc/passwd that names nobody else: a shared one would show the whole roster."""
        return (
            "root:x:0:0:root:/root:/usr/sbin/nologin\n"
            f"{self.key}:x:{self.uid}:{self.uid}::/home/{self.key}:/bin/bash\n"
            "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
        )

    @property
    def group(self) -> str:
        return f"root:x:0:\n{self.key}:x:{self.uid}:\nteaching:x:{TEACHING}:\nnogroup:x:65534:\n"


class Homes:
    """The table of uids, and the folders of homes and passwd files under `srv`."""

    def __init__(self, srv: Path) -> None:
        self._homes, self._passwd = srv / "homes", srv / "passwd"
        self._table = sqlite3.connect(srv / "gate" / "students.sqlite", isolation_level=None)
        if self._table.execute("PRAGMA user_version").fetchone() == (0,):
            self._table.executescript(f"BEGIN IMMEDIATE; {TABLE} COMMIT;")

    def close(self) -> None:
        self._table.close()

    def find(self, username: str) -> Student | None:
        """The student of that name, if `ensure` has made one."""
        rows = self._table.execute("SELECT username, key, uid FROM students WHERE username = ?", [username])
        return next((Student(*row) for row in rows), None)

    def ensure(self, username: str) -> Student:
        """Give `username` a uid, a home and passwd files, as far as they are missing."""
        key = key_of(username)
        student = self.find(username) or self._add(username, key)
        self._make_home(student)
        with _folder(self._passwd) as folder:
            _write(folder, f"{key}.passwd", student.passwd)
            _write(folder, f"{key}.group", student.group)
        return student

    def _add(self, username: str, key: str) -> Student:
        try:
            added = self._table.execute("INSERT INTO students (username, key) VALUES (?, ?)", [username, key])
        except sqlite3.IntegrityError as error:
            raise Refused(409, f"{username!r} gets no uid ({error}).") from error
        assert added.lastrowid
        return Student(username, key, added.lastrowid)

    def _make_home(self, student: Student) -> None:
        # Only through the folder's own descriptor and without following a link: what is changed below is what
        # was looked at, whoever renames things meanwhile.
        with _folder(self._homes) as homes:
            with suppress(FileExistsError):
                os.mkdir(student.key, 0o700, dir_fd=homes)
            with _folder(Path(student.key), homes) as home:
                owner = os.fstat(home).st_uid
                if owner not in (0, student.uid):  # 0: made a moment ago, or by a gate that then died
                    raise Refused(
                        409,
                        f"homes/{student.key} belongs to uid {owner}, but {student.username!r} has uid "
                        f"{student.uid}. Restore gate/students.sqlite to match the homes, or chown the home.",
                    )
                os.fchown(home, student.uid, student.uid)
                os.fchmod(home, 0o700)


@contextmanager
def _folder(path: Path, parent: int | None = None) -> Iterator[int]:
    """The descriptor of a folder that is no symbolic link."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    except OSError as error:
        raise Refused(409, f"{path} is not a folder that the gate can use: {error.strerror}.") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write(folder: int, name: str, text: str) -> None:
    """Put a file that anyone may read into a folder, whole or not at all."""
    draft = f".{name}.{secrets.token_hex(4)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=folder)
    with closing(os.fdopen(descriptor, "w")) as file:
        os.fchmod(descriptor, 0o644)  # whatever the umask
        file.write(text)
    os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
