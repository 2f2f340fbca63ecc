"""Data sets come verified and whole, from whichever source is in reach, or say what is missing."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import io
import os
import pickle
import sys
import tarfile
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from course.datasets import DatasetError, load
from course.datasets.__main__ import main
from course.datasets.registry import Dataset, File, read

TEXT = b"to be or not to be\n" * 200_000  # several blocks long


def dataset(name: str, form: str, origins: tuple[str, ...] = (), **files: bytes) -> Dataset:
    listed = tuple(
        File(file.replace("_", "."), len(raw), hashlib.sha256(raw).hexdigest(), origins)
        for file, raw in files.items()
    )
    return Dataset(name, name.title(), "none", "made up", form, listed, shipped=False)


def plays(*origins: str) -> dict[str, Dataset]:
    return {"plays": dataset("plays", "text", origins, input_txt=TEXT)}


@pytest.fixture
def local(tmp_path):
    folder = tmp_path / "local"
    (folder / "plays").mkdir(parents=True)
    (folder / "plays/input.txt").write_bytes(TEXT)
    return folder


class Server(http.server.ThreadingHTTPServer):
    """A mirror. Asked for a range, it gives the rest; told so, it breaks off after some bytes."""

    breaks_after: int | None = None

    def __init__(self, content: bytes):
        self.content, self.asked = content, []
        super().__init__(("127.0.0.1", 0), Mirror)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Mirror(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        begin = self.headers.get("Range", "")
        self.server.asked.append(begin)
        start = int(begin.removeprefix("bytes=").rstrip("-") or 0)
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(self.server.content) - start))
        self.end_headers()
        end = len(self.server.content)
        if self.server.breaks_after is not None:
            end, self.server.breaks_after = start + self.server.breaks_after, None
        self.wfile.write(self.server.content[start:end])

    def log_message(self, *_):
        pass


@pytest.fixture
def serve(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    servers = []

    def start(content: bytes) -> Server:
        server = Server(content)
        threading.Thread(target=functools.partial(server.serve_forever, 0.01), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def fetch(registry, into: Path, *options: object) -> int:
    return main(["fetch", *registry, "--into", str(into), *map(str, options)], registry)


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def test_local_folder_is_enough_and_the_second_time_nothing_is_done(local, tmp_path, capsys):
    into = tmp_path / "sets"
    assert fetch(plays(), into, "--local", local) == 0
    assert (into / "plays").stat().st_mode & 0o777 == 0o755
    assert np.load(into / "plays/text.npy").tobytes() == TEXT
    assert fetch(plays(), into) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["ready", "there"]


def test_wrong_checksum_is_told_with_file_expected_got_and_mend_and_nothing_is_left(local, tmp_path, capsys):
    wrong = bytes(len(TEXT))
    (local / "plays/input.txt").write_bytes(wrong)
    assert fetch(plays(), tmp_path / "sets", "--local", local, "--optional") == 1
    said = capsys.readouterr().err
    right, got = (hashlib.sha256(raw).hexdigest() for raw in (TEXT, wrong))
    assert f"{local}/plays/input.txt: expected sha256 {right}, got {got}. Replace it" in said
    assert said.count("\n") == 1
    assert visible(tmp_path / "sets") == []


def test_wrong_file_does_not_take_the_place_of_a_right_set(local, tmp_path):
    into = tmp_path / "sets"
    fetch(plays(), into, "--local", local)
    newer = {"plays": dataset("plays", "text", input_txt=TEXT + b"!")}
    assert fetch(newer, into, "--local", local) == 1
    assert np.load(into / "plays/text.npy").tobytes() == TEXT


def test_no_source_says_what_is_missing_and_how_to_add_it(tmp_path, capsys):
    assert fetch(plays(), tmp_path / "sets", "--optional") == 0
    assert fetch(plays(), tmp_path / "sets") == 1
    said = capsys.readouterr().err
    assert "plays: missing" in said
    assert "put input.txt into FOLDER/plays/" in said


def test_unreachable_source_is_no_source(tmp_path, capsys, serve):
    gone = serve(b"")
    gone.shutdown()
    gone.server_close()
    assert fetch(plays(f"{gone.url}/input.txt"), tmp_path / "sets", "--optional") == 0
    assert "refused" in capsys.readouterr().err


def test_mirror_comes_before_origin_and_local_before_both(local, tmp_path, serve):
    mirror, origin = serve(TEXT), serve(TEXT)
    registry = plays(f"{origin.url}/input.txt")
    assert fetch(registry, tmp_path / "a", "--mirror", mirror.url, "--local", local) == 0
    assert (mirror.asked, origin.asked) == ([], [])
    assert fetch(registry, tmp_path / "b", "--mirror", mirror.url) == 0
    assert (mirror.asked, origin.asked) == ([""], [])
    assert fetch(registry, tmp_path / "c") == 0
    assert origin.asked == [""]
    assert visible(tmp_path / "c") == ["plays"]


def test_download_that_was_cut_off_goes_on_where_it_was(tmp_path, serve):
    mirror = serve(TEXT)
    mirror.breaks_after = 1_500_000
    assert fetch(plays(), tmp_path / "sets", "--mirror", mirror.url) == 0
    assert mirror.asked[0] == ""
    assert 0 < int(mirror.asked[1].removeprefix("bytes=").rstrip("-")) <= 1_500_000
    assert np.load(tmp_path / "sets/plays/text.npy").tobytes() == TEXT


def test_wrong_download_is_deleted_so_that_the_next_one_begins_anew(tmp_path, serve, capsys):
    assert fetch(plays(), tmp_path / "sets", "--mirror", serve(bytes(len(TEXT))).url) == 1
    assert "was deleted" in capsys.readouterr().err
    assert (tmp_path / "sets/.incoming").stat().st_mode & 0o777 == 0o700, "labels may lie in it"
    assert fetch(plays(), tmp_path / "sets", "--mirror", serve(TEXT).url) == 0


def test_endless_download_is_cut_at_the_expected_size(tmp_path, serve, capsys):
    assert fetch(plays(), tmp_path / "sets", "--mirror", serve(TEXT * 3).url) == 1
    assert f"expected {len(TEXT):,} bytes, got {len(TEXT) + 1:,}" in capsys.readouterr().err


def test_folder_that_cannot_be_written_is_told_in_one_sentence(local, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert fetch(plays(), tmp_path / "file", "--local", local) == 1
    assert capsys.readouterr().err == f"{tmp_path}/file: File exists.\n"


def test_unknown_set_is_told(capsys):
    assert main(["fetch", "minst"]) == 1
    assert "There is no data set 'minst'. There are: mnist" in capsys.readouterr().err


def made(form: str, tmp_path: Path, **files: bytes) -> dict[str, np.ndarray]:
    """The arrays of a made-up set of this format, through the whole way."""
    registry = {"made": dataset("made", form, **files)}
    for file in registry["made"].files:
        (tmp_path / file.name).write_bytes(files[file.name.replace(".", "_")])
    assert fetch(registry, tmp_path / "sets", "--local", tmp_path) == 0
    return {path.stem: np.load(path) for path in (tmp_path / "sets/made").glob("*.npy")}


def archive(mode: str, **members: bytes) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode=mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(f"folder/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return raw.getvalue()


def test_idx_becomes_arrays(tmp_path):
    images, labels = bytes(range(12)), bytes([7, 3])
    arrays = made(
        "idx",
        tmp_path,
        **{
            "train-images-idx3": gzip.compress(
                bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + images
            ),
            "t10k-labels-idx1": gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 2]) + labels),
        },
    )
    assert arrays["train_images"].tolist() == [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]
    assert arrays["test_labels"].tolist() == [7, 3]


def test_cifar_batches_become_arrays_in_order(tmp_path):
    def batch(value: int) -> bytes:
        return pickle.dumps({b"data": np.full((2, 3072), value, np.uint8), b"labels": [value, 0]}, protocol=2)

    raw = archive("w:gz", data_batch_2=batch(2), data_batch_1=batch(1), test_batch=batch(9))
    arrays = made("cifar", tmp_path, cifar_gz=raw)
    assert arrays["train_images"].shape == (4, 3, 32, 32)
    assert arrays["train_labels"].tolist() == [1, 0, 2, 0]
    assert arrays["test_images"].max() == 9


def test_jpegs_become_arrays_in_order(tmp_path):
    def image(grey: int) -> bytes:
        raw = io.BytesIO()
        Image.new("RGB", (32, 32), (grey, grey, grey)).save(raw, "JPEG")
        return raw.getvalue()

    members = {
        "data_batch_1/1_5.jpg": image(200),
        "data_batch_1/0_4.jpg": image(10),
        "test_batch/0_8.jpg": image(0),
    }
    arrays = made("jpeg", tmp_path, jpegs_xz=archive("w:xz", **members))
    assert arrays["train_labels"].tolist() == [4, 5]
    assert arrays["train_images"][:, 0, 0, 0].tolist() == [10, 200]
    assert arrays["test_images"].shape == (1, 3, 32, 32)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can try what another user reads")
def test_labels_of_the_test_part_are_for_the_grader_only(tmp_path, monkeypatch):
    """Tried as another user, from whom the classroom's students differ in nothing that counts here."""
    raw = gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 1, 7]))
    made("idx", tmp_path, **{"t10k-labels-idx1": raw, "train-labels-idx1": raw})
    monkeypatch.setenv("TT_DATASETS", str(tmp_path / "sets"))
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to(tempfile.gettempdir()):
            folder.chmod(folder.stat().st_mode | 0o111)
    assert sorted(load("made")) == ["test_labels", "train_labels"]
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setuid(65534)
            os.write(writer, repr(sorted(load("made"))).encode())
        finally:
            os._exit(0)  # whatever happens, this process must not go on with the tests
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as said:
        assert said.read() == "['train_labels']"


