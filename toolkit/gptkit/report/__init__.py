"""Result -> files for people to read."""
