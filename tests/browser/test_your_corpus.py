"""A person hands in a file of captions and reads what it hardly shows."""

TITLE = "What is in your corpus, and what does it hardly show?"


def test_person_hands_in_captions_reads_what_they_lack_and_takes_the_list(small_server, visit, tmp_path):
    (tmp_path / "mine.csv").write_text("caption\na rose in a garden\nroses & a crane\nnothing\n")
    visitor = visit(f"{small_server}/your_corpus?whose=A+file+of+mine")
    assert visitor.title == TITLE
    page = visitor.page
    page.locator("input[type=file]").set_input_files(tmp_path / "mine.csv")
    page.get_by_role("button", name="Remove mine.csv").wait_for()
    page.get_by_label("Class names to look for").fill("rose\ncrane\nflamingo\n")
    page.get_by_role("button", name="Count").click()
    page.get_by_text("1 of 3 concepts never occur").wait_for()
    assert "mine.csv: 3 pairs, 0 dropped." in visitor.wait().text
    page.get_by_role("radio", name="Concepts").click()
    page.get_by_text("Never shown (1 of 3)").wait_for()
    visitor.open_menu(page.locator("[data-testid=stPopoverButton]").last)
    with page.expect_download() as got:
        page.get_by_role("button", name="Data (CSV)").click()
    assert got.value.path().read_text() == "concept,task\nflamingo,your classes\n"
    page.get_by_role("button", name="Forget mine.csv").click()
    page.get_by_text("kept nowhere").wait_for()
    assert "never occur" not in visitor.wait().text


def test_report_fits_a_phone(world_server, visit):
    visitor = visit(f"{world_server}/your_corpus", width=390)
    visitor.page.get_by_text("concepts never occur").wait_for()
    assert visitor.fits()