def test_images_without_pillow_are_told_in_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "PIL", None)
    registry = {"made": dataset("made", "jpeg", jpegs_xz=archive("w:xz"))}
    (tmp_path / "jpegs.xz").write_bytes(archive("w:xz"))
    assert fetch(registry, tmp_path / "sets", "--local", tmp_path) == 1
    assert "needs the package pillow" in capsys.readouterr().err
    assert visible(tmp_path / "sets") == []


def test_digits_are_always_there(tmp_path, monkeypatch):
    monkeypatch.setenv("TT_DATASETS", str(tmp_path))
    digits = load("digits")
    assert [len(digits[name]) for name in ("train_images", "train_labels")] == [1437, 1437]
    assert [digits[name].shape for name in ("test_images", "test_labels")] == [(360, 8, 8), (360,)]
    assert digits["train_images"].max() == 16
    assert main(["fetch", "digits", "--into", str(tmp_path)]) == 0
    for name, array in load("digits").items():
        assert isinstance(array, np.memmap)
        assert (array == digits[name]).all()
    with pytest.raises(DatasetError, match="does not have the data set 'mnist'"):
        load("mnist")


def test_stand_in_has_a_name_of_its_own():
    registry = read()
    canonical, derived = registry["cifar10"], registry["cifar10-jpeg"]
    assert canonical.files[0].size == 170_498_071
    assert "JPEG-derived" in derived.title
    assert derived.files[0].origins == ()


@pytest.mark.skipif(
    "TT_TEST_DATASETS" not in os.environ, reason="TT_TEST_DATASETS names no folder of real files"
)
@pytest.mark.parametrize("name", ["mnist", "cifar10-jpeg", "tinyshakespeare"])
def test_real_files_become_arrays(name, tmp_path, monkeypatch):
    monkeypatch.setenv("TT_DATASETS", str(tmp_path))
    assert main(["fetch", name, "--into", str(tmp_path), "--local", os.environ["TT_TEST_DATASETS"]]) == 0
    arrays = load(name)
    if name == "tinyshakespeare":
        assert arrays["text"][:13].tobytes() == b"First Citizen"
        return
    counts = {"mnist": [5923, 980], "cifar10-jpeg": [5000, 1000]}[name]
    assert [int((arrays[f"{split}_labels"] == 0).sum()) for split in ("train", "test")] == counts
    assert len(arrays["train_images"]) == len(arrays["train_labels"])
