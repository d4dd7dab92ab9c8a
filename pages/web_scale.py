"""What would a corpus of any size take? Time, memory, disk and money, told from what indexing another one took."""

import pandas as pd
import streamlit as st

from backend import scale
from backend.quantities import spell_bytes, spell_seconds
from backend.scale import PRESETS, Bill, Fleet, Measured
from backend.study import Study
from pages.ui.address import current_study
from pages.ui.blocks import show_table, show_title
from pages.ui.choice import read_choice
from pages.ui.controls import choose_word
from pages.ui.corpus_beside import list_open_studies
from pages.ui.text import escape

OTHER, CAPTIONS, IMAGES = "Another size", "Captions alone", "Captions and images"
PAIRS, MOST = 1_000_000_000, 10**13
MACHINES, CORES, PRICE = 4, 16, 1.0  # to begin with; a price that shows that it is none
_NUMBER = st.column_config.NumberColumn
COLUMNS = {
    "step": st.column_config.TextColumn("Step", pinned=True),
    "time": st.column_config.TextColumn("Time", help="By the clock"),
    "memory": _NUMBER("Memory, GB", format="%.1f", help="Of one machine, at most"),
    "space": st.column_config.TextColumn("Disk", help="Of all machines: the folder that they share"),
    "money": _NUMBER("Price", format="%.2f", help="All machines are paid while a step goes on"),
    "disk": None,
    "seconds": None,
    "hours": None,
}


def tell_bill(name: str, bill: Bill, looks: str, *, assumed: bool) -> str:
    """The answer in two sentences."""
    fleet = bill.fleet
    machines = f"{fleet.machines:,} machine{'s' if fleet.machines > 1 else ''} of {fleet.cores:,} cores"
    price = f"an assumed price of {fleet.price:,.2f}" if assumed else f"{fleet.price:,.2f}"
    return (
        f"{escape(name)}, {looks.lower()}: between **{spell_seconds(bill.least)}** and **{spell_seconds(bill.seconds)}** on "
        f"{machines}, with **{spell_bytes(bill.memory_of_machine)}** of memory each and **{spell_bytes(bill.disk)}** of disk "
        f"together. At {escape(price)} a machine and hour that costs at most **{bill.money:,.2f}**."
    )


def tell_assumptions(measured: Measured) -> str:
    """What the figures rest on, and what they leave out."""
    run = measured.run
    small = (
        f" So small a run overstates what a large one takes: of its time, what any run takes alike is counted for each of its "
        f"{run.searched:,} samples. Index {scale.SURE:,} or more for a better measure."
    )
    return (
        escape(scale.tell_run(measured))
        + (escape(small) if run.searched < scale.SURE else "")
        + "\n\nAssumed: every step grows in proportion to the pairs, every core is as fast as the measured ones (a GPU is not "
        "counted, and would look at images many times faster), and the disk and the network keep up with all of them. Merging "
        "is counted by no more cores than the measured run had in the table and in the longest time, and spread over all of "
        "them in the shortest: its jobs are spread, how evenly was not measured. Not counted: fetching the corpus and keeping "
        "it."
    )


def show_commands(study: Study, fleet: Fleet, *, images: bool) -> None:
    """How to run it on one machine, and on several."""
    command = scale.tell_command(study, images=images)
    st.markdown("**The command**, on one machine:")
    st.code(f"{command} --processes {fleet.cores}", language="bash", wrap_lines=True)
    st.markdown("On several that share the study's folder and the shards at the same paths, by Ray:")
    st.code(
        "ray start --head --port 6379           # on the first machine\n"
        "ray start --address HOST:6379          # on each of the others\n"
        f"{command} --ray HOST:6379",
        language="bash",
        wrap_lines=True,
    )


study = current_study()
study.require("corpora")
show_title("What would a corpus of any size take?", "")
head = st.container()
left, right = st.columns(2)
with left:
    size = choose_word("Pairs", [*PRESETS, OTHER], "size")
with right:
    looks = choose_word("What is searched", [CAPTIONS, IMAGES], "looks")
images = looks == IMAGES
pairs = PRESETS.get(size)
if pairs is None:
    pairs = int(st.number_input("How many pairs", 1, MOST, PAIRS, 1_000_000, key="pairs", bind="query-params"))
name = f"{size} ({pairs:,} pairs)" if size == "LAION-400M" else f"{pairs:,} pairs"

every = [*scale.list_runs(list_open_studies(study)), scale.read_own_run()]
runs = scale.fit_runs(every, read_choice(study).corpus, images=images)
if not runs:
    st.info(
        "No run that looked at images was measured, in this study or another one here. This measures one, on shards of yours, "
        f"and {scale.SURE:,} pairs or more are a good measure:",
        icon=":material/info:",
    )
    st.code(scale.tell_command(study, images=images), language="bash")
    st.stop()

with st.expander("Machines, price and measure", expanded=True):
    columns = st.columns([1, 1, 1, 2])
    with columns[0]:
        machines = int(st.number_input("Machines", 1, 100_000, MACHINES, key="machines", bind="query-params"))
    with columns[1]:
        cores = int(st.number_input("Cores of each", 1, 1024, CORES, key="cores", bind="query-params"))
    with columns[2]:
        price = float(st.number_input("Price of one, an hour", 0.0, 1e6, PRICE, key="price", bind="query-params"))
    titles = {f"{one.told}, {one.run.searched:,} samples": one for one in reversed(runs)}
    with columns[3]:
        chosen = st.selectbox("Measured on", list(reversed(titles)), key="measure_run", bind="query-params")
measured = titles[chosen]
fleet = Fleet(machines, cores, price)
bill = scale.price_corpus(scale.measure_rates(measured.run, images=images), pairs, fleet)
head.markdown(tell_bill(name, bill, looks, assumed=price == PRICE))
steps = bill.tabulate()
space = ["" if pd.isna(disk) else spell_bytes(disk * 1e9) for disk in steps["disk"]]
steps = steps.assign(time=steps["seconds"].map(spell_seconds), space=space)
show_table(steps[list(COLUMNS)], "web-scale", columns=COLUMNS)
st.caption(tell_assumptions(measured))
show_commands(study, fleet, images=images)
