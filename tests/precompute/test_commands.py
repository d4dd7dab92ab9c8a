"""`python -m precompute STEP`: help with an example, one message for an error, one line for a fault, honest exit codes."""

import re
import shutil
import subprocess
import sys

import pytest

from backend.study import ROOT
from precompute import __main__ as commands
from precompute.release import published
from tests.precompute.colour_shards import picture, write_shard
from tests.release_archive import HOSTILE, write_archive


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a command in this process: its exit code, and what it printed on stdout and stderr."""

    def run_command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["precompute", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            commands.main()
        printed = capsys.readouterr()
        return end.value.code or 0, printed.out, printed.err

    return run_command


@pytest.fixture
def study(small_study, tmp_path):
    """A copy of the small study, to break."""
    return shutil.copytree(small_study.folder, tmp_path / "study")


def test_program_lists_its_commands():
    done = subprocess.run([sys.executable, "-m", "precompute", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert {"published", "check"} <= set(re.findall(r"\w+", done.stdout))


@pytest.mark.parametrize("command", [command.callback.__name__ for command in commands.app.registered_commands])
def test_help_of_each_command_has_an_example(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"Example: python -m precompute {command}" in " ".join(out.split())


def test_unknown_command_and_option_are_refused(run):
    assert run("publish")[0] == 2
    assert run("published", "--sauce", "x")[0] == 2


def test_import_ends_with_its_books(run, tmp_path, small_archive):
    code, out, err = run("published", "--source", small_archive, "--out", tmp_path / "study")
    lines = out.splitlines()
    assert (code, lines[0]) == (0, "  concepts             102 rows")
    assert "  absent: misalignment of cc12m: no file" in lines
    assert "  fault:  search_counts/coco_cc3m_rampp0.7_search_counts.json: empty label (× 1)" in lines
    assert lines[-3:-1] == [
        "files: read 28 = written 28 + dropped 0",
        "values: read 520 = written 518 + dropped 2 (empty label: 2)",
    ]
    assert re.fullmatch(rf"{tmp_path}/study is complete after \d+\.\d s\.", lines[-1])
    assert f"Release: {small_archive}" in err


def test_second_import_says_that_there_is_nothing_to_do(run, tmp_path, small_archive):
    run("published", "--source", small_archive, "--out", tmp_path / "study")
    code, out, _ = run("published", "--source", small_archive, "--out", tmp_path / "study")
    assert code == 0
    assert out == (f"{tmp_path}/study is already built from small-main.tar.gz; nothing to do (--force builds it again).\n")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("absent.tar.gz", "No release at {source}. Name a folder, a .tar.gz file or a URL, or leave --source out."),
        ("[/bold] [red]", "No release at {source}. Name a folder, a .tar.gz file or a URL, or leave --source out."),
    ],
)
def test_error_is_one_line_without_traceback(run, tmp_path, source, message):
    source = tmp_path / source
    code, out, err = run("published", "--source", source, "--out", tmp_path / "study")
    assert (code, out, err) == (1, "", f"Error: {message.format(source=source)}\n")


def test_damaged_archive_is_one_error(run, tmp_path, small_archive):
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(small_archive.read_bytes()[:500])
    code, _, err = run("published", "--source", cut, "--out", tmp_path / "study")
    assert code == 1
    assert err.splitlines()[-1].startswith(f"Error: {cut} is not a whole .tar.gz archive")
    assert "Traceback" not in err
    assert not (tmp_path / "study").exists()


def test_full_disk_is_one_error(run, tmp_path, small_archive, monkeypatch):
    def full(folder, name, table):
        raise OSError(28, "No space left on device", str(folder))

    monkeypatch.setattr(published, "write_table", full)
    code, _, err = run("published", "--source", small_archive, "--out", tmp_path / "study")
    assert code == 1
    assert err.splitlines()[-1].startswith("Error: [Errno 28] No space left on device: ")
    assert err.splitlines()[-1].endswith("Make room on that disk and run again: what was finished before is kept.")


def test_hostile_entries_are_printed_and_the_import_succeeds(run, tmp_path):
    archive = write_archive(tmp_path / "main.tar.gz", [HOSTILE["parent path"], HOSTILE["negative count"]])
    code, out, _ = run("published", "--source", archive, "--out", tmp_path / "study")
    assert code == 0
    assert "  fault:  ../escape.json: path outside the release\n" in out
    assert "files: read 30 = written 29 + dropped 1 (path outside the release: 1)\n" in out
    assert run("check", "--study", tmp_path / "study")[0] == 0


def test_check_of_a_sound_study_says_so(run, small_study):
    assert run("check", "--study", small_study.folder)[:2] == (0, f"{small_study.folder}: no faults\n")


def test_check_prints_one_line_per_fault(run, study):
    (study / "tail.parquet").unlink()
    (study / "alignment.parquet").write_bytes(b"")
    code, out, _ = run("check", "--study", study)
    assert code == 1
    assert out.splitlines() == [
        "alignment: alignment.parquet is not the file that the manifest describes (sha256 differs)",
        "tail: listed in the manifest, but tail.parquet is missing",
        f"{study}: 2 faults",
    ]


def test_check_of_no_study_says_what_is_missing(run, tmp_path):
    code, out, _ = run("check", "--study", tmp_path)
    assert code == 1
    assert out.splitlines() == [
        f"manifest.json: missing in {tmp_path}, so no step has finished here",
        f"{tmp_path}: 1 fault",
    ]


# A study of one's own


@pytest.fixture
def begun(run, tmp_path):
    """A study of two concepts, and a shard of two samples beside it."""
    (tmp_path / "names.txt").write_text("Rose\nfern\n")
    write_shard(tmp_path / "a.tar", [("a rose", picture(128, 0, 0)), ("", picture(0, 0, 0))])
    code, out, _ = run("concepts", "--study", tmp_path / "mine", "--task", f"plants={tmp_path}/names.txt", "--title", "Mine")
    assert (code, out) == (0, f"  plants: 2 labels\n{tmp_path}/mine is complete.\n")
    return tmp_path / "mine"


def test_tasks_that_are_there_are_nothing_to_do(run, begun):
    code, out, _ = run("concepts", "--study", begun, "--task", f"plants={begun.parent}/names.txt")
    assert (code, out) == (0, f"{begun} has these tasks already; nothing to do.\n")


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        (["plants"], "'plants' is no task. Expected: --task NAME=CLASSNAMES.txt"),
        (["=names.txt"], "'=names.txt' is no task. Expected: --task NAME=CLASSNAMES.txt"),
        (["a=names.txt", "a=other.txt"], "'a=other.txt' names a task again. Expected: --task NAME=CLASSNAMES.txt"),
    ],
)
def test_task_that_is_none_is_one_error(run, tmp_path, tasks, message):
    code, _, err = run("concepts", "--study", tmp_path / "mine", *(word for task in tasks for word in ("--task", task)))
    assert (code, err) == (1, f"Error: {message}\n")


def test_what_was_read_is_shown_and_a_dry_run_writes_nothing(run, tmp_path):
    (tmp_path / "names.txt").write_text("id,name\n0,Zib\n1,&\n2,Zib\n")
    words = ["concepts", "--study", tmp_path / "mine", "--task", f"zoo={tmp_path}/names.txt"]
    code, out, err = run(*words, "--dry-run")
    assert (code, out) == (0, "Nothing was written (--dry-run).\n")
    assert err == (
        "zoo: 2 names, read as column “name” of a table: “Zib”, “&”\n"
        "  skipped: 1 heading, 1 repeated\n"
        "  named more than once, taken once: “Zib”\n"
        "  1 can be in no caption, having neither letter nor digit, and will count 0: “&”\n"
    )
    assert not (tmp_path / "mine").exists()
    assert run(*words)[0] == 0
    assert run("check", "--study", tmp_path / "mine")[0] == 0


def test_captions_and_prompts_become_tasks_of_their_kinds(run, tmp_path):
    (tmp_path / "a.csv").write_text("image,caption\n1,a hot dog\n2,hot dogs\n")
    (tmp_path / "b.csv").write_text("image,caption\n1,a cat\n2,a hot dog\n")
    (tmp_path / "prompts.txt").write_text("a zebra\ntwo zebras\n")
    captions = [f"--captions=mine={tmp_path}/{name}.csv" for name in "ab"]
    words = ["concepts", "--study", tmp_path / "mine", *captions, f"--prompts=draw={tmp_path}/prompts.txt", "--least", "2"]
    code, out, err = run(*words)
    assert (code, out.splitlines()[:2]) == (0, ["  mine: 1 labels", "  draw: 1 labels"])
    assert "mine: 1 names, read as nouns of at least 2 of 4 images (4 captions), by" in err
    assert run(*words)[1].endswith("has these tasks already; nothing to do.\n")
    code, out, _ = run(
        "concepts", "--study", tmp_path / "mine", f"--captions=mine={tmp_path}/a.csv", f"--task=mine={tmp_path}/prompts.txt"
    )
    assert code == 1


def test_synonyms_and_spellings_are_added_and_said(run, begun, tmp_path):
    (tmp_path / "other.yaml").write_text("rose: [Rosa]\ndog: hound\n")
    (tmp_path / "more.txt").write_text("hot dog\n")
    words = ["concepts", "--study", begun, "--task", f"food={tmp_path}/more.txt", "--synonyms", tmp_path / "other.yaml"]
    code, out, _ = run(*words, "--spellings")
    assert (code, out.splitlines()) == (
        0,
        [
            "  food: 1 labels",
            f"  1 other names of concepts from {tmp_path}/other.yaml",
            "  left out, for they are no concepts of the study: 1 (“dog”)",
            "  “hot dog” is also spelled “hotdog”",
            "  1 other spellings",
            f"{begun} is complete.",
        ],
    )
    assert run("check", "--study", begun)[0] == 0


def test_nothing_to_add_is_one_error(run, tmp_path):
    code, _, err = run("concepts", "--study", tmp_path / "mine")
    assert (code, err) == (
        1,
        "Error: Nothing to add. Name class names with --task, captions with --captions, or other names.\n",
    )


def test_index_ends_with_its_books_and_later_tasks_are_not_counted_in_it(run, begun):
    code, out, _ = run("index", "--study", begun, "--corpus", "web", "--shards", begun.parent / "*.tar")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "webdataset shards: 1 file, 1 samples"  # how it is read, before the work
    assert lines[-2].startswith("Kept for the runs to come: ")
    assert lines[-7:-2] == [
        "  samples              1 rows",
        "  hits                 3 rows",
        "  cooccurrences         0 rows",
        "samples: read 2 = written 1 + dropped 1 (no caption: 1)",
        "concepts: read 2 = written 2 + dropped 0",
    ]
    assert re.fullmatch(rf"{begun} is complete after \d+\.\d s\.", lines[-1])
    assert run("check", "--study", begun)[0] == 0
    _, out, _ = run("concepts", "--study", begun, "--task", f"more={begun.parent}/names.txt")
    assert "Not counted in web yet: index them again, which searches for what is new alone.\n" in out


def test_index_of_all_words_is_made_with_a_corpus_or_added_to_it(run, begun):
    words = ["index", "--study", begun, "--corpus", "web", "--shards", begun.parent / "*.tar"]
    assert "of the index of all words" not in run(*words)[1]
    code, out, _ = run(*words, "--terms", "all")
    assert code == 0
    assert "'web' is indexed just so; nothing to do." in out
    assert "captions of the index of all words: read 1 = written 1 + dropped 0\n" in out
    assert "words of the index of all words: read 2 = written 2 + dropped 0\n" in out
    assert (begun / "terms" / "web" / "meta.json").is_file()
    assert run("check", "--study", begun)[0] == 0
    code, _, err = run(*words, "--terms", "some")
    assert (code, err) == (
        1,
        "Error: 'some' is no choice of terms: --terms all indexes every word, and without it none is.\n",
    )


def test_scale_tells_what_an_indexed_corpus_would_take_at_other_sizes(run, begun):
    asked = ("scale", "--study", begun, "--corpus", "web", "--price", 0.04, "--machines", 2, "--cores", 4)
    assert run(*asked)[2] == (
        "Error: No run of 'web' was measured. This measures one: python -m precompute index "
        f"--study {begun} --corpus NAME --shards 'GLOB'\n"
    )
    run("index", "--study", begun, "--corpus", "web", "--shards", begun.parent / "*.tar")
    code, out, _ = run(*asked)
    lines = out.splitlines()
    assert code == 0
    assert lines[0].startswith("Captions alone. Measured on 2 samples of web (")
    told = r" pairs on 8 cores: at most .+ merging\), .+ core hours for .+ of memory a machine, .+ and .+ kept beside it\."
    for pairs, line in zip(("414,080,000", "5,000,000,000"), lines[1:], strict=True):
        assert re.fullmatch(f"  {pairs}{told}", line)
    assert run(*asked, "--pairs", 1000)[1].splitlines()[1].startswith("  1,000 pairs on 8 cores: at most ")
    shutil.rmtree(begun.with_name(f".{begun.name}.index"))
    assert run(*asked)[1] == out  # the study itself says what its runs took


def test_dry_run_of_index_shows_the_layout_foretells_and_leaves_the_study(run, begun):
    before = (begun / "manifest.json").read_bytes()
    code, out, _ = run("index", "--study", begun, "--corpus", "web", "--shards", begun.parent / "*.tar", "--dry-run")
    lines = out.splitlines()
    assert (code, lines[0]) == (0, "webdataset shards: 1 file, 1 samples")
    assert re.match(r"Foretold from 1 of about 1 samples: .+, [\d.]+ [MG]B of memory, ", lines[-2])
    assert lines[-1] == "Nothing was written: leave --dry-run out to index it."
    assert (begun / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shards", "absent.tar"], "'absent.tar' matches no file."),
        (["--shards", "a.tar", "--tagger", "x", "--thresholds", "high"], "'high' are no thresholds. Expected numbers"),
        (["--shards", "a.tar", "--image-hits", "absent.csv"], "No file of image hits at absent.csv."),
    ],
)
def test_index_of_what_is_not_there_is_one_error(run, begun, monkeypatch, arguments, message):
    monkeypatch.chdir(begun.parent)
    code, out, err = run("index", "--study", begun, "--corpus", "web", *arguments)
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith(f"Error: {message}")
