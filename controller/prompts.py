"""What passers-by and guards read, in English and Chinese."""

from __future__ import annotations

from dataclasses import dataclass

from controller.lane.effects import Prompt
from controller.lane.model import DenyReason, LivenessReason
from hw.ports import Lamp


@dataclass(frozen=True, slots=True)
class Text:
    """One text in both languages."""

    english: str
    chinese: str

    def __str__(self) -> str:
        return f"{self.english} {self.chinese}"


PROMPTS: dict[Prompt, Text] = {
    Prompt.IDLE: Text("Please step onto the mark", "请站到标记处"),
    Prompt.LOOK_HERE: Text("Look here, please", "请看这里"),
    Prompt.PRESENT_CARD: Text("Please present your card or code", "请刷卡或扫码"),
    Prompt.WAIT: Text("One moment", "请稍候"),
    Prompt.PASS: Text("Please pass", "请通过"),
    Prompt.DENIED: Text("No entry", "禁止通行"),
    Prompt.SEE_DOCTOR: Text("Please see the school doctor", "请到校医处复测"),
    Prompt.SEE_GUARD: Text("Please have your temperature taken by the guard", "请由保安测量体温"),
    Prompt.ASK_GUARD: Text("Please ask the guard", "请联系保安"),
    Prompt.WARM_UP: Text("Please warm up indoors and come again", "请在室内等候片刻后再测"),
    Prompt.COOL_DOWN: Text("Please wait in the shade and come again", "请在阴凉处稍候再测"),
    Prompt.UNCOVER: Text("Please take off glasses and hat", "请摘下眼镜和帽子"),
    Prompt.COME_CLOSER: Text("Please step closer", "请靠近一些"),
    Prompt.CLOSE_DOOR: Text("Please close the door", "请关门"),
    Prompt.ONE_AT_A_TIME: Text("One at a time, please", "请逐一通过"),
    Prompt.OUT_OF_SERVICE: Text("Out of service, please use another gate", "暂停使用，请走其他通道"),
    Prompt.FREE: Text("Free passage", "自由通行"),
    Prompt.EMERGENCY: Text("Emergency: way out is open", "紧急情况：通道已打开"),
    Prompt.ALARM: Text("Please step back", "请退回"),
}

SHORT: dict[Prompt, Text] = {
    Prompt.IDLE: Text("Stand here", "请站到标记处"),
    Prompt.LOOK_HERE: Text("Look here", "请看这里"),
    Prompt.PRESENT_CARD: Text("Card or code", "请刷卡或扫码"),
    Prompt.WAIT: Text("Wait", "请稍候"),
    Prompt.PASS: Text("Pass", "请通过"),
    Prompt.DENIED: Text("No entry", "禁止通行"),
    Prompt.SEE_DOCTOR: Text("See doctor", "请到校医处"),
    Prompt.SEE_GUARD: Text("Ask guard", "请找保安"),
    Prompt.ASK_GUARD: Text("Ask guard", "请找保安"),
    Prompt.WARM_UP: Text("Wait inside", "请到室内等候"),
    Prompt.COOL_DOWN: Text("Wait in shade", "请到阴凉处"),
    Prompt.UNCOVER: Text("Glasses off", "请摘眼镜帽子"),
    Prompt.COME_CLOSER: Text("Come closer", "请靠近"),
    Prompt.CLOSE_DOOR: Text("Close door", "请关门"),
    Prompt.ONE_AT_A_TIME: Text("One by one", "请逐一通过"),
    Prompt.OUT_OF_SERVICE: Text("Closed", "暂停使用"),
    Prompt.FREE: Text("Pass freely", "自由通行"),
    Prompt.EMERGENCY: Text("Way out open", "通道已打开"),
    Prompt.ALARM: Text("Step back", "请退回"),
}
"""The same in letters that are read from two metres: few enough for a small panel."""

