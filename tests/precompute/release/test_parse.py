"""What the release says, file by file: each of its quirks as rows, and no bad file or value costs another."""

import json

import pytest

from precompute.release.archive import read_members
from precompute.release.paper import concept_of, kind_of
from precompute.release.parse import Release, list_absent, read_release
from tests.release_archive import HOSTILE, RN50, TAIL, Entry, release_files, write_archive

FOOD = "search_counts/food101_cc3m_lemmatized_search_counts.json"
FOOD_SCORES = "zero_shot_evaluations/food101_class_results.json"


@pytest.fixture(scope="module")
def release(small_archive) -> Release:
    return read_release(read_members(small_archive))


@pytest.fixture
def read(tmp_path):
    """Reads the small release with more entries, or an archive of some files alone."""

    def read_archive(*extra: Entry, files: dict | None = None) -> Release:
        return read_release(read_members(write_archive(tmp_path / "main.tar.gz", extra, files)))

    return read_archive


def counts(release: Release, task: str, corpus: str, method: str) -> dict[str, int]:
    return {row[4]: row[5] for row in release.counts if (row[0], row[1], row[3]) == (task, corpus, method)}


def scores(release: Release, task: str, model: str, setting: str) -> dict[str, float]:
    return {row[4]: row[5] for row in release.scores if (row[0], row[2], row[3]) == (task, model, setting)}


def count_leaves(content: object) -> int:
    """The values of a JSON file: what stands at the end of its branches, a list of scores as one."""
    return sum(map(count_leaves, content.values())) if isinstance(content, dict) else 1


def test_cifar10_counts_say_airplane_and_its_accuracies_plane(release):
    assert counts(release, "cifar10", "cc3m", "lemmatized")["airplane"] == 1
    assert scores(release, "cifar10", "RN50/cc3m", "ensemble")["plane"] == 43
    assert concept_of("cifar10", "plane") == concept_of("cifar10", "airplane") == "airplane"


def test_plane_stays_plane_elsewhere():
    assert concept_of("sun397", "plane") == "plane"


def test_imagenet_r_counts_have_spaces_and_its_accuracies_underscores(release):
    assert counts(release, "imagenet-r", "cc3m", "lemmatized")["African chameleon"] == 10
    assert scores(release, "imagenet-r", "RN50/cc3m", "ensemble")["African_chameleon"] == 43
    assert concept_of("imagenet-r", "African_chameleon") == concept_of("imagenet-r", "African chameleon")


def test_birds_of_text_to_image_counts_have_two_spellings(release):
    assert counts(release, "t2i", "laion_aesthetics", "lemmatized")["acadian flycatcher"] == 0
    assert counts(release, "t2i", "laion_aesthetics", "rampp@0.7")["Acadian_Flycatcher"] == 3


def test_same_concept_has_different_counts_under_two_tasks(release):
    rows = [(row[0], row[5]) for row in release.counts if row[4] == "crane"]
    assert ("imagenet", 1000) in rows
    assert ("cub", 10) in rows


def test_text_counts_of_the_rose_disagree_and_both_are_kept(release):
    lemmatized, lowercased = (counts(release, "flowers102", "laion400m", method) for method in ("lemmatized", "lowercased"))
    assert (lemmatized["rose"], lowercased["rose"]) == (0, 257_038)
    assert (lemmatized["colt's foot"], lowercased["colt's foot"]) == (383_805, 1)


@pytest.mark.parametrize(
    ("written", "modality", "method"),
    [
        ("lemmatized", "text", "lemmatized"),
        ("lowercased", "text", "lowercased"),
        ("rampp0.55", "image", "rampp@0.55"),
        ("integrated_tlemmatized_i0.7", "joint", "lemmatized+rampp@0.7"),
        ("integrated_tlowercased_i0.5", "joint", "lowercased+rampp@0.5"),
    ],
)
def test_method_of_a_count_file_has_one_name_here(read, written, modality, method):
    release = read(files={f"search_counts/dtd_yfcc15m_{written}_search_counts.json": {"lined": 4}})
    assert release.counts == [("dtd", "yfcc15m", modality, method, "lined", 4)]


