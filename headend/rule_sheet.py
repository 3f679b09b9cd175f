"""A rule set as people write it: TOML, one table a rule. Pure.

::

    name = "sakshi-vee"
    version = 3
    [rule.V09]
    version = 2
    fail_s = 180
    warn_s = 9
"""

from headend.vee.ruleset import defaults_of
from signing import fields
from signing.statements.rule_set import Rule, RuleSet
from signing.tables import Table, parse_toml

_MOST = 2**53


def sheet(rule_set: RuleSet) -> str:
    """The TOML of a rule set: reading it gives the same set."""
    lines = [f'name = "{rule_set.name}"', f"version = {rule_set.version}"]
    for rule in rule_set.rules:
        lines += ["", f"[rule.{rule.id}]", f"version = {rule.version}"]
        lines += [f"{name} = {value}" for name, value in sorted(rule.parameters.items())]
    return "\n".join(lines) + "\n"


def parse_sheet(text: str, source: str) -> RuleSet:
    """The rule set in TOML `text`.

    Raises:
        DecodeError: every fault at once, each with its key.
    """
    root = parse_toml(text, source)
    name = root.parsed("name", fields.label, "x")
    version = root.integer("version", least=1, most=_MOST)
    table = root.table("rule")
    found = [_rule(table.table(rule_id), rule_id) for rule_id in sorted(table.names())]
    root.close()
    root.faults.check()
    return RuleSet(name=name, version=version, rules=tuple(found))


def differences(current: RuleSet | None, wanted: RuleSet) -> tuple[str, ...]:
    """What `wanted` changes, a line each; nothing when both judge alike under one name and version.

    Raises:
        RuleSetError: a rule of `wanted` is not known here.
    """
    before = {} if current is None else {rule.id: rule for rule in current.rules}
    after = {rule.id: rule for rule in wanted.rules}
    lines = []
    if current is None or (current.name, current.version) != (wanted.name, wanted.version):
        lines.append(f"rule set {wanted.name} version {wanted.version}")
    lines += [f"{rule_id}: no longer asked" for rule_id in sorted(before.keys() - after.keys())]
    for rule_id in sorted(after):
        lines += _changes(before.get(rule_id), after[rule_id])
    return tuple(lines)


def _changes(old: Rule | None, new: Rule) -> list[str]:
    defaults_of(new)
    if old is None:
        return [f"{new.id}: asked from now on, version {new.version}"]
    lines = [] if old.version == new.version else [f"{new.id}: version {old.version} becomes {new.version}"]
    names = sorted(old.parameters.keys() | new.parameters.keys())
    return lines + [
        f"{new.id}.{name}: {old.parameters.get(name, 'absent')} becomes {new.parameters.get(name, 'absent')}"
        for name in names
        if old.parameters.get(name) != new.parameters.get(name)
    ]


def _rule(table: Table, rule_id: str) -> Rule:
    version = table.integer("version", least=1, most=_MOST)
    parameters = {name: table.integer(name, least=-_MOST, most=_MOST) for name in sorted(table.names())}
    table.close()
    return Rule(id=rule_id, version=version, parameters=parameters)
