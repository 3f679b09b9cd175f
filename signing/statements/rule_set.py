"""RuleSet: which validation rules judge, with which parameters. Source: docs/wire-format.md §4.4; docs/vee-rules.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Self

from signing import fields
from signing.canonical import decode, encode
from signing.errors import DecodeError

MAX_RULES = 256
MAX_PARAMETERS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of the set. A parameter is an integer whose name carries its unit, e.g. ``fail_s``, ``least_permille``."""

    id: str
    version: int
    parameters: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """The rules that judge, sorted by id."""

    CONTENT_TYPE: ClassVar[str] = "application/vnd.sakshi.rule-set+cbor;v=1"

    name: str
    version: int
    rules: tuple[Rule, ...]

    def __post_init__(self) -> None:
        if not self.rules or any(later.id <= earlier.id for earlier, later in pairwise(self.rules)):
            raise DecodeError("expected at least one rule, sorted by id, each once, in 'rule-set.rules'")

    def rule(self, rule_id: str) -> Rule | None:
        """The rule with this id, or none when the set does not judge by it."""
        return next((rule for rule in self.rules if rule.id == rule_id), None)

    def payload(self) -> bytes:
        """The canonical bytes that are signed."""
        rules = [[rule.id, rule.version, dict(rule.parameters)] for rule in self.rules]
        return encode([self.name, self.version, rules])

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """The rule set in canonical bytes. Raises `DecodeError` naming the field."""
        path = "rule-set"
        name, version, rules = fields.array(decode(payload, path), 3, path)
        rows = fields.sequence(rules, f"{path}.rules", least=1, most=MAX_RULES)
        return cls(
            name=fields.label(name, f"{path}.name"),
            version=fields.uint(version, f"{path}.version"),
            rules=tuple(_rule(row, f"{path}.rules[{place}]") for place, row in enumerate(rows)),
        )


def _rule(value: object, path: str) -> Rule:
    rule_id, version, parameters = fields.array(value, 3, path)
    if type(parameters) is not dict or len(parameters) > MAX_PARAMETERS:
        raise DecodeError(f"expected a map of at most {MAX_PARAMETERS} parameters in '{path}.parameters'")
    return Rule(
        id=fields.identifier(rule_id, f"{path}.id"),
        version=fields.uint(version, f"{path}.version"),
        parameters={
            fields.identifier(key, f"{path}.parameters"): fields.integer(number, f"{path}.parameters.{key}")
            for key, number in parameters.items()
        },
    )
