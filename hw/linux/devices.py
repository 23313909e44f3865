"""Devices of this machine as drivers over its real ends, by their settings. Nothing is opened yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hw.drivers.osdp import OsdpReader
from hw.drivers.power import PowerSwitch
from hw.drivers.thermal import thermal_driver
from hw.drivers.wedge import WedgeReader
from hw.drivers.wiegand import WiegandReader

if TYPE_CHECKING:
    from hw.bus import FrameSource, I2cBus
    from hw.clock import Clock
    from hw.ports import CredentialReader, HardwareWatchdog, MachineReboot, ThermalSensor
    from hw.settings import CameraSettings, ReaderSettings
    from hw.thermal_settings import ThermalSettings
    from hw.watchdog_settings import WatchdogSettings

OSDP_KEY = "osdp.key"
"""The systemd credential that holds the secure channel's key."""


def thermal_sensor(settings: ThermalSettings, clock: Clock, *, pins: Any = None) -> ThermalSensor:
    """The thermal sensor of this machine. Without `pins` a Lepton's reset line stays as it is."""
    from hw.linux.reset import GpioResetLine  # noqa: PLC0415
    from hw.linux.spi import LinuxSpiBus  # noqa: PLC0415

    return thermal_driver(
        settings,
        clock,
        i2c_bus(settings),
        lambda lepton: LinuxSpiBus(lepton.spi, lepton.spi_hz),
        lambda line: None if pins is None else GpioResetLine(pins, line, clock),
    )


def i2c_bus(settings: ThermalSettings) -> I2cBus:
    """The I2C bus of the thermal sensor."""
    from hw.linux.i2c import LinuxI2cBus  # noqa: PLC0415

    return LinuxI2cBus(settings.bus)


def camera_frames(settings: CameraSettings, clock: Clock) -> FrameSource:
    """Where the camera's pictures come from."""
    from hw.linux.cameras import camera_source  # noqa: PLC0415

    return camera_source(settings, clock)


def credential_reader(settings: ReaderSettings, pins: Any, clock: Clock) -> CredentialReader:
    """The reader; `pins` are the gate chip's."""
    from hw.linux.evdev import EvdevSource  # noqa: PLC0415
    from hw.linux.wires import GpioWires  # noqa: PLC0415

    if settings.port is not None:
        from hw.linux.serial import SerialLine, read_key  # noqa: PLC0415

        line = SerialLine(settings.port, settings.baud)
        return OsdpReader(settings, line, lambda: read_key(settings.key, OSDP_KEY), clock)
    if settings.device is not None:
        return WedgeReader(settings, EvdevSource(settings.device), clock)
    return WiegandReader(settings, GpioWires(pins, (settings.d0 or 0, settings.d1 or 0)), clock)


def probe_keys(device: str) -> None:
    """Open a reader that types, and let it go. Raises `DeviceError` kinds."""
    from hw.linux.evdev import EvdevSource  # noqa: PLC0415

    source = EvdevSource(device)
    source.open()
    source.close()


def probe_port(settings: ReaderSettings) -> None:
    """The same for an OSDP reader's port and key."""
    from hw.linux.serial import SerialLine, read_key  # noqa: PLC0415

    if settings.secure_channel != "off":
        read_key(settings.key, OSDP_KEY)
    line = SerialLine(str(settings.port), settings.baud)
    line.open()
    line.close()


def thermal_supply(thermal: ThermalSettings, pins: Any, clock: Clock) -> PowerSwitch | None:
    """The switch of the sensor's supply; None: it can't be cut."""
    if thermal.power is None:
        return None
    return PowerSwitch(pins, thermal.power, clock, place="[thermal] power", active_low=thermal.power_active_low)


def hardware_watchdog(settings: WatchdogSettings) -> HardwareWatchdog:
    """The watchdog's device."""
    from hw.linux.watchdog import LinuxWatchdog  # noqa: PLC0415

    return LinuxWatchdog(settings)


def machine_reboot() -> MachineReboot:
    """The way to restart this machine."""
    from hw.linux.reboot import LogindReboot  # noqa: PLC0415

    return LogindReboot()
