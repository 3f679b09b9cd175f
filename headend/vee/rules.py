"""The rules that this program can judge by: id → rule. A new rule is one function, one row here, one in docs/vee-rules.md."""

from headend.vee import block_rules, clock_rules, copy_rules, register_rules
from headend.vee.rule import KnownRule, Stage

RULES: dict[str, KnownRule] = {
    rule.id: rule
    for rule in (
        KnownRule(id="V03", version=1, stage=Stage.BLOCK, defaults={}, judging=block_rules.sequence),
        KnownRule(id="V04", version=1, stage=Stage.BLOCK, defaults={}, judging=block_rules.duplicate),
        KnownRule(id="V05", version=1, stage=Stage.BLOCK, defaults={}, judging=block_rules.conflict),
        KnownRule(
            id="V06",
            version=1,
            stage=Stage.COPY,
            defaults={"required_from_origin_rank": 1},
            judging=copy_rules.identity,
        ),
        KnownRule(id="V07", version=1, stage=Stage.COPY, defaults={}, judging=copy_rules.alignment),
        KnownRule(
            id="V09", version=1, stage=Stage.BLOCK, defaults={"fail_s": 180, "warn_s": 9}, judging=clock_rules.offset
        ),
        KnownRule(
            id="V10",
            version=1,
            stage=Stage.BLOCK,
            defaults={"flag_bits": 7, "neighbour_blocks": 1, "step_s": 180},
            judging=clock_rules.change,
        ),
        KnownRule(
            id="V11",
            version=1,
            stage=Stage.COPY,
            defaults={"future_s": 60, "memory_s": 70 * 86_400},
            judging=copy_rules.time,
        ),
        KnownRule(id="V15", version=1, stage=Stage.BLOCK, defaults={}, judging=block_rules.count),
        KnownRule(id="V16", version=1, stage=Stage.COPY, defaults={"least_wh": 0}, judging=copy_rules.negative),
        KnownRule(
            id="V23",
            version=1,
            stage=Stage.SUM,
            defaults={"digit_wh": 10, "tolerance_permille": 5},
            judging=register_rules.balance,
        ),
        KnownRule(
            id="V24", version=1, stage=Stage.REGISTER, defaults={"least_rise_wh": 0}, judging=register_rules.monotone
        ),
    )
}
