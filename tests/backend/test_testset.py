"""A list of class names is read as people write it, matched, counted and scored; nothing in it is lost or doubled."""

import csv
import io
import math
import time

import numpy as np
import pandas as pd
import pytest

from backend import testset
from backend.bands import Peers, gather_peers
from backend.errors import EmptySelection, TailscopeError
from backend.frequency import count_concepts, pick_counts, spread_counts
from backend.study import Study
from backend.tail import average_percentiles
from tests.tiny_study import ANIMALS, animal_rows, model_row, score_rows, write_study

LISTS = {
    "JSON": ('["tench", "great white shark"]', "a JSON list"),
    "JSON in lines": ('[\n  "tench",\n  "great white shark"\n]\n', "a JSON list"),
    "JSON records": ('[{"id": 1, "name": "tench"}, {"id": 2, "name": "great white shark"}]', "a JSON list"),
    "COCO": ('{"categories": [{"id": 1, "name": "tench"}, {"name": "great white shark"}]}', "a JSON dictionary"),
    "numbers to WordNet": ('{"0": ["n01440764", "tench"], "1": ["n01484850", "great white shark"]}', "a JSON dictionary"),
    "names to numbers": ('{"great white shark": 1, "tench": 0}', "a JSON dictionary"),
    "Python": ("{0: 'tench, Tinca tinca',\n 1: 'great white shark, white shark'}", "a Python dictionary"),
    "Python, assigned": ("classes = ['tench', 'great white shark',]", "a Python list"),
    "Python, without brackets": ("'tench',\n'great white shark',", "one name a line"),
    "synonyms": ('["tench, Tinca tinca", "great white shark, white shark"]', "a JSON list"),
    "YAML": ("names:\n- tench\n- great white shark\n", "a YAML list"),
    "YAML of a detector": ("path: x\nnc: 2\nnames:\n  0: tench\n  1: great white shark\n", "a YAML list"),
    "YAML in a line": ("names: [tench, great white shark]", "a YAML list"),
    "bullets": ("- tench\n- great white shark", "bulleted lines"),
    "stars": ("* tench\n* great white shark", "bulleted lines"),
    "numbered": ("1. tench\n2. great white shark", "numbered lines"),
    "numbered, closely": ("001.tench\n002.great white shark", "numbered lines"),
    "numbered twice": ("1 001.tench\n2 002.great white shark", "numbered lines"),
    "numbers and spaces": ("0 tench\n1 great white shark", "numbered lines"),
    "numbers and colons": ("0: tench\n1: great white shark", "numbered lines"),
    "numbers at the end": ("tench 0\ngreat white shark 1", "numbered lines"),
    "id,name": ("id,name\n7,tench\n9,great white shark", "column “name” of a table"),
    "name;id": ("name;id\ntench;7\ngreat white shark;9", "column “name” of a table"),
    "heading of another word": ("idx,species\n7,tench\n9,great white shark", "column “species” of a table"),
    "numeric label before the name": ("label,name\n0,tench\n1,great white shark", "column “name” of a table"),
    "7,tench": ("7,tench\n9,great white shark", "column 2 of a table"),
    "tench;7": ("tench;7\ngreat white shark;9", "column 1 of a table"),
    "tench|7": ("tench|7\ngreat white shark|9", "column 1 of a table"),
    "WordNet": ("n01440764 tench\nn01484850 great white shark, white shark", "WordNet lines"),
    "WordNet, tab": ("n01440764\ttench\nn01484850\tgreat white shark", "WordNet lines"),
    "lines": ("tench\ngreat white shark", "one name a line"),
}
NOTHING = {"": "", "blank lines": "\n\n \n\t\n", "commas": ",,\n,\n", "NULs": "\0\0", "quotes": '""\n" "', "BOM": "\ufeff"}
WRITTEN = {
    "lines": "rose\nflamingo\npickup truck",
    "last line closed": "rose\nflamingo\npickup truck\n",
    "CRLF": "rose\r\nflamingo\r\npickup truck\r\n",
    "CR": "rose\rflamingo\rpickup truck",
    "blank lines": "\n\nrose\n\n  \nflamingo\n,\npickup truck\n\n",
    "spaces": "  rose\nflamingo  \n\tpickup truck\t",
    "BOM": "\ufeffrose\nflamingo\npickup truck",
    "heading": "name\nrose\nflamingo\npickup truck",
    "heading after a blank line": "\n \nLabel\nrose\nflamingo\npickup truck",
    "CSV": "rose,3\nflamingo,1\npickup truck,0",
    "CSV with heading": "class,count\nrose,3\nflamingo,1\npickup truck,0",
    "CSV with BOM and CRLF": "\ufeffconcept,count\r\nrose,3\r\nflamingo,1\r\npickup truck,0\r\n",
    "CSV in quotes": '"rose","a, b"\n"flamingo",""\n"pickup truck",2',
    "CSV with spaces": "rose , 3\nflamingo , 1\n pickup truck, 0",
    "TSV": "rose\t3\nflamingo\t1\npickup truck\t0",
    "TSV with heading": "name\tcount\nrose\t3\nflamingo\t1\npickup truck\t0",
    "NULs": "ro\0se\nflamingo\0\npickup truck",
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_names_are_read_however_they_are_written(text):
    assert testset.read_names(text) == ["rose", "flamingo", "pickup truck"]


@pytest.mark.parametrize(("text", "form"), LISTS.values(), ids=LISTS)
def test_list_of_every_form_that_circulates_is_read_and_said(text, form):
    listed = testset.read_list(text)
    assert (listed.names, listed.form) == (("tench", "great white shark"), form)


@pytest.mark.parametrize(
    "names",
    [
        ["737", "747"],
        ["2012 Audi A4", "2013 BMW"],
        ["Boeing 0", "Boeing 1"],
        ["Audi A1", "Audi A2"],
        ["[rose", "tulip"],
        ["a;b", "c"],
        ["yes", "no"],
        ["class: rose", "b"],
        ["3. Liga", "rose"],
        ["n0", "n1"],
    ],
)
def test_numbers_and_marks_of_names_stay(names):
    assert testset.read_names("\n".join(names)) == names


@pytest.mark.parametrize(
    "text", ["[" * 50_000, "{" * 50_000, "names:\n" + "  - [" * 3_000, "names: &a [*a]", "[1, [2, 3], null]"]
)
def test_list_that_is_no_list_breaks_nothing(text):
    assert all(isinstance(name, str) for name in testset.read_names(text))


@pytest.mark.parametrize("text", NOTHING.values(), ids=NOTHING)
def test_nothing_holds_no_names(text):
    assert testset.read_names(text) == []


@pytest.mark.parametrize("heading", ["name", "Names", "CLASS", "classes", "label", "labels", "concept", "classname"])
def test_heading_alone_holds_no_names(heading):
    assert testset.read_names(heading) == []
    assert testset.read_names(f"{heading}\n{heading}") == [heading]  # a class may be called so


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('"crane, sandhill",12', "crane, sandhill"),
        ('"the ""king"" crane",12', 'the "king" crane'),
        ("colt's foot", "colt's foot"),
        ('5" pipe', '5" pipe'),
        ("crane, sandhill\t12", "crane, sandhill"),
        ("Acadian_Flycatcher", "Acadian_Flycatcher"),
        ("a;b", "a;b"),
        ("花", "花"),
        ("0,tench", "tench"),
        ("1. tench", "tench"),
        ("- tench", "tench"),
        ("tench;1", "tench"),
        ("n01440764 tench", "tench"),
        ("n01440764 tench, Tinca tinca", "tench"),
    ],
)
def test_quotes_and_marks_in_a_name(line, name):
    assert testset.read_names(line) == [name]


