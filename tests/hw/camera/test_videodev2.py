"""Structures, request numbers and flags against the kernel's own header, by its own compiler."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hw.linux import videodev2

STRUCTURES: dict[str, type[ctypes.Structure]] = {
    "v4l2_capability": videodev2.Capability,
    "v4l2_fmtdesc": videodev2.FmtDesc,
    "v4l2_pix_format": videodev2.PixFormat,
    "v4l2_format": videodev2.Format,
    "v4l2_frmsizeenum": videodev2.FrmSizeEnum,
    "v4l2_frmivalenum": videodev2.FrmIvalEnum,
    "v4l2_captureparm": videodev2.CaptureParm,
    "v4l2_streamparm": videodev2.StreamParm,
    "v4l2_requestbuffers": videodev2.RequestBuffers,
    "v4l2_buffer": videodev2.Buffer,
    "v4l2_control": videodev2.Control,
    "v4l2_queryctrl": videodev2.QueryCtrl,
}
REQUESTS = (
    *("QUERYCAP", "ENUM_FMT", "ENUM_FRAMESIZES", "ENUM_FRAMEINTERVALS", "S_FMT", "S_PARM", "QUERYCTRL", "S_CTRL"),
    *("REQBUFS", "QUERYBUF", "QBUF", "DQBUF", "STREAMON", "STREAMOFF"),
)
OURS_ALONE = {"size", "interval", "raw"}
"""Unions that have no name in the header."""


def numbers() -> dict[str, str]:
    """Each constant's name here and there."""
    names = {name: f"VIDIOC_{name}" for name in REQUESTS}
    for name, value in vars(videodev2).items():
        if name.isupper() and name[0] != "_" and isinstance(value, int) and name not in names:
            names[name] = f"V4L2_{name}"
    return names


def test_all_is_as_the_header_has_it(tmp_path: Path) -> None:
    if shutil.which("cc") is None or not Path("/usr/include/linux/videodev2.h").exists():
        pytest.skip("no C compiler, or no kernel headers (linux-libc-dev)")
    lines, ours = [], []
    for name, structure in STRUCTURES.items():
        lines.append(f"P(sizeof(struct {name}));")
        ours.append((f"sizeof {name}", ctypes.sizeof(structure)))
        for field in structure._fields_:
            if field[0] not in OURS_ALONE:
                lines.append(f"P(offsetof(struct {name}, {field[0]}));")
                ours.append((f"{name}.{field[0]}", getattr(structure, field[0]).offset))
    for name, header_name in numbers().items():
        lines.append(f"P({header_name});")
        ours.append((header_name, getattr(videodev2, name)))
    source = tmp_path / "layout.c"
    source.write_text(
        "#include <linux/videodev2.h>\n#include <stddef.h>\n#include <stdio.h>\n"
        '#define P(x) printf("%llu\\n", (unsigned long long)(x))\n'
        f"int main(void) {{ {' '.join(lines)} return 0; }}\n"
    )
    subprocess.run(["cc", "-o", tmp_path / "layout", source], check=True)
    printed = subprocess.run([tmp_path / "layout"], check=True, capture_output=True, text=True).stdout.split()
    theirs: list[Any] = [(name, int(value)) for (name, _), value in zip(ours, printed, strict=True)]
    assert ours == theirs
    assert len(ours) > 100


def test_four_letters() -> None:
    assert videodev2.fourcc(videodev2.PIX_FMT_YUYV) == "YUYV"
    assert videodev2.fourcc(int.from_bytes(b"Y16 ", "little") | 1 << 31) == "Y16"
