"""A gate's end of the distribution against every wrong message: none is installed, and what was there stays."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import random
import subprocess
import threading
import time
from typing import TYPE_CHECKING, ClassVar

import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.roster_rig import until
from controller.errors import LinkError
from controller.follow.fetch import Fetcher
from controller.follow.gallery import GalleryWatch
from controller.follow.roster import COUNT_EVERY, RosterDesk, gate_key
from controller.gallery.index import GalleryIndex
from controller.gallery.store import GalleryStore
from controller.link import documents as wire
from controller.link import signing
from controller.link.documents import Desired, Document, FaceEntry, File, PersonEntry, Wanted, read_reported
from controller.link.settings import RosterSettings
from hw.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

HUB = Ed25519PrivateKey.generate()
KEY = bytes(range(32))
NOW = 1_790_000_000.0
DAY = 86_400.0


class Times:
    """A board's clocks, set by hand."""

    def __init__(self) -> None:
        self.wall, self.right, self.running = NOW, True, 0.0


class Bench:
    """A desk with what it fills."""

    def __init__(self, folder: Path, times: Times, url: str = "http://127.0.0.1:1") -> None:
        self.folder, self.times = folder, times
        self.index = GalleryIndex(16, "net:1", threshold=0.5, margin=0.0)
        clock = SystemClock()
        self.watch = GalleryWatch(folder, None, self.index, clock)
        self.clock = clock
        self.desk = RosterDesk(
            RosterSettings(hub_key=signing.public_text(HUB.public_key()), url=url),
            campus="school",
            gate="north",
            boot_id="b",
            folder=folder,
            key=None,
            clock=Running(times),
            watch=self.watch,
            wall=lambda: times.wall,
            right=lambda: times.right,
        )
        self.watch.look()

    @property
    def sealed_key(self) -> str:
        return wire.seal_key(KEY, gate_key(self.folder).public_key(), "school", "north")

    def people(self) -> list[str]:
        with GalleryStore.open(self.folder) as store:
            assert store.inspect().faults == ()
            return sorted(one.person.person for one in store.enrolments())

    def stale(self) -> bool:
        return self.desk.stale

    def errors(self) -> str:
        said = read_reported("", self.desk.reported())
        return " ".join([said.error, *(one.error for one in said.documents.values())]).strip()


class Running(SystemClock):
    """A clock whose monotonic time is set by hand."""

    def __init__(self, times: Times) -> None:
        super().__init__()
        self._times = times

    def monotonic(self) -> float:
        return self._times.running


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def bench(tmp_path: Path, times: Times) -> Iterator[Bench]:
    made = Bench(tmp_path, times)
    yield made
    made.desk.close()
    made.watch.close()


def face(seed: int) -> bytes:
    numbers = np.random.default_rng(seed).normal(size=16)
    return (numbers / np.linalg.norm(numbers)).astype("<f4").tobytes()


def sealed(kind: str, version: int, *who: str, since: int = 0, campus: str = "school", key: bytes = KEY) -> bytes:
    entry: msgspec.Struct = PersonEntry() if kind == "roster" else FaceEntry(templates=(("net:1", face(1)),))
    entries = {one: msgspec.Raw(msgspec.msgpack.encode(entry)) for one in who}
    return wire.seal_document(Document(campus=campus, kind=kind, version=version, since=since, entries=entries), key)


def word(bench: Bench, roster: bytes, version: int = 9, *, by: Ed25519PrivateKey = HUB, **more: object) -> bytes:
    """A message that names one document."""
    wanted = Wanted(version=version, base=version, snapshot=wire.file_of(roster))
    values: dict[str, object] = {
        "campus": "school", "gate": "north", "issued": NOW, "fresh_until": NOW + DAY,
        "sealed_key": bench.sealed_key, "documents": {"roster": wanted},
    }  # fmt: skip
    return signing.sign(by, wire.SIGNED, wire.encode_desired(Desired(**values | more)))  # type: ignore[arg-type]


