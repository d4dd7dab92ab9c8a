"""A figure as a file that a paper can take: a vector drawing with its title and a line that says what it shows."""
