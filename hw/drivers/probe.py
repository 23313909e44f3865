"""What answers on an I2C bus, for a message that says more than "no acknowledge". It reads, and changes nothing.

The three sensors are told apart by what they say at their usual addresses: an MLX90640 by its control register and the
address in its EEPROM, a Lepton by its status register, an AMG8833 by words of 12 bits and its normal mode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hw.errors import BusError, DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.bus import I2cBus
    from hw.thermal_settings import ThermalSettings

USUAL: Final = (0x33, 0x2A, 0x68, 0x69)
NAMES: Final = {"mlx90640": "MLX90640", "lepton": "Lepton", "amg8833": "AMG8833"}


def identify(bus: I2cBus, address: int) -> str | None:
    """Which driver's sensor answers at `address`: "mlx90640", "lepton", "amg8833", or "unknown"; None: nobody.

    Raises `DeviceError` kinds where the bus itself can't be had.
    """
    try:
        bus.write_read(address, b"\x00", 1)
    except BusError:
        return None
    # Each test only where its chip can be: two bytes are an address to one chip and a register's value to another.
    driver, looks_so = _TESTS.get(address, ("mlx90640", _is_mlx90640))
    try:
        return driver if looks_so(bus, address) else "unknown"
    except BusError:
        return "unknown"


def told_otherwise(bus: I2cBus, settings: ThermalSettings) -> str | None:
    """What answers on the bus where `settings`' sensor did not come up; None where that explains nothing.

    Closes the bus.
    """
    try:
        found = {address: identify(bus, address) for address in sorted({settings.address, *USUAL})}
    except DeviceError:
        return None
    finally:
        bus.close()
    there = {address: driver for address, driver in found.items() if driver is not None}
    if there.get(settings.address) == settings.driver:
        return None
    if not there:
        return f"no thermal sensor answers on {bus.name}: see to cable, supply and pull-ups"
    return "; ".join(_told(address, driver, settings) for address, driver in there.items())


def _told(address: int, driver: str, settings: ThermalSettings) -> str:
    if driver == "unknown":
        return f"something unknown answers at 0x{address:02x}"
    article = "a" if driver == "lepton" else "an"
    what = f"{article} {NAMES[driver]} answers at 0x{address:02x}"
    if driver != settings.driver:
        return f'{what}, but [thermal] driver = "{settings.driver}"'
    return f"{what}, but [thermal] address = 0x{settings.address:02x}"


def _is_mlx90640(bus: I2cBus, address: int) -> bool:
    """EEPROM word 0x240F holds the address it answers at."""
    word = bus.write_read(address, b"\x24\x0f", 2)
    return word[1] & 0x7F == address and word != b"\xff\xff"


def _is_lepton(bus: I2cBus, address: int) -> bool:
    """Status: normal boot mode and booted, and no bits between result code and those."""
    status = bus.write_read(address, b"\x00\x02", 2)
    return status[1] & 0xFE == 0x06


def _is_amg8833(bus: I2cBus, address: int) -> bool:
    """Normal or sleeping, and 12-bit words of which not all are alike."""
    mode = bus.write_read(address, b"\x00", 1)[0]
    words = bus.write_read(address, b"\x0e", 2) + bus.write_read(address, b"\x80", 128)
    return mode in {0x00, 0x10, 0x20, 0x21} and all(high < 0x10 for high in words[1::2]) and len(set(words)) > 1


_TESTS: Final[dict[int, tuple[str, Callable[[I2cBus, int], bool]]]] = {
    0x2A: ("lepton", _is_lepton),
    0x68: ("amg8833", _is_amg8833),
    0x69: ("amg8833", _is_amg8833),
}