def test_a_good_one_is_installed_once_and_an_older_one_never(bench: Bench) -> None:
    assert bench.desk.follow(word(bench, sealed("roster", 9, "a", "b")))
    assert (bench.errors(), bench.people(), bench.desk.versions) == ("", ["a", "b"], {"roster": 9})
    assert bench.desk.follow(word(bench, sealed("roster", 9, "a", "b")))
    assert bench.errors() == ""
    assert bench.desk.follow(word(bench, sealed("roster", 8, "a", "b", "stranger"), 8))
    assert "roster 8: is older than 9, which is installed" in bench.errors()
    assert bench.people() == ["a", "b"]


@pytest.mark.parametrize(
    ("told", "document", "more"),
    [
        ("is for school/south", sealed("roster", 10, "x"), {"gate": "south"}),
        ("is for other/north", sealed("roster", 10, "x"), {"campus": "other"}),
        ("its signature is not that of key", sealed("roster", 10, "x"), {"by": Ed25519PrivateKey.generate()}),
        ("does not open: altered, or sealed by another key", sealed("roster", 10, "x", key=bytes(32)), {}),
        ("is roster 10 of other", sealed("roster", 10, "x", campus="other"), {}),
        ("is gallery 10 of school", sealed("gallery", 10, "x"), {}),
        ("is roster 11 of school", sealed("roster", 11, "x"), {}),
        ("is roster 10 of school", sealed("roster", 10, "x", since=9), {}),
        ("the content key is not sealed to this gate's key", sealed("roster", 10, "x"), {"sealed_key": "AAAA"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_wrong_one_is_named_and_changes_nothing(
    bench: Bench, told: str, document: bytes, more: dict[str, object]
) -> None:
    bench.desk.follow(word(bench, sealed("roster", 9, "a", "b")))
    assert bench.desk.follow(word(bench, document, 10, **more))  # type: ignore[arg-type]
    assert told in bench.errors()
    assert (bench.people(), bench.desk.versions) == (["a", "b"], {"roster": 9})


def test_another_gates_sealed_key_opens_nothing(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "south").mkdir()
    theirs = wire.seal_key(KEY, gate_key(tmp_path / "south").public_key(), "school", "south")
    bench.desk.follow(word(bench, sealed("roster", 9, "a"), sealed_key=theirs))
    assert "the content key is not sealed to this gate's key" in bench.errors()
    # Nor does this gate's own, relabelled by somebody who has it.
    relabelled = wire.seal_key(KEY, gate_key(tmp_path).public_key(), "school", "south")
    bench.desk.follow(word(bench, sealed("roster", 9, "a"), sealed_key=relabelled))
    assert "the content key is not sealed to this gate's key" in bench.errors()
    assert bench.people() == []


def test_mangled_messages_install_nothing(bench: Bench) -> None:
    bench.desk.follow(word(bench, sealed("roster", 9, "a", "b")))
    good = word(bench, sealed("roster", 10, "x", "y"), 10)
    dice = random.Random(7)
    tried = 0
    for _ in range(400):
        bad = bytearray(good)
        kind = dice.randrange(4)
        if kind == 0:
            del bad[dice.randrange(len(bad)) :]
        elif kind == 1:
            bad[dice.randrange(len(bad))] ^= 1 << dice.randrange(8)
        elif kind == 2:
            at = dice.randrange(len(bad))
            bad[at : at + dice.randrange(1, 40)] = dice.randbytes(dice.randrange(40))
        else:
            start, end = sorted(dice.randrange(len(bad)) for _ in range(2))
            bad[start:end] = bad[start:end][::-1]
        if signing_is_the_same(bytes(bad), good):
            continue
        tried += 1
        bench.desk.follow(bytes(bad))
        assert bench.errors()
        assert bench.desk.versions == {"roster": 9}
    assert tried > 300
    assert bench.people() == ["a", "b"]
    bench.desk.follow(good)
    assert bench.people() == ["x", "y"]


def signing_is_the_same(one: bytes, other: bytes) -> bool:
    """Whether two messages say the same: JSON has more than one way, and the key's name is for finding it alone."""
    try:
        first, second = (signing.read_signed("", each) for each in (one, other))
    except ValueError:
        return False
    return (first.body, first.signature) == (second.body, second.signature)


def test_only_what_has_to_be_loaded_is_loaded(bench: Bench) -> None:
    bench.desk.follow(word(bench, sealed("roster", 9, "a", "b")))
    assert bench.watch.look(), "people came"
    assert bench.index.people() == ("a", "b")
    gone = Document(campus="school", kind="roster", version=11, since=9, removed=("a",))
    wanted = Wanted(version=11, base=9, snapshot=wire.file_of(b"x"), delta=wire.file_of(wire.seal_document(gone, KEY)))
    bench.desk.follow(word(bench, b"x", documents={"roster": wanted}, fresh_until=NOW + 2 * DAY))
    assert bench.index.people() == ("b",), "who was removed is out at once"
    bench.desk._tidy()
    bench.desk._note_silence()
    assert not bench.watch.look()
    assert bench.people() == ["b"]


def test_the_longest_message_can_be_signed(bench: Bench) -> None:
    inline, elsewhere = wire.file_of(bytes(wire.INLINE)), File(sha256="f" * 64, size=wire.LARGEST)
    most = 2**62
    wanted = {kind: Wanted(version=most, base=most, snapshot=elsewhere, delta=inline) for kind in wire.KINDS}
    bench.desk.follow(word(bench, b"", gate="n" * 32, campus="c" * 32, documents=wanted, issued=NOW + 0.123456))
    assert "cfg/desired: is for" in bench.errors()


def test_what_comes_after_a_wrong_one_waits(bench: Bench) -> None:
    """Templates of people who did not arrive are not installed either."""
    broken, fine = sealed("roster", 9, "a", key=bytes(32)), sealed("gallery", 9, "a")
    both = {
        kind: Wanted(version=9, base=9, snapshot=wire.file_of(document))
        for kind, document in (("roster", broken), ("gallery", fine))
    }
    bench.desk.follow(word(bench, broken, documents=both))
    assert bench.desk.versions == {}


def test_unheard_for_too_long_it_is_stale(bench: Bench, times: Times) -> None:
    assert not bench.stale(), "nothing was promised yet"
    bench.desk.follow(word(bench, sealed("roster", 9, "a")))
    assert not bench.stale()
    times.wall = NOW + DAY + 1
    assert bench.stale()
    times.right = False
    assert not bench.stale(), "the clock is not to be trusted, and it has not run for so long"
    times.running = DAY + 1
    assert bench.stale()
    assert read_reported("", bench.desk.reported()).stale
    # The same word again, from whoever holds the broker, is no news.
    bench.desk.follow(word(bench, sealed("roster", 9, "a")))
    assert bench.stale()
    bench.desk.follow(word(bench, sealed("roster", 9, "a"), fresh_until=NOW + 2 * DAY, issued=NOW + DAY))
    assert not bench.stale()


def test_a_restart_does_not_begin_the_count_anew(bench: Bench, times: Times) -> None:
    times.right = False
    bench.desk.follow(word(bench, sealed("roster", 9, "a")))
    times.running = DAY - COUNT_EVERY / 2
    bench.desk._note_silence()
    times.running = 0.0
    again = Bench(bench.folder, times)
    assert not again.stale()
    times.running = COUNT_EVERY
    assert again.stale()
    again.desk.close()
    again.watch.close()


class Half(http.server.BaseHTTPRequestHandler):
    """Serves one document, at most so many bytes a request."""

    content: ClassVar[bytes] = b""
    most: ClassVar[int] = 0
    asked: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        self.asked.append(start)
        self.send_response(206)
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        self.wfile.write(self.content[start : start + self.most])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def half() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Half) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        Half.asked = []
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_fetch_goes_on_where_it_ended(tmp_path: Path, half: str) -> None:
    Half.content, Half.most = random.Random(1).randbytes(300_000), 120_000
    file = wire.file_of(Half.content)
    for have in (120_000, 240_000):
        with pytest.raises(LinkError, match=f"ended after {have} of 300000|IncompleteRead"):
            Fetcher(half, None, tmp_path).fetch(file, "north", "x")  # each time anew, as after a kill
    assert Fetcher(half, None, tmp_path).fetch(file, "north", "x") == Half.content
    assert Half.asked == [0, 120_000, 240_000]
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600]
    Fetcher(half, None, tmp_path).clear()
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_the_signed_document_is_thrown_away(tmp_path: Path, half: str) -> None:
    Half.content, Half.most = b"something else", 1000
    file = File(sha256="0" * 64, size=len(Half.content))
    with pytest.raises(LinkError, match="gave another document than the one that was signed"):
        Fetcher(half, None, tmp_path).fetch(file, "north", "x")
    assert list(tmp_path.iterdir()) == []
    # No more than was signed is taken, however much comes.
    Half.content, Half.most = bytes(1 << 20), 1 << 20
    with pytest.raises(LinkError, match="gave another document"):
        Fetcher(half, None, tmp_path).fetch(File(sha256="0" * 64, size=100), "north", "x")


@pytest.mark.parametrize("url", ["ftp://hub", "hub:8480", "https://"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(LinkError, match=r"\[roster\] url"):
        Fetcher(url, None, tmp_path)


class Drip(http.server.BaseHTTPRequestHandler):
    """Gives a byte now and then, for ever: a document over a line that hardly works."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(206)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"x")
                time.sleep(0.05)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def dripping(tmp_path: Path, times: Times) -> Iterator[Bench]:
    """A desk whose hub takes for ever."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Drip) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        made = Bench(tmp_path, times, f"http://127.0.0.1:{server.server_port}")
        yield made
        made.desk.close()
        made.watch.close()
        server.shutdown()
        thread.join()


def without_a(version: int = 10, since: int = 9) -> Wanted:
    """Everything is as in the snapshot, but `a` is gone."""
    gone = Document(campus="school", kind="roster", version=version, since=since, removed=("a",))
    delta = wire.file_of(wire.seal_document(gone, KEY))
    return Wanted(version=version, base=since, snapshot=wire.file_of(sealed("roster", since, "a", "b")), delta=delta)


@contextlib.asynccontextmanager
async def following(bench: Bench) -> AsyncIterator[None]:
    """The desk at work, with who loads what it installs."""
    tasks = [asyncio.ensure_future(bench.desk.run()), asyncio.ensure_future(bench.watch.run())]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.asyncio
async def test_a_removal_does_not_wait_for_what_is_being_fetched(dripping: Bench) -> None:
    faces = Wanted(version=3, base=3, snapshot=File(sha256="0" * 64, size=1_000_000))
    people = Wanted(version=9, base=9, snapshot=wire.file_of(sealed("roster", 9, "a", "b")))
    async with following(dripping):
        dripping.desk.offer(word(dripping, b"x", documents={"roster": people, "gallery": faces}))
        await until(lambda: dripping.index.person("a") is not None, "both are known")
        await until(lambda: any((dripping.folder / "documents").glob("*.part")), "a document is on its way")
        dripping.desk.offer(word(dripping, b"x", documents={"roster": without_a(), "gallery": faces}))
        await until(lambda: dripping.index.person("a") is None, "who was removed is out")
        assert dripping.index.person("b") is not None
        # And what had come of the other document is still there, to go on behind.
        parts = (dripping.folder / "documents").glob
        await until(lambda: any(part.stat().st_size > 0 for part in parts("*.part")), "it goes on")


@pytest.mark.asyncio
async def test_a_forgery_takes_no_good_ones_place(bench: Bench) -> None:
    bench.desk.offer(word(bench, sealed("roster", 9, "a")))
    bench.desk.offer(word(bench, sealed("roster", 99, "x"), 99, by=Ed25519PrivateKey.generate()))
    assert "its signature is not that of key" in bench.errors()
    async with following(bench):
        await until(lambda: bench.desk.versions == {"roster": 9}, "the good one is installed")
    assert bench.people() == ["a"]


def test_a_disk_that_takes_nothing_keeps_nobody_in(small_disk: Path, times: Times) -> None:
    """A worn card becomes read-only: who was removed is refused all the same, and it is tried until it is on disk."""
    bench = Bench(small_disk, times)
    assert bench.desk.follow(word(bench, sealed("roster", 9, "a", "b")))
    bench.watch.look()
    assert bench.index.people() == ("a", "b")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    told = word(bench, b"x", documents={"roster": without_a()})
    assert not bench.desk.follow(told)
    assert (bench.index.people(), bench.desk.versions) == (("b",), {"roster": 9})
    assert str(small_disk) in bench.errors()
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert bench.desk.follow(told)
    assert (bench.people(), bench.index.people(), bench.desk.versions) == (["b"], ("b",), {"roster": 10})
    bench.desk.close()
    bench.watch.close()