REASONS: dict[DenyReason, Text] = {
    DenyReason.UNKNOWN_PERSON: Text("Not registered", "未登记"),
    DenyReason.AMBIGUOUS_MATCH: Text("Not sure who you are, please ask the guard", "无法确认身份，请联系保安"),
    DenyReason.SPOOF_SUSPECTED: Text("A living face is needed", "请本人通行"),
    DenyReason.LIVENESS_UNKNOWN: Text("Please come closer and look here", "请靠近并看这里"),
    DenyReason.POOR_PICTURE: Text("Please stand still and look here", "请站稳并看这里"),
    DenyReason.ELEVATED_TEMPERATURE: Text("Temperature needs a second measurement", "体温需要复测"),
    DenyReason.RECHECK_TEMPERATURE: Text("Please hold still, measuring again", "请保持不动，正在复测"),
    DenyReason.TOO_COLD: Text("Face too cold to measure", "面部温度过低，无法测量"),
    DenyReason.TOO_HOT: Text("Face heated from outside: sun, a lamp, a hot drink", "面部受外部热源影响，无法测量"),
    DenyReason.FACE_COVERED: Text("Eyes or face covered: no temperature", "眼部或面部被遮挡，无法测温"),
    DenyReason.TOO_FAR: Text("Too far away to measure", "距离太远，无法测温"),
    DenyReason.NO_TEMPERATURE: Text("No reading yet, please stand still", "未测到体温，请站稳"),
    DenyReason.MANUAL_TEMPERATURE: Text("Thermal sensor under test: temperature by hand", "测温设备待检，请人工测温"),
    DenyReason.UNKNOWN_CREDENTIAL: Text("Card or code not known here", "卡片或二维码无效"),
    DenyReason.CREDENTIAL_NEEDED: Text("A card or code is needed here", "此处需要刷卡或扫码"),
    DenyReason.FACE_UNAVAILABLE: Text("Camera out of order: please ask the guard", "摄像头故障，请联系保安"),
    DenyReason.FACE_NEEDED: Text("A card alone does not open here: look here, please", "仅刷卡不能通行，请看这里"),
    DenyReason.FACE_MISMATCH: Text("This card is somebody else's", "人卡不符，请使用本人卡片"),
    DenyReason.PIN_LOCKED: Text("Too many wrong PINs, please ask the guard", "密码错误次数过多，请联系保安"),
    DenyReason.NOT_PERMITTED: Text("Not permitted here now", "此时此处不允许通行"),
    DenyReason.CREDENTIAL_EXPIRED: Text("Registration has expired", "登记已过期"),
    DenyReason.OUT_OF_HOURS: Text("Not at this time", "此时段不允许通行"),
    DenyReason.VISIT_OVER: Text("The visit has ended", "访客时间已结束"),
    DenyReason.FIRST_PERSON_NEEDED: Text("Not opened yet today", "今日尚未开放"),
    DenyReason.SECOND_PERSON_NEEDED: Text("Two people are needed: the next one, please", "需多人同行，请下一位验证"),
    DenyReason.ROSTER_STALE: Text("Gate offline for too long: please ask the guard", "闸机离线过久，请联系保安"),
    DenyReason.CLOCK_UNKNOWN: Text("Clock not set: please ask the guard", "时钟未校准，请联系保安"),
    DenyReason.ANTI_PASSBACK: Text("Already passed", "已通行，不可重复"),
    DenyReason.LANE_OCCUPIED: Text("One at a time, please", "请逐一通过"),
    DenyReason.INTERLOCK: Text("Please wait: the other lane is in use", "请稍候：另一通道正在通行"),
    DenyReason.NO_VEHICLE: Text("Vehicles only, please use the gate for people", "车辆专用，行人请走人行通道"),
    DenyReason.PASSENGERS: Text("Passengers: please wait for the guard", "车内有乘客，请等待保安"),
    DenyReason.LOCKDOWN: Text("Lockdown: no entry", "封闭管理：禁止进入"),
    DenyReason.MAINTENANCE: Text("Under maintenance", "设备维护中"),
    DenyReason.LANE_FAULT: Text("Out of service", "设备故障"),
    DenyReason.JOURNAL_FAILED: Text("Out of service", "设备故障"),
}

LIVENESS: dict[LivenessReason, Text] = {
    LivenessReason.NOT_PAIRED: Text("Camera and thermal picture not of one moment", "图像与热像不同步，请看这里"),
    LivenessReason.FEW_FRAMES: Text("Please stand still and look here", "请站稳并看这里"),
    LivenessReason.FEW_PIXELS: Text("Too far away, please come closer", "距离太远，请靠近"),
    LivenessReason.HOT_ROOM: Text("Too hot here to tell by heat, please ask the guard", "环境温度过高，请联系保安"),
    LivenessReason.COLD_FACE: Text("Face still cold, please warm up indoors", "面部温度过低，请在室内等候片刻"),
    LivenessReason.NOT_WARM: Text("Not as warm as a face", "温度低于真人面部"),
    LivenessReason.TOO_WARM: Text("Warmer than a face", "温度高于真人面部"),
    LivenessReason.BEYOND_FACE: Text("Warm beyond the face's edge", "面部轮廓外同样发热"),
    LivenessReason.WRONG_PLACE: Text("Heat beside the face", "热源与面部位置不符"),
    LivenessReason.WRONG_SIZE: Text("Heat wider or narrower than the face", "热源与面部大小不符"),
    LivenessReason.COOLING: Text("Cooling as no face does", "温度下降过快，不像真人"),
    LivenessReason.EVEN: Text("As even as no face", "温度分布过于均匀"),
    LivenessReason.SUSPICIOUS_PICTURE: Text("The picture looks like a copy", "图像疑似翻拍"),
}

LAMPS: dict[Prompt, Lamp] = {
    Prompt.IDLE: Lamp.IDLE,
    Prompt.LOOK_HERE: Lamp.LOOK,
    Prompt.PRESENT_CARD: Lamp.LOOK,
    Prompt.WAIT: Lamp.WAIT,
    Prompt.PASS: Lamp.GO,
    Prompt.DENIED: Lamp.STOP,
    Prompt.SEE_DOCTOR: Lamp.STOP,
    Prompt.SEE_GUARD: Lamp.WAIT,
    Prompt.ASK_GUARD: Lamp.WAIT,
    Prompt.WARM_UP: Lamp.WAIT,
    Prompt.COOL_DOWN: Lamp.WAIT,
    Prompt.UNCOVER: Lamp.WAIT,
    Prompt.COME_CLOSER: Lamp.LOOK,
    Prompt.CLOSE_DOOR: Lamp.WAIT,
    Prompt.ONE_AT_A_TIME: Lamp.STOP,
    Prompt.OUT_OF_SERVICE: Lamp.STOP,
    Prompt.FREE: Lamp.GO,
    Prompt.EMERGENCY: Lamp.GO,
    Prompt.ALARM: Lamp.ALARM,
}


def reason_text(reason: str | None) -> Text | None:
    """The text for an `Indicate.reason`; None where there is none. What follows a slash is more to the point."""
    if reason is None:
        return None
    head, _, more = reason.partition("/")
    try:
        return LIVENESS[LivenessReason(more)] if more else REASONS[DenyReason(head)]
    except ValueError:
        return None
