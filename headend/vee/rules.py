"""The rules that this program can judge by. A new rule is one function, one row here, one in docs/vee-rules.md.

A rule that comes to judge otherwise is a new version beside the old one: what was judged by a version verifies by it for ever.
"""

from collections.abc import Mapping

from headend.vee import block_rules, bound_rules, clock_rules, copy_rules, event_rules, register_rules, shape_rules
from headend.vee.rule import Judging, KnownMethod, KnownRule, KnownStated, Stage
from signing.statements.window_actual import Verdict


def _rule(rule_id: str, stage: Stage, judging: Judging, version: int = 1, **defaults: int) -> KnownRule:
    return KnownRule(id=rule_id, version=version, stage=stage, defaults=defaults, judging=judging)


def _stated(rule_id: str, code: str, worst: Verdict, **defaults: int) -> KnownStated:
    return KnownStated(id=rule_id, version=1, code=code, worst=worst, defaults=defaults)


def _method(method_id: str, version: int = 1, **defaults: int) -> KnownMethod:
    return KnownMethod(id=method_id, version=version, defaults=defaults)


_DAY_S = 86_400

_ROWS = (
    _rule("V03", Stage.BLOCK, block_rules.sequence),
    _rule("V04", Stage.BLOCK, block_rules.duplicate),
    _rule("V05", Stage.BLOCK, block_rules.conflict),
    _rule("V06", Stage.COPY, copy_rules.identity, required_from_origin_rank=1),
    _rule("V07", Stage.COPY, copy_rules.alignment),
    _rule("V08", Stage.BLOCK, clock_rules.length, least_source_rank=2, most_permille=10),
    _rule("V09", Stage.BLOCK, clock_rules.offset, fail_s=180, warn_s=9),
    _rule("V09", Stage.BLOCK, clock_rules.offset_by_reference, 2, fail_s=180, least_source_rank=2, warn_s=9),
    _rule("V10", Stage.BLOCK, clock_rules.change, flag_bits=7, neighbour_blocks=1, step_s=180),
    _rule("V10", Stage.BLOCK, clock_rules.change, 2, flag_bits=7, least_source_rank=2, neighbour_blocks=1, step_s=180),
    _rule("V11", Stage.COPY, copy_rules.time, future_s=60, memory_s=70 * _DAY_S),
    _rule("V12", Stage.BLOCK, event_rules.outage, flag_bits=24),
    _rule("V13", Stage.BLOCK, event_rules.device, flag_bits=128, neighbour_blocks=0),
    _rule("V14", Stage.BLOCK, event_rules.tamper, flag_bits=256, neighbour_blocks=1),
    _rule("V15", Stage.BLOCK, block_rules.count),
    _rule("V16", Stage.COPY, copy_rules.negative, least_wh=0),
    _rule("V17", Stage.BLOCK, bound_rules.import_bound, most_permille=1200),
    _rule("V18", Stage.BLOCK, bound_rules.export_bound, most_permille=1050),
    _rule(
        "V19",
        Stage.BLOCK,
        bound_rules.night_export,
        dusk_mdeg=6000,
        latitude_mdeg=28_800,
        longitude_mdeg=77_700,
        most_wh=10,
    ),
    _rule("V20", Stage.BLOCK, shape_rules.spike, least_w=5000, most_permille=1800),
    _rule("V21", Stage.BLOCK, shape_rules.flat, fail_s=_DAY_S, least_wh=20, warn_blocks=3),
    _rule("V22", Stage.BLOCK, shape_rules.zero_run, fail_s=_DAY_S),
    _rule("V23", Stage.SUM, register_rules.balance, digit_wh=10, tolerance_permille=5),
    _rule("V24", Stage.REGISTER, register_rules.monotone, least_rise_wh=0),
    _rule("V27", Stage.BLOCK, bound_rules.both_ways, least_wh=100, most_permille=500),
)

KNOWN: Mapping[tuple[str, int], KnownRule] = {(rule.id, rule.version): rule for rule in _ROWS}
"""Every version of every rule that a verifier recomputes."""

RULES: Mapping[str, KnownRule] = {rule.id: rule for rule in sorted(_ROWS, key=lambda rule: rule.version)}
"""The newest version of each, by id."""

STATED: Mapping[str, KnownStated] = {
    rule.id: rule
    for rule in (
        _stated("V25", "PROF", Verdict.SUSPECT, digit_wh=1, tolerance_permille=20),
        _stated("V26", "HILO", Verdict.VALID, days=30, high_permille=3000, least_days=7, low_permille=200),
        _stated("V28", "CHECK", Verdict.VALID, class_permille=10, multiple=2),
        _stated("V29", "BALANCE", Verdict.VALID, least_days=10, sigmas=3),
        _stated("V30", "PROLONG", Verdict.ESTIMATED, visit_days=10, warn_days=3),
        _stated("V31", "CAP", Verdict.VALID, cap_permille=200),
        _stated("V32", "ORIGIN", Verdict.SUSPECT, digit_wh=10),
    )
}
"""The rules whose inputs no bundle holds, by id."""

_METHOD_ROWS = (
    _method("E1", most_s=7200),
    _method("E2"),
    _method("E3", days=3, lookback_days=21),
    _method("E4", least_days=2, lookback_days=28),
    _method("E5", most_s=_DAY_S),
    _method("E5", 2, least_neighbours=2, most_s=_DAY_S),
    _method("E6"),
    _method("E6", 2, least_days=3),
    _method("E7"),
    _method("E8"),
)

KNOWN_METHODS: Mapping[tuple[str, int], KnownMethod] = {(method.id, method.version): method for method in _METHOD_ROWS}
"""Every version of every method of estimation. E0 is another reading and E9 no estimate: neither has a parameter to be logged."""

METHODS: Mapping[str, KnownMethod] = {
    method.id: method for method in sorted(_METHOD_ROWS, key=lambda method: method.version)
}
"""The newest version of each, by id."""
