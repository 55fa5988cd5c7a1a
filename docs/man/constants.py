"""Which page tells of which constant."""

import re

# Groups that are not called after their prefix: page, title, pattern of the names.
GROUPS = [
    ("tw_status", "what a call came to", r"TW_OK|TW_E[A-Z0-9]+"),
    ("tw_message_flags", "flags of messages", r"TW_(TEXT|BINARY|MORE|FIRST|NODEFLATE|DEFLATE)"),
    ("tw_tuning", "limits, times and compression", r"TW_NEVER"),
    ("tw_deflate_modes", "what compression keeps of a connection", r"TW_DEFLATE_\w+"),
    ("tw_auth_methods", "how a client logs in", r"TW_AUTH_\w+"),
    ("tw_log_levels", "what a loop tells of", r"TW_LOG_\w+"),
    ("tw_str_choices", "texts about a connection", r"TW_STR_\w+"),
]


def group(name):
    """The page of a constant and the page's title."""
    for page, title, pattern in GROUPS:
        if re.fullmatch(pattern, name):
            return page, title
    word = re.fullmatch(r"TW_([A-Z0-9]+)_\w+", name)
    if not word:
        raise SystemExit(f"{name} belongs to no group: give it one in docs/man/constants.py")
    of = word[1].lower()
    return f"tw_{of}_flags", f"flags of tw_{of}_opts"
