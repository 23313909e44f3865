"""gate.toml: read once, checked whole, frozen. An unknown or wrong key is refused with the file and the key's path."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec

from controller import kind_config
from controller.errors import ConfigError
from controller.gallery.settings import EnrolmentSettings
from controller.indicators.settings import IndicatorSettings, ScreenSettings, SoundSettings
from controller.lane.model import LaneSettings
from controller.link.settings import LinkSettings, RosterSettings
from controller.observe.settings import ObserveSettings
from controller.perception.settings import PerceptionSettings
from controller.record.settings import JournalSettings
from hw.gate_settings import READBACK_LIMIT
from hw.kind_settings import BarrierSettings, DoorSettings, Wiring
from hw.sender_settings import WiegandOutSettings
from hw.settings import POTENTIAL_CAP, CameraSettings, GateSettings, ReaderSettings
from hw.thermal_settings import LeptonSettings, Mlx90640Settings, ThermalSettings
from hw.watchdog_settings import WatchdogSettings

I2C_LINES = {"/dev/i2c-0": (0, 1), "/dev/i2c-1": (2, 3)}
"""GPIO lines of the I2C buses of a 40-pin header."""
SPI_LINES = {"/dev/spidev0": (7, 8, 9, 10, 11), "/dev/spidev1": (16, 17, 18, 19, 20, 21)}
"""GPIO lines of its SPI buses, chip selects included: the kernel has them all."""

LINES_ELSEWHERE = (
    ("reader", ("d0", "d1")),
    ("wiegand_out", ("d0", "d1", "sense0", "sense1")),
    ("thermal", ("reset", "power")),
)
"""Keys outside [gate] that name a GPIO line, by their section."""

Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_-]{0,31}$")]


class SiteSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which gate this is."""

    name: Name = "gate-1"
    """The gate's name on the wire: lower-case letters, digits, `-` and `_`."""
    entry: Literal["a", "b"] = "a"
    """The turnstile's side that leads into the protected area."""
    interlock: bool = False
    """Of the two lanes that this board runs, only one lets people in at a time."""
    groups: tuple[str, ...] | None = None
    """Who may pass here, where there is no access policy: people of any of these groups of the roll, at any time; None:
    everybody who is enrolled."""


class AccessSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may pass when: the access policy (docs/access-policy.md)."""

    policy: Path | None = None
    """The file; None: what a hub has sent, and before that `[site] groups`."""
    point: Name | None = None
    """Which of its points this lane is; None: the one of the gate's name."""


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the board keeps what must not be lost."""

    folder: Path = Path("/var/lib/thermogate")
    """Holds journal.sqlite3, gallery.sqlite3 and, if `key` is not given, gallery.key (mode 0600)."""
    key: Path | None = None
    """File with the gallery's key; better not on the disk that holds the gallery. None: the systemd credential
    `gallery.key`, else gallery.key in `folder`."""
    on_damaged_record: Literal["refuse", "skip"] = "refuse"
    """What a gate does when it finds a record of the gallery altered, moved or missing: not start, or start with the
    rest and say so in its log."""
    keep_pictures: bool = False
    """Keep enrolment photographs, encrypted. False: those that are there are erased when the gate starts."""
    picture_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 365
    """Days after which a photograph that was kept is erased."""
    append_timeout: Annotated[float, msgspec.Meta(gt=0, le=30)] = 2.0
    """Seconds a grant waits for the disk before it is denied."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a lane needs to run. Every section may be left out; the defaults are a tripod on a Raspberry Pi."""

    site: SiteSettings = SiteSettings()
    access: AccessSettings = AccessSettings()
    lane: LaneSettings = LaneSettings()
    thermal: ThermalSettings = Mlx90640Settings()
    camera: CameraSettings = CameraSettings()
    gate: GateSettings = GateSettings()
    """The lines of a turnstile."""
    door: DoorSettings = DoorSettings()
    barrier: BarrierSettings = BarrierSettings()
    reader: ReaderSettings | None = None
    """None: no cards."""
    wiegand_out: WiegandOutSettings | None = None
    """None: no other controller is told who passes."""
    indicators: IndicatorSettings = IndicatorSettings()
    sound: SoundSettings | None = None
    """None: no spoken prompts."""
    screen: ScreenSettings | None = None
    """None: no screen."""
    perception: PerceptionSettings = PerceptionSettings()
    enrolment: EnrolmentSettings = EnrolmentSettings()
    store: StoreSettings = StoreSettings()
    journal: JournalSettings = JournalSettings()
    link: LinkSettings | None = None
    """None: no campus; the journal keeps everything until there is one."""
    roster: RosterSettings | None = None
    """None: people are enrolled at this gate."""
    observe: ObserveSettings = ObserveSettings()
    watchdog: WatchdogSettings | None = None
    """None: the program feeds no hardware watchdog itself; its service manager does."""

    def __post_init__(self) -> None:
        """Refuse sections that contradict each other: the first grant would be the first to notice."""
        self._check_access()
        self._check_reader()
        self._check_lines()
        if self.roster is not None and self.link is None:
            raise ValueError("[roster] comes over the [link], and there is none")
        if self.screen is not None and self.screen.driver == "none" and self.screen.port is None:
            raise ValueError('[screen] driver is "none" and there is no `port`: it would be shown nowhere')
        if self.lane.kind == "turnstile":
            self._check_turnstile()
        elif self.lane.kind == "door":
            self._check_door()

    @property
    def wiring(self) -> Wiring:
        """The lines of this lane, of whatever kind it is."""
        match self.lane.kind:
            case "door":
                return self.door
            case "barrier":
                return self.barrier
            case _:
                return self.gate

    @property
    def point(self) -> str:
        """The lane's point in an access policy."""
        return self.access.point or self.site.name

    def _check_access(self) -> None:
        if self.access.policy is None:
            return
        if self.site.groups is not None:
            raise ValueError("[site] groups, and [access] policy: groups stand in the policy then")
        if self.lane.anti_passback > 0:
            raise ValueError("[lane] anti_passback, and [access] policy: it stands in the policy's point then")

    def _check_turnstile(self) -> None:
        if getattr(self.gate, f"unlock_{self.site.entry}") is None:
            raise ValueError(f"[gate] unlock_{self.site.entry} is not wired, and [site] entry = {self.site.entry!r}")
        if self.gate.mode == "pulse":
            asked, longest, key, cap = self.lane.unlock_pulse, self.gate.pulse_cap, "unlock_pulse", "[gate] pulse_cap"
        else:
            asked, longest, key, cap = self.lane.passage_wait, POTENTIAL_CAP, "passage_wait", "potential mode's cap"
        self._check_readback()
        if not 0 < asked <= longest:
            raise ValueError(f"[lane] {key} is {asked:g} s: it must be over 0 and at most {longest:g} s, {cap}")

    def _check_door(self) -> None:
        asked, longest = self.lane.passage_wait, self.door.release_cap
        if not 0 < asked <= longest:
            raise ValueError(
                f"[lane] passage_wait is {asked:g} s: it must be over 0 and at most {longest:g} s, [door] release_cap"
            )
        if self.lane.door.on_rex_stuck == "lock" and self.door.lock == "magnet":
            raise ValueError('[lane.door] on_rex_stuck = "lock" with [door] lock = "magnet": nobody could leave')

    def _check_readback(self) -> None:
        """A pulse too short for the read-back to tell anything."""
        pulse = self.lane.unlock_pulse
        if self.gate.mode == "pulse" and self.gate.has_readback and pulse <= READBACK_LIMIT:
            raise ValueError(
                f"[lane] unlock_pulse is {pulse:g} s: with a read-back it must be over {READBACK_LIMIT:g} s, "
                "or a relay that doesn't pull is never told"
            )

    def _check_reader(self) -> None:
        if self.lane.on_camera_lost == "cards":
            if self.lane.require == "face_and_card":
                raise ValueError(
                    '[lane] require = "face_and_card" asks for both, so on_camera_lost = "cards" lets nobody in'
                )
            if self.reader is None:
                raise ValueError('[lane] on_camera_lost = "cards", and there is no [reader]: nobody would pass')
        if self.reader is None and self.lane.require in ("card", "face_and_card"):
            raise ValueError(f"[lane] require = {self.lane.require!r}, and there is no [reader]: nobody would pass")

    def _video_lines(self) -> tuple[int, ...]:
        spi = self.thermal.spi if isinstance(self.thermal, LeptonSettings) else ""
        return SPI_LINES.get(spi.rpartition(".")[0], ())

    def _check_duty(self, line: int | None, place: str) -> None:
        if line in I2C_LINES.get(self.thermal.bus, ()):
            raise ValueError(
                f"GPIO line {line} is I2C {self.thermal.bus[-1]}, where [thermal] has its sensor; {place} takes another"
            )
        if line in self._video_lines():
            raise ValueError(f"GPIO line {line} is of SPI, where [thermal] spi has its sensor; {place} takes another")

    def _check_lines(self) -> None:
        """Lines that two sections name, or that have another duty on the board."""
        wiring = self.wiring
        lines = {wiring.number(name): f"[{wiring.SECTION}] {name}" for name in wiring.line_names}
        for line, place in lines.items():
            self._check_duty(line, place)
        lines |= dict.fromkeys(self._video_lines(), "[thermal] spi")
        for section, keys in LINES_ELSEWHERE:
            for name in keys:
                line, place = getattr(getattr(self, section), name, None), f"[{section}] {name}"
                if line is not None and line in lines:
                    raise ValueError(f"GPIO line {line} is given twice: as {lines[line]} and as {place}")
                lines[line] = place


