"""NumPy oracle of both kernels in float64: slow, plain, and independent of the C code it judges.

Section numbers are those of the MLX90640 data sheet (Melexis, revision 12). The formulae, in its names:

- supply (11.2.2.2)       Vdd = (RAM[0x072A] · 2^(res_ee - res_ram) - Vdd25) / KVdd + 3.3
- ambient (11.2.2.3)      V_art = V_PTAT / (V_PTAT · α_PTAT + V_BE) · 2^18;
                          Ta = (V_art / (1 + KvPTAT · ΔV) - V_PTAT25) / KtPTAT + 25,  ΔV = Vdd - 3.3
- gain (11.2.2.4)         K_gain = GAIN / RAM[0x070A]
- pixel (11.2.2.5)        pix_OS = RAM · K_gain - offset · (1 + Kta · (Ta - 25)) · (1 + Kv · ΔV)
- compensation pixel (11.2.2.6), readout pattern (10.6, 11.2.2.5.3), gradient and emissivity (11.2.2.7, 11.2.2.5.4)
                          V_IR = (pix_OS + pattern term - TGC · pix_OS_CP) / ε
- sensitivity (11.2.2.8)  α = (α_pixel - TGC · (α_CP0 + α_CP1) / 2) · (1 + KsTa · (Ta - 25))
- object (11.2.2.9)       T_ar = Tr⁴ - (Tr⁴ - Ta⁴) / ε  (kelvin);  Sx = KsTo2 · ⁴√(α³ · V_IR + α⁴ · T_ar)
                          To = ⁴√(V_IR / (α · (1 - KsTo2 · 273.15) + Sx) + T_ar) - 273.15
- extended (11.2.2.9.1)   To = ⁴√(V_IR / (α · αcorr_r · (1 + KsTo_r · (To - CT_r))) + T_ar) - 273.15
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Words = NDArray[np.uint16]
    Grid = NDArray[np.float64]

ROWS, COLUMNS, PIXELS = 24, 32, 768
EEPROM_START, RAM_START = 0x2400, 0x0400
KELVIN = 273.15
BROKEN_MANY, OUTLIERS_MANY, DEFECTS_MANY, DEFECTS_ADJACENT = -3, -4, -5, -6
DEFECTS_ALLOWED = 4
"""The data sheet (9, false pixel correction) allows a sensor four deviating pixels."""


@dataclass(frozen=True)
class Calibration:
    """What an EEPROM says, in the data sheet's units. Per-pixel arrays are float64[24, 32]."""

    resolution: int
    k_vdd: float
    vdd25: float
    kv_ptat: float
    kt_ptat: float
    v_ptat25: float
    alpha_ptat: float
    gain: float
    tgc: float
    ks_ta: float
    ks_to: tuple[float, float, float, float]
    corner: tuple[float, float, float, float]
    cp_alpha: tuple[float, float]
    cp_offset: tuple[float, float]
    cp_kv: float
    cp_kta: float
    chess_calibrated: bool
    il_chess: tuple[float, float, float]
    offset: Grid
    kta: Grid
    kv: Grid
    alpha: Grid
    """Pixel sensitivity less the gradient's share, TGC · mean(α_CP)."""
    broken: tuple[int, ...]
    outliers: tuple[int, ...]


def _signed(value: int, bits: int) -> int:
    """Two's complement of `bits` width."""
    return value - (1 << bits) if value & (1 << (bits - 1)) else value


def _field(word: int, high: int, low: int) -> int:
    """Bits high..low of a word, unsigned."""
    return (word >> low) & ((1 << (high - low + 1)) - 1)


def _signed_field(word: int, high: int, low: int) -> int:
    return _signed(_field(word, high, low), high - low + 1)


def _nibbles(words: list[int]) -> Grid:
    """Signed 4-bit corrections, four a word, lowest first."""
    return np.array([_signed_field(w, 4 * i + 3, 4 * i) for w in words for i in range(4)], dtype=np.float64)


def _by_parity(table: Mapping[tuple[int, int], float]) -> Grid:
    """float64[24, 32] from values keyed by the parity (row, column), both counted from 0."""
    grid = np.empty((ROWS, COLUMNS))
    for (row, column), value in table.items():
        grid[row::2, column::2] = value
    return grid


