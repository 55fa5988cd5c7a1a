"""What steps of scenarios send and expect, the same for every player and for the server."""

# What surrounds the part of a buffer that a view shows.
BEFORE, BEHIND = 7, 1007


def made(step):
    """The text or the bytes of a step: `text`, `times` over; or so many `bytes`, all `fill` or in a pattern."""
    if "bytes" not in step:
        return step.get("text", "") * step.get("times", 1)
    size = step["bytes"]
    if step.get("pattern"):
        return (bytes(range(251)) * (size // 251 + 1))[:size]
    return bytes([step.get("fill", 7)]) * size
