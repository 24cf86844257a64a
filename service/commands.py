"""Subcommands of ``red-align`` that come with the server: ``serve``, ``config``, ``key``.

Entry points of the group ``red_align.commands``; each takes the arguments after its name and gives the exit status.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence


def serve(arguments: Sequence[str]) -> int:
    """Serve REST and gRPC until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="red-align serve", description="Serve REST and gRPC (settings: RED_...).")
    parser.parse_args(arguments)
    # grpc's core writes to stderr past all logging, one line for each thing that a stranger does wrong.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from service.config.settings import read_settings
    from service.observability.logs import configure_logs
    from service.observability.tracing import configure_tracing, end_tracing
    from service.server import serve as serve_until_stopped
    from service.supervisor import supervise

    settings = read_settings()
    configure_logs(settings.log_level, settings.log_format)

    def announce(http: int, rpc: int) -> None:
        scheme = "https" if settings.tls_cert else "http"
        print(f"red-align is ready: {scheme}://{settings.host}:{http}  grpc://{settings.host}:{rpc}", flush=True)

    if settings.processes > 1:
        supervise(settings, announce)
        return 0
    configure_tracing(settings.otlp_endpoint)
    try:
        asyncio.run(serve_until_stopped(settings, announce))
    finally:
        end_tracing()
    return 0


def config(arguments: Sequence[str]) -> int:
    """Print the settings in effect."""
    parser = argparse.ArgumentParser(prog="red-align config", description="The settings in effect, secrets hidden.")
    parser.parse_args(arguments)
    from service.config.settings import read_settings

    settings = read_settings()
    for name, field in type(settings).model_fields.items():
        print(f"# {field.description}\nRED_{name.upper()}={_shown(getattr(settings, name))}")
    return 0


def _shown(value: object) -> str:
    """As the variable would be written; a secret that is set is ******** (str of pydantic's SecretStr)."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def key(arguments: Sequence[str]) -> int:
    """Print a new API key, and the line that admits it."""
    parser = argparse.ArgumentParser(prog="red-align key", description="A new API key, and the line that admits it.")
    parser.add_argument("tenant", help="whom the key is for")
    options = parser.parse_args(arguments)
    from service.security.credentials import hash_of, new_key

    made = new_key()
    print(f"{options.tenant} {hash_of(made)}")
    print(f"The key, which is not stored anywhere: {made}", file=sys.stderr)
    return 0
