"""What a corpus would take is what a smaller one took, in proportion; more cores spare time but no core hours."""

from dataclasses import replace

import pytest

from backend.errors import EmptySelection
from backend.manifest import RunEntry
from backend.scale import (
    PRESETS,
    SURE,
    Fleet,
    Measured,
    Rates,
    fit_runs,
    list_runs,
    measure_rates,
    price_corpus,
    read_own_run,
    tell_command,
    tell_run,
)
from tests.tiny_study import animal_rows, write_study

RUN = RunEntry(
    began="2026-11-05T20:51:20+00:00",
    machine="a processor, 2 cores, 8.0 GB",
    processes=2,
    searched=2000,
    indexed=1800,
    core_seconds={"reading": 13.0, "text": 3.0, "images": 0.0},
    stages={"recognizing": 2.0, "searching": 4.0, "merging": 0.9, "describing": 0.36, "telling languages": 2.5},
    memory=3 * 10**8,
    peak=10**9,
    study_bytes=180_000,
    kept_bytes=90_000,
)
LOOKED = replace(RUN, core_seconds=RUN.core_seconds | {"images": 4.0}, tagger="ViT-B-32:openai")
NOTHING = Rates({"reading": 0.0}, {"merging": 0.0, "describing": 0.0}, 100.0, 50.0, 10**8, 1, 0.0, 1)


def test_rates_are_core_seconds_of_a_sample_read_and_bytes_of_one_indexed():
    rates = measure_rates(RUN, images=False)
    # 16 core seconds within 4 s: four at once, in recognizing too
    assert rates.core_seconds == {"recognizing": 8.0 / 1800, "reading": 13.0 / 2000, "text": 3.0 / 2000, "images": 0.0}
    assert rates.alone == {"merging": 0.9 / 1800, "describing": 0.36 / 1800}
    assert (rates.once, rates.study_bytes, rates.kept_bytes) == (2.5, 100.0, 50.0)
    assert (rates.memory, rates.peak, rates.measured) == (3 * 10**8, 10**9, 2000)


def test_images_count_where_they_are_asked_for_and_a_run_without_them_does_not_tell():
    assert measure_rates(LOOKED, images=True).core_seconds["images"] == 4.0 / 2000
    assert measure_rates(LOOKED, images=False).core_seconds["images"] == 0.0
    with pytest.raises(EmptySelection, match="captions alone"):
        measure_rates(RUN, images=True)


def test_cores_spare_time_but_no_core_hours_of_searching():
    rates = replace(NOTHING, core_seconds={"reading": 3e-3, "text": 1e-3})
    few, many = (price_corpus(rates, 9_000_000, Fleet(machines, 10, 5.0)) for machines in (1, 10))
    assert (few.seconds, many.seconds) == (3600.0, 360.0)
    assert (few.core_hours, many.core_hours, few.money, many.money) == (10.0, 10.0, 5.0, 5.0)
    assert (few.memory_of_machine, many.memory_of_machine) == (10**9, 10**9)
    assert (few.study_bytes, few.kept_bytes, few.disk) == (9e8, 4.5e8, 1.35e9)


def test_merging_is_not_spread_and_all_machines_are_paid_meanwhile():
    bill = price_corpus(replace(NOTHING, alone={"merging": 1e-3, "describing": 0.0}), 3_600_000, Fleet(10, 1, 1.0))
    assert (bill.seconds, bill.core_hours, bill.money) == (3600.0, 10.0, 10.0)
    assert (bill.least, bill.alone) == (360.0, 3600.0)  # at best, ten cores share it


def test_merging_is_spread_from_as_many_processes_as_were_measured():
    rates = replace(NOTHING, alone={"merging": 1e-3, "describing": 0.0}, processes=4)
    bill = price_corpus(rates, 3_600_000, Fleet(10, 2, 1.0))
    assert (bill.seconds, bill.least) == (3600.0, 720.0)  # four cores' work on twenty
    few = price_corpus(rates, 3_600_000, Fleet(1, 2, 1.0))
    assert (few.seconds, few.least) == (7200.0, 7200.0)  # four cores' work on two


