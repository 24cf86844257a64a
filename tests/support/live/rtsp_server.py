"""An RTSP server for tests, run by the system's Python: ``rtsp_server.py PORT CLIP [USER PASSWORD]``.

GStreamer's own server (Debian: gir1.2-gst-rtsp-server-1.0, gstreamer1.0-rtsp, and the plugins base, good, bad) plays an
H.264 file in a loop, at its own pace. It imports nothing of this project.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


def main() -> None:
    """Serve rtsp://127.0.0.1:PORT/live until killed."""
    port, clip, *login = sys.argv[1:]
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        f"( multifilesrc location={clip} loop=true ! h264parse config-interval=-1 ! video/x-h264,framerate=25/1 "
        "! identity sync=true ! rtph264pay name=pay0 pt=96 )"
    )
    factory.set_shared(True)
    if login:
        auth = GstRtspServer.RTSPAuth()
        auth.set_supported_methods(2)  # Digest
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "user")
        auth.add_digest(login[0], login[1], token)
        server.set_auth(auth)
        factory.add_role_from_structure(_role())
    server.get_mount_points().add_factory("/live", factory)
    server.attach(None)
    print("serving", flush=True)
    GLib.MainLoop().run()


def _role() -> "Gst.Structure":
    role = Gst.Structure.new_empty("user")
    for name in ("media.factory.access", "media.factory.construct"):
        role.set_value(name, True)
    return role


main()
