"""OpenCLIP models: loaded, fetched, asked; the only room that loads one."""
