"""What both doors share of HTTP."""
