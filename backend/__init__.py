"""Pure Python over one study's tables; knows no Streamlit."""
