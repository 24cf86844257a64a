"""Execution providers of ONNX Runtime by short names: who may run the network, in order of preference."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path

from red_align.errors import ConfigurationError, ProviderUnavailable


@dataclass(frozen=True, slots=True)
class Provider:
    """An execution provider.

    Attributes:
        ort_name: ONNX Runtime's name of it.
        package: Distribution of ONNX Runtime that has it.
        extra: Extra of red-align that asks for that distribution; empty where none does.
        device_option: Option of the provider that names the device; empty where there is none.
        options: Options that it always gets.
    """

    ort_name: str
    package: str
    extra: str = ""
    device_option: str = ""
    options: dict[str, str] = field(default_factory=dict)


CPU = "cpu"
PROVIDERS = {
    CPU: Provider("CPUExecutionProvider", "onnxruntime"),
    # TF32 rounds to 10 bits of mantissa; points of fp32 shall be those of the CPU.
    "cuda": Provider("CUDAExecutionProvider", "onnxruntime-gpu", "cuda", "device_id", {"use_tf32": "0"}),
    "tensorrt": Provider("TensorrtExecutionProvider", "onnxruntime-gpu", "cuda", "device_id"),
    "openvino": Provider("OpenVINOExecutionProvider", "onnxruntime-openvino", "openvino", "device_type"),
    "coreml": Provider("CoreMLExecutionProvider", "onnxruntime (macOS)"),
    "directml": Provider("DmlExecutionProvider", "onnxruntime-directml", "directml", "device_id"),
}
_SHORT = {provider.ort_name: name for name, provider in PROVIDERS.items()}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A provider that was asked for by name, and on which device ('' for its first)."""

    name: str
    device: str = ""

    @property
    def provider(self) -> Provider:
        """What is known of it."""
        return PROVIDERS[self.name]

    def options(self, threads: int) -> dict[str, str]:
        """Its options for ONNX Runtime, for calls of so many threads."""
        options = dict(self.provider.options)
        if self.device:
            options[self.provider.device_option] = self.device.upper()
        if self.name == "openvino" and self.device.upper() in ("", "CPU"):
            options["num_of_threads"] = str(threads)
        return options


def parse_providers(names: str | Sequence[str]) -> tuple[Chosen, ...]:
    """The providers that are asked for.

    Args:
        names: ``cuda,cpu`` or a sequence of such names, the preferred one first; ``cuda:1`` or ``openvino:GPU`` names a
            device too.

    Returns:
        At least one, each once.

    Raises:
        ConfigurationError: A name is unknown or comes twice, none is given, or a provider has no devices to choose.
    """
    given = names.split(",") if isinstance(names, str) else list(names)
    words = [word.strip() for word in given if word.strip()]
    chosen = []
    for word in words:
        name, _, device = word.partition(":")
        known = PROVIDERS.get(name.lower())
        if known is None:
            raise ConfigurationError(f"execution provider '{name}' is none of {', '.join(PROVIDERS)}")
        if device and not known.device_option:
            raise ConfigurationError(f"execution provider '{word}': {name} has no devices to choose from")
        chosen.append(Chosen(name.lower(), device))
    if not chosen:
        raise ConfigurationError(f"no execution provider was named; there are {', '.join(PROVIDERS)}")
    if len({one.name for one in chosen}) < len(chosen):
        raise ConfigurationError(f"execution providers '{','.join(words)}' name one twice")
    return tuple(chosen)


def present_providers() -> tuple[str, ...]:
    """Short names of those that the installed ONNX Runtime was built with; whether one works shows when it is used."""
    import onnxruntime as ort  # Settings parse names without it.

    return tuple(short_name(name) for name in ort.get_available_providers() if name in _SHORT)


def short_name(ort_name: str) -> str:
    """Our name of a provider of ONNX Runtime; its own where we have none."""
    return _SHORT.get(ort_name, ort_name)


def require_present(chosen: Iterable[Chosen]) -> None:
    """Hold providers against what is installed.

    Args:
        chosen: What is asked for.

    Raises:
        ProviderUnavailable: One is missing; the message says which are present, and what to install.
    """
    present = present_providers()
    for one in chosen:
        if one.name in present:
            continue
        known = one.provider
        install = f"pip install 'red-align[{known.extra}]' brings" if known.extra else "it comes with"
        raise ProviderUnavailable(
            f"execution provider '{one.name}' is missing in the installed ONNX Runtime, which has "
            f"{', '.join(present)}; {install} {known.package}{_crowded(known)}",
            provider=one.name,
            present=",".join(present),
        )


def does_not_start(name: str, why: str) -> ProviderUnavailable:
    """The error of a provider that is installed but cannot be used, such as one without its libraries or device."""
    present = present_providers()
    message = (
        f"execution provider '{name}' is installed but does not start (driver, device, libraries): {why}; "
        f"the installed ONNX Runtime has {', '.join(present)}"
    )
    return ProviderUnavailable(message, provider=name, present=",".join(present))


def _crowded(known: Provider) -> str:
    """What to do where several distributions of ONNX Runtime overwrite each other's files; empty where all is well."""
    names = {str(found.metadata["Name"]) for found in distributions()}
    runtimes = sorted(name for name in names if name.startswith("onnxruntime"))
    if known.package not in runtimes or len(runtimes) < 2:
        return ""
    return (
        f"; {' and '.join(runtimes)} are installed, which overwrite each other's files: "
        f"pip uninstall -y {' '.join(runtimes)} && pip install {known.package}"
    )


INT8_FLAGS = {
    "avx_vnni": "AVX-VNNI",
    "avx512_vnni": "AVX-512 VNNI",
    "amx_int8": "AMX",
    "asimddp": "dot product",
    "i8mm": "I8MM",
}
"""Flags of /proc/cpuinfo of instructions that int8 networks gain from, of x86 and Arm."""


def int8_instructions(cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, ...] | None:
    """Instructions for int8 networks that this CPU has.

    Args:
        cpuinfo: Linux's description of the CPU.

    Returns:
        Their names; None where the system does not say (other than Linux).
    """
    try:
        text = cpuinfo.read_text()
    except OSError:
        return None
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    flags = set(found.group(1).split()) if found else set()
    return tuple(name for flag, name in INT8_FLAGS.items() if flag in flags)
