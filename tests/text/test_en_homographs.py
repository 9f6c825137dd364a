from sovits_cli.text import en_lexicon
from sovits_cli.text.en_homographs import Choice, choose_reading, homographs, part_of_speech
from tests.differences import every_case

SENTENCES = """
1 read: I will read the book tomorrow.
2 read: She read it yesterday.
2 read: He has read every page.
1 read: We like to read at night.
1 read: I read a book every night.
2 read: The letter was read aloud.
1 read: Did you read my message?
1 read: Read the manual first.
2 read: They read the news and laughed.
2 read: You should have read the sign.
1 record: Please record the meeting.
2 record: The record was broken.
2 record: She broke the world record.
1 record: They record music in this room.
1 record: He wants to record a song.
2 record: According to record labels, it sold well.
1 records: She records the birds.
2 records: The old records are lost.
2 wind: A strong wind blew.
1 wind: You have to wind the clock.
1 winds: The road winds through the hills.
1 live: People who live here are happy.
2 live: We watched a live show.
2 live: The band is live tonight.
1 live: Where do you live?
1 live: They live in Rome.
2 lives: It saved many lives.
1 lives: She lives in Paris.
1 lives: My brother lives with us.
1 close: Close the window.
2 close: The shop is close to my house.
1 close: Please close your eyes.
2 close: They were very close friends.
1 lead: She will lead the team.
2 lead: The pipe is made of lead.
2 lead: Lead paint is dangerous.
1 lead: He took the lead in the race.
1 object: I object to that.
2 object: The object fell.
1 use: Children must use the stairs.
2 use: What is the use of it?
2 use: It has no use.
1 uses: He uses a hammer.
2 uses: It has many uses.
2 present: This is a present for you.
1 present: I will present the award.
2 present: The present situation is bad.
1 produce: They produce milk.
2 produce: The produce is fresh.
1 refuse: We refuse to go.
2 refuse: The refuse was collected.
1 content: She is content with it.
2 content: The content is good.
2 content: Content creators earn money.
1 complex: It is a complex problem.
2 complex: He lives in a housing complex.
1 increase: Prices increase by ten percent.
2 increase: The increase was small.
1 protest: Students protest the decision.
2 protest: The protest was peaceful.
1 desert: The soldiers desert the army.
2 desert: The desert is hot.
2 tear: She shed a tear.
1 tear: Do not tear the paper.
1 tear: There is a tear in my shirt.
2 tears: Her eyes filled with tears.
2 wound: He has a wound on his arm.
1 wound: She wound up the toy.
2 minute: Wait a minute.
1 minute: The details are minute.
1 minute: There were minute particles of dust.
1 bow: The ship has a high bow.
2 bow: He shot an arrow with his bow.
1 bow: The actors bow to the audience.
2 dove: A dove flew away.
1 dove: She dove into the water.
1 estimate: Can you estimate the cost?
2 estimate: The estimate was low.
2 separate: Keep them separate.
1 separate: We must separate the eggs.
2 separate: They have separate rooms.
1 excuse: I excuse you.
2 excuse: That is no excuse.
2 house: The house is big.
1 house: They house the homeless.
1 suspect: Do you suspect him?
2 suspect: The suspect ran.
2 associate: He is an associate of mine.
1 associate: I associate it with summer.
1 update: We need to update the software.
2 update: The update failed.
2 contract: The contract was signed.
1 contract: Muscles contract when cold.
1 perfect: Let's perfect the plan.
2 perfect: It was a perfect day.
1 transfer: Could you transfer the money?
2 transfer: The transfer took a week.
1 subject: He can subject them to tests.
2 subject: The subject is closed.
1 conducts: She conducts the orchestra.
2 conduct: His conduct was bad.
1 use: Use two eggs and some milk.
1 use: Use both hands.
1 use: Use caution.
1 use: Then use twenty-five grams.
1 use: Use with care.
2 use: Use of force is banned.
2 use: Use is free.
2 use: In use since May.
1 use: If you can, use two eggs.
2 use: It took long, so use shares fell.
2 overlap: Join them, overlap twelve samples.
1 overlap: Overlap twelve samples.
1 record: Record it.
1 record: Record yourself.
1 record: Stop, and record every sound.
1 record: Record two songs.
2 record: Record sales were reported.
2 record: Record two is missing.
1 close: Close the lid.
1 close: Close all windows.
1 close: Close it carefully.
2 close: Close friends came.
2 close: Close to home.
1 object: Object to it.
2 object: The object to the left.
1 insert: Insert coin.
1 export: Export three files.
2 export: Export duties rose.
1 update: Update everything.
2 segment: Segment two started late.
1 live: Live well.
2 live: Live music tonight.
1 read: Read each page.
2 project: Project managers met.
"""
"""Reading (first or second of the row), word, sentence."""