def load(path: Path) -> Config:
    """Read and check a gate.toml.

    Raises `ConfigError` that names the file and the line (syntax) or the key's path (content).
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start})") from error
    return parse(text, where=str(path))


def parse(text: str, *, where: str) -> Config:
    """Check TOML `text`; `where` names it in errors. Raises `ConfigError`."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: {error}") from error
    try:
        kind_config.refuse_foreign(raw)
        return msgspec.convert(_with_driver(kind_config.with_defaults(raw)), Config, strict=True, dec_hook=_decode)
    except ValueError as error:
        # msgspec's own ValidationError is one.
        raise ConfigError(f"{where}: {_with_path(str(error))}") from error


def _with_driver(raw: dict[str, Any]) -> dict[str, Any]:
    """A [thermal] that names no driver is the default one's: msgspec asks for the tag of a union.

    Raises `msgspec.ValidationError` naming a key that only other drivers have.
    """
    thermal = raw.get("thermal")
    if not isinstance(thermal, dict):
        return raw
    thermal = {"driver": Mlx90640Settings.driver} | thermal
    known: dict[object, tuple[str, ...]] = {kind.driver: kind.__struct_fields__ for kind in get_args(ThermalSettings)}
    own = known.get(str(thermal["driver"]), ())
    for key in thermal if own else ():
        others = [f'"{driver}"' for driver, fields in known.items() if key in fields and key not in own]
        if others:
            raise msgspec.ValidationError(
                f'driver "{thermal["driver"]}" has no such key, only {" and ".join(others)} - at `$.thermal.{key}`'
            )
    return raw | {"thermal": thermal}


def _decode(kind: type[Any], value: object) -> Any:
    """What TOML has no word for: paths, in the user's words (`~`)."""
    if kind is Path and isinstance(value, str):
        return Path(value).expanduser()
    raise ValueError(f"Expected `{kind.__name__}`, got {value!r}")


def _with_path(message: str) -> str:
    """``Expected `int` - at `$.gate.chip` `` becomes ``[gate] chip: Expected `int` ``."""
    text, separator, path = message.rpartition(" - at `$.")
    if not separator:
        return message
    section, _, key = path.rstrip("`").partition(".")
    return f"[{section}] {key}: {text}" if key else f"[{section}]: {text}"