def test_quote_that_is_never_closed_costs_no_other_line():
    assert testset.read_names('"rose\nflamingo\n"dog",1') == ["rose", "flamingo", "dog"]


def test_repeated_names_stay():
    assert testset.read_names("rose\nrose\nRose\nrose") == ["rose", "rose", "Rose", "rose"]


def test_what_a_csv_writer_writes_is_read_back():
    names = ["rose", 'the "king" crane', "a, b", "colt's foot", "tab\tin name", "花"]
    stream = io.StringIO()
    csv.writer(stream).writerows([[name, 1] for name in names if "\t" not in name])
    assert testset.read_names(stream.getvalue()) == [name for name in names if "\t" not in name]
    tabbed = io.StringIO()
    csv.writer(tabbed, delimiter="\t").writerows([[name, 1] for name in names])
    assert testset.read_names(tabbed.getvalue()) == names


def test_5000_names_are_read_and_5001_are_refused():
    assert len(testset.read_names("a\n" * 5_000)) == 5_000
    assert len(testset.read_names("name\n" + "a\n" * 5_000)) == 5_000
    with pytest.raises(TailscopeError) as error:
        testset.read_names("a\n" * 5_001)
    assert str(error.value) == "The list has 5,001 names; this page takes up to 5,000."


def test_line_that_is_far_too_long_is_refused_in_a_sentence():
    with pytest.raises(TailscopeError, match=r"^The line that begins with “a{40}” cannot be read"):
        testset.read_names("rose\n" + "a" * 200_000)


