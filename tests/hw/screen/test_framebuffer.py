"""The kernel's framebuffer: its structs as the C compiler lays them out from linux/fb.h, and errors in words."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from hw.bus import PixelLayout
from hw.errors import DeviceDenied, DeviceError, DeviceMissing
from hw.linux import framebuffer
from hw.linux.framebuffer import FixedInfo, LinuxFramebuffer, VariableInfo, layout_of

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = r"""
#include <linux/fb.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

int main(void) {
    struct fb_fix_screeninfo fixed;
    struct fb_var_screeninfo variable;
    memset(&fixed, 0, sizeof fixed);
    memset(&variable, 0, sizeof variable);
    strcpy(fixed.id, "vc4drmfb");
    fixed.smem_len = 800 * 4 * 960;
    fixed.type = FB_TYPE_PACKED_PIXELS;
    fixed.visual = FB_VISUAL_TRUECOLOR;
    fixed.line_length = 832 * 4;
    variable.xres = 800;
    variable.yres = 480;
    variable.yres_virtual = 960;
    variable.xoffset = 3;
    variable.yoffset = 480;
    variable.bits_per_pixel = 32;
    variable.red.offset = 16;
    variable.green.offset = 8;
    variable.red.length = variable.green.length = variable.blue.length = 8;
    fwrite(&fixed, sizeof fixed, 1, stdout);
    fwrite(&variable, sizeof variable, 1, stdout);
    fprintf(stderr, "%zu %zu %d %d %d %d %d %d\n", sizeof fixed, sizeof variable, FBIOGET_FSCREENINFO,
            FBIOGET_VSCREENINFO, FBIOBLANK, FB_BLANK_UNBLANK, FB_VISUAL_TRUECOLOR, FB_VISUAL_DIRECTCOLOR);
    return 0;
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_the_kernel_headers_agree(tmp_path: Path) -> None:
    source, program = tmp_path / "fb.c", tmp_path / "fb"
    source.write_text(PROGRAM, encoding="ascii")
    subprocess.run(["cc", "-o", str(program), str(source)], check=True)
    done = subprocess.run([str(program)], capture_output=True, check=True)
    numbers = [int(word) for word in done.stderr.split()]
    fixed_size = ctypes.sizeof(FixedInfo)
    assert numbers == [
        fixed_size,
        ctypes.sizeof(VariableInfo),
        framebuffer.FBIOGET_FSCREENINFO,
        framebuffer.FBIOGET_VSCREENINFO,
        framebuffer.FBIOBLANK,
        framebuffer.FB_BLANK_UNBLANK,
        *sorted(framebuffer.TRUE_COLOURS),
    ]
    fixed = FixedInfo.from_buffer_copy(done.stdout[:fixed_size])
    variable = VariableInfo.from_buffer_copy(done.stdout[fixed_size:])
    assert bytes(fixed.id) == b"vc4drmfb"
    assert fixed.smem_len == 800 * 4 * 960
    layout, begin = layout_of(fixed, variable)
    assert layout == PixelLayout(800, 480, 832 * 4, 32, (16, 8), (8, 8), (0, 8))
    assert begin == 480 * 832 * 4 + 3 * 4


@pytest.mark.parametrize(("field", "value"), [("type", 1), ("visual", 3), ("grayscale", 1)])
def test_no_true_colour_is_refused(field: str, value: int) -> None:
    fixed, variable = FixedInfo(visual=2), VariableInfo()
    setattr(variable if field == "grayscale" else fixed, field, value)
    with pytest.raises(ValueError, match="no true colour"):
        layout_of(fixed, variable)


def test_a_missing_panel_is_told_with_what_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match=r"fb0: no framebuffer .*vc4-kms-v3d"):
        LinuxFramebuffer(str(tmp_path / "fb0")).open()


def test_a_file_is_no_framebuffer(tmp_path: Path) -> None:
    path = tmp_path / "fb0"
    path.write_bytes(bytes(100))
    with pytest.raises(DeviceError, match="is no framebuffer that can be used"):
        LinuxFramebuffer(str(path)).open()


def test_without_permission_the_group_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may open everything, so what the kernel says is played."""

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(DeviceDenied, match="group video"):
        LinuxFramebuffer(str(tmp_path)).open()


def test_closing_twice_is_harmless() -> None:
    memory = LinuxFramebuffer("/dev/null")
    memory.close()
    memory.close()
