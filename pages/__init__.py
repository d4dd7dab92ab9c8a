"""One file per page; a page asks, the backend answers."""
