"""Which samples show which concepts, in the text and in the image, merged into tables."""