def _offset(ee: list[int], pixels: list[int]) -> Grid:
    """11.1.3: average + row and column corrections + remnant."""
    row, column, remnant = (_field(ee[0x10], h, h - 3) for h in (11, 7, 3))
    rest = np.array([_signed_field(p, 15, 10) for p in pixels], dtype=np.float64).reshape(ROWS, COLUMNS)
    rows = _nibbles(ee[0x12:0x18])[:, None] * 2.0**row
    columns = _nibbles(ee[0x18:0x20])[None, :] * 2.0**column
    return _signed(ee[0x11], 16) + rows + columns + rest * 2.0**remnant


def _sensitivity(ee: list[int], pixels: list[int]) -> Grid:
    """11.1.4, as `_offset` but scaled by 2^-alpha_scale."""
    scale, row, column, remnant = (_field(ee[0x20], h, h - 3) for h in (15, 11, 7, 3))
    rest = np.array([_signed_field(p, 9, 4) for p in pixels], dtype=np.float64).reshape(ROWS, COLUMNS)
    rows = _nibbles(ee[0x22:0x28])[:, None] * 2.0**row
    columns = _nibbles(ee[0x28:0x30])[None, :] * 2.0**column
    total: Grid = (ee[0x21] + rows + columns + rest * 2.0**remnant) / 2.0 ** (scale + 30)
    return total


def _kv(ee: list[int]) -> Grid:
    """11.1.5: one value for each parity of row and column (the data sheet counts both from 1)."""
    parity = {(0, 0): 15, (1, 0): 11, (0, 1): 7, (1, 1): 3}
    return _by_parity(
        {k: _signed_field(ee[0x34], h, h - 3) / 2.0 ** _field(ee[0x38], 11, 8) for k, h in parity.items()}
    )


def _kta(ee: list[int], pixels: list[int]) -> Grid:
    """11.1.6: an average for each parity plus a 3-bit remnant a pixel."""
    words = {(0, 0): (0x36, 15), (1, 0): (0x36, 7), (0, 1): (0x37, 15), (1, 1): (0x37, 7)}
    average = _by_parity({k: _signed_field(ee[w], h, h - 7) for k, (w, h) in words.items()})
    rest = np.array([_signed_field(p, 3, 1) for p in pixels], dtype=np.float64).reshape(ROWS, COLUMNS)
    total: Grid = (average + rest * 2.0 ** _field(ee[0x38], 3, 0)) / 2.0 ** (_field(ee[0x38], 7, 4) + 8)
    return total


def _compensation_alpha(ee: list[int]) -> tuple[float, float]:
    """11.1.12: subpage 0, and subpage 1 by its ratio."""
    first = _signed_field(ee[0x39], 9, 0) / 2.0 ** (_field(ee[0x20], 15, 12) + 27)
    return first, first * (1 + _signed_field(ee[0x39], 15, 10) / 128)


def extract(eeprom: Words) -> Calibration:
    """Parameters of an EEPROM, uint16[832], as section 11.1 restores them; no rounding, no plausibility check."""
    ee = [int(word) for word in eeprom]
    pixels = ee[0x40:]
    tgc = _signed_field(ee[0x3C], 7, 0) / 32
    cp_alpha = _compensation_alpha(ee)
    cp_offset = _signed_field(ee[0x3A], 9, 0)
    step, to_scale = 10 * _field(ee[0x3F], 13, 12), 2.0 ** (_field(ee[0x3F], 3, 0) + 8)
    ct3 = _field(ee[0x3F], 7, 4) * step
    broken = tuple(i for i, word in enumerate(pixels) if word == 0)
    return Calibration(
        resolution=_field(ee[0x38], 13, 12),
        k_vdd=_signed_field(ee[0x33], 15, 8) * 32,
        vdd25=(_field(ee[0x33], 7, 0) - 256) * 32 - 8192,
        kv_ptat=_signed_field(ee[0x32], 15, 10) / 4096,
        kt_ptat=_signed_field(ee[0x32], 9, 0) / 8,
        v_ptat25=_signed(ee[0x31], 16),
        alpha_ptat=_field(ee[0x10], 15, 12) / 4 + 8,
        gain=_signed(ee[0x30], 16),
        tgc=tgc,
        ks_ta=_signed_field(ee[0x3C], 15, 8) / 8192,
        ks_to=(
            _signed_field(ee[0x3D], 7, 0) / to_scale,
            _signed_field(ee[0x3D], 15, 8) / to_scale,
            _signed_field(ee[0x3E], 7, 0) / to_scale,
            _signed_field(ee[0x3E], 15, 8) / to_scale,
        ),
        corner=(-40, 0, ct3, ct3 + _field(ee[0x3F], 11, 8) * step),
        cp_alpha=cp_alpha,
        cp_offset=(cp_offset, cp_offset + _signed_field(ee[0x3A], 15, 10)),
        cp_kv=_signed_field(ee[0x3B], 15, 8) / 2.0 ** _field(ee[0x38], 11, 8),
        cp_kta=_signed_field(ee[0x3B], 7, 0) / 2.0 ** (_field(ee[0x38], 7, 4) + 8),
        chess_calibrated=not ee[0x0A] & 0x0800,
        il_chess=(
            _signed_field(ee[0x35], 5, 0) / 16,
            _signed_field(ee[0x35], 10, 6) / 2,
            _signed_field(ee[0x35], 15, 11) / 8,
        ),
        offset=_offset(ee, pixels),
        kta=_kta(ee, pixels),
        kv=_kv(ee),
        alpha=_sensitivity(ee, pixels) - tgc * (cp_alpha[0] + cp_alpha[1]) / 2,
        broken=broken,
        outliers=tuple(i for i, word in enumerate(pixels) if word != 0 and word & 1),
    )