def test_name_of_10000_letters_is_a_name():
    assert testset.read_names("a" * 10_000 + "\nrose") == ["a" * 10_000, "rose"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", ""),
        (b"rose\r\n", "rose\r\n"),
        ("花".encode(), "花"),
        (b"\xef\xbb\xbfrose", "rose"),
        (b"a" * (1 << 20), "a" * (1 << 20)),
    ],
    ids=["empty", "CRLF", "letters beyond ASCII", "BOM", "1 MB exactly"],
)
def test_upload_is_decoded(content, text):
    assert testset.decode_upload(content) == text


@pytest.mark.parametrize(
    "content", ["Blüte".encode("latin-1"), "rose".encode("utf-16"), b"PK\x03\x04\xff\xfe", b"\xed\xa0\xbd"]
)
def test_upload_that_is_not_utf8_is_refused_with_what_to_do(content):
    with pytest.raises(TailscopeError, match=r"^The file is not UTF-8 text. Save it as UTF-8 .* and upload it again\.$"):
        testset.decode_upload(content)


def test_upload_over_a_megabyte_is_refused():
    with pytest.raises(TailscopeError) as error:
        testset.decode_upload(b"a" * ((1 << 20) + 1))
    assert str(error.value) == "The file has 1,048,577 bytes; this page takes up to 1,048,576."


@pytest.fixture(scope="module")
def animals(tmp_path_factory) -> Study:
    """Five concepts in `small` (0, 1, 10, 100, 100), three of them in `large` (5, 0, 300)."""
    return write_study(tmp_path_factory.mktemp("animals"), animal_rows())


def look_up_names(study, names: list[str], method: str) -> pd.DataFrame:
    return testset.rank_names(testset.match_names(study, names), average_percentiles(count_concepts(study, method)))


@pytest.fixture
def peers() -> Peers:
    """A hundred concepts with 1 sample score 0 to 99, and a hundred with 1,000 samples score 50."""
    points = pd.DataFrame({"count": [1] * 100 + [1_000] * 100, "value": [*range(100), *[50] * 100], "task": "t", "n": None})
    return gather_peers(points.assign(concept=[f"c{i}" for i in range(200)]), (0, 100))


def test_every_name_has_its_row_in_order(animals):
    names = ["DOG", "unheard of", "dog", "Dog_", "unheard of"]
    matched = testset.match_names(animals, names)
    assert list(matched["name"]) == names
    assert matched["how"].tolist() == ["exact", "none", "exact", "exact", "none"]
    assert matched["concept"].fillna("").tolist() == ["dog", "", "dog", "dog", ""]


