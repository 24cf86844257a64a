"""Sessions of ONNX Runtime that run where they were asked to: what it leaves out silently is an error here."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import onnxruntime as ort

from red_align.engine.providers import CPU, PROVIDERS, Chosen, does_not_start, require_present, short_name
from red_align.errors import ModelMismatch, ProviderUnavailable


def open_session(path: Path, threads: int, chosen: Sequence[Chosen]) -> ort.InferenceSession:
    """Load a graph.

    Args:
        path: Its file.
        threads: Threads of one call on the CPU.
        chosen: Providers, the preferred one first. Each must start, and one other than the CPU, if named, must run a
            part of the graph; where ``cpu`` is not among them, none of it may be left to the CPU.

    Returns:
        The session.

    Raises:
        ModelMismatch: The file is missing or does not load.
        ProviderUnavailable: A provider is missing, does not start, or they take nothing of the graph.
    """
    if not path.is_file():
        raise ModelMismatch(f"no model file {path}")
    require_present(chosen)
    if any(one.name in ("cuda", "tensorrt") for one in chosen):
        with contextlib.redirect_stdout(sys.stderr):  # It prints, and results may go to the standard output.
            ort.preload_dlls()  # CUDA from the packages of NVIDIA, where those are installed.
    providers = [(one.provider.ort_name, one.options(threads)) for one in chosen]
    try:
        # No fallback: else a failing provider is replaced by the CPU, now or at any later call.
        session = ort.InferenceSession(str(path), _options(threads, chosen), providers, enable_fallback=0)
    except Exception as error:  # ONNX Runtime has no public base class of its load errors.
        if chosen[0].name == CPU or not _loads_on_cpu(path):
            raise ModelMismatch(f"{path.name} does not load: {error}") from error
        raise does_not_start(chosen[0].name, _first_line(error)) from error
    for one in chosen:
        if one.provider.ort_name not in session.get_providers():
            raise does_not_start(one.name, "ONNX Runtime left it out; the lines before this say why")
    _require_part(path, nodes_by_provider(session), [one.name for one in chosen])
    return session


def nodes_by_provider(session: ort.InferenceSession) -> dict[str, int]:
    """What really runs where.

    Args:
        session: Of ``open_session``.

    Returns:
        Nodes of the graph by the short name of the provider that runs them, most first.
    """
    counts: Counter[str] = Counter()
    for part in session.get_provider_graph_assignment_info():
        counts[short_name(part.ep_name)] += len(part.get_nodes())
    return dict(counts.most_common())


def _require_part(path: Path, nodes: dict[str, int], names: Sequence[str]) -> None:
    """Hold what runs where against what was asked for."""
    others = [name for name in names if name != CPU]
    total = sum(nodes.values())
    if others and not any(name in nodes for name in others):
        raise ProviderUnavailable(
            f"execution provider '{others[0]}' takes none of the {total} nodes of {path.name}", provider=others[0]
        )
    if CPU not in names and CPU in nodes:
        raise ProviderUnavailable(
            f"execution provider '{others[0]}' leaves {nodes[CPU]} of {total} nodes of {path.name} to the CPU; "
            f"'{others[0]},cpu' allows that",
            provider=others[0],
        )


def _options(threads: int, chosen: Sequence[Chosen]) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Spinning threads would take the cores from decoding and detection between two steps.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if any(one.name == "directml" for one in chosen):
        options.enable_mem_pattern = False  # DirectML has none.
    return options


def _loads_on_cpu(path: Path) -> bool:
    """Whether the file is sound: then it is the provider that is not."""
    try:
        ort.InferenceSession(str(path), _options(1, ()), providers=[PROVIDERS[CPU].ort_name])
    except Exception:
        return False
    return True


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
