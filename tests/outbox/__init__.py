"""Own actions on their way into the trail."""
