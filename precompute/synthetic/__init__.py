"""The embedded study: a world of invented species in which every true frequency is known."""
