"""What Japanese and Korean read alike; whole sentences are in their own tests."""

from sovits_cli.text import number_signs as signs
from tests.differences import every_case


@every_case(("written", "plain"), [("1,200.50", "1200.5"), ("25.00", "25"), ("100", "100"), ("3.14", "3.14")])
def test_amounts(written, plain):
    assert signs.amount(written) == plain


@every_case(("written", "plain"), [("1,000,000", "1000000"), ("1,00", "1,00"), ("1,2345", "1,2345")])
def test_thousands_are_joined_and_lists_are_not(written, plain):
    assert signs.ungrouped(written) == plain


@every_case(
    ("written", "parts"),
    [("09:05:07", ("9", "5", "7")), ("10:00", ("10", None, None)), ("10:00:30", ("10", "0", "30"))],
)
def test_clock(written, parts):
    assert signs.clock(signs.TIME.fullmatch(written)) == parts


def test_the_longest_unit_wins():
    pattern = signs.unit_pattern(["m", "mm"])
    assert pattern.search("5mm2").groups() == ("mm", "2")
    assert pattern.search("5 miles") is None
