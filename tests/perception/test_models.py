"""The registry and its folder: the right file is taken, every other one is refused with what to do."""

from __future__ import annotations

import hashlib
import http.server
import io
import threading
import urllib.error
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec
import pytest

from controller.cli import models as cli_models
from controller.errors import ModelError
from controller.models import registry as models
from controller.models.pull import default_opener, pull

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BODY = bytes(range(256)) * 700
GOOD = models.ModelFile(
    name="good",
    use="test",
    file="good.bin",
    url="https://example.org/good.bin",
    size=len(BODY),
    sha256=hashlib.sha256(BODY).hexdigest(),
    licence="none",
    input="",
    output="",
)


def fetch(body: bytes | Exception, folder: Path, model: models.ModelFile = GOOD, **options: Any) -> Any:
    def opener(request: Any, *, timeout: float) -> IO[bytes]:
        assert request.full_url == model.url
        assert timeout > 0
        if isinstance(body, Exception):
            raise body
        return io.BytesIO(body)

    return pull([model.name], folder, opener=opener, registry=lambda _: model, **options)


def litter(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_the_registry_is_consistent() -> None:
    names = [model.name for model in models.REGISTRY]
    files = [model.file for model in models.REGISTRY]
    assert len(set(names)) == len(names) == len(set(files))
    for model in models.REGISTRY:
        assert len(bytes.fromhex(model.sha256)) == 32
        assert (model.url is None) == (model.made_from is not None)
        assert model.url is None or model.url.startswith("https://")
        assert Path(model.file).name == model.file
        assert model.licence
        assert model.made_from is None or models.entry(model.made_from).url
    assert {name for needed in models.ENGINE_MODELS.values() for name in needed} <= set(names)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ModelError, match="yunet"):
        models.entry("nothing")


def test_the_folder_is_argument_then_environment_then_user_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(models.ENVIRONMENT, "/from/environment")
    assert models.models_dir("/from/argument") == Path("/from/argument")
    assert models.models_dir() == Path("/from/environment")
    monkeypatch.delenv(models.ENVIRONMENT)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert models.models_dir() == tmp_path / "thermogate" / "models"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert models.models_dir() == Path("/home/somebody/.local/share/thermogate/models")


def test_a_pulled_file_is_there_whole_and_progress_was_told(tmp_path: Path) -> None:
    told: list[int] = []
    (done,) = fetch(BODY, tmp_path / "new" / "folder", progress=lambda _, size: told.append(size))
    assert done.fetched
    assert done.path.read_bytes() == BODY
    assert told == sorted(told)
    assert told[-1] == len(BODY)
    assert litter(done.path.parent) == ["good.bin"]


def test_what_is_right_already_is_not_fetched_again(tmp_path: Path) -> None:
    fetch(BODY, tmp_path)
    (again,) = fetch(AssertionError("must not be opened"), tmp_path)
    assert not again.fetched


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (bytes(len(BODY)), "sha256"),
        (BODY[:-1], "bytes, the registry says"),
        (BODY + b"x", "more than"),
        (b"", "bytes, the registry says"),
        (urllib.error.URLError("no route to host"), "no route"),
        (TimeoutError("timed out"), "timed out"),
    ],
)
def test_a_wrong_answer_leaves_nothing_and_harms_nothing(body: bytes | Exception, reason: str, tmp_path: Path) -> None:
    (tmp_path / "good.bin").write_bytes(b"an older version")
    with pytest.raises(ModelError, match=reason):
        fetch(body, tmp_path)
    assert litter(tmp_path) == ["good.bin"]
    assert (tmp_path / "good.bin").read_bytes() == b"an older version"


@pytest.mark.parametrize("url", ["http://example.org/x", "ftp://example.org/x", "file:///etc/passwd"])
def test_only_https_is_spoken(url: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not an https address"):
        fetch(BODY, tmp_path, replace(GOOD, url=url))
    with pytest.raises(ModelError, match="not an https address"):
        fetch(BODY, tmp_path, replace(GOOD, url=url), allow_loopback_http=True)


def test_a_file_that_is_made_here_is_not_pulled(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="thermogate models convert"):
        pull(["mobilefacenet-fp16"], tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelError, match="file"):
        fetch(BODY, tmp_path / "file")


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "/good.bin")
            self.end_headers()
            return
        self.send_response(200 if self.path == "/good.bin" else 404)
        self.end_headers()
        if self.path == "/good.bin":
            self.wfile.write(BODY)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Tests print nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_address[1]}"
        served.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["/good.bin", "/elsewhere"])
