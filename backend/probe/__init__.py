"""An image in, what a model makes of it out, beside what the study knows."""
