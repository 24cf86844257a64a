"""What an import of the library brings with it, and that it needs nothing that one system alone has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SERVER = {"fastapi", "google", "grpc", "pydantic", "red", "service", "torch", "uvicorn"}
HEAVY = {"PIL", "av", "cv2", "msgpack", "numpy", "onnxruntime", "orjson", "pandas"}

MODULES = "import sys\nprint(*sorted({name.split('.')[0] for name in sys.modules}))\n"
USE = """
import red_align
clip = red_align.align("clip.mp4", stride=10)
with red_align.track("clip.mp4", max_faces=2) as frames, red_align.Tracker() as tracker:
    result = next(frames)
    drawn = red_align.draw(frames.image, result)
    again = tracker.track(frames.image, result.time_s)
for name in red_align.__all__:
    getattr(red_align, name)
from red_align.cli.main import main
assert main(["clip.mp4", "-q", "--stride", "40", "-o", "out.csv", "--overlay", "out.mp4"]) == 0
assert clip.points.shape == (12, 1, 68, 2) and clip.complete and (clip.track_ids >= 0).all()
assert len(result.faces) == len(again.faces) == 1 and drawn.shape == (144, 176, 3)
"""
HIDE = """
import os, signal, socket, subprocess, sys, tempfile, threading
import PIL.Image, av, cv2, msgpack, numpy, onnxruntime, orjson, tqdm  # they have their own builds for each system
for name in ("fcntl", "resource", "termios", "pwd", "grp", "pty", "_posixshmem", "crypt", "syslog", "tty"):
    sys.modules[name] = None
for name in ("memfd_create", "MFD_ALLOW_SEALING", "sched_getaffinity", "sched_setaffinity", "getuid", "geteuid",
             "getgid", "getegid", "fork", "forkpty", "posix_fallocate", "posix_fadvise", "sendfile", "eventfd",
             "pread", "pwrite", "getloadavg", "chown", "fchown", "mkfifo", "killpg", "setsid", "nice", "uname"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SO_RCVTIMEO", "SO_SNDTIMEO", "AF_UNIX", "SO_REUSEPORT", "SCM_RIGHTS", "socketpair"):
    if hasattr(socket, name):
        delattr(socket, name)
for name in ("SIGKILL", "SIGHUP", "SIGALRM", "setitimer", "pthread_sigmask", "sigwait"):
    if hasattr(signal, name):
        delattr(signal, name)

def refuse(event, arguments):
    if event == "open" and str(arguments[0]).startswith(("/proc", "/sys", "/dev/shm")):
        raise OSError(f"{arguments[0]} is of one system alone")
    if event in ("subprocess.Popen", "os.fork", "os.exec", "os.posix_spawn"):
        raise OSError(f"{event}: the library needs no process of its own")

sys.addaudithook(refuse)
"""


def run(code: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_import_alone_is_light(tmp_path: Path) -> None:
    loaded = set(run("import red_align\nassert red_align.__version__\n" + MODULES, tmp_path).split())
    assert "red_align" in loaded
    assert loaded & (SERVER | HEAVY) == set()


def test_using_it_loads_nothing_of_a_server_or_of_training(example_files: Path) -> None:
    loaded = set(run(USE + MODULES, example_files).split())
    assert {"av", "cv2", "onnxruntime"} <= loaded
    assert loaded & (SERVER | {"pandas"}) == set()


def test_a_decoding_process_loads_no_network(tmp_path: Path) -> None:
    loaded = set(run("import red_align.media.decode_worker\n" + MODULES, tmp_path).split())
    assert "av" in loaded
    assert loaded & (SERVER | {"cv2", "onnxruntime"}) == set()


def test_it_works_without_what_linux_alone_has(example_files: Path) -> None:
    run(HIDE + USE, example_files)


@pytest.mark.parametrize("use", ["import fcntl", "import os; os.sched_getaffinity(0)", "open('/proc/cpuinfo')"])
def test_what_is_hidden_there_is_hidden(use: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", HIDE + use], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].split(":")[0] in ("ModuleNotFoundError", "AttributeError", "OSError")


def test_a_process_may_end_while_the_network_runs(tmp_path: Path) -> None:
    code = (
        "import numpy, time\n"
        "from red_align.engine.base import StepRequest\n"
        "from red_align.engine.default import default_engine\n"
        "engine = default_engine()\n"
        "prior = engine.info.scheme.mean_shape.astype(numpy.float32)\n"
        "crop = numpy.zeros((128, 128, 3), numpy.uint8)\n"
        "waiting = [engine.submit(StepRequest(crop, prior)) for _ in range(99)]\n"
        "time.sleep(0.01)\n"
    )
    for _ in range(2):
        run(code, tmp_path)


def test_to_pandas_without_pandas_says_what_to_install(example_files: Path) -> None:
    code = (
        "import sys\nsys.modules['pandas'] = None\nimport red_align\n"
        "try:\n    red_align.align('photo.png').to_pandas()\nexcept ImportError as error:\n    print(error)\n"
    )
    assert run(code, example_files) == "to_pandas needs pandas: pip install 'red-align[pandas]'\n"
