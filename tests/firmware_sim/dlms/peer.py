"""dlms-cosem, another DLMS client, as the server's peer."""

from typing import Any

from dlms_cosem import cosem, enumerations


def attribute(interface: int, code: tuple[int, int, int, int, int], number: int) -> Any:
    """An attribute as the peer names it."""
    return cosem.CosemAttribute(enumerations.CosemInterface(interface), cosem.Obis(*code), number)
