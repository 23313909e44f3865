"""The lane's transition table: what every state does with every trigger. Nothing is left to a default.

IGNORE: it can happen, and the state has nothing to do about it. The image of contacts and
mark is renewed all the same (`machine.Lane.feed`).
ILLEGAL: it can't happen unless whoever feeds the lane is wrong. Nothing changes; the lane counts it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from controller.lane import alarms, claims, egress, faults, orders, passage, visit
from controller.lane.states import IDLE, State, Trigger

if TYPE_CHECKING:
    from controller.lane.core import Core

__all__ = ["IGNORE", "ILLEGAL", "LEADS_TO", "TRANSITIONS", "Cell", "Handler", "Skip", "State", "Trigger"]


class Skip(enum.Enum):
    """Cells without a handler."""

    IGNORE = "ignore"
    ILLEGAL = "illegal"


IGNORE: Final[Literal[Skip.IGNORE]] = Skip.IGNORE
ILLEGAL: Final[Literal[Skip.ILLEGAL]] = Skip.ILLEGAL

Handler = Callable[["Core", Any], None]
"""Takes the trigger's kind of event; a test checks that each does."""
Cell = Handler | Skip

S = State
T = Trigger

# fmt: off
TRANSITIONS: Mapping[State, Mapping[Trigger, Cell]] = {
    S.BOOT: {
        T.BOOTED: orders.start,             T.SELFTEST_PASSED: ILLEGAL,          T.SELFTEST_FAILED: ILLEGAL,
        T.APPROACHED: IGNORE,               T.LEFT: IGNORE,                      T.ASSESSED: IGNORE,
        T.OPEN_ENTRY: visit.refuse_entry,   T.SHOW_OVER: ILLEGAL,                T.SCREENING_OVER: ILLEGAL,
        T.ENTRY_BEGINS: IGNORE,             T.ENTRY_ENDS: passage.end,           T.STUCK_ENTRY: passage.stick,
        T.OPEN_EXIT: egress.open_once,      T.PASSING_OVER: ILLEGAL,             T.GRANT_OVER: ILLEGAL,
        T.EXIT_BEGINS: egress.begin,        T.EXIT_ENDS: egress.end,             T.STUCK_EXIT: egress.stick,
        T.EXIT_GRANT_OVER: egress.expire,   T.FIRE: orders.alarm_fire,           T.KEY: orders.turn_key,
        T.LOCKDOWN: orders.lock_down,       T.MAINTENANCE: orders.maintain,      T.SET_FREE: orders.set_free,
        T.RESET: orders.reset,              T.TAMPER: orders.tamper,             T.ALARM_OVER: faults.end_alarm,
        T.DEVICE_LOST: faults.lose,         T.DEVICE_BACK: faults.regain,        T.RELAY_MISMATCH: faults.distrust,
        T.HOME: faults.note_home,           T.NOT_HOME: faults.miss_home,        T.JOURNAL_FAILED: faults.fail_record,
        T.SELF_TESTED: faults.note_test,    T.PRESENTED: IGNORE,
        T.MAINS: faults.note_mains,         T.INTRUSION: passage.note_sensor,
        T.ACKNOWLEDGE: alarms.acknowledge,  T.OTHER_SHUT: IGNORE,
    },
    S.SELFTEST: {
        T.BOOTED: ILLEGAL,                  T.SELFTEST_PASSED: orders.pass_test, T.SELFTEST_FAILED: orders.fail_test,
        T.APPROACHED: IGNORE,               T.LEFT: IGNORE,                      T.ASSESSED: IGNORE,
        T.OPEN_ENTRY: visit.refuse_entry,   T.SHOW_OVER: ILLEGAL,                T.SCREENING_OVER: ILLEGAL,
        T.ENTRY_BEGINS: IGNORE,             T.ENTRY_ENDS: passage.end,           T.STUCK_ENTRY: passage.stick,
        T.OPEN_EXIT: egress.open_once,      T.PASSING_OVER: ILLEGAL,             T.GRANT_OVER: ILLEGAL,
        T.EXIT_BEGINS: egress.begin,        T.EXIT_ENDS: egress.end,             T.STUCK_EXIT: egress.stick,
        T.EXIT_GRANT_OVER: egress.expire,   T.FIRE: orders.alarm_fire,           T.KEY: orders.turn_key,
        T.LOCKDOWN: orders.lock_down,       T.MAINTENANCE: orders.maintain,      T.SET_FREE: orders.set_free,
        T.RESET: orders.reset,              T.TAMPER: orders.tamper,             T.ALARM_OVER: faults.end_alarm,
        T.DEVICE_LOST: faults.lose,         T.DEVICE_BACK: faults.regain,        T.RELAY_MISMATCH: faults.distrust,
        T.HOME: faults.note_home,           T.NOT_HOME: faults.miss_home,        T.JOURNAL_FAILED: faults.fail_record,
        T.SELF_TESTED: faults.note_test,    T.PRESENTED: IGNORE,
        T.MAINS: faults.note_mains,         T.INTRUSION: passage.note_sensor,
        T.ACKNOWLEDGE: alarms.acknowledge,  T.OTHER_SHUT: IGNORE,
    },
    S.LOCKED: {
        T.BOOTED: ILLEGAL,                  T.SELFTEST_PASSED: IGNORE,           T.SELFTEST_FAILED: orders.fail_test,
        T.APPROACHED: visit.look,           T.LEFT: IGNORE,                      T.ASSESSED: IGNORE,
        T.OPEN_ENTRY: visit.open_entry,     T.SHOW_OVER: ILLEGAL,                T.SCREENING_OVER: ILLEGAL,
        T.ENTRY_BEGINS: passage.intrude,    T.ENTRY_ENDS: passage.end,           T.STUCK_ENTRY: passage.stick,
        T.OPEN_EXIT: egress.open_once,      T.PASSING_OVER: ILLEGAL,             T.GRANT_OVER: ILLEGAL,
        T.EXIT_BEGINS: egress.begin,        T.EXIT_ENDS: egress.end,             T.STUCK_EXIT: egress.stick,
        T.EXIT_GRANT_OVER: egress.expire,   T.FIRE: orders.alarm_fire,           T.KEY: orders.turn_key,
        T.LOCKDOWN: orders.lock_down,       T.MAINTENANCE: orders.maintain,      T.SET_FREE: orders.set_free,
        T.RESET: orders.reset,              T.TAMPER: orders.tamper,             T.ALARM_OVER: faults.end_alarm,
        T.DEVICE_LOST: faults.lose,         T.DEVICE_BACK: faults.regain,        T.RELAY_MISMATCH: faults.distrust,
        T.HOME: faults.note_home,           T.NOT_HOME: faults.miss_home,        T.JOURNAL_FAILED: faults.fail_record,
        T.SELF_TESTED: faults.note_test,    T.PRESENTED: claims.present,
        T.MAINS: faults.note_mains,         T.INTRUSION: passage.note_sensor,
        T.ACKNOWLEDGE: alarms.acknowledge,  T.OTHER_SHUT: IGNORE,
    },
    S.SCREENING: {
        T.BOOTED: ILLEGAL,                  T.SELFTEST_PASSED: IGNORE,           T.SELFTEST_FAILED: orders.fail_test,
        T.APPROACHED: IGNORE,               T.LEFT: visit.look_away,             T.ASSESSED: visit.assess,
        T.OPEN_ENTRY: visit.open_entry,     T.SHOW_OVER: ILLEGAL,                T.SCREENING_OVER: visit.look_again,
        T.ENTRY_BEGINS: passage.intrude,    T.ENTRY_ENDS: passage.end,           T.STUCK_ENTRY: passage.stick,
        T.OPEN_EXIT: egress.open_once,      T.PASSING_OVER: ILLEGAL,             T.GRANT_OVER: ILLEGAL,
        T.EXIT_BEGINS: egress.begin,        T.EXIT_ENDS: egress.end,             T.STUCK_EXIT: egress.stick,
        T.EXIT_GRANT_OVER: egress.expire,   T.FIRE: orders.alarm_fire,           T.KEY: orders.turn_key,
        T.LOCKDOWN: orders.lock_down,       T.MAINTENANCE: orders.maintain,      T.SET_FREE: orders.set_free,
        T.RESET: orders.reset,              T.TAMPER: orders.tamper,             T.ALARM_OVER: faults.end_alarm,
        T.DEVICE_LOST: faults.lose,         T.DEVICE_BACK: faults.regain,        T.RELAY_MISMATCH: faults.distrust,
        T.HOME: faults.note_home,           T.NOT_HOME: faults.miss_home,        T.JOURNAL_FAILED: faults.fail_record,
        T.SELF_TESTED: faults.note_test,    T.PRESENTED: claims.present,
        T.MAINS: faults.note_mains,         T.INTRUSION: passage.note_sensor,
        T.ACKNOWLEDGE: alarms.acknowledge,  T.OTHER_SHUT: IGNORE,
    },
    S.GRANTED: {
        T.BOOTED: ILLEGAL,                  T.SELFTEST_PASSED: IGNORE,           T.SELFTEST_FAILED: orders.fail_test,
        T.APPROACHED: IGNORE,               T.LEFT: IGNORE,                      T.ASSESSED: IGNORE,
        T.OPEN_ENTRY: visit.refuse_entry,   T.SHOW_OVER: ILLEGAL,                T.SCREENING_OVER: ILLEGAL,
        T.ENTRY_BEGINS: passage.begin,      T.ENTRY_ENDS: passage.end,           T.STUCK_ENTRY: passage.stick,
        T.OPEN_EXIT: egress.open_once,      T.PASSING_OVER: ILLEGAL,             T.GRANT_OVER: passage.expire,
        T.EXIT_BEGINS: passage.reverse,     T.EXIT_ENDS: egress.end,             T.STUCK_EXIT: egress.stick,
        T.EXIT_GRANT_OVER: egress.expire,   T.FIRE: orders.alarm_fire,           T.KEY: orders.turn_key,
        T.LOCKDOWN: orders.lock_down,       T.MAINTENANCE: orders.maintain,      T.SET_FREE: orders.set_free,
        T.RESET: orders.reset,              T.TAMPER: orders.tamper,             T.ALARM_OVER: faults.end_alarm,
        T.DEVICE_LOST: faults.lose,         T.DEVICE_BACK: faults.regain,        T.RELAY_MISMATCH: faults.distrust,
        T.HOME: faults.note_home,           T.NOT_HOME: faults.miss_home,        T.JOURNAL_FAILED: faults.fail_record,
        T.SELF_TESTED: faults.note_test,    T.PRESENTED: IGNORE,
        T.MAINS: faults.note_mains,         T.INTRUSION: passage.note_sensor,
        T.ACKNOWLEDGE: alarms.acknowledge,  T.OTHER_SHUT: IGNORE,
    },
    S.PASSING: {
        T.BOOTED: ILLEGAL,                  T.SELFTEST_PASSED: IGNORE,           T.SELFTEST_FAILED: orders.fail_test,
        T.APPROACHED: IGNORE,               T.LEFT: IGNORE,                      T.ASSESSED: IGNORE,
        T.OPEN_ENTRY: visit.refuse_entry,   T.SHOW_OVER: ILLEGAL,                T.SCREENING_OVER: ILLEGAL,
        T.ENTRY_BEGINS: ILLEGAL,            T.ENTRY_ENDS: passage.complete,      T.STUCK_ENTRY: passage.stick_passing,
        T.OPEN_EXIT: egress.open_once,      T.PASSING_OVER: passage.linger,      T.GRANT_OVER: ILLEGAL,
        T.EXIT_BEGINS: passage.turn_back,   T.EXIT_ENDS: egress.end,             T.STUCK_EXIT: egress.stick,
        T.EXIT_GRANT_OVER: egress.expire,   T.FIRE: orders.alarm_fire,           T.KEY: orders.turn_key,
        T.LOCKDOWN: orders.lock_down,       T.MAINTENANCE: orders.maintain,      T.SET_FREE: orders.set_free,
        T.RESET: orders.reset,              T.TAMPER: orders.tamper,             T.ALARM_OVER: faults.end_alarm,
        T.DEVICE_LOST: faults.lose,         T.DEVICE_BACK: faults.regain,        T.RELAY_MISMATCH: faults.distrust,
        T.HOME: faults.note_home,           T.NOT_HOME: faults.miss_home,        T.JOURNAL_FAILED: faults.fail_record,
        T.SELF_TESTED: faults.note_test,    T.PRESENTED: IGNORE,
        T.MAINS: faults.note_mains,         T.INTRUSION: passage.note_sensor,
        T.ACKNOWLEDGE: alarms.acknowledge,  T.OTHER_SHUT: IGNORE,
    },
    S.COMPLETE: {
        T.BOOTED: ILLEGAL,                  T.SELFTEST_PASSED: IGNORE,           T.SELFTEST_FAILED: orders.fail_test,
        T.APPROACHED: IGNORE,               T.LEFT: IGNORE,                      T.ASSESSED: IGNORE,
        T.OPEN_ENTRY: visit.open_entry,     T.SHOW_OVER: visit.shown,            T.SCREENING_OVER: ILLEGAL,
        T.ENTRY_BEGINS: passage.intrude,    T.ENTRY_ENDS: passage.end,           T.STUCK_ENTRY: passage.stick,
        T.OPEN_EXIT: egress.open_once,      T.PASSING_OVER: ILLEGAL,             T.GRANT_OVER: ILLEGAL,
        T.EXIT_BEGINS: egress.begin,        T.EXIT_ENDS: egress.end,             T.STUCK_EXIT: egress.stick,
        T.EXIT_GRANT_OVER: egress.expire,   T.FIRE: orders.alarm_fire,           T.KEY: orders.turn_key,
        T.LOCKDOWN: orders.lock_down,       T.MAINTENANCE: orders.maintain,      T.SET_FREE: orders.set_free,
        T.RESET: orders.reset,              T.TAMPER: orders.tamper,             T.ALARM_OVER: faults.end_alarm,
        T.DEVICE_LOST: faults.lose,         T.DEVICE_BACK: faults.regain,        T.RELAY_MISMATCH: faults.distrust,
        T.HOME: faults.note_home,           T.NOT_HOME: faults.miss_home,        T.JOURNAL_FAILED: faults.fail_record,
        T.SELF_TESTED: faults.note_test,    T.PRESENTED: IGNORE,
        T.MAINS: faults.note_mains,         T.INTRUSION: passage.note_sensor,
        T.ACKNOWLEDGE: alarms.acknowledge,  T.OTHER_SHUT: IGNORE,
    },
    S.DENIED: {
        T.BOOTED: ILLEGAL,                  T.SELFTEST_PASSED: IGNORE,           T.SELFTEST_FAILED: orders.fail_test,
        T.APPROACHED: IGNORE,               T.LEFT: visit.shorten,               T.ASSESSED: IGNORE,
        T.OPEN_ENTRY: visit.open_entry,     T.SHOW_OVER: visit.shown,            T.SCREENING_OVER: ILLEGAL,
        T.ENTRY_BEGINS: passage.intrude,    T.ENTRY_ENDS: passage.end,           T.STUCK_ENTRY: passage.stick,
        T.OPEN_EXIT: egress.open_once,      T.PASSING_OVER: ILLEGAL,             T.GRANT_OVER: ILLEGAL,
        T.EXIT_BEGINS: egress.begin,        T.EXIT_ENDS: egress.end,             T.STUCK_EXIT: egress.stick,
        T.EXIT_GRANT_OVER: egress.expire,   T.FIRE: orders.alarm_fire,           T.KEY: orders.turn_key,
        T.LOCKDOWN: orders.lock_down,       T.MAINTENANCE: orders.maintain,      T.SET_FREE: orders.set_free,
        T.RESET: orders.reset,              T.TAMPER: orders.tamper,             T.ALARM_OVER: faults.end_alarm,
        T.DEVICE_LOST: faults.lose,         T.DEVICE_BACK: faults.regain,        T.RELAY_MISMATCH: faults.distrust,
        T.HOME: faults.note_home,           T.NOT_HOME: faults.miss_home,        T.JOURNAL_FAILED: faults.fail_record,
        T.SELF_TESTED: faults.note_test,    T.PRESENTED: claims.present,
        T.MAINS: faults.note_mains,         T.INTRUSION: passage.note_sensor,
        T.ACKNOWLEDGE: alarms.acknowledge,  T.OTHER_SHUT: visit.go_on,
    },
    S.GRANT_EXPIRED: {
        T.BOOTED: ILLEGAL,                  T.SELFTEST_PASSED: IGNORE,           T.SELFTEST_FAILED: orders.fail_test,
        T.APPROACHED: IGNORE,               T.LEFT: IGNORE,                      T.ASSESSED: IGNORE,
        T.OPEN_ENTRY: visit.open_entry,     T.SHOW_OVER: visit.shown,            T.SCREENING_OVER: ILLEGAL,
        T.ENTRY_BEGINS: passage.intrude,    T.ENTRY_ENDS: passage.end,           T.STUCK_ENTRY: passage.stick,
        T.OPEN_EXIT: egress.open_once,      T.PASSING_OVER: ILLEGAL,             T.GRANT_OVER: ILLEGAL,
        T.EXIT_BEGINS: egress.begin,        T.EXIT_ENDS: egress.end,             T.STUCK_EXIT: egress.stick,
        T.EXIT_GRANT_OVER: egress.expire,   T.FIRE: orders.alarm_fire,           T.KEY: orders.turn_key,
        T.LOCKDOWN: orders.lock_down,       T.MAINTENANCE: orders.maintain,      T.SET_FREE: orders.set_free,
        T.RESET: orders.reset,              T.TAMPER: orders.tamper,             T.ALARM_OVER: faults.end_alarm,
        T.DEVICE_LOST: faults.lose,         T.DEVICE_BACK: faults.regain,        T.RELAY_MISMATCH: faults.distrust,
        T.HOME: faults.note_home,           T.NOT_HOME: faults.miss_home,        T.JOURNAL_FAILED: faults.fail_record,
        T.SELF_TESTED: faults.note_test,    T.PRESENTED: claims.present,
        T.MAINS: faults.note_mains,         T.INTRUSION: passage.note_sensor,
        T.ACKNOWLEDGE: alarms.acknowledge,  T.OTHER_SHUT: IGNORE,
    },
    S.LANE_OCCUPIED: {
        T.BOOTED: ILLEGAL,                  T.SELFTEST_PASSED: IGNORE,           T.SELFTEST_FAILED: orders.fail_test,
        T.APPROACHED: IGNORE,               T.LEFT: IGNORE,                      T.ASSESSED: IGNORE,
        T.OPEN_ENTRY: visit.open_entry,     T.SHOW_OVER: visit.shown,            T.SCREENING_OVER: ILLEGAL,
        T.ENTRY_BEGINS: passage.intrude,    T.ENTRY_ENDS: passage.end,           T.STUCK_ENTRY: passage.stick,
        T.OPEN_EXIT: egress.open_once,      T.PASSING_OVER: ILLEGAL,             T.GRANT_OVER: ILLEGAL,
        T.EXIT_BEGINS: egress.begin,        T.EXIT_ENDS: egress.end,             T.STUCK_EXIT: egress.stick,
        T.EXIT_GRANT_OVER: egress.expire,   T.FIRE: orders.alarm_fire,           T.KEY: orders.turn_key,
        T.LOCKDOWN: orders.lock_down,       T.MAINTENANCE: orders.maintain,      T.SET_FREE: orders.set_free,
        T.RESET: orders.reset,              T.TAMPER: orders.tamper,             T.ALARM_OVER: faults.end_alarm,
        T.DEVICE_LOST: faults.lose,         T.DEVICE_BACK: faults.regain,        T.RELAY_MISMATCH: faults.distrust,
        T.HOME: faults.note_home,           T.NOT_HOME: faults.miss_home,        T.JOURNAL_FAILED: faults.fail_record,
        T.SELF_TESTED: faults.note_test,    T.PRESENTED: claims.present,
        T.MAINS: faults.note_mains,         T.INTRUSION: passage.note_sensor,
        T.ACKNOWLEDGE: alarms.acknowledge,  T.OTHER_SHUT: IGNORE,
    },
    S.FREE_ENTRY: {
        T.BOOTED: ILLEGAL,                  T.SELFTEST_PASSED: IGNORE,           T.SELFTEST_FAILED: orders.fail_test,
        T.APPROACHED: IGNORE,               T.LEFT: IGNORE,                      T.ASSESSED: IGNORE,
        T.OPEN_ENTRY: visit.refuse_entry,   T.SHOW_OVER: ILLEGAL,                T.SCREENING_OVER: ILLEGAL,
        T.ENTRY_BEGINS: passage.begin_free, T.ENTRY_ENDS: passage.end,           T.STUCK_ENTRY: passage.stick,
        T.OPEN_EXIT: egress.open_once,      T.PASSING_OVER: ILLEGAL,             T.GRANT_OVER: ILLEGAL,
        T.EXIT_BEGINS: egress.begin,        T.EXIT_ENDS: egress.end,             T.STUCK_EXIT: egress.stick,
        T.EXIT_GRANT_OVER: egress.expire,   T.FIRE: orders.alarm_fire,           T.KEY: orders.turn_key,
        T.LOCKDOWN: orders.lock_down,       T.MAINTENANCE: orders.maintain,      T.SET_FREE: orders.set_free,
        T.RESET: orders.reset,              T.TAMPER: orders.tamper,             T.ALARM_OVER: faults.end_alarm,
        T.DEVICE_LOST: faults.lose,         T.DEVICE_BACK: faults.regain,        T.RELAY_MISMATCH: faults.distrust,
        T.HOME: faults.note_home,           T.NOT_HOME: faults.miss_home,        T.JOURNAL_FAILED: faults.fail_record,
        T.SELF_TESTED: faults.note_test,    T.PRESENTED: IGNORE,
        T.MAINS: faults.note_mains,         T.INTRUSION: passage.note_sensor,
        T.ACKNOWLEDGE: alarms.acknowledge,  T.OTHER_SHUT: IGNORE,
    },
    S.FREE_EXIT: {
        T.BOOTED: ILLEGAL,                  T.SELFTEST_PASSED: IGNORE,           T.SELFTEST_FAILED: orders.fail_test,
        T.APPROACHED: visit.look,           T.LEFT: IGNORE,                      T.ASSESSED: IGNORE,
        T.OPEN_ENTRY: visit.open_entry,     T.SHOW_OVER: ILLEGAL,                T.SCREENING_OVER: ILLEGAL,
        T.ENTRY_BEGINS: passage.intrude,    T.ENTRY_ENDS: passage.end,           T.STUCK_ENTRY: passage.stick,
        T.OPEN_EXIT: egress.open_once,      T.PASSING_OVER: ILLEGAL,             T.GRANT_OVER: ILLEGAL,
        T.EXIT_BEGINS: egress.begin,        T.EXIT_ENDS: egress.end,             T.STUCK_EXIT: egress.stick,
        T.EXIT_GRANT_OVER: egress.expire,   T.FIRE: orders.alarm_fire,           T.KEY: orders.turn_key,
        T.LOCKDOWN: orders.lock_down,       T.MAINTENANCE: orders.maintain,      T.SET_FREE: orders.set_free,
        T.RESET: orders.reset,              T.TAMPER: orders.tamper,             T.ALARM_OVER: faults.end_alarm,
        T.DEVICE_LOST: faults.lose,         T.DEVICE_BACK: faults.regain,        T.RELAY_MISMATCH: faults.distrust,
        T.HOME: faults.note_home,           T.NOT_HOME: faults.miss_home,        T.JOURNAL_FAILED: faults.fail_record,
        T.SELF_TESTED: faults.note_test,    T.PRESENTED: claims.present,
        T.MAINS: faults.note_mains,         T.INTRUSION: passage.note_sensor,
        T.ACKNOWLEDGE: alarms.acknowledge,  T.OTHER_SHUT: IGNORE,
    },
    S.FREE_BOTH: {
        T.BOOTED: ILLEGAL,                  T.SELFTEST_PASSED: IGNORE,           T.SELFTEST_FAILED: orders.fail_test,
        T.APPROACHED: IGNORE,               T.LEFT: IGNORE,                      T.ASSESSED: IGNORE,
        T.OPEN_ENTRY: visit.refuse_entry,   T.SHOW_OVER: ILLEGAL,                T.SCREENING_OVER: ILLEGAL,
        T.ENTRY_BEGINS: passage.begin_free, T.ENTRY_ENDS: passage.end,           T.STUCK_ENTRY: passage.stick,
        T.OPEN_EXIT: egress.open_once,      T.PASSING_OVER: ILLEGAL,             T.GRANT_OVER: ILLEGAL,
        T.EXIT_BEGINS: egress.begin,        T.EXIT_ENDS: egress.end,             T.STUCK_EXIT: egress.stick,
        T.EXIT_GRANT_OVER: egress.expire,   T.FIRE: orders.alarm_fire,           T.KEY: orders.turn_key,
        T.LOCKDOWN: orders.lock_down,       T.MAINTENANCE: orders.maintain,      T.SET_FREE: orders.set_free,
        T.RESET: orders.reset,              T.TAMPER: orders.tamper,             T.ALARM_OVER: faults.end_alarm,
        T.DEVICE_LOST: faults.lose,         T.DEVICE_BACK: faults.regain,        T.RELAY_MISMATCH: faults.distrust,
        T.HOME: faults.note_home,           T.NOT_HOME: faults.miss_home,        T.JOURNAL_FAILED: faults.fail_record,
        T.SELF_TESTED: faults.note_test,    T.PRESENTED: IGNORE,
        T.MAINS: faults.note_mains,         T.INTRUSION: passage.note_sensor,
        T.ACKNOWLEDGE: alarms.acknowledge,  T.OTHER_SHUT: IGNORE,
    },
    S.LOCKDOWN: {
        T.BOOTED: ILLEGAL,                  T.SELFTEST_PASSED: orders.pass_test, T.SELFTEST_FAILED: orders.fail_test,
        T.APPROACHED: IGNORE,               T.LEFT: IGNORE,                      T.ASSESSED: visit.refuse,
        T.OPEN_ENTRY: visit.refuse_entry,   T.SHOW_OVER: ILLEGAL,                T.SCREENING_OVER: ILLEGAL,
        T.ENTRY_BEGINS: passage.intrude,    T.ENTRY_ENDS: passage.end,           T.STUCK_ENTRY: passage.stick,
        T.OPEN_EXIT: egress.open_once,      T.PASSING_OVER: ILLEGAL,             T.GRANT_OVER: ILLEGAL,
        T.EXIT_BEGINS: egress.begin,        T.EXIT_ENDS: egress.end,             T.STUCK_EXIT: egress.stick,
        T.EXIT_GRANT_OVER: egress.expire,   T.FIRE: orders.alarm_fire,           T.KEY: orders.turn_key,
        T.LOCKDOWN: orders.lock_down,       T.MAINTENANCE: orders.maintain,      T.SET_FREE: orders.set_free,
        T.RESET: orders.reset,              T.TAMPER: orders.tamper,             T.ALARM_OVER: faults.end_alarm,
        T.DEVICE_LOST: faults.lose,         T.DEVICE_BACK: faults.regain,        T.RELAY_MISMATCH: faults.distrust,
        T.HOME: faults.note_home,           T.NOT_HOME: faults.miss_home,        T.JOURNAL_FAILED: faults.fail_record,
        T.SELF_TESTED: faults.note_test,    T.PRESENTED: claims.refuse,
        T.MAINS: faults.note_mains,         T.INTRUSION: passage.note_sensor,
        T.ACKNOWLEDGE: alarms.acknowledge,  T.OTHER_SHUT: IGNORE,
    },
    S.EMERGENCY_OPEN: {
        T.BOOTED: orders.start,             T.SELFTEST_PASSED: orders.pass_test, T.SELFTEST_FAILED: orders.fail_test,
        T.APPROACHED: IGNORE,               T.LEFT: IGNORE,                      T.ASSESSED: IGNORE,
        T.OPEN_ENTRY: visit.refuse_entry,   T.SHOW_OVER: ILLEGAL,                T.SCREENING_OVER: ILLEGAL,
        T.ENTRY_BEGINS: passage.begin_free, T.ENTRY_ENDS: passage.end,           T.STUCK_ENTRY: passage.stick,
        T.OPEN_EXIT: egress.open_once,      T.PASSING_OVER: ILLEGAL,             T.GRANT_OVER: ILLEGAL,
        T.EXIT_BEGINS: egress.begin,        T.EXIT_ENDS: egress.end,             T.STUCK_EXIT: egress.stick,
        T.EXIT_GRANT_OVER: egress.expire,   T.FIRE: orders.alarm_fire,           T.KEY: orders.turn_key,
        T.LOCKDOWN: orders.lock_down,       T.MAINTENANCE: orders.maintain,      T.SET_FREE: orders.set_free,
        T.RESET: orders.reset,              T.TAMPER: orders.tamper,             T.ALARM_OVER: ILLEGAL,
        T.DEVICE_LOST: faults.lose,         T.DEVICE_BACK: faults.regain,        T.RELAY_MISMATCH: faults.distrust,
        T.HOME: faults.note_home,           T.NOT_HOME: faults.miss_home,        T.JOURNAL_FAILED: faults.fail_record,
        T.SELF_TESTED: faults.note_test,    T.PRESENTED: IGNORE,
        T.MAINS: faults.note_mains,         T.INTRUSION: passage.note_sensor,
        T.ACKNOWLEDGE: alarms.acknowledge,  T.OTHER_SHUT: IGNORE,
    },
    S.KEY_OVERRIDE: {
        T.BOOTED: orders.start,             T.SELFTEST_PASSED: orders.pass_test, T.SELFTEST_FAILED: orders.fail_test,
        T.APPROACHED: IGNORE,               T.LEFT: IGNORE,                      T.ASSESSED: IGNORE,
        T.OPEN_ENTRY: visit.refuse_entry,   T.SHOW_OVER: ILLEGAL,                T.SCREENING_OVER: ILLEGAL,
        T.ENTRY_BEGINS: passage.begin_free, T.ENTRY_ENDS: passage.end,           T.STUCK_ENTRY: passage.stick,
        T.OPEN_EXIT: egress.open_once,      T.PASSING_OVER: ILLEGAL,             T.GRANT_OVER: ILLEGAL,
        T.EXIT_BEGINS: egress.begin,        T.EXIT_ENDS: egress.end,             T.STUCK_EXIT: egress.stick,
        T.EXIT_GRANT_OVER: egress.expire,   T.FIRE: orders.alarm_fire,           T.KEY: orders.turn_key,
        T.LOCKDOWN: orders.lock_down,       T.MAINTENANCE: orders.maintain,      T.SET_FREE: orders.set_free,
        T.RESET: orders.reset,              T.TAMPER: orders.tamper,             T.ALARM_OVER: faults.end_alarm,
        T.DEVICE_LOST: faults.lose,         T.DEVICE_BACK: faults.regain,        T.RELAY_MISMATCH: faults.distrust,
        T.HOME: faults.note_home,           T.NOT_HOME: faults.miss_home,        T.JOURNAL_FAILED: faults.fail_record,
        T.SELF_TESTED: faults.note_test,    T.PRESENTED: IGNORE,
        T.MAINS: faults.note_mains,         T.INTRUSION: passage.note_sensor,
        T.ACKNOWLEDGE: alarms.acknowledge,  T.OTHER_SHUT: IGNORE,
    },
    S.MAINTENANCE: {
        T.BOOTED: ILLEGAL,                  T.SELFTEST_PASSED: IGNORE,           T.SELFTEST_FAILED: orders.fail_test,
        T.APPROACHED: IGNORE,               T.LEFT: IGNORE,                      T.ASSESSED: visit.refuse,
        T.OPEN_ENTRY: visit.refuse_entry,   T.SHOW_OVER: ILLEGAL,                T.SCREENING_OVER: ILLEGAL,
        T.ENTRY_BEGINS: passage.intrude,    T.ENTRY_ENDS: passage.end,           T.STUCK_ENTRY: passage.stick,
        T.OPEN_EXIT: egress.open_once,      T.PASSING_OVER: ILLEGAL,             T.GRANT_OVER: ILLEGAL,
        T.EXIT_BEGINS: egress.begin,        T.EXIT_ENDS: egress.end,             T.STUCK_EXIT: egress.stick,
        T.EXIT_GRANT_OVER: egress.expire,   T.FIRE: orders.alarm_fire,           T.KEY: orders.turn_key,
        T.LOCKDOWN: orders.lock_down,       T.MAINTENANCE: orders.maintain,      T.SET_FREE: orders.set_free,
        T.RESET: orders.reset,              T.TAMPER: orders.tamper,             T.ALARM_OVER: faults.end_alarm,
        T.DEVICE_LOST: faults.lose,         T.DEVICE_BACK: faults.regain,        T.RELAY_MISMATCH: faults.distrust,
        T.HOME: faults.note_home,           T.NOT_HOME: faults.miss_home,        T.JOURNAL_FAILED: faults.fail_record,
        T.SELF_TESTED: faults.note_test,    T.PRESENTED: claims.refuse,
        T.MAINS: faults.note_mains,         T.INTRUSION: passage.note_sensor,
        T.ACKNOWLEDGE: alarms.acknowledge,  T.OTHER_SHUT: IGNORE,
    },
    S.FAULT: {
        T.BOOTED: ILLEGAL,                  T.SELFTEST_PASSED: orders.pass_test, T.SELFTEST_FAILED: orders.fail_test,
        T.APPROACHED: IGNORE,               T.LEFT: IGNORE,                      T.ASSESSED: visit.refuse,
        T.OPEN_ENTRY: visit.open_entry,     T.SHOW_OVER: ILLEGAL,                T.SCREENING_OVER: ILLEGAL,
        T.ENTRY_BEGINS: passage.intrude,    T.ENTRY_ENDS: passage.end,           T.STUCK_ENTRY: passage.stick,
        T.OPEN_EXIT: egress.open_once,      T.PASSING_OVER: ILLEGAL,             T.GRANT_OVER: ILLEGAL,
        T.EXIT_BEGINS: egress.begin,        T.EXIT_ENDS: egress.end,             T.STUCK_EXIT: egress.stick,
        T.EXIT_GRANT_OVER: egress.expire,   T.FIRE: orders.alarm_fire,           T.KEY: orders.turn_key,
        T.LOCKDOWN: orders.lock_down,       T.MAINTENANCE: orders.maintain,      T.SET_FREE: orders.set_free,
        T.RESET: orders.reset,              T.TAMPER: orders.tamper,             T.ALARM_OVER: faults.end_alarm,
        T.DEVICE_LOST: faults.lose,         T.DEVICE_BACK: faults.regain,        T.RELAY_MISMATCH: faults.distrust,
        T.HOME: faults.note_home,           T.NOT_HOME: faults.miss_home,        T.JOURNAL_FAILED: faults.fail_record,
        T.SELF_TESTED: faults.note_test,    T.PRESENTED: claims.refuse,
        T.MAINS: faults.note_mains,         T.INTRUSION: passage.note_sensor,
        T.ACKNOWLEDGE: alarms.acknowledge,  T.OTHER_SHUT: IGNORE,
    },
}
# fmt: on

