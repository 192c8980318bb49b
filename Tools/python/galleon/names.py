"""Names of topics and patterns: section 4 of the protocol."""

from .registry import REGISTRY

BYTES_MAX = REGISTRY.limits["topicNameBytesMax"]
TOKENS_MAX = REGISTRY.limits["topicTokensMax"]


def _text(value):
    """Text of bytes or text; None where it is not UTF-8."""
    if isinstance(value, str):
        return value
    try:
        return bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        return None


def is_control(character):
    return ord(character) < 0x20 or 0x7F <= ord(character) <= 0x9F


def _is_token(token):
    return token != "" and not any(c in "*> " or is_control(c) for c in token)


def _tokens(value):
    text = _text(value)
    if text is None or not 1 <= len(text.encode()) <= BYTES_MAX:
        return None
    tokens = text.split(".")
    return tokens if len(tokens) <= TOKENS_MAX else None


def is_name(value):
    """Whether this is the name of a topic that a client may open."""
    tokens = _tokens(value)
    return tokens is not None and all(map(_is_token, tokens)) and tokens[0][0] != "$"


def is_pattern(value):
    tokens = _tokens(value)
    return tokens is not None and all(
        _is_token(token) or token == "*" or (token == ">" and at == len(tokens) - 1)
        for at, token in enumerate(tokens))


def matches(pattern, name):
    """Whether a pattern matches a name; both must be valid."""
    patterns, tokens = pattern.split("."), name.split(".")
    if tokens[0].startswith("$") and patterns[0] != tokens[0]:
        return False
    for at, token in enumerate(patterns):
        if token == ">":
            return len(tokens) > at
        if at >= len(tokens) or token not in ("*", tokens[at]):
            return False
    return len(patterns) == len(tokens)
