"""Rules of the house: sizes, names, imports, words. Each says why it is there."""
