"""MeterDataRequest v0.6 read: what is asked for, and whether its own authorisation covers it. Pure.

The published validator leaves containment to prose; here a request that asks for more than it was authorised to is refused. Source: EXCHANGE §6.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from headend.errors import RefusedError
from headend.ies.codes import HELD, Mode, ProfileKind, code
from headend.ies.nodes import FaultList, Node, least_seconds, node
from signing.errors import DecodeError
from signing.interval import Interval

MAX_RECORDS = 10_000
DEFAULT_RECORDS = 2_000
MAX_RESOURCES = 200
MAX_SPAN_S = 400 * 86_400

_CONTEXT = ("@context", "@type")
_KINDS = {kind.capability: kind for kind in ProfileKind}
_OTHERS = ("CustomerProfile", "MonthlyProfile", "BillDetails", "InstantaneousProfile", "EventProfile", "AlarmProfile")
_SCOPES = ("ResourceOnly", "ResourceAndChildren", "ChildrenOnly")
_REQUEST = (
    *_CONTEXT, "consumers", "resources", "scope", "from", "duration", "consumerConsent", "authorisation", "capabilitiesRequested",
    "maxRecordsShared",
)  # fmt: skip

Wanted = Mapping[ProfileKind, Mapping[str, frozenset[Mode]]]
"""Per profile, the quantities by short label and the modes in which they are asked for."""


class RequestRefusedError(RefusedError):
    """A request that is no MeterDataRequest, or asks for what is not here. The message names every fault."""


class NotAuthorisedError(RefusedError):
    """A request beyond its authorisation, or without one that counts. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorisation:
    """Who may have what, by the word of whom."""

    grantor: str
    grantee: str
    purpose: str
    valid: Interval
    profiles: Wanted
    scopes: frozenset[str] | None
    """None: not limited."""
    history_s: int | None
    """How far back; none: not limited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterDataRequest:
    """One request."""

    span: Interval
    resources: tuple[str, ...]
    """The meters, by whichever name they were called."""
    scope: str
    profiles: Wanted
    authorisation: Authorisation | None
    most: int
    """Records of one page."""


def read_request(document: object) -> MeterDataRequest:
    """The request in decoded JSON.

    Raises:
        RequestRefusedError: with every fault.
    """
    faults = FaultList()
    one = node(document, "$", faults)
    found = None if one is None else _request(one)
    if faults.all():
        raise RequestRefusedError("; ".join(fault.words for fault in faults.all()))
    assert found is not None
    return found


def require_covered(asked: MeterDataRequest, grantor: str, now_utc: int) -> Authorisation:
    """The authorisation of a request that covers all of it now; `grantor` is who may authorise here.

    Raises:
        NotAuthorisedError: it does not.
    """
    given = asked.authorisation
    if given is None:
        raise NotAuthorisedError("expected an 'authorisation' in the request: send the object itself")
    if given.grantor != grantor:
        raise NotAuthorisedError(f"expected an authorisation by {grantor}, got one by {given.grantor}")
    if not given.valid.start_utc <= now_utc < given.valid.end_utc:
        raise NotAuthorisedError("expected an authorisation that holds now: see its validFrom and validUntil")
    if given.history_s is not None and asked.span.start_utc < now_utc - given.history_s:
        raise NotAuthorisedError(
            "expected no data older than the authorisation's maxHistoryDuration: ask for a later 'from'"
        )
    if given.scopes is not None and asked.scope not in given.scopes:
        raise NotAuthorisedError(f"expected a scope that the authorisation supports, got {asked.scope}")
    for kind, quantities in asked.profiles.items():
        granted = given.profiles.get(kind, {})
        for label, modes in quantities.items():
            beyond = modes - granted.get(label, frozenset())
            if beyond:
                words = ", ".join(sorted(mode.value for mode in beyond))
                raise NotAuthorisedError(
                    f"expected {kind.capability} {label!r} ({words}) in the authorisation's capabilities"
                )
    return given


def _request(one: Node) -> MeterDataRequest | None:
    one.close(_REQUEST)
    start, length = one.instant("from"), one.length("duration")
    scope = one.optional_text("scope", among=_SCOPES) or "ResourceOnly"
    if scope != "ResourceOnly":
        one.faults.add(one.at("scope"), "ResourceOnly: meters have no children here", scope)
    resources = _texts(one, "resources", most=MAX_RESOURCES)
    if not resources:
        one.faults.add(one.at("resources"), "at least one meter", "none")
    for name in ("consumers", "consumerConsent"):
        if one.has(name):
            _texts(one, name, most=MAX_RESOURCES)
    capabilities = one.child("capabilitiesRequested")
    profiles = {} if capabilities is None else _profiles(capabilities, _by_default)
    if capabilities is not None:
        _require_held(capabilities, profiles)
    most = one.whole("maxRecordsShared", least=1, most=2**31) if one.has("maxRecordsShared") else DEFAULT_RECORDS
    authorisation = _authorisation(one) if one.has("authorisation") else None
    if start is None or length is None or most is None:
        return None
    if length > MAX_SPAN_S:
        one.faults.add(one.at("duration"), f"at most {MAX_SPAN_S // 86_400} days", one.raw("duration"))
    span = _span(one, start, start + length)
    if span is None:
        return None
    return MeterDataRequest(
        span=span,
        resources=resources,
        scope=scope,
        profiles=profiles,
        authorisation=authorisation,
        most=min(most, MAX_RECORDS),
    )


def _span(one: Node, start: int, end: int) -> Interval | None:
    try:
        return Interval(start, end)
    except DecodeError:
        one.faults.add(one.path, "a beginning before its end, in this century", end)
        return None


def _texts(one: Node, name: str, *, most: int) -> tuple[str, ...]:
    if not one.has(name):
        return ()
    found = []
    for path, entry in one.items(name):
        if type(entry) is not str or not entry:
            one.faults.add(path, "a text", entry)
        else:
            found.append(entry)
    if len(found) > most:
        one.faults.add(one.at(name), f"at most {most}", len(found))
    return tuple(dict.fromkeys(found))


_Whole = Callable[[ProfileKind], Mapping[str, frozenset[Mode]]]


def _profiles(one: Node, whole: _Whole) -> Wanted:
    """The quantities by profile; `whole` says what a profile without readings stands for."""
    one.close((*_CONTEXT, "profiles", "supportedScopes", "maxHistoryDuration"))
    found: dict[ProfileKind, dict[str, frozenset[Mode]]] = {}
    for profile in one.children("profiles", least=1):
        profile.close(("profileType", "readings"))
        word = profile.text("profileType", among=(*_KINDS, *_OTHERS))
        kind = None if word is None else _KINDS.get(word)
        quantities = _quantities(profile, word)
        if kind is not None:
            known = found.setdefault(kind, {})
            for label, modes in (quantities if profile.has("readings") else whole(kind)).items():
                known[label] = known.get(label, frozenset()) | modes
    return found


def _require_held(one: Node, profiles: Wanted) -> None:
    """Notes what is asked for and not held here: an answer without it would look like a meter without it."""
    kinds = [entry.get("profileType") for _, entry in one.items("profiles") if isinstance(entry, dict)]
    if not profiles or any(word in _OTHERS for word in kinds):
        one.faults.add(one.at("profiles"), f"profiles among {', '.join(_KINDS)} alone", ", ".join(map(str, kinds)))
    for kind, quantities in profiles.items():
        for label in quantities.keys() - set(HELD[kind]):
            one.faults.add(one.at("profiles"), f"{kind.capability} of {' and '.join(HELD[kind])} alone", label)


def _by_default(kind: ProfileKind) -> Mapping[str, frozenset[Mode]]:
    """What a request without readings asks for."""
    return {label: frozenset({found.default_mode}) for label in HELD[kind] if (found := code(label)) is not None}


def _in_any_mode(kind: ProfileKind) -> Mapping[str, frozenset[Mode]]:
    """What an authorisation without readings covers."""
    return {label: found.modes for label in HELD[kind] if (found := code(label)) is not None}


def _quantities(profile: Node, word: str | None) -> dict[str, frozenset[Mode]]:
    found: dict[str, frozenset[Mode]] = {}
    for reading in profile.children("readings") if profile.has("readings") else ():
        reading.close(("value", "mode", "multiplier", "accuracy"))
        text = reading.text("value")
        mode = reading.optional_text("mode", among=[one.value for one in Mode])
        known = None if text is None else code(text)
        if text is not None and known is None:
            reading.faults.add(reading.at("value"), "a label or code of the IES list", text)
        if known is None or word is None:
            continue
        kind = _KINDS.get(word)
        if kind is not None and kind.value not in known.profiles:
            reading.faults.add(reading.at("value"), f"a quantity of {word}", text)
        wanted = known.default_mode if mode is None else Mode(mode)
        if wanted not in known.modes:
            reading.faults.add(reading.at("mode"), f"a mode of {known.label!r}", mode)
        found[known.label] = found.get(known.label, frozenset()) | {wanted}
    return found


def _authorisation(one: Node) -> Authorisation | None:
    if type(one.raw("authorisation")) is str:
        one.faults.add(one.at("authorisation"), "the authorisation itself: none is fetched from elsewhere", "a URI")
        return None
    given = one.child("authorisation")
    if given is None:
        return None
    given.close((*_CONTEXT, "grantor", "grantee", "purpose", "validFrom", "validUntil", "capabilities"))
    texts = [given.text(name) for name in ("grantor", "grantee", "purpose")]
    since, until = given.instant("validFrom"), given.instant("validUntil")
    capabilities = given.child("capabilities")
    if capabilities is None or since is None or until is None or None in texts:
        return None
    profiles = _profiles(capabilities, _in_any_mode)
    history = _history(capabilities)
    scopes = _texts(capabilities, "supportedScopes", most=len(_SCOPES)) if capabilities.has("supportedScopes") else None
    valid = _span(given, since, until)
    if valid is None:
        return None
    grantor, grantee, purpose = (text or "" for text in texts)
    return Authorisation(
        grantor=grantor,
        grantee=grantee,
        purpose=purpose,
        valid=valid,
        profiles=profiles,
        scopes=None if scopes is None else frozenset(scopes),
        history_s=history,
    )


def _history(capabilities: Node) -> int | None:
    text = capabilities.optional_text("maxHistoryDuration")
    found = None if text is None else least_seconds(text)
    if text is not None and found is None:
        capabilities.faults.add(capabilities.at("maxHistoryDuration"), "a duration such as P1Y", text)
    return found
