"""HTML and SVG as text.

In: names, attributes, texts. Out: markup. Invariant: a text that is no ``Markup`` is escaped wherever it goes, so that
nothing that a spec or a table says can become an element.
"""

from __future__ import annotations

from html import escape

# Elements without an end.
_VOID = ("meta", "br")


class Markup(str):
    """A text that is markup already."""

    __slots__ = ()


def text(said: str) -> Markup:
    """A text as markup; what is not printable is shown by its number."""
    plain = "".join(c if c.isprintable() or c == "\n" else f"\\u{ord(c):04x}" for c in said)
    return Markup(escape(plain))


def tag(name: str, /, *children: str, **attributes: str | float | None) -> Markup:
    """An element. ``attributes``: without those that are None; a final underscore is left out, others become dashes."""
    said = "".join(
        f' {key.removesuffix("_").replace("_", "-")}="{text(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{said}>")
    return Markup(f"<{name}{said}>{joined(*children)}</{name}>")


def joined(*parts: str) -> Markup:
    """Parts one after the other."""
    return Markup("".join(part if isinstance(part, Markup) else text(part) for part in parts))
