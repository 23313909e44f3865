"""Structures, request numbers and flags against the kernel's own header, here and as on a board."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

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


@pytest.mark.parametrize("compiler", ["cc", "aarch64-linux-gnu-gcc"])
def test_all_is_as_the_header_has_it(tmp_path: Path, compiler: str) -> None:
    includes = {"cc": "/usr/include", "aarch64-linux-gnu-gcc": "/usr/aarch64-linux-gnu/include"}[compiler]
    if shutil.which(compiler) is None or not Path(includes, "linux/videodev2.h").exists():
        pytest.skip(f"no {compiler}, or no kernel headers for it")
    ours = {theirs: getattr(videodev2, name) for name, theirs in numbers().items()}
    for name, structure in STRUCTURES.items():
        ours[f"sizeof(struct {name})"] = ctypes.sizeof(structure)
        for field, *_ in structure._fields_:
            if field not in OURS_ALONE:
                ours[f"offsetof(struct {name}, {field})"] = getattr(structure, field).offset
    assert len(ours) > 100
    source = tmp_path / "layout.c"
    checks = "".join(f'_Static_assert(({theirs}) == {value}u, "");\n' for theirs, value in ours.items())
    source.write_text(f"#include <linux/videodev2.h>\n#include <stddef.h>\n{checks}")
    done = subprocess.run([compiler, "-fsyntax-only", source], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_four_letters() -> None:
    assert videodev2.fourcc(videodev2.PIX_FMT_YUYV) == "YUYV"
    assert videodev2.fourcc(int.from_bytes(b"Y16 ", "little") | 1 << 31) == "Y16"
