"""Reading a body no further than it may be long."""

from fastapi import Request


async def bounded(request: Request, most_bytes: int) -> bytes | None:
    """The raw body, or none where it is longer: then the rest is not read."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > most_bytes:
            return None
    return bytes(content)
