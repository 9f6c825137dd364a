from sovits_cli.text import en_numbers as numbers
from tests.differences import every_case


@every_case(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (40, "forty"),
        (99, "ninety-nine"),
        (100, "one hundred"),
        (105, "one hundred five"),
        (1000, "one thousand"),
        (1001, "one thousand one"),
        (10_005, "ten thousand five"),
        (4567, "four thousand, five hundred sixty-seven"),
        (1_000_005, "one million five"),
        (1_411_750_000, "one billion, four hundred eleven million, seven hundred fifty thousand"),
        (10**23, "one hundred sextillion"),
        (-7, "negative seven"),
    ],
)
def test_cardinal(number, words):
    assert numbers.cardinal(number) == words


def test_cardinal_with_conjunction():
    assert numbers.cardinal(101, conjunction="and") == "one hundred and one"
    assert numbers.cardinal(1005, conjunction="and") == "one thousand and five"


def test_number_without_a_name_is_read_by_digit():
    assert numbers.cardinal(10 ** (numbers.MAX_DIGITS - 1)).startswith("one hundred decillion")
    assert numbers.cardinal(10**numbers.MAX_DIGITS) == "one" + " zero" * numbers.MAX_DIGITS


@every_case(
    ("number", "words"),
    [
        (1, "first"),
        (2, "second"),
        (3, "third"),
        (12, "twelfth"),
        (20, "twentieth"),
        (22, "twenty-second"),
        (100, "one hundredth"),
        (101, "one hundred and first"),
        (1000, "one thousandth"),
    ],
)
def test_ordinal(number, words):
    assert numbers.ordinal(number) == words


@every_case(
    ("number", "words"),
    [
        (1066, "ten sixty-six"),
        (1805, "eighteen oh five"),
        (1900, "nineteen hundred"),
        (1999, "nineteen ninety-nine"),
        (2000, "two thousand"),
        (2008, "two thousand eight"),
        (2024, "twenty twenty-four"),
    ],
)
def test_year(number, words):
    assert numbers.year_words(number) == words


@every_case(
    ("text", "words"),
    [
        ("1,234", "one thousand, two hundred thirty-four"),
        ("-2", "negative two"),
        ("0", "zero"),
        ("007", "zero zero seven"),
        ("3.14", "three point one four"),
        (".5", "zero point five"),
        ("0.50", "zero point five zero"),
        ("1" * 16, "one " * 15 + "one"),
    ],
)
def test_written(text, words):
    assert numbers.number_words(text) == words


def test_number_of_any_length_is_read_without_arithmetic():
    assert numbers.number_words("9" * 10_000) == " ".join(["nine"] * 10_000)


@every_case(
    ("numerator", "denominator", "words"),
    [(1, 2, "one half"), (3, 2, "three halves"), (1, 3, "one third"), (3, 23, "three twenty-thirds"), (6, 1, "six")],
)
def test_fraction(numerator, denominator, words):
    assert numbers.fraction_words(numerator, denominator) == words


def test_plural():
    assert [numbers.plural(word) for word in ("eighty", "third", "six", "half")] == [
        "eighties",
        "thirds",
        "sixes",
        "halves",
    ]
