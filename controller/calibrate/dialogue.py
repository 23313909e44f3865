"""What the person at the terminal is asked and told, in English and Chinese; or nobody is there, and flags answer."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, Protocol

from controller.calibrate.refusal import CalibrationError, Refusal
from controller.prompts import Text

if TYPE_CHECKING:
    from collections.abc import Callable


class Answer(enum.Enum):
    """To `Press Enter when ready`."""

    READY = "ready"
    SKIP = "skip"
    FINISH = "finish"


READY = Text("Enter: measure   s: skip   f: finish", "回车：测量   s：跳过   f：结束")
CONFIRM = Text("Write this?", "写入吗？")
REFUSED: Final[dict[Refusal, Text]] = {
    Refusal.NO_TARGET: Text("Not seen", "未找到目标"),
    Refusal.TWO_CANDIDATES: Text("More than one could be meant", "有多个可能的目标，请只保留一个"),
    Refusal.UNSTEADY: Text("It moved or changed", "目标移动或不稳定，请保持不动"),
    Refusal.TOO_SMALL: Text("Too small", "目标太小，请靠近或换大的"),
    Refusal.CUT_OFF: Text("At the picture's edge", "目标超出画面，请向中间移动"),
    Refusal.TOO_FEW: Text("Too few measurements", "测量次数不足"),
    Refusal.NOT_SPREAD: Text("Places too near to each other", "位置过于集中，请分散到画面四角"),
    Refusal.ON_A_LINE: Text("Places on one line", "位置在一条直线上"),
    Refusal.ONE_DISTANCE: Text("A second distance is needed", "需要第二个距离"),
    Refusal.MIRRORED: Text("Pictures are mirrored", "两个画面左右相反"),
    Refusal.TURNED: Text("Pictures are turned", "两个画面方向不一致"),
    Refusal.CONTRADICTION: Text("Measurements contradict each other", "测量结果互相矛盾，请重新开始"),
    Refusal.RESIDUAL: Text("Too inexact", "误差过大，请重新测量"),
    Refusal.BADLY_CONDITIONED: Text("This cannot tell it well enough", "条件不足，无法得出可靠结果"),
    Refusal.IMPOSSIBLE: Text("Not a possible result", "结果不合理"),
    Refusal.OFF_SET_POINT: Text("Too far from its set point", "与设定温度相差过大"),
    Refusal.SENSOR: Text("The sensor gave too little", "传感器数据不足"),
    Refusal.WRONG_INPUT: Text("Wrong input", "输入有误"),
}
"""In short, before the full reason in English."""
YES = ("y", "yes", "是", "好")


class Guide(Protocol):
    """Whoever leads through a calibration."""

    def say(self, text: Text | str) -> None:
        """Tell something."""
        ...

    def ready(self, text: Text) -> Answer:
        """Ask for something to be set up, and wait until it is."""
        ...

    def confirm(self, text: Text) -> bool:
        """Ask a question whose answer is no unless it is plainly yes."""
        ...

    def ask(self, text: Text) -> str:
        """Ask for a line; empty when there is none to come."""
        ...


class Terminal:
    """A person at a terminal. `read` gives a line without its end and raises EOFError at the end of input."""

    def __init__(self, read: Callable[[str], str], write: Callable[[str], None], *, yes: bool = False) -> None:
        self._read, self._write, self._yes = read, write, yes

    def say(self, text: Text | str) -> None:
        """See `Guide`."""
        self._write(str(text))

    def ready(self, text: Text) -> Answer:
        """See `Guide`."""
        line = self._line(f"{text}\n  [{READY}] ").lower()
        return {"s": Answer.SKIP, "f": Answer.FINISH, "q": Answer.FINISH}.get(line, Answer.READY)

    def confirm(self, text: Text) -> bool:
        """See `Guide`. `--yes` answers without a question."""
        return self._yes or self._line(f"{text} [y/N] ").lower() in YES

    def ask(self, text: Text) -> str:
        """See `Guide`."""
        return self._line(f"{text} ")

    def _line(self, prompt: str) -> str:
        try:
            return self._read(prompt).strip()
        except EOFError:
            raise CalibrationError(
                Refusal.WRONG_INPUT, "nobody answers on this terminal; use --yes, and --every SECONDS between the steps"
            ) from None


class Unattended:
    """Nobody to ask: `wait`s at each step, and answers questions as `yes` says."""

    def __init__(self, wait: Callable[[], None], write: Callable[[str], None], *, yes: bool) -> None:
        self._wait, self._write, self._yes = wait, write, yes

    def say(self, text: Text | str) -> None:
        """See `Guide`."""
        self._write(str(text))

    def ready(self, text: Text) -> Answer:
        """See `Guide`."""
        self._write(str(text))
        self._wait()
        return Answer.READY

    def confirm(self, text: Text) -> bool:
        """See `Guide`."""
        self._write(f"{text} {'yes 是' if self._yes else 'no 否'}")
        return self._yes

    def ask(self, text: Text) -> str:
        """See `Guide`: nothing more comes."""
        del text
        return ""


class Helper(Protocol):
    """Whoever sets up what is measured: a person, told by the guide; or the simulated world, in practice."""

    def target(self, x: float, y: float, distance: float) -> None:
        """The warm target `distance` metres away, at tangents (x right, y down) from the camera's axis."""
        ...

    def source(self) -> None:
        """The black body."""
        ...

    def plate(self, *, patch: bool) -> None:
        """The warm plate whose emissivity is asked for, with a patch of known emissivity beside it or not."""
        ...

    def person(self, distance: float) -> None:
        """A person `distance` metres away."""
        ...


class Nobody:
    """The real lane: people do what the guide says."""

    def target(self, x: float, y: float, distance: float) -> None:
        """See `Helper`."""

    def source(self) -> None:
        """See `Helper`."""

    def plate(self, *, patch: bool) -> None:
        """See `Helper`."""

    def person(self, distance: float) -> None:
        """See `Helper`."""
