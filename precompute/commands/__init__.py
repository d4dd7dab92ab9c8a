"""The commands, a module for each kind; `python -m precompute` starts them."""
