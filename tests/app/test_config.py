"""gate.toml: what is wrong is refused with the file and the key's path."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from controller.config import Config, SiteSettings, load, parse
from controller.errors import ConfigError
from hw.thermal_settings import Mlx90640Settings

EXAMPLE = Path(__file__).parents[2] / "image" / "gate.toml"


def test_an_empty_file_is_the_default() -> None:
    assert parse("", where="gate.toml") == Config()


def test_the_example_says_what_the_defaults_are() -> None:
    assert load(EXAMPLE) == Config()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[gate]\nunlock = 17", r"gate\.toml: \[gate\]: .*unknown field `unlock`"),
        ("[gate]\nchip = 'x'", r"\[gate\] chip: Expected `int`"),
        ("[gate]\nunlock_a = 99", r"\[gate\] unlock_a: .*<= 53"),
        ("[gate]\nunlock_a = 5", r"\[gate\]: GPIO line 5 is given twice"),
        ("[gate]\npulse_cap = 3.0", r"\[gate\] pulse_cap: .*<= 1\.5"),
        ("[gates]\nchip = 0", r"unknown field `gates`"),
        ("[thermal]\nrefresh_hz = 3.0", r"\[thermal\]: `refresh_hz` must be one of 0\.5, 1,"),
        ("[thermal]\nemissivity = 0.0", r"\[thermal\] emissivity: .*> 0"),
        (
            "[thermal]\ndriver = 'lepton'\nrefresh_hz = 8.0",
            r"\[thermal\] refresh_hz: driver \"lepton\" has no such",
        ),
        ("[thermal]\nspi = '/dev/spidev0.0'", r"\[thermal\] spi: driver \"mlx90640\" has no such key, only \"lepton\""),
        ("[thermal]\ndriver = 'amg8833'\naddress = 0x33", r"\[thermal\] address: Invalid enum value 51"),
        ("[thermal]\ndriver = 'lepton'\naddress = 0x33", r"\[thermal\] address: .*<= 42"),
        ("[thermal]\ndriver = 'lepton'\nspi = 'spi0'", r"\[thermal\] spi: "),
        ("[thermal]\ndriver = 'seek'", r"\[thermal\] driver: Invalid value 'seek'"),
        ("[thermal]\ndriver = 3", r"\[thermal\] driver: Expected `str`"),
        ("thermal = 3", r"\[thermal\]: Expected `object`"),
        (
            "[thermal]\ndriver = 'lepton'\n[gate]\nstop = 9",
            r"line 9 is of SPI, where \[thermal\] spi .* \[gate\] stop takes",
        ),
        (
            "[thermal]\ndriver = 'lepton'\n[reader]\ndriver = 'wiegand'\nd0 = 10\nd1 = 21",
            r"GPIO line 10 is given twice: as \[thermal\] spi and as \[reader\] d0",
        ),
        ("[thermal]\ndriver = 'lepton'\nreset = 17", r"GPIO line 17 is given twice: as \[gate\] unlock_a and as"),
        ("[lane]\nunlock_pulse = 9", r"\[lane\] unlock_pulse: .*<= 1\.5"),
        ("[lane]\nunlock_pulse = 1.0\n[gate]\npulse_cap = 0.5", r"\[lane\] unlock_pulse is 1 s: .* at most 0\.5 s"),
        ("[lane]\npassage_wait = 16.0\n[gate]\nmode = 'potential'", r"\[lane\] passage_wait is 16 s: .* at most 15 s"),
        ("[site]\nentry = 'b'\n[gate]\npass_b = 27", r"GPIO line 27 is given twice"),
        ("[site]\nname = 'Gate 1'", r"\[site\] name: .*matching regex"),
        ("[perception]\nengine = 'best'", r"\[perception\] engine: Invalid enum value 'best'"),
        ("[perception.screening]\nalarm = 45.0", r"\[perception\] screening\.alarm: "),
        (
            "[perception.attempt]\nbudget = 3.0",
            r"\[perception\].*linger` \(3 s\) must be longer than `attempt.budget` \(3 s\)",
        ),
        ("[link]\nhost = 'x'", r"\[link\]: .*missing required field `campus`"),
        ("[gate]\nchip = 0\nchip = 1\n", r"gate\.toml: .*line 3"),
        ("[store]\nfolder = 3", r"\[store\] folder: .*got 3"),
        ("[gate\n", r"gate\.toml: .*line 1"),
    ],
)
def test_what_is_wrong_is_named(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse(text, where="gate.toml")


@pytest.mark.parametrize("driver", ["mlx90640", "lepton", "amg8833"])
def test_each_sensor_has_a_section_of_its_own(driver: str) -> None:
    thermal = parse(f"[thermal]\ndriver = '{driver}'\nflip = true", where="gate.toml").thermal
    assert (thermal.driver, thermal.flip) == (driver, True)


def test_a_section_that_names_no_sensor_is_the_default_ones() -> None:
    assert parse("[thermal]\nrefresh_hz = 8.0", where="gate.toml").thermal == Mlx90640Settings(refresh_hz=8.0)


def test_the_entry_has_a_lock() -> None:
    wired = msgspec.structs.replace(Config().gate, unlock_b=None)
    with pytest.raises(ValueError, match=r"\[gate\] unlock_b is not wired, and \[site\] entry = 'b'"):
        Config(site=SiteSettings(entry="b"), gate=wired)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read: No such file"):
        load(tmp_path / "nowhere.toml")


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    path.write_bytes("# 大门".encode("gb18030"))
    with pytest.raises(ConfigError, match=r"gate\.toml: is not UTF-8 text \(byte 2\)"):
        load(path)


def test_a_byte_order_mark_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    path.write_bytes(b"\xef\xbb\xbf[site]\nname = 'north'\n")
    assert load(path).site.name == "north"


def test_a_camera_password_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError, match=r"gate\.toml: \[camera\]: `source` holds a password") as caught:
        parse('[camera]\nsource = "rtsp://gate:hunter2@camera/live"\n', where="gate.toml")
    assert "hunter2" not in str(caught.value)
