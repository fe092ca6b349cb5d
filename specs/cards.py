"""Functions for specs/masked_cards.ddbetl."""

import pyarrow.compute as pc

from ddbetl import function


@function("STRING", returns="STRING")
def luhn_masked(card: str) -> str:
    """The number of a card with stars for all but its last four digits; its check digit must be right."""
    digits = [int(sign) for sign in card if sign not in " -"]
    total = sum(digits[-1::-2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    if total % 10:
        raise ValueError("the check digit is wrong")
    return "*" * (len(digits) - 4) + "".join(map(str, digits[-4:]))


@function("STRING", returns="STRING", vectorised=True)
def titled(names):
    """Each word with a capital letter."""
    return pc.utf8_title(names)
