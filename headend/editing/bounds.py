"""What an edit states beyond what its connection can carry: said to both persons before they sign, and refused to nobody.

A bound is what the record states, and that may be what is wrong. Source: docs/vee-rules.md V17, V18; VEE §B E7.
"""

from collections.abc import Iterator

from headend.vee.bound_rules import most_export_wh, most_import_wh
from signing.energy import kwh_text
from signing.interval import ist_text
from signing.statements.edit import EditProposal
from signing.statements.meter_record import MeterRecord
from signing.statements.rule_set import RuleSet

_BOUNDS = (
    ("V17", "import", "the sanctioned load", most_import_wh),
    ("V18", "export", "the installed generation", most_export_wh),
)


def beyond(proposal: EditProposal, record: MeterRecord, rules: RuleSet) -> Iterator[str]:
    """Each energy that `rules` would doubt if a meter had stated it, in words; kWh before factors, as it is stated."""
    known = {rule.id: rule for rule in rules.rules}
    for block in proposal.blocks:
        fact = record.fact(block.start_utc)
        for rule_id, channel, bound, most_of in _BOUNDS:
            rule = known.get(rule_id)
            most_wh = None if rule is None or fact is None else most_of(rule, fact, proposal.period_s)
            wh = block.import_wh if channel == "import" else block.export_wh
            if most_wh is not None and wh is not None and wh > most_wh:
                yield (
                    f"{ist_text(block.start_utc)}: {channel} of {kwh_text(wh)} kWh, {bound} allows {kwh_text(most_wh)} kWh ({rule_id})"
                )