def test_a_real_server_is_pulled_from(server: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    model = replace(GOOD, url=server + path)
    (done,) = pull(["good"], tmp_path, allow_loopback_http=True, registry=lambda _: model)
    assert done.path.read_bytes() == BODY


def test_a_page_that_is_not_there_is_an_error(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    model = replace(GOOD, url=server + "/gone")
    with pytest.raises(ModelError, match="404"):
        pull(["good"], tmp_path, allow_loopback_http=True, registry=lambda _: model)


def test_a_redirect_never_leaves_https() -> None:
    import email.message
    import urllib.request

    from controller.models.pull import _HttpsOnly

    handler, request = _HttpsOnly(), urllib.request.Request("https://example.org/a")
    nothing = email.message.Message()
    with pytest.raises(urllib.error.HTTPError, match="away from https"):
        handler.redirect_request(request, io.BytesIO(), 302, "Found", nothing, "http://example.org/a")
    followed = handler.redirect_request(request, io.BytesIO(), 302, "Found", nothing, "https://example.org/b")
    assert followed is not None
    assert followed.full_url == "https://example.org/b"
    assert callable(default_opener())


@pytest.fixture
def converted(tmp_path: Path) -> Callable[..., models.FileReport]:
    """A made file of another hash than the registry's, with the provenance given."""
    model = models.entry("mobilefacenet-fp16")

    def make(**changes: Any) -> models.FileReport:
        path = tmp_path / model.file
        path.write_bytes(b"another toolchain's bytes")
        fields: dict[str, Any] = {
            "source_sha256": models.entry("mobilefacenet").sha256,
            "sha256": models.sha256_of(path),
            "least_cosine": 0.9999,
            "inputs": 64,
            "toolchain": "test",
        }
        models.provenance_path(path).write_bytes(msgspec.json.encode(fields | changes))
        return models.check_file(model, tmp_path)

    return make


def test_a_conversion_with_its_provenance_is_accepted(converted: Callable[..., models.FileReport]) -> None:
    report = converted()
    assert (report.state, report.usable) == ("converted", True)
    assert models.template_model(report) == f"mobilefacenet:{models.entry('mobilefacenet').sha256[:12]}"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"source_sha256": "0" * 64}, "another source"),
        ({"sha256": "0" * 64}, "says 0000"),
        ({"least_cosine": 0.99}, "below"),
        ({"least_cosine": "high"}, "not a provenance"),
        ({"surprise": 1}, "not a provenance"),
    ],
)
def test_a_conversion_that_proves_nothing_is_refused(
    converted: Callable[..., models.FileReport], changes: dict[str, Any], reason: str
) -> None:
    report = converted(**changes)
    assert (report.state, report.usable) == ("wrong", False)
    assert reason in report.reason


def test_a_pulled_file_of_another_hash_is_never_excused(tmp_path: Path) -> None:
    model = models.entry("yunet")
    (tmp_path / model.file).write_bytes(b"not it")
    assert models.check_file(model, tmp_path).state == "wrong"
    with pytest.raises(ModelError, match="not the right file"):
        models.require(tmp_path, "yunet")


def test_a_missing_file_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="thermogate models pull yunet"):
        models.require(tmp_path, "yunet")
    with pytest.raises(ModelError, match="thermogate models convert"):
        models.require(tmp_path, "mobilefacenet-fp16")


@pytest.mark.models
def test_the_files_at_hand_are_the_registrys(models: Path) -> None:
    from controller.models.registry import ENGINE_MODELS, verify

    for needed in ENGINE_MODELS.values():
        for report in verify(models, needed):
            assert report.usable, report.reason


def run(*words: str) -> int:
    import argparse

    top = argparse.ArgumentParser()
    cli_models.add_parser(top.add_subparsers(required=True))
    arguments = top.parse_args(["models", *words])
    return int(arguments.run(arguments))


def test_the_command_lists_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "--folder", str(tmp_path)) == 0
    text = capsys.readouterr().out
    for model in models.REGISTRY:
        assert model.name in text
        assert model.sha256 in text
    assert "MS-Celeb-1M" in text


def test_verify_fails_on_a_wrong_file_but_not_on_one_nobody_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("verify", "--folder", str(tmp_path)) == 0
    assert run("verify", "yunet", "--folder", str(tmp_path)) == 1
    (tmp_path / models.entry("yunet").file).write_bytes(b"wrong")
    assert run("verify", "--folder", str(tmp_path)) == 1
    assert "WRONG" in capsys.readouterr().out


def test_an_engines_files_are_what_pull_can_fetch() -> None:
    assert cli_models.engine_files("opencv") == ["yunet", "mobilefacenet"]
    for engine in ("opencv", "tflite"):
        assert all(models.entry(name).url for name in cli_models.engine_files(engine))