def _cases():
    for line in SENTENCES.strip().splitlines():
        head, _, sentence = line.partition(": ")
        reading, word = head.split()
        yield sentence, word, int(reading)


def _tokens(sentence):
    return sentence.replace(".", " .").replace(",", " ,").replace("?", " ?").split()


@every_case(("sentence", "word", "reading"), list(_cases()))
def test_choice(sentence, word, reading):
    tokens = _tokens(sentence)
    place = [token.lower() for token in tokens].index(word)
    row = homographs()[word]
    assert choose_reading(tokens, place) == (row.first if reading == 1 else row.second)


def test_second_word_of_a_sentence_is_chosen_on_its_own():
    tokens = _tokens("I read the record yesterday and will read it again.")
    assert [choose_reading(tokens, place) for place in (1, 3, 7)] == [
        ["R", "EH1", "D"],
        ["R", "EH1", "K", "ER0", "D"],
        ["R", "IY1", "D"],
    ]


def test_word_with_one_reading_is_left_to_the_dictionary():
    assert choose_reading(["The", "lamp", "is", "lit"], 1) is None


def test_capital_makes_a_nation_of_polish():
    assert choose_reading(["The", "Polish", "team"], 1) == ["P", "OW1", "L", "IH0", "SH"]
    assert choose_reading(["The", "polish", "is", "dry"], 1) is None


def test_choice_can_be_forced():
    tokens = ["The", "record", "is", "old"]
    assert choose_reading(tokens, 1, choice=Choice.FIRST) == homographs()["record"].first
    assert choose_reading(tokens, 1, choice=Choice.SECOND) == homographs()["record"].second


def test_official_list_has_fewer_words_and_some_the_wrong_way_round():
    tokens = ["The", "wind", "hit", "the", "object"]
    assert choose_reading(tokens, 1, official=True) is None
    assert choose_reading(tokens, 4, official=True) == homographs()["object"].first
    assert choose_reading(tokens, 4) == homographs()["object"].second


@every_case("word", sorted(homographs()))
def test_row_is_made_of_dictionary_phones_and_two_readings(word):
    row = homographs()[word]
    assert row.first != row.second
    assert set(row.first + row.second) <= set(en_lexicon.PHONES)


@every_case(
    ("sentence", "place", "expected"),
    [
        ("to record it", 1, "VB"),
        ("according to record labels", 2, "NN"),
        ("she records birds", 1, "VBZ"),
        ("the old records", 2, "NNS"),
        ("it is complex", 2, "JP"),
        ("a complex plan", 1, "JJ"),
        ("he has read it", 2, "VBN"),
        ("he read it", 1, "VBD"),
    ],
)
def test_tag(sentence, place, expected):
    assert part_of_speech(sentence.split(), place) == expected


def test_the_official_choice_knows_no_commands():
    tokens = _tokens("Use two eggs.")
    assert choose_reading(tokens, 0, official=True) == homographs()["use"].second