def test_corpus_with_underscores_is_told_from_the_task(read):
    name = "imagenet_laion200m_train_test_sim_normalized_rampp0.7_search_counts.json"
    release = read(files={f"search_counts/{name}": {"tench": 4}})
    assert release.counts[0][:2] == ("imagenet", "laion200m_train_test_sim_normalized")


def test_empty_labels_of_coco_are_dropped_and_counted(release):
    assert "" not in counts(release, "coco", "cc3m", "rampp@0.7")
    assert release.values.dropped == {"empty label": 2}
    assert release.faults == [
        "search_counts/coco_cc3m_rampp0.7_search_counts.json: empty label (× 1)",
        "retrieval_evaluations/coco_i2t_k=1_results.json: empty label (× 1)",
    ]


def test_recalls_become_percent_and_their_setting_names_direction_and_k(release):
    assert scores(release, "coco", "RN50/cc3m", "i2t@1")["umbrella"] == 25
    assert ("coco", "retrieval", "RN50/cc3m", "t2i@10", 75) in [row[:5] for row in release.overall]


def test_accuracies_stay_percent(release):
    assert scores(release, "imagenet", "RN50/cc3m", "ensemble")["jeans"] == 33
    assert ("imagenet", "classification", "RN50/cc3m", "class", 19) in [row[:5] for row in release.overall]


def test_list_of_scores_becomes_its_mean_and_length(release):
    rows = {row[4]: row[5:] for row in release.scores if row[2] == "craiyon_dalle-mini"}
    assert rows["adult"] == (2.5, 3)
    assert rows["castle"] == (2.5, 1)


def test_text_to_image_models_keep_their_own_names(release):
    models = {row[2] for row in release.scores if row[1] == "generation"}
    assert models == {"DeepFloyd_IF-I-L-v1.0", "craiyon_dalle-mini"}


def test_misalignment_that_says_percent_is_a_fraction(release):
    assert release.alignment == [
        ("cc3m", 557_683, 0.1681, 0.1787),
        ("laion400m", 21_996_097, 0.0531, 0.0704),
    ]


def test_tail_has_its_class_list_and_four_models(release):
    assert release.tail_labels == TAIL
    assert sorted({row[2] for row in release.tail_scores}) == [
        "RN50/cc3m",
        "ViT-B-32/laion400m",
        "ViT-B-32/openai",
        "ViT-H-14/dfn",
    ]
    assert ("let_it_wag", "classification", "ViT-H-14/dfn", "ensemble", "A300B4", 67, None) in release.tail_scores


def test_what_is_absent_is_named(release):
    assert list_absent(release) == [
        "counts of cc3m by rampp@0.7: no file for flowers102",
        "counts of laion400m by lemmatized: no file for cifar10, coco, cub, imagenet-r",
        "counts of laion400m by rampp@0.7: no file for coco, imagenet",
        "counts of laion400m by lowercased for flowers102: 5 of 12 concepts",
        "text-to-image metrics that the release's notebook reads: no file for human_aesthetics, exp_aesthetics, "
        "exp_clip, max_aesthetics, max_clip",
        "misalignment of cc12m: no file",
        "misalignment of yfcc15m: no file",
        "misalignment of laion_aesthetics: no file",
        "misalignment of laion200m_train_test_sim_normalized: no file",
        "misalignment of synthci30m: no file",
    ]


def test_every_file_is_booked_under_its_folder(release):
    assert release.files.entry() == {"read": 28, "written": 28, "dropped": {}}
    assert dict(release.imported) == {
        "search_counts": 15,
        "zero_shot_evaluations": 6,
        "retrieval_evaluations": 2,
        "t2i_evaluations": 1,
        "misalignment_metrics": 2,
        "let_it_wag_datasets": 1,
        "let_it_wag_datasets/evaluations": 1,
    }