def _to_integers(values: Grid, target: float) -> Grid:
    """Values rounded (half away from zero) to multiples of a power of two that brings the largest over `target`."""
    largest = float(np.max(np.abs(values)))
    if largest == 0:
        return values
    scale = 2.0 ** max(0, int(np.ceil(np.log2(target / largest))))
    rounded: Grid = np.trunc(values * scale + np.copysign(0.5, values)) / scale
    return rounded


def stored(calibration: Calibration) -> Calibration:
    """The calibration as the vendor's driver keeps it: Kta and Kv in 8 bits, 1/α in 16.

    A sensor's accuracy is specified for that driver, so the kernel keeps the same resolution; `extract` alone is the
    data sheet to the letter. To differs by up to 0.005 °C between the two in the golden scenes (up to 150 °C).
    """
    return replace(
        calibration,
        kta=_to_integers(calibration.kta, 63.4),
        kv=_to_integers(calibration.kv, 63.4),
        alpha=1e-6 / _to_integers(_inverse_sensitivity(calibration), 32767.4),
    )


def _inverse_sensitivity(calibration: Calibration) -> Grid:
    """1e-6/α by way of float32, as the vendor: where α lies between two integers, float64 may take the other one."""
    share = calibration.tgc * (calibration.cp_alpha[0] + calibration.cp_alpha[1]) / 2
    first, second = (np.float32(alpha) for alpha in calibration.cp_alpha)
    alpha = (calibration.alpha + share).astype(np.float32) - np.float32(calibration.tgc) * (first + second) / 2
    inverse: Grid = (1e-6 / alpha.astype(np.float64)).astype(np.float32).astype(np.float64)
    return inverse


def defect_code(calibration: Calibration) -> int:
    """0, or the vendor's code for more defects than a sensor may have, or for defects that touch."""
    broken, outliers = calibration.broken, calibration.outliers
    if len(broken) > DEFECTS_ALLOWED and _fifth(broken) <= _fifth(outliers):
        return BROKEN_MANY
    if len(outliers) > DEFECTS_ALLOWED:
        return OUTLIERS_MANY
    if len(broken) + len(outliers) > DEFECTS_ALLOWED:
        return DEFECTS_MANY
    cells = [divmod(pixel, COLUMNS) for pixel in (*broken, *outliers)]
    touching = any(abs(a[0] - b[0]) <= 1 and abs(a[1] - b[1]) <= 1 for i, a in enumerate(cells) for b in cells[i + 1 :])
    return DEFECTS_ADJACENT if touching else 0


def _fifth(pixels: tuple[int, ...]) -> int:
    """The place of the fifth defect of a kind: the vendor's count stops at whichever kind reaches five first."""
    return pixels[DEFECTS_ALLOWED] if len(pixels) > DEFECTS_ALLOWED else PIXELS


def _ram(frame: Words, address: int) -> int:
    return _signed(int(frame[address - RAM_START]), 16)


def supply_voltage(calibration: Calibration, frame: Words) -> float:
    """Vdd in volts (11.2.2.2), with the ADC resolution set in the control register (11.2.2.1)."""
    correction = 2.0 ** (calibration.resolution - _field(int(frame[832]), 11, 10))
    return (_ram(frame, 0x072A) * correction - calibration.vdd25) / calibration.k_vdd + 3.3


def ambient_temperature(calibration: Calibration, frame: Words) -> float:
    """Ta in °C (11.2.2.3)."""
    ptat = _ram(frame, 0x0720)
    art = ptat / (ptat * calibration.alpha_ptat + _ram(frame, 0x0700)) * 2.0**18
    delta = supply_voltage(calibration, frame) - 3.3
    return (art / (1 + calibration.kv_ptat * delta) - calibration.v_ptat25) / calibration.kt_ptat + 25


