"""A simulated board has the sensor that [thermal] names, seen by a world of its size, down to its cable."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hw.arrays import array_of
from hw.board import simulated_board
from hw.errors import BusError, DeviceError, DeviceTimeout, NotReady
from hw.settings import CameraSettings, GateSettings
from hw.sim.clock import ManualClock
from hw.sim.figures import Person
from hw.sim.mlx90640_flaws import Imperfections
from hw.sim.mount import Mount
from hw.sim.world import World
from hw.thermal_settings import Amg8833Settings, LeptonSettings, Mlx90640Settings, ThermalSettings


@pytest.fixture
def clock() -> ManualClock:
    """A turnstile has threads that wait for ever, which the other tests' clock would take them at their word for."""
    return ManualClock(1000.0)


KINDS = [Mlx90640Settings(), LeptonSettings(), Amg8833Settings()]


def board_of(clock: Any, settings: ThermalSettings, **options: Any) -> Any:
    array = array_of(settings)
    world = World(clock, seed=1, mount=Mount(array_fov=array.fov), array=array.shape)
    world.place(Person(identity=7, core=36.9, moment=1, distance=0.5, x=0.0, arrival=0.0, minutes_indoors=None))
    board, simulation = simulated_board(
        settings, CameraSettings(), GateSettings(), clock=clock, world=world, seed=1, **options
    )
    return board, simulation, world


def frame_of(sensor: Any) -> Any:
    for _ in range(20):
        try:
            return sensor.read(1.0)
        except NotReady:
            continue
    raise AssertionError("no frame")


@pytest.mark.parametrize("settings", KINDS, ids=lambda settings: settings.driver)
def test_each_sensor_sees_the_person_that_stands_there(clock: Any, settings: ThermalSettings) -> None:
    board, simulation, world = board_of(clock, settings)
    array = array_of(settings)
    clock.sleep(3.0)
    sensor = board.make_thermal()
    info = sensor.open()
    assert settings.driver in info.model.lower()
    assert (info.rows, info.columns) == array.shape
    assert info.fov == array.fov
    assert info.frame_rate == array.frame_rate
    assert info.noise == pytest.approx(array.noise)
    frame = frame_of(sensor)
    truth = world.heat(frame.timestamp)
    assert frame.temperatures.shape == truth.shape == array.shape
    # Noise, breath and a frame's age; and the hottest pixel is on the face.
    assert np.abs(frame.temperatures - truth).mean() < 1.0
    assert float(np.corrcoef(frame.temperatures.reshape(-1), truth.reshape(-1))[0, 1]) > 0.95
    assert frame.temperatures.max() > 31.0
    simulation.turnstile.close()


@pytest.mark.parametrize("settings", KINDS, ids=lambda settings: settings.driver)
def test_its_cable_can_be_pulled_and_put_back(clock: Any, settings: ThermalSettings) -> None:
    board, simulation, _ = board_of(clock, settings)
    clock.sleep(3.0)
    sensor = board.make_thermal()
    sensor.open()
    frame_of(sensor)
    simulation.thermal.unplug(on=True)
    with pytest.raises((BusError, DeviceTimeout)):
        frame_of(sensor)
    with pytest.raises(DeviceError):
        sensor.open()
    simulation.thermal.unplug(on=False)
    sensor.open()
    assert frame_of(sensor).sequence == 0
    simulation.turnstile.close()


@pytest.mark.parametrize("settings", KINDS, ids=lambda settings: settings.driver)
def test_a_world_of_another_size_is_refused(clock: Any, settings: ThermalSettings) -> None:
    world = World(clock, seed=1, array=(10, 10))
    with pytest.raises(ValueError, match="10, 10"):
        simulated_board(settings, CameraSettings(), GateSettings(), clock=clock, world=world, seed=1)


def test_a_lepton_2_has_its_own_world(clock: Any) -> None:
    world = World(clock, seed=1, array=(60, 80))
    board, simulation = simulated_board(
        LeptonSettings(), CameraSettings(), GateSettings(), clock=clock, world=world, seed=1
    )
    clock.sleep(3.0)
    assert "Lepton 2.5" in board.make_thermal().open().model
    simulation.turnstile.close()


def test_imperfections_are_an_mlx90640s(clock: Any) -> None:
    with pytest.raises(ValueError, match="modelled of an MLX90640, not of lepton"):
        board_of(clock, LeptonSettings(), imperfections=Imperfections())
