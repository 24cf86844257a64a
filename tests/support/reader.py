"""A reader who does what a page says: runs its blocks in a folder of clips, with the server that the page starts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import av
import cv2
import numpy as np
import trustme
from av.video.stream import VideoStream

from tests.support.blocks import Block, commands_of, prints
from tests.support.media import astronaut, carphone_frames, carphone_path
from tests.support.servers import RunningServer, running_server

ROOT = Path(__file__).parents[2]
LINKED = ("examples", "deploy", "Makefile")
_SERVE = re.compile(r"(?P<settings>(?:RED_\w+=\S+ )*)(?:make|(?:\.venv/bin/)?red-align) serve\b")


class Reader:
    """Runs blocks one after another; a context manager.

    A command that serves (``red-align serve``, ``make serve``) starts a real server on free ports of 127.0.0.1 with the
    settings before it; 127.0.0.1:8080 and :8081 of later commands are that server's addresses. ``clip.mp4``,
    ``photo.jpg`` and some others are there. Later Python blocks of a page know ``red_align`` by its first.

    Args:
        folder: Where it works.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open = ExitStack()
        self._server: RunningServer | None = None

    def __enter__(self) -> Reader:
        prepare(self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def run(self, block: Block) -> None:
        """Run one block; fails where a command does, or prints something else than the block says."""
        if block.language == "python":
            (self.folder / "block.py").write_text(self._here(f"import red_align\n{block.text}"))
            self._call("python block.py")
            return
        for command in commands_of(block):
            if serve := _SERVE.match(command.text):
                self._serve(serve["settings"])
                continue
            output = self._call(command.text)
            assert prints(command.printed, output), f"{block.path}:{block.line}: {command.text} printed\n{output}"

    def _serve(self, settings: str) -> None:
        self._open.close()
        named = {name.removeprefix("RED_"): value for name, value in re.findall(r"(RED_\w+)=(\S+)", settings)}
        for name, value in named.items():
            if (self.folder / value).is_file():
                named[name] = str(self.folder / value)
        # Tests listen on loopback alone, whatever a page says.
        self._server = self._open.enter_context(running_server(**{**named, "HOST": "127.0.0.1"}))

    def _call(self, command: str) -> str:
        env = os.environ | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
        }
        command = self._here(command)
        if self._server is not None:
            env["RED_GRPC_PORT"] = self._server.grpc.rsplit(":", 1)[1]
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder, env=env, capture_output=True, text=True, timeout=100, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _here(self, text: str) -> str:
        """A page's text with the addresses of the running server."""
        if self._server is None:
            return text
        return text.replace("http://127.0.0.1:8080", self._server.http).replace("127.0.0.1:8081", self._server.grpc)


def prepare(folder: Path) -> None:
    """Put what pages name into a folder: a clip, a photo, segments of HLS, certificates, the repository's programs."""
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").symlink_to(sys.prefix)
    shutil.copy(carphone_path(), folder / "clip.mp4")
    cv2.imwrite(str(folder / "photo.jpg"), cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR))
    for name in ("takes/first.mov", "recordings/first.mp4"):
        (folder / name).parent.mkdir()
        shutil.copy(carphone_path(), folder / name)
    segments = {"hls_time": "2", "hls_list_size": "0"}
    write_hls(folder / "stream.m3u8", {**segments, "hls_segment_filename": str(folder / "segment-%d.ts")})
    fragments = {"hls_segment_type": "fmp4", "hls_fmp4_init_filename": "init.mp4"}
    write_hls(
        folder / "fragments.m3u8", {**segments, **fragments, "hls_segment_filename": str(folder / "fragment-%d.m4s")}
    )
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost", "align.example.org")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for number, part in enumerate(certificate.cert_chain_pems):
        part.write_to_path(folder / "cert.pem", append=number > 0)


def write_hls(path: Path, options: dict[str, str]) -> None:
    """The car phone clip at 30 frames a second as a playlist with segments of 60 frames."""
    with av.open(str(path), "w", format="hls", options=options) as container:
        stream = container.add_stream("libx264", rate=30)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 176, 144, "yuv420p"
        stream.codec_context.gop_size = 60
        stream.codec_context.options = {"sc_threshold": "0"}
        for image in carphone_frames():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        container.mux(stream.encode())
