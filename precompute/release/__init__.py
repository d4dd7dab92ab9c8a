"""The paper's released results, read and turned into a study."""