def test_confirmed_offer_counts_as_the_concept_and_no_other_does(animals):
    names = ["dogs", "antt", "dog", "dogs", "zzz"]
    matched = testset.match_names(animals, names)
    assert matched["near"].fillna("").tolist() == ["dog", "ant", "", "dog", ""]
    used = testset.use_offers(matched, {"dogs", "zzz", "dog", "unheard of"})
    assert used["concept"].fillna("").tolist() == ["dog", "", "dog", "dog", ""]
    assert used["how"].tolist() == ["confirmed", "none", "exact", "confirmed", "none"]
    pd.testing.assert_frame_equal(testset.use_offers(matched, ()), matched)


def test_measured_score_is_the_mean_over_the_tasks_of_a_concept(tmp_path):
    scores = score_rows("net", {"dog": 40, "ant": 10}) + score_rows("net", {"dog": 60}, task="zoo")
    scores += score_rows("other", {"bee": 90}) + score_rows("net", {"bee": 80}, setting="rich")
    study = write_study(tmp_path, animal_rows(), models=[model_row("net", "small")], performance=scores)
    concepts = pd.Series(["ant", None, "dog", "bee", "dog"], index=[9, 8, 7, 6, 5], dtype=object)
    measured = testset.measure_scores(study, concepts, model="net", kind="classification", setting="plain")
    assert measured.fillna(-1).to_dict() == {9: 10, 8: -1, 7: 50, 6: -1, 5: 50}


def test_no_names_match_nothing(animals):
    for table in (testset.match_names(animals, []), look_up_names(animals, [], "lemmatized")):
        assert table.empty
        assert list(table.columns[:5]) == ["name", "concept", "how", "score", "near"]


def test_order_of_names_does_not_change_what_each_is(animals):
    names = [*ANIMALS["small"], "elks", "xyz"]
    there = look_up_names(animals, names, "lemmatized").set_index("name")
    back = look_up_names(animals, names[::-1], "lemmatized").set_index("name")
    pd.testing.assert_frame_equal(back.loc[names], there)


def test_counts_and_mean_percentile_of_each_name(animals):
    table = look_up_names(animals, ["dog", "cat", "ant", "nix"], "lemmatized")
    ranked = count_concepts(animals, "lemmatized")
    wide = spread_counts(table, ranked, ["small", "large", "uncounted"])
    assert list(wide.columns) == [*table.columns, "small samples", "large samples"]
    counts = wide[["small samples", "large samples"]].astype("float").fillna(-1).values.tolist()
    assert counts == [[100, 300], [10, -1], [0, 5], [-1, -1]]
    # dog: 3 of 5 and 2 of 3 are rarer; cat: 2 of 5, and not counted in `large`; ant: 0 of 5 and 1 of 3
    assert table["percentile"].iloc[:3].tolist() == pytest.approx([(60 + 200 / 3) / 2, 40, (100 / 3) / 2])
    assert math.isnan(table["percentile"].iloc[3])


def test_method_without_counts_is_said(animals):
    with pytest.raises(EmptySelection, match="No counts by method 'phrase'"):
        look_up_names(animals, ["dog"], "phrase")


def test_expected_score_is_that_of_concepts_as_frequent(animals, peers):
    table = look_up_names(animals, ["dog", "bee", "ant", "nix"], "lemmatized")
    counts = pick_counts(count_concepts(animals, "lemmatized"), "small", table["concept"])
    scored = testset.expect_scores(table, counts, peers)
    bands = scored[["expected", "low", "high"]].iloc[:3].to_numpy()
    np.testing.assert_allclose(bands, [[50, 50, 50], [49.5, 9.9, 89.1], [49.5, 9.9, 89.1]])
    assert scored["expected"].isna().tolist() == [False, False, False, True]
    assert scored["extrapolates"].iloc[:3].tolist() == [False, False, False]
    assert len(scored) == len(table)