def subpage_mask(frame: Words) -> NDArray[np.bool_]:
    """bool[24, 32]: the pixels a frame has renewed, by chess or interleaved readout (10.6)."""
    row, column = np.indices((ROWS, COLUMNS))
    pattern = (row + column) % 2 if int(frame[832]) & 0x1000 else row % 2
    mask: NDArray[np.bool_] = pattern == int(frame[833])
    return mask


def _pattern_correction(calibration: Calibration) -> Grid:
    """Added when the sensor reads in the pattern it was not calibrated in: IL_CHESS C3 by row, C2 by column."""
    row, column = np.indices((ROWS, COLUMNS))
    odd = 2 * (row % 2) - 1
    wave = np.array([0, -1, 0, 1])[column % 4] * -odd
    correction: Grid = calibration.il_chess[2] * odd - calibration.il_chess[1] * wave
    return correction


def _compensation_pixel(calibration: Calibration, frame: Words, gain: float, delta_ta: float, delta_v: float) -> float:
    """pix_OS_CP of the frame's subpage (11.2.2.6)."""
    subpage = int(frame[833])
    same_pattern = bool(int(frame[832]) & 0x1000) == calibration.chess_calibrated
    offset = calibration.cp_offset[subpage] + (calibration.il_chess[0] if subpage and not same_pattern else 0)
    drift = (1 + calibration.cp_kta * delta_ta) * (1 + calibration.cp_kv * delta_v)
    return _ram(frame, (0x0708, 0x0728)[subpage]) * gain - offset * drift


def infrared(calibration: Calibration, frame: Words, emissivity: float) -> Grid:
    """V_IR of every pixel, float64[24, 32] (11.2.2.4 to 11.2.2.7)."""
    delta_ta = ambient_temperature(calibration, frame) - 25
    delta_v = supply_voltage(calibration, frame) - 3.3
    gain = calibration.gain / _ram(frame, 0x070A)
    raw = np.asarray(frame[:PIXELS]).view(np.int16).astype(np.float64).reshape(ROWS, COLUMNS) * gain
    value = raw - calibration.offset * (1 + calibration.kta * delta_ta) * (1 + calibration.kv * delta_v)
    if bool(int(frame[832]) & 0x1000) != calibration.chess_calibrated:
        value += _pattern_correction(calibration)
    value -= calibration.tgc * _compensation_pixel(calibration, frame, gain, delta_ta, delta_v)
    return value / emissivity


def _range_terms(calibration: Calibration) -> tuple[Grid, Grid, Grid]:
    """αcorr, KsTo and CT of the four ranges (11.1.9 to 11.1.11), float64[4] each."""
    ks, ct = np.array(calibration.ks_to), np.array(calibration.corner, dtype=np.float64)
    third = 1 + ks[1] * ct[2]
    return np.array([1 / (1 + ks[0] * 40), 1.0, third, third * (1 + ks[2] * (ct[3] - ct[2]))]), ks, ct


def object_temperatures(
    calibration: Calibration, frame: Words, emissivity: float = 0.98, reflected: float | None = None
) -> Grid:
    """To of a frame's subpage in °C, float64[768]; NaN in the other subpage's pixels and where no To fits the signal.

    `frame` is uint16[834]; `reflected` is Tr in °C, Ta - 8 when None (the sensor in open air).
    """
    ambient = ambient_temperature(calibration, frame)
    reflected = ambient - 8 if reflected is None else reflected
    signal = infrared(calibration, frame, emissivity)
    alpha = calibration.alpha * (1 + calibration.ks_ta * (ambient - 25))
    tr4, ta4 = (reflected + KELVIN) ** 4, (ambient + KELVIN) ** 4
    background = tr4 - (tr4 - ta4) / emissivity
    corr, ks, ct = _range_terms(calibration)
    with np.errstate(invalid="ignore", divide="ignore"):
        sx = ks[1] * (alpha**3 * (signal + alpha * background)) ** 0.25
        basic = (signal / (alpha * (1 - ks[1] * KELVIN) + sx) + background) ** 0.25 - KELVIN
        zone = np.where(basic < ct[1], 0, np.where(basic < ct[2], 1, np.where(basic < ct[3], 2, 3)))
        sensitivity = alpha * corr[zone] * (1 + ks[zone] * (basic - ct[zone]))
        result: Grid = (signal / sensitivity + background) ** 0.25 - KELVIN
    result[~subpage_mask(frame)] = np.nan
    return result.ravel()


