"""EnrolRequest: a new gateway key says which meters it reads. Source: docs/wire-format.md §4.2."""

from dataclasses import dataclass
from typing import ClassVar, Self

from signing import fields
from signing.canonical import decode, encode
from signing.envelope import Envelope, Signed, from_item, unseal
from signing.errors import DecodeError, VerificationError
from signing.keys import PublicKey, key_from_item, key_item

MAX_METERS = 256
FILE_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """The last batch that the old key of a meter signed."""

    meter: str
    kid: bytes
    last: int
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolRequest:
    """What a new key asks of the discom. `retires` is empty unless the key replaces another."""

    CONTENT_TYPE: ClassVar[str] = "application/vnd.sakshi.enrol-request+cbor;v=1"

    gateway: str
    key: PublicKey
    meters: tuple[str, ...]
    retires: tuple[Retirement, ...]
    salt: bytes

    def payload(self) -> bytes:
        """The canonical bytes that are signed."""
        retires = [[entry.meter, entry.kid, entry.last, entry.digest] for entry in self.retires]
        return encode([self.gateway, key_item(self.key), list(self.meters), retires, self.salt])

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """The request in canonical bytes. Raises `DecodeError` naming the field."""
        path = "enrol-request"
        gateway, key, meters, retires, salt = fields.array(decode(payload, path), 5, path)
        rows = fields.sequence(meters, f"{path}.meters", least=1, most=MAX_METERS)
        names = tuple(fields.identifier(row, f"{path}.meters[{place}]") for place, row in enumerate(rows))
        if len(set(names)) != len(names):
            raise DecodeError(f"expected each meter once in '{path}.meters'")
        entries = fields.sequence(retires, f"{path}.retires", most=MAX_METERS)
        return cls(
            gateway=fields.identifier(gateway, f"{path}.gateway"),
            key=key_from_item(key, f"{path}.key"),
            meters=names,
            retires=tuple(_retirement(row, f"{path}.retires[{place}]") for place, row in enumerate(entries)),
            salt=fields.salt(salt, f"{path}.salt"),
        )


def enrolment_file(request: Signed[EnrolRequest], by_old_key: Envelope | None = None) -> bytes:
    """The bytes that a gateway hands to its discom."""
    return encode([FILE_VERSION, request.envelope.item(), None if by_old_key is None else by_old_key.item()])


def open_enrolment(data: bytes) -> Signed[EnrolRequest]:
    """The request in an enrolment file, signed by the very key that it names.

    Raises:
        DecodeError: naming the field.
        VerificationError: (1)-(4) as `unseal`; (1) also when the signature is another key's.
    """
    version, item, _ = fields.array(decode(data, "enrolment"), 3, "enrolment")
    fields.integer(version, "enrolment.version", least=FILE_VERSION, most=FILE_VERSION)
    envelope = from_item(item, "enrolment.request")
    if envelope.content_type != EnrolRequest.CONTENT_TYPE:
        raise VerificationError(3, f"expected {EnrolRequest.CONTENT_TYPE}, got {envelope.content_type}")
    return unseal(envelope, EnrolRequest, EnrolRequest.parse(envelope.payload).key)


def _retirement(row: object, path: str) -> Retirement:
    meter, kid, last, digest = fields.array(row, 4, path)
    return Retirement(
        meter=fields.identifier(meter, f"{path}.meter"),
        kid=fields.digest(kid, f"{path}.kid"),
        last=fields.uint(last, f"{path}.last"),
        digest=fields.digest(digest, f"{path}.digest"),
    )
