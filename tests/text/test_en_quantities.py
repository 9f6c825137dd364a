from sovits_cli.text.en_quantities import write_out_dates, write_out_measures, write_out_money, write_out_unit_fractions
from tests.differences import every_case


@every_case(
    ("text", "written"),
    [
        ("2024-01-05", "January fifth, twenty twenty-four"),
        ("1/13/2024", "January thirteenth, twenty twenty-four"),
        ("13.1.2024", "January thirteenth, twenty twenty-four"),
        ("January 5th, 1984", "January fifth, nineteen eighty-four"),
        ("5 May", "the fifth of May"),
        ("1939-45", "nineteen thirty-nine to forty-five"),
        ("1980s", "nineteen eighties"),
        ("the 80s", "the eighties"),
        ("15:30", "three thirty P M"),
        ("9:05", "nine oh five"),
        ("8:00", "eight o'clock"),
        ("3 p.m.", "three P M."),
    ],
)
def test_dates_and_times(text, written):
    assert write_out_dates(text).removesuffix(".") == written.removesuffix(".")


@every_case(
    ("text", "written"),
    [
        ("$1", "one dollar"),
        ("$2.50", "two dollars and fifty cents"),
        ("£0.01", "one penny"),
        ("-$5", "negative five dollars"),
        ("US$3 million", "three million U S dollars"),
        ("$5-10k", "five to ten thousand dollars"),
        ("5 €", "five euros"),
        ("¥300", "three hundred yen"),
    ],
)
def test_money(text, written):
    assert write_out_money(text) == written


@every_case(
    ("text", "written"),
    [
        ("1 kg", "one kilogram"),
        ("60km/h", "sixty kilometers per hour"),
        ("a 5-ft pole", "a five foot pole"),
        ("20 m^2", "twenty square meters"),
        ("-3", "-3"),
        ("12.5%", "twelve point five percent"),
        ("5'11\"", "five foot eleven"),
        ("20°C", "twenty degrees celsius"),
    ],
)
def test_measures(text, written):
    assert write_out_measures(text) == written


def test_fractions_of_a_unit_and_powers_of_ten():
    assert write_out_unit_fractions("1/2 kg") == "one half kilogram"
    assert write_out_unit_fractions("2 1/2 kg") == "two and one half kilograms"
    assert write_out_unit_fractions("3e8 m/s") == "3 times ten to the power of eight meters per second"