def test_values_read_are_the_leaves_of_the_files(release):
    leaves = {name: count_leaves(content) for name, content in release_files().items() if name.endswith(".json")}
    alignments = {name: 1 for name in leaves if name.startswith("misalignment_metrics/")}  # three leaves, one row
    assert release.values.read == sum((leaves | alignments).values()) == 520
    assert release.values.written == 518


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("cut off", "not valid JSON"),
        ("not UTF-8", "not valid JSON"),
        ("half a surrogate pair", "not valid JSON"),
        ("nested too deep", "not valid JSON"),
        ("list", "not a JSON object with entries"),
        ("empty object", "not a JSON object with entries"),
        ("duplicate label", "a label stands twice"),
        ("misnamed", "file name not understood"),
        ("standing twice", "file stands twice in the archive"),
        ("symlink", "link in the release"),
        ("hard link", "link in the release"),
        ("parent path", "path outside the release"),
        ("absolute path", "path outside the release"),
    ],
)
def test_bad_file_is_named_and_costs_nothing_else(read, release, fault, reason):
    spoiled = read(HOSTILE[fault])
    assert spoiled.files.entry() == {"read": 29, "written": 28, "dropped": {reason: 1}}
    assert spoiled.values.entry() == release.values.entry()
    assert (spoiled.counts, spoiled.scores) == (release.counts, release.scores)
    path = HOSTILE[fault].path
    assert [line for line in spoiled.faults if line.startswith(f"{path}: {reason}")] != []


@pytest.mark.parametrize(
    "fault",
    ["negative count", "boolean count", "float count", "text count", "null count", "huge count"],
)
def test_bad_count_is_dropped_and_its_neighbours_stay(read, fault):
    spoiled = read(HOSTILE[fault])
    reason = "count that is not a whole number of at least 0"
    assert counts(spoiled, "food101", "cc3m", "lemmatized") == {"waffles": 1}
    assert spoiled.values.dropped == {"empty label": 2, reason: 1}
    assert f"{FOOD}: 'apple pie': {reason} (× 1)" in spoiled.faults


def test_blank_label_is_dropped_as_an_empty_one(read):
    spoiled = read(HOSTILE["blank label"])
    assert counts(spoiled, "food101", "cc3m", "lemmatized") == {"waffles": 1}
    assert spoiled.values.dropped == {"empty label": 3}


@pytest.mark.parametrize(
    "fault",
    ["NaN score", "infinite score", "score above 100", "negative score", "score as text", "score of 400 digits"],
)
def test_bad_score_is_dropped_and_its_neighbours_stay(read, fault):
    spoiled = read(HOSTILE[fault])
    assert scores(spoiled, "food101", "RN50/cc3m", "class") == {"waffles": 10}
    assert f"{FOOD_SCORES}: RN50/cc3m: 'apple pie': score outside 0 to 100 (× 1)" in spoiled.faults


@pytest.mark.parametrize("bad", [[], [1.0, "2"], [1.0, None], [True], 2.5, None, [1.0, 10**400]])
def test_bad_list_of_scores_is_dropped_and_its_neighbours_stay(read, bad):
    content = {"m": {"full": 1.0, "classwise": {"cat": [1.0, 3.0], "dog": bad}}}
    release = read(files={"t2i_evaluations/t2i_exp_clip.json": content})
    assert release.scores == [("t2i", "generation", "m", "exp_clip", "cat", 2.0, 2)]
    assert release.values.dropped == {"list of scores that is empty or not all numbers": 1}


@pytest.mark.parametrize("bad", [[1.0, float("nan")], [float("inf")]])
def test_list_with_a_value_that_is_no_number_is_dropped(read, bad):
    content = {"m": {"full": 1.0, "classwise": {"dog": bad}}}
    release = read(files={"t2i_evaluations/t2i_exp_clip.json": content})
    assert (release.scores, release.values.dropped.total()) == ([], 1)


