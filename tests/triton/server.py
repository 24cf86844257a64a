"""A real ``tritonserver`` on free ports of 127.0.0.1, with the Python backend of the wheel nvidia-pytriton.

The binary is started by its own command line; of that package nothing else is used. Its environment is its own
(``make .venv-triton/.done``): numpy 2 makes the backend answer with empty outputs.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from export.repository.triton_config import ServeOptions
from export.repository.triton_repository import write_repository

ENVIRONMENT = Path(os.environ.get("RED_TRITON_ENV", Path(__file__).parents[2] / ".venv-triton"))
START_S = 90


def make_repository(graphs: Path, folder: Path, options: ServeOptions, delay_s: float = 0.0) -> Path:
    """The exporter's repository, with both models on the Python backend and state kept by the model."""
    write_repository(graphs, folder, options)
    for file in folder.glob("*/config.pbtxt"):
        config = text_format.Parse(file.read_text(), pb.ModelConfig())
        config.backend = "python"
        config.ClearField("default_model_filename")
        config.sequence_batching.ClearField("state") if config.HasField("sequence_batching") else None
        config.parameters["delay_s"].string_value = str(delay_s)
        file.write_text(text_format.MessageToString(config))
        shutil.copyfile(Path(__file__).parent / "python_model.py", file.parent / "1" / "model.py")
    return folder


class TritonProcess:
    """One server process; ``start`` again after ``kill`` gives a new one at the same address."""

    def __init__(self, repository: Path, folder: Path) -> None:
        self.repository = repository
        self._backends = folder / "backends"
        self.ports = {name: free_port() for name in ("grpc", "http", "metrics")}
        self.log = folder / "triton.log"
        self._process: subprocess.Popen[bytes] | None = None
        _copy_backend(self._backends)

    @property
    def url(self) -> str:
        """The gRPC address."""
        return f"127.0.0.1:{self.ports['grpc']}"

    def start(self, wait: bool = True) -> None:
        """Start the server and wait until its models are ready."""
        command = [str(_home() / "bin" / "tritonserver"), f"--model-repository={self.repository}"]
        command += [f"--backend-directory={self._backends}", "--exit-timeout-secs=2", "--disable-auto-complete-config"]
        command += [f"--{name}-port={port}" for name, port in self.ports.items()]
        command += [f"--{name}-address=127.0.0.1" for name in ("grpc", "http", "metrics")]
        env = os.environ | {"PATH": f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}"}
        env["LD_LIBRARY_PATH"] = str(_home().parents[1] / "nvidia_pytriton.libs")
        env.pop("PYTHONPATH", None)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        if wait:
            self.wait()

    def wait(self) -> None:
        """Until ready; fails with the end of the log."""
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            assert self._process is not None
            assert self._process.poll() is None, f"tritonserver ended:\n{self.log.read_text()[-3000:]}"
            try:
                if httpx.get(f"http://127.0.0.1:{self.ports['http']}/v2/health/ready", timeout=2).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"tritonserver not ready within {START_S} s:\n{self.log.read_text()[-3000:]}")

    def signal(self, number: int) -> None:
        """Send a signal to the server and its stubs."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """End it at once, as a crash does, with all its children."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(timeout=20)

    def statistics(self, model: str) -> dict[int, int]:
        """How many batches of which size a model has run."""
        answer = httpx.get(f"http://127.0.0.1:{self.ports['http']}/v2/models/{model}/stats", timeout=10).json()
        batches = answer["model_stats"][0].get("batch_stats", [])
        return {int(b["batch_size"]): int(b["compute_infer"]["count"]) for b in batches}


@contextmanager
def triton_server(repository: Path, folder: Path) -> Iterator[TritonProcess]:
    """A started server, killed at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    server = TritonProcess(repository, folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _home() -> Path:
    found = sorted(ENVIRONMENT.glob("lib/python3.*/site-packages/pytriton/tritonserver"))
    assert found, f"no tritonserver in {ENVIRONMENT}: run `make .venv-triton/.done`"
    return found[0]


def _copy_backend(folder: Path) -> None:
    """The backend with the stub of the environment's Python beside it, where it is looked for."""
    home = _home()
    version = home.parents[2].name.removeprefix("python")
    shutil.copytree(home / "backends", folder, dirs_exist_ok=True)
    stub = folder / "python" / "triton_python_backend_stub"
    shutil.copy(home / "python_backend_stubs" / version / stub.name, stub)
    stub.chmod(0o755)