def repair(calibration: Calibration, temperatures: Grid, frame: Words) -> Grid:
    """A copy of To, float64[768], with each defect pixel put together from neighbours of its own subpage.

    Chess: the median of the diagonal neighbours inside the array. Interleaved: the line through two pixels to the left
    or to the right, whichever slopes less; the mean of both neighbours near the edge; the neighbour at the edge.
    """
    result = temperatures.copy()
    defects = (*calibration.broken, *calibration.outliers)
    for pixel in defects:
        row, column = divmod(pixel, COLUMNS)
        if int(frame[832]) & 0x1000:
            corners = [(row + i, column + j) for i in (-1, 1) for j in (-1, 1)]
            near = [i * COLUMNS + j for i, j in corners if 0 <= i < ROWS and 0 <= j < COLUMNS]
            values = [result[p] for p in near if p not in defects and not np.isnan(result[p])]
            result[pixel] = np.median(values) if values else np.nan
        else:
            result[pixel] = _along_row(result, pixel, defects)
    return result


def _along_row(values: Grid, pixel: int, defects: tuple[int, ...]) -> float:
    """The interleaved case of `repair`."""
    column = pixel % COLUMNS

    def usable(offset: int) -> bool:
        inside = 0 <= column + offset < COLUMNS
        return inside and pixel + offset not in defects and not np.isnan(values[pixel + offset])

    near = [float(values[pixel + d]) for d in (-1, 1) if usable(d)]
    if all(usable(d) for d in (-2, -1, 1, 2)):
        left, right = values[pixel - 1] - values[pixel - 2], values[pixel + 1] - values[pixel + 2]
        return float(values[pixel - 1] + left if abs(right) > abs(left) else values[pixel + 1] + right)
    return float(np.mean(near)) if near else float("nan")


def saturated(frame: Words) -> NDArray[np.bool_]:
    """bool[24, 32]: pixels of the frame's subpage whose word is 0x7FFF, the largest there is."""
    full: NDArray[np.bool_] = np.asarray(frame[:PIXELS] == 0x7FFF).reshape(ROWS, COLUMNS) & subpage_mask(frame)
    return full


def hottest(calibration: Calibration, temperatures: Grid, region: tuple[slice, slice]) -> float:
    """The largest number in a region of To, float64[768], that is no defect's; NaN when there is none."""
    grid = temperatures.reshape(ROWS, COLUMNS).copy()
    for pixel in (*calibration.broken, *calibration.outliers):
        grid[divmod(pixel, COLUMNS)] = np.nan
    inside = grid[region]
    numbers = inside[np.isfinite(inside)]
    return float(numbers.max()) if numbers.size else float("nan")


def merged(readings: NDArray[np.float64], frames: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and noise of each pixel, float64[...], from all its readings, float64[n, ...], oldest first.

    Weights, not a recursion: reading i of a pixel's valid ones enters with 1/min(i, frames), and every one after it
    leaves 1 - 1/min(j, frames) of that. The noise is the root of the weighted variance about the weighted mean, over
    what its expectation is for independent readings: 1 - the sum of the squared weights.
    """
    shape = readings.shape[1:]
    mean, noise = np.full(shape, np.nan), np.full(shape, np.nan)
    for place in np.ndindex(shape):
        column = readings[(slice(None), *place)]
        valid = column[np.isfinite(column)]
        if not valid.size:
            continue
        shares = 1 / np.minimum(np.arange(1, valid.size + 1), frames)
        weights = np.array([share * np.prod(1 - shares[i + 1 :]) for i, share in enumerate(shares)])
        mean[place] = np.sum(weights * valid)
        if valid.size > 1:
            spread = np.sum(weights * (valid - mean[place]) ** 2)
            noise[place] = np.sqrt(spread / (1 - np.sum(weights**2)))
    return mean, noise


def search(
    keys: NDArray[np.int64],
    templates: NDArray[np.float32],
    probe: NDArray[np.float32],
    k: int = 1,
    threshold: float | None = None,
) -> tuple[NDArray[np.int64], Grid]:
    """Exact inner-product search: keys int64[n] and scores float64[n], score descending, then key ascending.

    `keys` is int64[m], `templates` float32[m, dim], `probe` float32[dim]; n ≤ k, and no score is under `threshold`.
    """
    scores = templates.astype(np.float64) @ probe.astype(np.float64)
    order = np.lexsort((keys, -scores))[:k]
    if threshold is not None:
        order = order[scores[order] >= threshold]
    return keys[order], scores[order]