def test_bad_overall_score_is_dropped_and_the_labels_stay(read):
    content = {RN50: {"full": 101, "classwise": {"waffles": 10.0}}}
    release = read(files={FOOD_SCORES: content})
    assert (release.overall, len(release.scores)) == ([], 1)
    assert release.faults == [f"{FOOD_SCORES}: RN50/cc3m: score outside 0 to 100 (× 1)"]


@pytest.mark.parametrize(
    "entry",
    [7, [], None, {}, {"full": 1.0}, {"classwise": {}}, {"full": 1.0, "classwise": [1.0]}],
)
def test_model_of_another_shape_makes_its_file_malformed(read, entry):
    good = {"full": 1.0, "classwise": {"waffles": 1.0}}
    release = read(files={FOOD_SCORES: {RN50: good, "backboneRN101_pretrainedcc3m": entry}})
    assert (release.scores, release.overall) == ([], [])
    assert release.faults == [f"{FOOD_SCORES}: entry without full and class-wise results (backboneRN101_pretrainedcc3m)"]


def test_model_under_two_names_makes_its_file_malformed(read):
    result = {"full": 1.0, "classwise": {"waffles": 1.0}}
    release = read(files={FOOD_SCORES: {RN50: result, "RN50/cc3m": result}})
    assert release.scores == []
    assert release.files.dropped == {"a model stands twice": 1}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"misalignment_counts": -1}, "counts or degrees out of range"),
        ({"misalignment_counts": 1.5}, "counts or degrees out of range"),
        ({"misalignment_counts": True}, "counts or degrees out of range"),
        ({"misalignment_degree (percent); extracted dataset size": 17.8}, "counts or degrees out of range"),
        ({"misalignment_degree (percent); fixed conservative dataset size": None}, "counts or degrees out of range"),
    ],
)
def test_bad_misalignment_is_refused(read, change, reason):
    path = "misalignment_metrics/cc3m_misalignment_degree.json"
    release = read(files={path: release_files()[path] | change})
    assert (release.alignment, release.files.dropped) == ([], {reason: 1})


def test_misalignment_without_a_key_names_it(read):
    path = "misalignment_metrics/cc3m_misalignment_degree.json"
    release = read(files={path: {"misalignment_counts": 1}})
    assert release.alignment == []
    assert release.faults[0].startswith(f"{path}: key missing ('misalignment_degree (percent); extracted")


@pytest.mark.parametrize("text", ["A300B4\n", '{"A300B4": 1}\n', "7\n", '"A300B4"\n["A310"]\n', '"A300B4\n'])
def test_class_list_of_anything_but_quoted_names_is_refused(read, text):
    release = read(files={"let_it_wag_datasets/let_it_wag_class_list.txt": text})
    assert (release.tail_labels, release.files.dropped) == ([], {"a line is not a quoted name": 1})


def test_files_of_no_known_folder_are_left_alone(read):
    files = {"notes/cc3m.json": {"a": 1}, "search_counts/readme.md": "x", "search_counts/old/a.json": {"a": 1}}
    release = read(files=files)
    assert (release.files.read, release.faults) == (0, [])


def test_every_hostile_entry_at_once_costs_no_row_of_the_release(read, release):
    spoiled = read(*HOSTILE.values())
    assert [row for row in release.counts if row not in spoiled.counts] == []
    assert [row for row in release.scores if row not in spoiled.scores] == []
    for books in (spoiled.files, spoiled.values):
        assert books.read == books.written + books.dropped.total()
    assert json.loads(json.dumps(spoiled.faults)) == spoiled.faults


def test_kind_of_a_counted_task_follows_from_its_name():
    kinds = {task: kind_of(task) for task in ("imagenet", "coco", "flickr", "t2i", "t2iparti")}
    assert kinds == {
        "imagenet": "classification",
        "coco": "retrieval",
        "flickr": "retrieval",
        "t2i": "generation",
        "t2iparti": "generation",
    }
