"""Starts the app's server with everything loaded, so that the first visitor does not wait 4 s for imports.

    .venv/bin/python scripts/serve.py [options of streamlit run]

`streamlit run app.py` serves the same app, but loads pandas, scipy and plotly when the first page is asked for.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from streamlit.web import cli

import backend.charts  # noqa: F401
import backend.overview  # noqa: F401
import backend.quality  # noqa: F401
import backend.tail  # noqa: F401
import backend.testset  # noqa: F401
import pages.ui.blocks  # noqa: F401
import pages.ui.controls  # noqa: F401
import pages.ui.disagreements  # noqa: F401
import pages.ui.examples  # noqa: F401
import pages.ui.probe_experiments  # noqa: F401

if __name__ == "__main__":
    sys.argv = ["streamlit", "run", str(ROOT / "app.py"), *sys.argv[1:]]
    cli.main()
