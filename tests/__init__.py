"""The suite: folders mirror the packages; each test states one promise in its name."""