def test_count_beyond_those_of_the_concepts_says_so(peers):
    table = pd.DataFrame({"name": ["a", "b"], "c": pd.array([1_000, 10**9], dtype="Int64")})
    scored = testset.expect_scores(table, table["c"], peers)
    assert scored["extrapolates"].tolist() == [False, True]
    assert scored["expected"].tolist() == [50, 50]


def expect_mean(animals, names: list[str], peers):
    table = look_up_names(animals, names, "lemmatized")
    return testset.expect_mean(table, pick_counts(count_concepts(animals, "lemmatized"), "small", table["concept"]), peers)


def test_mean_counts_a_concept_once_whatever_its_names(animals, peers):
    once, twice = (expect_mean(animals, names, peers) for names in (["dog", "ant", "nix"], ["dog", "Dog_", "ant"]))
    assert (once, once.names, once.value) == (twice, 2, pytest.approx((50 + 49.5) / 2))


def test_names_without_counts_have_no_mean(animals, peers):
    assert expect_mean(animals, ["nix"], peers) is None


def test_no_rows_have_no_scores(peers):
    table = pd.DataFrame({"name": pd.Series(dtype=object), "c": pd.Series(dtype="Int64")})
    scored = testset.expect_scores(table, table["c"], peers)
    assert scored.empty
    assert {"expected", "low", "high", "extrapolates"} <= set(scored)


def test_hostile_names_are_rows_like_any_other(animals):
    names = ["'; DROP TABLE concepts; --", "🐕" * 500, "<b>dog</b>", "dog", "%", "a" * 10_000]
    table = look_up_names(animals, names, "lemmatized")
    assert list(table["name"]) == names
    assert table.loc[table["how"] == "none", "concept"].isna().all()
    assert table.loc[3, "concept"] == "dog"


def test_all_names_of_a_study_find_themselves(small_study):
    names = list(small_study.query("SELECT DISTINCT concept FROM concepts ORDER BY concept")["concept"])
    table = look_up_names(small_study, names, "lemmatized")
    assert table["concept"].tolist() == names
    counted = table.dropna(subset="percentile")["percentile"]
    assert counted.between(0, 100).all()
    assert np.isfinite(counted).all()


def test_paper_counts_rose_as_the_release_does(published_study):
    table = look_up_names(published_study, ["rose", "Acadian_Flycatcher", "Flamingo"], "lowercased")
    assert table["concept"].tolist() == ["rose", "acadian flycatcher", "flamingo"]
    counts = pick_counts(count_concepts(published_study, "lowercased"), "laion400m", table["concept"])
    assert counts[0] == 257_038


def test_near_spelling_is_offered_and_has_no_count_and_no_score(published_study, peers):
    names = ["crane", "Boeing 747", "bandana", "lace", "carbine", "hen-of-the-woods", "rose"]
    table = look_up_names(published_study, names, "lowercased")
    table = table.assign(count=pick_counts(count_concepts(published_study, "lowercased"), "laion400m", table["concept"]))
    table = testset.expect_scores(table, table["count"], peers)
    assert table["how"].tolist() == ["none"] * 6 + ["exact"]
    offers = ["cane", "boeing 717", "banana", "place", "cabinet", "hen of the woods mushroom"]
    assert table["near"].tolist()[:6] == offers
    assert table[["concept", "percentile", "count", "expected"]].isna().all(axis=1).tolist() == [True] * 6 + [False]
    assert pd.isna(table["near"].iloc[6])


def test_five_hundred_unknown_names_take_seconds_and_not_minutes(published_study):
    start = time.perf_counter()
    table = testset.match_names(published_study, [f"unknown class {i}" for i in range(500)])
    assert (table["how"] == "none").all()
    assert time.perf_counter() - start < 20
