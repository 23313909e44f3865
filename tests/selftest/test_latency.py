"""The latency budget: percentiles with their intervals, every stage of a running lane measured, and no lock moved."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.cli.main import main
from controller.config import Config, StoreSettings
from controller.latency import STAGES, TOTAL, LatencyWatch, cells, quantile, rows
from controller.perception.settings import PerceptionSettings
from controller.selftest import latency
from hw.board import rehearsal_board, simulated_board
from hw.kind_settings import BarrierSettings, DoorSettings
from hw.ports import Side
from hw.settings import CameraSettings, GateSettings
from hw.sim.clock import VirtualClock
from hw.sim.turnstile import RelayMove
from hw.sim.world import World
from hw.thermal_settings import Mlx90640Settings

if TYPE_CHECKING:
    from pathlib import Path

    from hw.kind_settings import Wiring


def test_the_median_of_a_hundred_with_its_interval() -> None:
    # Ranks 40 and 61 of 100, as tables of the binomial have it (Conover, Practical Nonparametric Statistics, 3.2).
    one = quantile([float(number) for number in range(1, 101)], 0.5)
    assert (one.value, one.low, one.high) == (50.0, 40.0, 61.0)


@pytest.mark.parametrize(("n", "open_above"), [(10, True), (367, True), (368, False), (1000, False)])
def test_a_p99_has_an_upper_end_only_from_many_samples(n: int, open_above: bool) -> None:  # noqa: FBT001
    # The greatest of n samples is below the true p99 with a chance of 0.99^n, which is 0.025 at n = 368.
    assert math.isinf(quantile([1.0] * n, 0.99).high) is open_above


@given(st.lists(st.floats(0, 10), min_size=1, max_size=300), st.sampled_from([0.5, 0.9, 0.99]))
def test_an_interval_holds_its_value(values: list[float], q: float) -> None:
    one = quantile(values, q)
    assert min(values) <= one.low <= one.value <= one.high
    assert one.value in values


def test_without_samples_there_is_no_quantile() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        quantile([], 0.5)


def test_a_row_for_each_stage_measured_or_not() -> None:
    watch = LatencyWatch()
    for number in range(500):
        watch.on_stage("perception", 0.050 + 1e-6 * number)
        watch.on_stage("journal", 0.150)
    watch.on_delay(TOTAL, 0.4)
    table = {row.stage.name: row for row in rows(watch.samples)}
    assert list(table) == [stage.name for stage in STAGES]
    assert table["perception"].held is True
    assert table["journal"].held is False, "over its 100 ms"
    assert table["decision"].held is None
    assert table["perception"].share == pytest.approx(0.25, abs=0.01)
    assert table[TOTAL].share is None
    assert cells(table["journal"])[1:6] == ("500", "150 (150-150)", "150 (150-150)", "100", "75%")
    assert cells(table["decision"])[1:4] == ("0", "-", "-")
    assert cells(table[TOTAL])[3] == "400 (400-?)"


def test_a_lane_is_timed_where_it_runs_and_leaves_nothing_behind(tmp_path: Path) -> None:
    clock = VirtualClock()
    config = Config(
        store=StoreSettings(folder=tmp_path),
        perception=PerceptionSettings(engine="demo"),
        thermal=Mlx90640Settings(refresh_hz=4),
        camera=CameraSettings(fps=4),
    )
    board, simulation = simulated_board(
        config.thermal, config.camera, config.gate, clock=clock, world=World(clock, seed=3), seed=3
    )
    try:
        samples = latency.measure(config, board, 5.0)
    finally:
        simulation.turnstile.close()
    assert len(samples["thermal read"]) >= 4 * 5
    # 834 words and some registers at 400 kHz, by the simulated bus.
    assert min(samples["thermal read"]) == pytest.approx(2 * 9 * 832 / 400_000, rel=0.1)
    for stage in ("thermal post", "camera read", "camera post", "wait for a look", "perception", "detect", "journal"):
        assert samples[stage], stage
    assert list(tmp_path.iterdir()) == []
    assert not [move for move in simulation.turnstile.moves if isinstance(move, RelayMove) and move.active]
    found = {finding.name: finding for finding in latency.findings(samples)}
    assert found["latency thermal read"].status == "ok"
    assert found["latency thermal read"].figures["budget_ms"] == 60.0
    assert found["latency decision"].status == "absent"
    assert "latency relay" not in found, "a simulated line says nothing"


@pytest.mark.parametrize("wiring", [GateSettings(), DoorSettings(), BarrierSettings()])
def test_the_simulated_lock_of_a_timed_lane_is_of_its_own_kind(wiring: Wiring) -> None:
    board, mechanics = rehearsal_board(Mlx90640Settings(), CameraSettings(), wiring)
    try:
        board.gate.open(lambda _edge: None)
        board.gate.unlock(Side.A, 5.0 if isinstance(wiring, DoorSettings) else 0.3)
        assert mechanics.active(wiring.OUTPUTS[0])
        assert (board.arm is None) is not isinstance(wiring, BarrierSettings)
    finally:
        board.gate.close()
        mechanics.close()


def test_a_stage_over_its_budget_is_wrong_and_says_what_to_do() -> None:
    found = {finding.name: finding for finding in latency.findings({"perception": [0.4] * 10})}
    assert found["latency perception"].status == "wrong"
    assert "400 (400-?) ms of 150 ms, n = 10" in found["latency perception"].text
    assert "tflite" in found["latency perception"].fix


def test_latency_is_a_boards(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selftest", "--latency", "5"]) == 2
    assert "needs the GATE.TOML" in capsys.readouterr().err
