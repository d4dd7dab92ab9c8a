"""Files of image-text pairs in, samples with their images out."""
