from sovits_cli.text.en_abbreviations import (
    dot_ends_sentence,
    roman_value,
    write_out_abbreviations,
    write_out_capitals,
    write_out_roman_numbers,
)
from tests.differences import every_case


@every_case(
    ("before", "after", "ends"),
    [
        ("Dr.", "Smith", False),
        ("Mr.", "The", False),
        ("etc.", "Bob", True),
        ("at 10 a.m.", "It", True),
        ("the U.S.", "Army", False),
        ("the U.S.", "Then", True),
        ("J.", "Smith", False),
        ("1.", "Open", False),
        ("It was 5.", "Then", True),
        ("over.", "Then", True),
    ],
)
def test_which_dots_end_a_sentence(before, after, ends):
    assert dot_ends_sentence(before, after) is ends


@every_case(
    ("text", "written"),
    [
        ("Dr. Smith of Main St. left.", "Doctor Smith of Main Street left."),
        ("St. Paul lives in Park Ave. now", "Saint Paul lives in Park Avenue now"),
        ("on Jan. 5, e.g. No. 7", "on January 5, for example number 7"),
        ("J. R. Smith of the U.S. Army", "J R Smith of the U S Army"),
        ("Smith Inc. and others", "Smith incorporated and others"),
    ],
)
def test_abbreviations(text, written):
    assert write_out_abbreviations(text) == written


@every_case(
    ("numeral", "value"),
    [("I", 1), ("IV", 4), ("XIV", 14), ("XLIX", 49), ("LXXXIX", 89), ("IIII", 0), ("", 0), ("ABC", 0)],
)
def test_roman_value(numeral, value):
    assert roman_value(numeral) == value


def test_roman_numbers():
    assert write_out_roman_numbers("Louis XIV. read Chapter IV of World War II") == (
        "Louis the fourteenth. read Chapter 4 of World War 2"
    )
    assert write_out_roman_numbers("Vitamin I helps Henry") == "Vitamin I helps Henry"


@every_case(
    ("text", "written"),
    [
        ("NASA and the FBI", "NASA and the F B I"),
        ("FooBarHTTP", "Foo Bar H T T P"),
        ("STOP it NOW PLEASE", "stop it now please"),
        ("the CEOs", "the C E O's"),
    ],
)
def test_capitals(text, written):
    assert write_out_capitals(text) == written
