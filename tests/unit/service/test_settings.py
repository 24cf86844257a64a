"""Settings: read from RED_ variables, wrong ones reported all at once by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from red_align.engine.default import model_folder, shipped_models
from red_align.errors import ConfigurationError
from service.config.settings import Settings, read_settings


def test_every_setting_is_described_and_read_from_its_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert all(field.description for field in Settings.model_fields.values())
    monkeypatch.setenv("RED_HTTP_PORT", "1234")
    monkeypatch.setenv("RED_MODEL_DIR", str(tmp_path))
    settings = read_settings()
    assert (settings.http_port, settings.model_dir) == (1234, tmp_path)


def test_the_defaults_are_local_and_hold_together(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RED_HTTP_PORT", "RED_GRPC_PORT", "RED_TRACK_ACTIVATION_THRESHOLD", "RED_TRACK_LOST_THRESHOLD"):
        monkeypatch.delenv(name, raising=False)
    settings = read_settings()
    assert (settings.host, settings.http_port, settings.grpc_port) == ("127.0.0.1", 8080, 8081)
    assert settings.track_activation_threshold > settings.track_lost_threshold
    assert settings.max_message_bytes > 1920 * 1080 * 3 + 4096
    assert (settings.model_dir / "red.onnx").is_file()


def test_wrong_values_are_reported_together_by_the_name_of_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "HTTP_PORT": "x",
        "DETECT_EVERY": "0",
        "TRACK_LOST_THRESHOLD": "1.5",
        "LOG_LEVEL": "LOUD",
        "PROVIDERS": "cpu,abacus",
        "PRECISION": "fp64",
    }.items():
        monkeypatch.setenv(f"RED_{name}", value)
    with pytest.raises(ConfigurationError) as caught:
        read_settings()
    for name in ("HTTP_PORT", "DETECT_EVERY", "TRACK_LOST_THRESHOLD", "LOG_LEVEL", "PROVIDERS", "PRECISION"):
        assert f"RED_{name}" in caught.value.message
    assert "'abacus' is none of cpu, cuda" in caught.value.message


def test_what_settings_refer_to_is_reported_with_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Files that are missing or hold something else, and keys that are none: together with a number that is none."""
    junk, none = tmp_path / "junk", tmp_path / "none"
    junk.write_text("[1]")
    wrong = {
        "HTTP_PORT": "x",
        "TOKEN_KEYS": "secret-that-is-no-key",
        "API_KEYS_FILE": junk,
        "JWT_JWKS_FILE": junk,
        "TLS_CERT": junk,
        "TLS_KEY": junk,
        "DETECTOR_PATH": none,
        "MODEL_DIR": none,
    }
    for name, value in wrong.items():
        monkeypatch.setenv(f"RED_{name}", str(value))
    with pytest.raises(ConfigurationError) as caught:
        read_settings()
    for name in wrong:
        assert f"RED_{name}" in caught.value.message, caught.value.message
    assert "secret-that" not in caught.value.message


def test_processes_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    for processes, threads in ((1, 4), (2, 4), (4, 2), (16, 1)):
        monkeypatch.setenv("RED_PROCESSES", str(processes))
        settings = read_settings()
        assert (settings.workers, settings.max_parallel) == (threads, threads)


def test_a_model_is_chosen_by_its_name_and_a_folder_goes_before_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in shipped_models():
        monkeypatch.setenv("RED_MODEL", name)
        assert read_settings().model_dir == model_folder(name)
        assert (model_folder(name) / "red.onnx").is_file()
    monkeypatch.setenv("RED_MODEL_DIR", str(tmp_path))
    assert read_settings().model_dir == tmp_path
    monkeypatch.setenv("RED_MODEL", "nosuch")
    with pytest.raises(ConfigurationError, match=r"RED_MODEL: .*'nosuch'.* only edge"):
        read_settings()