_NEXT = IDLE | {S.SCREENING}
"""Where a visit ends when nothing else stands: at rest, or on to whoever waits at the mark."""
_WAITED = frozenset({S.FAULT, S.MAINTENANCE, S.FREE_ENTRY, S.FREE_BOTH})
"""What may stand by the time a grant has ended, and has waited for that."""
_WAITED_LONGER = _WAITED | {S.KEY_OVERRIDE, S.LOCKDOWN}
"""What may have waited for a person in the arms."""
_BELOW_LOCKDOWN = _NEXT | {S.FAULT, S.MAINTENANCE}
_BELOW_KEY = _BELOW_LOCKDOWN | {S.BOOT, S.SELFTEST, S.LOCKDOWN}

LEADS_TO: Mapping[Handler, frozenset[State]] = {
    visit.look: frozenset({S.SCREENING}),
    visit.look_away: IDLE,
    visit.look_again: IDLE,
    claims.present: frozenset({S.SCREENING, S.DENIED}),
    visit.assess: frozenset({S.GRANTED, S.DENIED, S.LANE_OCCUPIED}),
    visit.shown: _NEXT,
    visit.open_entry: frozenset({S.GRANTED, S.DENIED}),
    passage.begin: frozenset({S.PASSING}),
    passage.complete: _WAITED_LONGER | {S.COMPLETE},
    passage.stick_passing: _WAITED_LONGER | {S.COMPLETE},
    passage.expire: _WAITED | {S.GRANT_EXPIRED, S.COMPLETE},
    passage.reverse: frozenset({S.LOCKED, S.SCREENING, S.FAULT, S.MAINTENANCE, S.FREE_ENTRY}),
    passage.turn_back: _WAITED_LONGER - {S.FREE_BOTH} | {S.LOCKED, S.SCREENING},
    orders.start: frozenset({S.SELFTEST}),
    orders.pass_test: _BELOW_LOCKDOWN | {S.LOCKDOWN},
    orders.fail_test: _BELOW_LOCKDOWN | {S.LOCKDOWN},
    orders.alarm_fire: frozenset({S.EMERGENCY_OPEN}),
    orders.turn_key: _BELOW_KEY | {S.KEY_OVERRIDE, S.FREE_ENTRY, S.FREE_BOTH},
    orders.lock_down: _BELOW_LOCKDOWN | {S.LOCKDOWN},
    orders.maintain: _BELOW_LOCKDOWN,
    orders.set_free: _NEXT | {S.FREE_ENTRY, S.FREE_BOTH, S.FAULT},
    orders.reset: _BELOW_KEY | {S.KEY_OVERRIDE},
    faults.lose: frozenset({S.FAULT}),
    faults.regain: _NEXT,
    faults.distrust: frozenset({S.FAULT}),
    faults.note_home: _NEXT,
    faults.miss_home: frozenset({S.FAULT}),
    faults.fail_record: _BELOW_LOCKDOWN | {S.LOCKDOWN, S.FREE_ENTRY, S.FREE_BOTH, S.DENIED},
}
"""States a handler may lead to; one that isn't named here leaves the state as it is."""