def test_languages_take_the_same_whatever_the_size():
    rates = replace(NOTHING, once=7.0)
    assert [price_corpus(rates, pairs, Fleet(1, 1, 0.0)).seconds for pairs in (1, 10**9)] == [7.0, 7.0]


def test_steps_of_a_bill_are_rows_that_add_up():
    bill = price_corpus(measure_rates(RUN, images=False), 3_600_000, Fleet(2, 8, 2.0))
    rows = bill.tabulate().set_index("step")
    assert list(rows.index) == [
        "Recognizing the shards", "Reading", "Searching captions", "Merging", "Describing captions", "Telling languages"
    ]  # fmt: skip
    assert rows.loc["Reading", "hours"] == pytest.approx(13 / 2000 * 3_600_000 / 16 / 3600)
    assert rows["seconds"].sum() == pytest.approx(bill.seconds)
    assert rows["money"].sum() == pytest.approx(bill.money)
    assert rows["disk"].sum() == pytest.approx(bill.disk / 1e9)
    assert rows["memory"].to_dict()["Reading"] == 2.4 and rows["memory"].to_dict()["Merging"] == 1.0


def test_bill_is_a_sentence():
    rates = replace(NOTHING, core_seconds={"reading": 3.6e-3}, study_bytes=1000.0, kept_bytes=500.0, memory=2 * 10**8)
    assert price_corpus(rates, PRESETS["5 billion pairs"], Fleet(10, 10, 0.4)).describe() == (
        "5,000,000,000 pairs on 100 cores: at most 50.0 h (0.0 s of it merging), 5,000.0 core hours for 200.00, 2.0 GB of "
        "memory a machine, 5.0 TB of disk for the study and 2.5 TB kept beside it."
    )


def test_runs_are_of_the_study_at_hand_first_and_the_largest_of_each_first(tmp_path):
    def entry(run: RunEntry) -> dict:
        return vars(run)

    small = replace(RUN, searched=5)
    here = write_study(tmp_path / "here", animal_rows(), manifest={"title": "Here", "runs": {"small": [entry(small)]}})
    runs = {"large": [entry(RUN), entry(LOOKED)], "small": [entry(small)]}
    there = write_study(tmp_path / "there", animal_rows(), manifest={"title": "There", "runs": runs})
    found = list_runs([here, there])
    assert [(one.study, one.corpus, one.run) for one in found] == [
        (here, "small", small), (there, "large", RUN), (there, "large", LOOKED), (there, "small", small)
    ]  # fmt: skip
    assert [one.has_images for one in found] == [False, False, True, False]
    assert found[0].title == "SMALL"
    assert list_runs([write_study(tmp_path / "none", animal_rows())]) == []


def test_run_that_comes_with_the_program_is_a_measure_and_gives_way_to_any_of_ones_own(tmp_path):
    own = read_own_run()
    assert own.run.searched == own.run.indexed >= SURE
    assert sum(own.run.core_seconds.values()) <= own.run.processes * own.run.stages["searching"] * 1.1
    assert measure_rates(own.run, images=False).study_bytes > 10
    study = write_study(tmp_path / "mine", animal_rows(), manifest={"runs": {"small": [vars(RUN)]}})
    assert [one.run for one in fit_runs([*list_runs([study]), own], None, images=False)] == [RUN, own.run]
    assert fit_runs([own], None, images=True) == []


def test_run_is_told_with_corpus_day_and_machine(tmp_path):
    study = write_study(tmp_path / "mine", animal_rows(), manifest={"title": "Mine"})
    assert tell_run(Measured(study, "web", "The web", LOOKED)) == (
        "Measured on 2,000 samples of The web (Mine), captions and their images by ViT-B-32:openai, on 5 November 2026: "
        "2 processes of a machine with a processor, 2 cores, 8.0 GB."
    )
    assert tell_command(study, images=True).endswith("/mine --corpus NAME --shards 'GLOB' --tagger MODEL")
