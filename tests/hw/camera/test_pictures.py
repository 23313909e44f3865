"""Folders, pictures and videos stand in for a camera."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from hw.errors import DeviceClosed, DeviceMissing, DeviceTimeout, RecordingError
from hw.linux.pictures import PictureSource

if TYPE_CHECKING:
    from pathlib import Path


def greys(source: PictureSource, count: int) -> list[int]:
    return [int(source.grab(5.0)[0][0, 0, 0]) for _ in range(count)]


def test_a_folder_by_name_at_its_rate(album: Path, clock: Any) -> None:
    source = PictureSource(album, clock, fps=4)
    source.open()
    shown = [source.grab(1.0) for _ in range(3)]
    assert [int(picture[0, 0, 0]) for picture, _ in shown] == [120, 60, 180]
    assert np.diff([stamp for _, stamp in shown]) == pytest.approx(0.25)
    with pytest.raises(DeviceClosed, match="at its end"):
        source.grab(1.0)
    source.open()
    assert greys(source, 1) == [120]


def test_a_loop_has_no_end(album: Path, clock: Any) -> None:
    source = PictureSource(album / "b.png", clock, loop=True)
    source.open()
    assert greys(source, 5) == [60] * 5


def test_not_yet(album: Path, clock: Any) -> None:
    source = PictureSource(album, clock, fps=0.5)
    source.open()
    source.grab(1.0)
    before = clock.now
    with pytest.raises(DeviceTimeout):
        source.grab(0.5)
    assert clock.now - before == pytest.approx(0.5)
    assert greys(source, 1) == [60]


def test_a_slow_reader_misses_nothing(album: Path, clock: Any) -> None:
    source = PictureSource(album, clock, fps=10)
    source.open()
    source.grab(1.0)
    clock.sleep(5.0)
    assert greys(source, 2) == [60, 180]


def test_an_unreadable_picture_is_named_and_passed(album: Path, clock: Any) -> None:
    (album / "aa.jpg").write_bytes(b"\xff\xd8 no")
    (album / "ab.jpg").write_bytes(b"")
    source = PictureSource(album, clock)
    source.open()
    assert greys(source, 1) == [120]
    for name in ("aa", "ab"):
        with pytest.raises(RecordingError, match=rf"{name}\.jpg: is (empty|no picture)"):
            source.grab(5.0)
    assert greys(source, 2) == [60, 180]


def test_a_video_at_its_own_rate(tmp_path: Path, clock: Any) -> None:
    file = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 20.0, (64, 48))
    for grey in (50, 100, 150):
        writer.write(np.full((48, 64, 3), grey, dtype=np.uint8))
    writer.release()
    source = PictureSource(file, clock)
    source.open()
    shown = [source.grab(1.0) for _ in range(3)]
    assert [int(picture.mean()) for picture, _ in shown] == pytest.approx([50, 100, 150], abs=3)
    assert np.diff([stamp for _, stamp in shown]) == pytest.approx(0.05)
    with pytest.raises(DeviceClosed):
        source.grab(1.0)
    looped = PictureSource(file, clock, loop=True)
    looped.open()
    assert len(greys(looped, 7)) == 7
    looped.close()


def test_what_is_no_source(album: Path, clock: Any) -> None:
    with pytest.raises(DeviceMissing, match="nowhere"):
        PictureSource(album / "nowhere", clock).open()
    with pytest.raises(RecordingError, match=r"notes\.txt: neither"):
        PictureSource(album / "notes.txt", clock).open()
    (album / "empty").mkdir()
    with pytest.raises(RecordingError, match="no pictures"):
        PictureSource(album / "empty", clock).open()
    with pytest.raises(ValueError, match="fps"):
        PictureSource(album, clock, fps=0)


def test_closed(album: Path, clock: Any) -> None:
    source = PictureSource(album, clock)
    with pytest.raises(DeviceClosed):
        source.grab(1.0)
    source.open()
    source.close()
    with pytest.raises(DeviceClosed):
        source.grab(1.0)
